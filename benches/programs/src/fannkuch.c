// Pancake flipping: over all permutations of n numbers, the most prefix reversals that it
// takes until the first number is 1, and an alternating checksum.
#include "bench.h"

enum { MAX = 16 };

static int flips(const uint8_t *permutation, int n) {
  uint8_t deck[MAX];
  int count = 0;
  for (int i = 0; i < n; i++) deck[i] = permutation[i];
  while (deck[0] != 0) {
    for (int low = 0, high = deck[0]; low < high; low++, high--) {
      uint8_t card = deck[low];
      deck[low] = deck[high];
      deck[high] = card;
    }
    count++;
  }
  return count;
}

// Rotates ever longer prefixes; a prefix of length k + 1 turns once per (k + 1)! steps.
static int next_permutation(uint8_t *permutation, uint8_t *turns, int n) {
  for (int k = 1; k < n; k++) {
    uint8_t first = permutation[0];
    for (int i = 0; i < k; i++) permutation[i] = permutation[i + 1];
    permutation[k] = first;
    if (turns[k]++ < k) return 1;
    turns[k] = 0;
  }
  return 0;
}

int main(int argc, char **argv) {
  int n = bench_size(argc, argv, 10);
  if (n > MAX) return 2;
  uint8_t permutation[MAX], turns[MAX] = {0};
  int most = 0, sign = 1, checksum = 0;
  for (int i = 0; i < MAX; i++) permutation[i] = (uint8_t)i;

  bench_start();
  do {
    int count = flips(permutation, n);
    if (count > most) most = count;
    checksum += sign * count;
    sign = -sign;
  } while (next_permutation(permutation, turns, n));
  bench_end();

  return bench_report(bench_hash(bench_hash(BENCH_HASH_SEED, most), checksum));
}
