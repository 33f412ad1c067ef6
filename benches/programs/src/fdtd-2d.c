// Finite-difference time domain in two dimensions: electric fields x and y, magnetic z.
#include "bench.h"

enum { STEPS = 50 };

static void advance(int n, double ex[n][n], double ey[n][n], double hz[n][n], double source) {
  for (int j = 0; j < n; j++) ey[0][j] = source;
  for (int i = 1; i < n; i++) {
    for (int j = 0; j < n; j++) ey[i][j] -= 0.5 * (hz[i][j] - hz[i - 1][j]);
  }
  for (int i = 0; i < n; i++) {
    for (int j = 1; j < n; j++) ex[i][j] -= 0.5 * (hz[i][j] - hz[i][j - 1]);
  }
  for (int i = 0; i < n - 1; i++) {
    for (int j = 0; j < n - 1; j++) {
      hz[i][j] -= 0.7 * (ex[i][j + 1] - ex[i][j] + ey[i + 1][j] - ey[i][j]);
    }
  }
}

int main(int argc, char **argv) {
  int n = bench_size(argc, argv, 600);
  double(*ex)[n] = bench_alloc(sizeof(double[n][n]));
  double(*ey)[n] = bench_alloc(sizeof(double[n][n]));
  double(*hz)[n] = bench_alloc(sizeof(double[n][n]));
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < n; j++) {
      ex[i][j] = (double)i * (j + 1) / n;
      ey[i][j] = (double)i * (j + 2) / n;
      hz[i][j] = (double)i * (j + 3) / n;
    }
  }

  bench_start();
  for (int step = 0; step < STEPS; step++) advance(n, ex, ey, hz, step);
  bench_end();

  uint64_t hash = bench_hash_f64s(BENCH_HASH_SEED, &ex[0][0], (size_t)n * n);
  hash = bench_hash_f64s(hash, &ey[0][0], (size_t)n * n);
  return bench_report(bench_hash_f64s(hash, &hz[0][0], (size_t)n * n));
}
