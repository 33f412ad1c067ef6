// Makes an endless program of one of the suite, for the warm-up curve (see README.md): a unit of
// work is the whole of its `main` at the size that the arguments say, and ends with one letter
// of its checksum on standard output. All units are alike, so all letters are.
//
// bench.h includes this under BENCH_CURVE, in place of what it says on its own.
#ifndef CURVE_H
#define CURVE_H

#include <unistd.h>

static inline void bench_start(void) {}
static inline void bench_end(void) {}

// Memory of one unit, taken from front to back; the next unit has it anew, and nothing is freed.
enum { CURVE_MEMORY = 4 << 20 };
static _Alignas(16) char curve_memory[CURVE_MEMORY];
static size_t curve_used;

static inline void *curve_alloc(size_t bytes) {
  size_t size = (bytes + 15) & ~(size_t)15;
  if (size > CURVE_MEMORY - curve_used) return NULL;
  void *memory = memset(curve_memory + curve_used, 0, size);
  curve_used += size;
  return memory;
}

static inline int curve_report(uint64_t hash) {
  char letter = (char)('a' + hash % 26);
  return write(1, &letter, 1) != 1;
}

static void curve_reset(void);
static int curve_unit(int argc, char **argv);

int main(int argc, char **argv) {
  int failed = 0;
  while (!failed) {
    curve_reset();
    failed = curve_unit(argc, argv);
  }
  return failed;
}

// The program's own `main` from here on.
#define main curve_unit

#endif
