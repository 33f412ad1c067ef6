// Blocks of memory of many sizes: memcpy, memmove, memset and memcmp, n rounds.
#include "bench.h"

enum { AREA = 1 << 20 };

static uint8_t area[2 * AREA];

static uint64_t round_trip(uint32_t seed) {
  uint32_t length = 1u << (seed >> 28), from = (seed >> 8) % (AREA / 2), to = AREA + (seed & 0xffff);
  length += seed % length;
  memcpy(area + to, area + from, length);
  memmove(area + to + 1 + seed % 16, area + to, length);
  memset(area + from + length / 2, (int)(seed >> 20), length / 4);
  int order = memcmp(area + from, area + to, length);
  const uint8_t *hit = memchr(area + to, (int)(seed & 255), length);
  return (uint64_t)(order < 0) << 32 | (hit ? (uint32_t)(hit - area) : 0);
}

int main(int argc, char **argv) {
  int rounds = bench_size(argc, argv, 15000);
  for (int i = 0; i < 2 * AREA; i++) area[i] = (uint8_t)bench_random();

  bench_start();
  uint64_t hash = BENCH_HASH_SEED;
  for (int i = 0; i < rounds; i++) hash = bench_hash(hash, round_trip(bench_random()));
  bench_end();

  return bench_report(bench_hash_bytes(hash, area, sizeof area));
}
