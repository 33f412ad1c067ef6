// Calls the functions of `wasm:js-string` that a JavaScript engine has, by way of js_strings.wat in binary
// form, and tells what they give, as tests/tests/api/js_strings.rs expects it of ours:
//
//     node tests/peers/js_strings.mjs js_strings.wasm
import { readFileSync } from "node:fs";

const STRINGS = [...Array(14).keys()];
const NUMBERS = [
  0, 1, 2, 3, 4, 5, 6, 383, 384, 0xd834, 0xdd1e, 0xffff, 0x10000, 0x10061, 0x1d11e, 0x10ffff,
  0x110000, 0x7fffffff, -0x80000000, -1,
];
const FUNCTIONS = [
  ["cast", STRINGS], ["test", STRINGS], ["length", STRINGS],
  ["charCodeAt", STRINGS, NUMBERS], ["codePointAt", STRINGS, NUMBERS],
  ["concat", STRINGS, STRINGS], ["equals", STRINGS, STRINGS], ["compare", STRINGS, STRINGS],
  ["substring", STRINGS, NUMBERS, NUMBERS],
  ["fromCharCode", NUMBERS], ["fromCodePoint", NUMBERS],
  ["intoCharCodeArray", STRINGS, NUMBERS], ["fromCharCodeArray", NUMBERS, NUMBERS], ["fromNull"],
];

const module = new WebAssembly.Module(readFileSync(process.argv[2]), { builtins: ["js-string"] });
const { exports } = new WebAssembly.Instance(module, { host: { other: () => ({}) } });
for (const [name, ...domains] of FUNCTIONS) {
  let lists = [[]];
  for (const domain of domains) {
    lists = lists.flatMap((list) => domain.map((value) => [...list, value]));
  }
  let failures = 0;
  let hash = 0;
  for (const list of lists) {
    let outcome = 0xdead;
    try {
      outcome = exports[name](...list);
    } catch {
      failures += 1;
    }
    hash = (Math.imul(hash, 31) + outcome) | 0;
  }
  console.log(`("${name}", ${lists.length}, ${failures}, ${hash}),`);
}
