// The sieve of Eratosthenes over the odd numbers below n, one bit each.
#include "bench.h"

static int is_composite(const uint32_t *bits, uint32_t half) { return bits[half >> 5] >> (half & 31) & 1; }

// Bit i stands for the number 2i + 1.
static void sieve(uint32_t *bits, uint32_t n) {
  for (uint32_t i = 1; (2 * i + 1) * (2 * i + 1) < n; i++) {
    if (is_composite(bits, i)) continue;
    uint32_t prime = 2 * i + 1;
    for (uint32_t j = prime * prime / 2; j < n / 2; j += prime) bits[j >> 5] |= 1u << (j & 31);
  }
}

int main(int argc, char **argv) {
  uint32_t n = (uint32_t)bench_size(argc, argv, 40000000);
  uint32_t *bits = bench_alloc(n / 16 + 8);

  bench_start();
  sieve(bits, n);
  uint64_t count = n > 2, sum = n > 2 ? 2 : 0;
  for (uint32_t i = 1; i < n / 2; i++) {
    if (!is_composite(bits, i)) {
      count++;
      sum += 2 * i + 1;
    }
  }
  bench_end();

  return bench_report(bench_hash(bench_hash(BENCH_HASH_SEED, count), sum));
}
