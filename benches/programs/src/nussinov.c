// Nussinov's dynamic program: the most base pairs that an RNA strand of n bases can form.
#include "bench.h"

static int max(int a, int b) { return a > b ? a : b; }

static int pairs(char a, char b) { return a + b == 3; }

static void fold(int n, const char *strand, int best[n][n]) {
  for (int i = n - 1; i >= 0; i--) {
    for (int j = i + 1; j < n; j++) {
      int score = max(best[i][j - 1], best[i + 1][j]);
      if (j - 1 > i) score = max(score, best[i + 1][j - 1] + pairs(strand[i], strand[j]));
      for (int k = i + 1; k < j; k++) score = max(score, best[i][k] + best[k + 1][j]);
      best[i][j] = score;
    }
  }
}

int main(int argc, char **argv) {
  int n = bench_size(argc, argv, 850);
  char *strand = bench_alloc(n);
  int(*best)[n] = bench_alloc(sizeof(int[n + 1][n]));
  for (int i = 0; i < n; i++) strand[i] = (char)(bench_random() >> 30);

  bench_start();
  fold(n, strand, best);
  bench_end();

  uint64_t hash = bench_hash(BENCH_HASH_SEED, best[0][n - 1]);
  return bench_report(bench_hash_bytes(hash, best, sizeof(int[n][n])));
}
