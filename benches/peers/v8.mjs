// Runs, compiles or instantiates a module with V8 (Node.js) and reports times, so that V8
// is measured in the same way as Upshift.
//
//   node [V8 flags] v8.mjs compile FILE [--reps N]
//   node [V8 flags] v8.mjs run     FILE [--dir HOST[::GUEST]]... [--] ARGS...
//   node [V8 flags] v8.mjs inst    FILE [--invoke F] [--reps N]
//
// V8 flags choose the tiers: none for lazy Liftoff with TurboFan on top, --liftoff-only,
// or --no-liftoff --no-wasm-lazy-compilation for TurboFan at once.
// The result is one line "@@{json}" of milliseconds (microseconds for inst) and bytes, on standard
// output for compile and inst, on standard error for run.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { WASI } from 'node:wasi';

const ROUNDS = 5;

const milliseconds = ({ user, system }) => (user + system) / 1e3;
const threadCpu = () => milliseconds(process.threadCpuUsage());
const processCpu = () => milliseconds(process.cpuUsage());
const peakRssBytes = () => 1024 * Number(/^VmHWM:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
const median = (numbers) => numbers.sort((a, b) => a - b)[numbers.length >> 1];
const result = (object) => `@@${JSON.stringify(object)}\n`;

function parse([mode, file, ...rest]) {
  const options = { mode, file, dirs: {}, invoke: null, reps: 1, args: [] };
  while (rest.length > 0 && rest[0].startsWith('--')) {
    const flag = rest.shift();
    if (flag === '--') break;
    const value = rest.shift();
    if (flag === '--dir') {
      const [host, guest] = value.split('::');
      options.dirs[guest ?? '.'] = host;
    } else if (flag === '--invoke') options.invoke = value;
    else if (flag === '--reps') options.reps = Number(value);
    else throw new Error(`unknown option ${flag}`);
  }
  options.args = rest;
  return options;
}

function importsOf(module, options, marks) {
  const imports = { bench: { start: () => marks.push([performance.now(), threadCpu()]) } };
  imports.bench.end = imports.bench.start;
  const versions = { wasi_snapshot_preview1: 'preview1', wasi_unstable: 'unstable' };
  const needed = WebAssembly.Module.imports(module).map((item) => item.module);
  const name = Object.keys(versions).find((candidate) => needed.includes(candidate));
  if (!name) return [imports, null];
  const wasi = new WASI({
    version: versions[name],
    args: [path.basename(options.file), ...options.args],
    env: process.env,
    preopens: options.dirs,
    returnOnExit: true,
  });
  imports[name] = wasi.wasiImport;
  return [imports, wasi];
}

function measureCompile(bytes, options) {
  const wall = [];
  const cpu = [];
  for (let i = 0; i < options.reps; i++) {
    // V8 keeps compiled modules by their bytes: a byte of a custom section makes each one new.
    const fresh = new Uint8Array(bytes.length + 4);
    fresh.set(bytes);
    fresh.set([0, 2, 1, 65 + (i % 26)], bytes.length);
    const from = [performance.now(), processCpu()];
    new WebAssembly.Module(fresh);
    wall.push(performance.now() - from[0]);
    cpu.push(processCpu() - from[1]);
  }
  const figures = { bytes: bytes.length, wall_ms: median(wall), cpu_ms: median(cpu) };
  process.stdout.write(result({ ...figures, wall_min_ms: wall[0], cpu_min_ms: cpu[0] }));
}

function measureRun(bytes, options) {
  const marks = [];
  const start = [performance.now(), processCpu()];
  const module = new WebAssembly.Module(bytes);
  const compiled = [performance.now(), processCpu()];
  const [imports, wasi] = importsOf(module, options, marks);
  const instance = new WebAssembly.Instance(module, imports);
  const from = [performance.now(), threadCpu()];
  const status = wasi ? wasi.start(instance) : instance.exports._start();
  const to = [performance.now(), threadCpu()];
  const timed = marks.length >= 2;
  process.stderr.write(
    result({
      compile_ms: compiled[0] - start[0],
      compile_cpu: compiled[1] - start[1],
      inst_ms: from[0] - compiled[0],
      run_ms: to[0] - from[0],
      run_cpu: to[1] - from[1],
      bench_ms: timed ? marks.at(-1)[0] - marks[0][0] : -1,
      bench_cpu: timed ? marks.at(-1)[1] - marks[0][1] : -1,
      total_cpu: processCpu(),
      peak_rss_bytes: peakRssBytes(),
    }),
  );
  process.exitCode = status ?? 0;
}

function measureInstantiate(bytes, options) {
  const module = new WebAssembly.Module(bytes);
  const [imports] = importsOf(module, options, []);
  const rounds = [];
  for (let round = 0; round < ROUNDS; round++) {
    const from = threadCpu();
    for (let i = 0; i < options.reps; i++) {
      const instance = new WebAssembly.Instance(module, imports);
      if (options.invoke) instance.exports[options.invoke]();
    }
    rounds.push(((threadCpu() - from) / options.reps) * 1e3);
  }
  const middle = median(rounds);
  process.stdout.write(result({ us_per_inst: middle, us_min: rounds[0] }));
}

const options = parse(process.argv.slice(2));
const bytes = readFileSync(options.file);
const measures = { compile: measureCompile, run: measureRun, inst: measureInstantiate };
if (!(options.mode in measures)) throw new Error(`unknown mode ${options.mode}`);
measures[options.mode](bytes, options);
if (options.mode !== 'run') process.exit(0);
