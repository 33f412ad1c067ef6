// What every program of the suite shares: the timed region, the size argument,
// reproducible input data and the checksum line that is compared between engines.
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef BENCH_CURVE
#include "curve.h"
#else
// Host functions around the timed region. Set-up and the checksum stay outside.
__attribute__((import_module("bench"), import_name("start"))) void bench_start(void);
__attribute__((import_module("bench"), import_name("end"))) void bench_end(void);
#endif

// The problem size: argv[1], or the program's default.
static inline int bench_size(int argc, char **argv, int default_size) {
  int size = argc > 1 ? atoi(argv[1]) : default_size;
  if (size < 1) {
    fputs("the size must be a positive number\n", stderr);
    exit(2);
  }
  return size;
}

static inline void *bench_alloc(size_t bytes) {
#ifdef BENCH_CURVE
  void *memory = curve_alloc(bytes);
#else
  void *memory = calloc(bytes ? bytes : 1, 1);
#endif
  if (!memory) {
    fputs("out of memory\n", stderr);
    exit(3);
  }
  return memory;
}

// xorshift32: the same numbers on every run.
#define BENCH_RANDOM_SEED 2463534242u
static uint32_t bench_random_state = BENCH_RANDOM_SEED;

static inline uint32_t bench_random(void) {
  uint32_t x = bench_random_state;
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  return bench_random_state = x;
}

// A number in [0, 1).
static inline double bench_random_unit(void) {
  return bench_random() * (1.0 / 4294967296.0);
}

#define BENCH_HASH_SEED 0xcbf29ce484222325u

// Folds one word into a running hash; order matters.
static inline uint64_t bench_hash(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
  return hash ^ (hash >> 29);
}

static inline uint64_t bench_hash_f64(uint64_t hash, double number) {
  uint64_t bits;
  memcpy(&bits, &number, sizeof bits);
  return bench_hash(hash, bits);
}

static inline uint64_t bench_hash_f64s(uint64_t hash, const double *numbers, size_t count) {
  for (size_t i = 0; i < count; i++) hash = bench_hash_f64(hash, numbers[i]);
  return hash;
}

static inline uint64_t bench_hash_bytes(uint64_t hash, const void *data, size_t count) {
  const uint8_t *bytes = data;
  for (size_t i = 0; i < count; i++) hash = bench_hash(hash, bytes[i]);
  return hash;
}

// Ends the program: prints the checksum as one line of sixteen hexadecimal digits.
static inline int bench_report(uint64_t hash) {
#ifdef BENCH_CURVE
  return curve_report(hash);
#endif
  char line[17] = {0};
  for (int i = 15; i >= 0; i--, hash >>= 4) line[i] = "0123456789abcdef"[hash & 15];
  return puts(line) < 0;
}

#ifdef BENCH_CURVE
static void curve_reset(void) {
  curve_used = 0;
  bench_random_state = BENCH_RANDOM_SEED;
}
#endif

#endif
