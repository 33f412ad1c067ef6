// Runs programs that throw and catch in a JavaScript engine, and compares what they give with what
// the model of upshift_tests::throws says. Other lines of the input are passed over.
//
//     cargo run --release -p upshift-tests --bin fuzz -- --throws --peer-lines --threads 1 > lines
//     node tests/peers/throws.mjs lines
import { readFileSync } from "node:fs";

const TYPES = { I32: "i32", I64: "i64", F32: "f32", F64: "f64", Func: "anyfunc", Extern: "externref" };
const ROUNDS = 3;

// A value that the host makes of a number: references are null.
function make(type, n) {
  n |= 0;
  switch (type) {
    case "I32": case "F64": return n;
    case "I64": return BigInt.asIntN(64, BigInt(n >>> 0) * 0x100000001n);
    case "F32": return n & 0xffffff;
    default: return null;
  }
}

// The number of a field of an exception; nothing for references.
function number(type, exception, tag, index) {
  switch (type) {
    case "I32": case "F32": case "F64": return exception.getArg(tag, index) | 0;
    case "I64": return Number(BigInt.asIntN(32, exception.getArg(tag, index) >> 32n));
    default: return undefined;
  }
}

class Machine {
  constructor(program) {
    this.fields = program.tags[0];
    this.runs = [[], []];
    this.callbacks = 0;
    const host = [0, 1].map(() => new WebAssembly.Tag({ parameters: this.fields.map((t) => TYPES[t]) }));
    this.known = host.map((tag, identity) => ({ tag, identity, fields: this.fields }));
    const module = new WebAssembly.Module(Buffer.from(program.module, "hex"));
    const results = program.next.map((type, i) => make(type, 7 + i));
    let next = () => (results.length === 1 ? results[0] : results);
    let second = host[program.alias ? 0 : 1];
    for (const index of [0, 1]) {
      const tags = [host[0], second];
      const imports = {
        op: (op, arg) => this.op(op, arg),
        throw: (...values) => { throw new WebAssembly.Exception(host[0], values); },
        next,
        again: () => {},
        // Both tags are imported by one name.
        get tag() { return tags.shift(); },
      };
      const { exports } = new WebAssembly.Instance(module, { host: imports });
      program.tags.forEach((fields, tag) => {
        if (tag >= 2) this.known.push({ tag: exports[`tag${tag}`], identity: 16 * index + tag, fields });
      });
      for (let f = 0; f < program.called; f++) this.runs[index].push(exports[`run${f}`]);
      next = exports.next;
      second = program.cross ? exports.tag2 : host[1];
    }
  }

  throwFields(tag, n) {
    throw new WebAssembly.Exception(tag, this.fields.map((type, i) => make(type, n + i)));
  }

  seen(exception) {
    const found = this.known.find(({ tag }) => exception.is(tag));
    const numbers = found.fields.map((type, i) => number(type, exception, found.tag, i));
    const mix = (sum, n) => (Math.imul(sum, 31) + n) | 0;
    return numbers.filter((n) => n !== undefined).reduce(mix, found.identity);
  }

  op(op, arg) {
    if (op === 1) this.throwFields(this.known[0].tag, arg);
    if (op === 2) this.throwFields(this.known.find((k) => k.identity === 2 + 16 * (arg & 1)).tag, arg);
    if (op < 3 || op > 6) return (Math.imul(arg, 3) + 1) | 0;
    if (this.callbacks > 0) return -1;
    const runs = this.runs[arg & 1];
    this.callbacks++;
    try {
      return runs[((arg >> 1) & 7) % runs.length](arg & 3);
    } catch (error) {
      if (!(error instanceof WebAssembly.Exception)) throw error;
      if (op === 4) return this.seen(error);
      if (op === 6) this.throwFields(this.known[0].tag, this.seen(error));
      throw error;
    } finally {
      this.callbacks--;
    }
  }

  run(instance, f, round) {
    try {
      return `v${this.runs[instance][f](round)}`;
    } catch (error) {
      if (error instanceof WebAssembly.Exception) return `e${this.seen(error)}`;
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      if (/divide by zero/.test(error.message)) return "tinteger divide by zero";
      return /null/.test(error.message) ? "tnull" : `t${error.message}`;
    }
  }
}

let [programs, calls, different] = [0, 0, 0];
for (const line of readFileSync(process.argv[2], "utf8").split("\n")) {
  if (!line.startsWith("{")) continue;
  const program = JSON.parse(line);
  const machine = new Machine(program);
  programs++;
  const given = [];
  for (let round = 0; round < ROUNDS; round++) {
    for (const instance of [1, 0]) {
      for (let f = 0; f < program.called; f++) given.push(machine.run(instance, f, round));
    }
  }
  calls += given.length;
  const at = given.findIndex((outcome, i) => outcome !== program.expected[i]);
  if (at >= 0 || given.length !== program.expected.length) {
    different++;
    console.log(`program ${programs - 1}, call ${at}: ${given[at]}, not ${program.expected[at]}`);
  }
}
console.log(`${programs} programs, ${calls} calls, ${different} programs differ`);
process.exitCode = different > 0 ? 1 : 0;
