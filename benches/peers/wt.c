// Runs, compiles or instantiates a module with Wasmtime through its C API and reports
// times, so that Wasmtime is measured in the same way as Upshift.
//
//   wt compile FILE [--winch] [--parallel] [--reps N]
//   wt run     FILE [--winch] [--parallel] [--dir HOST[::GUEST]]... [--invoke F] [--reps N] [--stub] [--] ARGS...
//   wt inst    FILE [--winch] [--pool] [--invoke F] [--reps N]
//
// The result is one line "@@{json}" of milliseconds (microseconds for inst) and bytes, on standard
// output for compile and inst, on standard error for run. CPU times of compile and total
// are those of the process, the others those of the calling thread.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wasi.h>
#include <wasm.h>
#include <wasmtime.h>

enum { MAX_DIRS = 8, MAX_VALUES = 8, ROUNDS = 5 };

typedef struct {
  const char *mode, *file, *invoke;
  char *dirs[MAX_DIRS];
  int dir_count, reps, winch, parallel, pool, stub, arg_count;
  char **args;
} Options;

typedef struct {
  double wall, cpu;
} Instant;

static Instant bench_from = {-1, -1}, bench_to = {-1, -1};

static double clock_ms(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static Instant thread_now(void) {
  return (Instant){clock_ms(CLOCK_MONOTONIC), clock_ms(CLOCK_THREAD_CPUTIME_ID)};
}

static Instant process_now(void) {
  return (Instant){clock_ms(CLOCK_MONOTONIC), clock_ms(CLOCK_PROCESS_CPUTIME_ID)};
}

// The largest resident set of this process so far; 0 if the kernel does not say.
static double peak_rss_bytes(void) {
  char line[256];
  double kilobytes = 0;
  FILE *status = fopen("/proc/self/status", "r");
  if (!status) return 0;
  while (fgets(line, sizeof line, status)) {
    if (!strncmp(line, "VmHWM:", 6)) kilobytes = atof(line + 6);
  }
  fclose(status);
  return kilobytes * 1024;
}

static void fail(const char *what, wasmtime_error_t *error, wasm_trap_t *trap) {
  wasm_byte_vec_t message = {0, NULL};
  int status = 1;
  if (error && wasmtime_error_exit_status(error, &status)) exit(status);
  if (error) wasmtime_error_message(error, &message);
  if (trap) wasm_trap_message(trap, &message);
  fprintf(stderr, "wt: %s: %.*s\n", what, (int)message.size, message.data);
  exit(status);
}

static void check(const char *what, wasmtime_error_t *error, wasm_trap_t *trap) {
  if (error || trap) fail(what, error, trap);
}

static wasm_trap_t *mark(void *instant, wasmtime_caller_t *caller, const wasmtime_val_t *args,
                         size_t arg_count, wasmtime_val_t *results, size_t result_count) {
  (void)caller, (void)args, (void)arg_count, (void)results, (void)result_count;
  *(Instant *)instant = thread_now();
  return NULL;
}

static Options parse(int argc, char **argv) {
  Options o = {.reps = 1};
  if (argc < 3) fail("usage: wt compile|run|inst FILE [options]", NULL, NULL);
  o.mode = argv[1], o.file = argv[2];
  int i = 3;
  for (; i < argc && argv[i][0] == '-'; i++) {
    if (!strcmp(argv[i], "--")) { i++; break; }
    int has_value = i + 1 < argc;
    if (!strcmp(argv[i], "--winch")) o.winch = 1;
    else if (!strcmp(argv[i], "--parallel")) o.parallel = 1;
    else if (!strcmp(argv[i], "--pool")) o.pool = 1;
    else if (!strcmp(argv[i], "--stub")) o.stub = 1;
    else if (!strcmp(argv[i], "--reps") && has_value) o.reps = atoi(argv[++i]);
    else if (!strcmp(argv[i], "--invoke") && has_value) o.invoke = argv[++i];
    else if (!strcmp(argv[i], "--dir") && has_value && o.dir_count < MAX_DIRS) o.dirs[o.dir_count++] = argv[++i];
    else fail(argv[i], NULL, NULL);
  }
  o.args = argv + i, o.arg_count = argc - i;
  return o;
}

static wasm_byte_vec_t read_module(const char *path) {
  wasm_byte_vec_t bytes;
  FILE *file = fopen(path, "rb");
  if (!file) fail(path, NULL, NULL);
  fseek(file, 0, SEEK_END);
  size_t size = (size_t)ftell(file);
  rewind(file);
  wasm_byte_vec_new_uninitialized(&bytes, size);
  if (fread(bytes.data, 1, size, file) != size) fail(path, NULL, NULL);
  fclose(file);
  return bytes;
}

static wasm_engine_t *new_engine(const Options *o) {
  wasm_config_t *config = wasm_config_new();
  if (o->winch) wasmtime_config_strategy_set(config, WASMTIME_STRATEGY_WINCH);
  wasmtime_config_parallel_compilation_set(config, o->parallel != 0);
  if (o->pool) {
    wasmtime_pooling_allocation_config_t *pool = wasmtime_pooling_allocation_config_new();
    wasmtime_pooling_allocation_config_total_core_instances_set(pool, 16);
    wasmtime_pooling_allocation_config_total_memories_set(pool, 16);
    wasmtime_pooling_allocation_config_total_tables_set(pool, 16);
    wasmtime_pooling_allocation_config_linear_memory_keep_resident_set(pool, 65536);
    wasmtime_pooling_allocation_config_table_keep_resident_set(pool, 4096);
    wasmtime_pooling_allocation_strategy_set(config, pool);
  }
  return wasm_engine_new_with_config(config);
}

static wasmtime_module_t *compile(wasm_engine_t *engine, const wasm_byte_vec_t *bytes) {
  wasmtime_module_t *module = NULL;
  check("compile", wasmtime_module_new(engine, (const uint8_t *)bytes->data, bytes->size, &module), NULL);
  return module;
}

static wasmtime_linker_t *new_linker(wasm_engine_t *engine, const wasmtime_module_t *module, int stub) {
  wasmtime_linker_t *linker = wasmtime_linker_new(engine);
  wasm_functype_t *nullary = wasm_functype_new_0_0();
  check("WASI", wasmtime_linker_define_wasi(linker), NULL);
  check("bench.start",
        wasmtime_linker_define_func(linker, "bench", 5, "start", 5, nullary, mark, &bench_from, NULL), NULL);
  check("bench.end", wasmtime_linker_define_func(linker, "bench", 5, "end", 3, nullary, mark, &bench_to, NULL),
        NULL);
  wasm_functype_delete(nullary);
  if (stub) check("stub", wasmtime_linker_define_unknown_imports_as_traps(linker, module), NULL);
  return linker;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *numbers, int count) {
  qsort(numbers, (size_t)count, sizeof *numbers, ascending);
  return numbers[count / 2];
}

static double *new_numbers(int count) {
  double *numbers = calloc((size_t)count, sizeof(double));
  if (!numbers) fail("out of memory", NULL, NULL);
  return numbers;
}

static void measure_compile(const Options *o) {
  wasm_byte_vec_t bytes = read_module(o->file);
  wasm_engine_t *engine = new_engine(o);
  double *wall = new_numbers(o->reps), *cpu = new_numbers(o->reps);
  for (int i = 0; i < o->reps; i++) {
    Instant from = process_now();
    wasmtime_module_t *module = compile(engine, &bytes);
    Instant to = process_now();
    wall[i] = to.wall - from.wall, cpu[i] = to.cpu - from.cpu;
    wasmtime_module_delete(module);
  }
  double wall_median = median(wall, o->reps), cpu_median = median(cpu, o->reps);
  printf("@@{\"bytes\":%zu,\"wall_ms\":%.3f,\"cpu_ms\":%.3f,\"wall_min_ms\":%.3f,\"cpu_min_ms\":%.3f}\n", bytes.size,
         wall_median, cpu_median, wall[0], cpu[0]);
}

static wasi_config_t *wasi_of(const Options *o) {
  wasi_config_t *wasi = wasi_config_new();
  const char **argv = calloc((size_t)o->arg_count + 1, sizeof(char *));
  if (!argv) fail("out of memory", NULL, NULL);
  const char *slash = strrchr(o->file, '/');
  argv[0] = slash ? slash + 1 : o->file;
  for (int i = 0; i < o->arg_count; i++) argv[i + 1] = o->args[i];
  wasi_config_set_argv(wasi, (size_t)o->arg_count + 1, argv);
  wasi_config_inherit_env(wasi);
  wasi_config_inherit_stdin(wasi);
  wasi_config_inherit_stdout(wasi);
  wasi_config_inherit_stderr(wasi);
  for (int i = 0; i < o->dir_count; i++) {
    char *separator = strstr(o->dirs[i], "::");
    if (separator) *separator = 0;
    if (!wasi_config_preopen_dir(wasi, o->dirs[i], separator ? separator + 2 : ".", true)) {
      fail(o->dirs[i], NULL, NULL);
    }
  }
  return wasi;
}

static wasmtime_func_t exported(wasmtime_context_t *context, wasmtime_instance_t *instance, const char *name) {
  wasmtime_extern_t item;
  if (!wasmtime_instance_export_get(context, instance, name, strlen(name), &item) ||
      item.kind != WASMTIME_EXTERN_FUNC) {
    fail(name, NULL, NULL);
  }
  return item.of.func;
}

// Calls a function without arguments, or with zeros for those it has.
static void call(wasmtime_context_t *context, const wasmtime_func_t *func) {
  wasmtime_val_t args[MAX_VALUES], results[MAX_VALUES];
  wasm_trap_t *trap = NULL;
  wasm_functype_t *type = wasmtime_func_type(context, func);
  const wasm_valtype_vec_t *params = wasm_functype_params(type);
  size_t result_count = wasm_functype_results(type)->size;
  if (params->size > MAX_VALUES || result_count > MAX_VALUES) fail("too many values", NULL, NULL);
  for (size_t i = 0; i < params->size; i++) {
    args[i].kind = wasm_valtype_kind(params->data[i]);
    args[i].of.i64 = 0;
  }
  wasmtime_error_t *error = wasmtime_func_call(context, func, args, params->size, results, result_count, &trap);
  wasm_functype_delete(type);
  int status;
  if (error && wasmtime_error_exit_status(error, &status) && status == 0) return;
  fflush(stdout);
  check("call", error, trap);
}

static void measure_run(const Options *o) {
  wasm_byte_vec_t bytes = read_module(o->file);
  wasm_engine_t *engine = new_engine(o);
  Instant from = process_now();
  wasmtime_module_t *module = compile(engine, &bytes);
  Instant compiled = process_now();
  wasmtime_linker_t *linker = new_linker(engine, module, o->stub);
  wasmtime_store_t *store = wasmtime_store_new(engine, NULL, NULL);
  wasmtime_context_t *context = wasmtime_store_context(store);
  wasmtime_instance_t instance;
  wasm_trap_t *trap = NULL;
  check("WASI", wasmtime_context_set_wasi(context, wasi_of(o)), NULL);
  double before = clock_ms(CLOCK_MONOTONIC);
  check("instantiate", wasmtime_linker_instantiate(linker, context, module, &instance, &trap), trap);
  double instantiate = clock_ms(CLOCK_MONOTONIC) - before;
  wasmtime_func_t func = exported(context, &instance, o->invoke ? o->invoke : "_start");
  double *wall = new_numbers(o->reps), *cpu = new_numbers(o->reps);
  for (int i = 0; i < o->reps; i++) {
    Instant start = thread_now();
    call(context, &func);
    Instant end = thread_now();
    wall[i] = end.wall - start.wall, cpu[i] = end.cpu - start.cpu;
  }
  fprintf(stderr,
          "@@{\"compile_ms\":%.3f,\"inst_ms\":%.3f,\"run_ms\":%.3f,\"compile_cpu\":%.3f,\"run_cpu\":%.3f,"
          "\"bench_ms\":%.3f,\"bench_cpu\":%.3f,\"total_cpu\":%.3f,\"peak_rss_bytes\":%.0f}\n",
          compiled.wall - from.wall, instantiate, median(wall, o->reps), compiled.cpu - from.cpu,
          median(cpu, o->reps), bench_to.wall < 0 ? -1 : bench_to.wall - bench_from.wall,
          bench_to.cpu < 0 ? -1 : bench_to.cpu - bench_from.cpu, process_now().cpu, peak_rss_bytes());
}

static void measure_instantiate(const Options *o) {
  wasm_byte_vec_t bytes = read_module(o->file);
  wasm_engine_t *engine = new_engine(o);
  wasmtime_module_t *module = compile(engine, &bytes);
  wasmtime_linker_t *linker = new_linker(engine, module, o->stub);
  wasmtime_instance_pre_t *pre = NULL;
  check("link", wasmtime_linker_instantiate_pre(linker, module, &pre), NULL);
  double rounds[ROUNDS];
  for (int round = 0; round < ROUNDS; round++) {
    double from = thread_now().cpu;
    for (int i = 0; i < o->reps; i++) {
      wasmtime_store_t *store = wasmtime_store_new(engine, NULL, NULL);
      wasmtime_context_t *context = wasmtime_store_context(store);
      wasmtime_instance_t instance;
      wasm_trap_t *trap = NULL;
      check("instantiate", wasmtime_instance_pre_instantiate(pre, context, &instance, &trap), trap);
      if (o->invoke) {
        wasmtime_func_t func = exported(context, &instance, o->invoke);
        call(context, &func);
      }
      wasmtime_store_delete(store);
    }
    rounds[round] = (thread_now().cpu - from) / o->reps * 1e3;
  }
  double middle = median(rounds, ROUNDS);
  printf("@@{\"us_per_inst\":%.3f,\"us_min\":%.3f}\n", middle, rounds[0]);
}

int main(int argc, char **argv) {
  Options o = parse(argc, argv);
  if (!strcmp(o.mode, "compile")) measure_compile(&o);
  else if (!strcmp(o.mode, "run")) measure_run(&o);
  else if (!strcmp(o.mode, "inst")) measure_instantiate(&o);
  else fail(o.mode, NULL, NULL);
  return 0;
}
