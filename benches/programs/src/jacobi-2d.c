// Jacobi iteration: a five-point average from one n x n grid into another and back.
#include "bench.h"

enum { STEPS = 60 };

static void sweep(int n, double to[n][n], double from[n][n]) {
  for (int i = 1; i < n - 1; i++) {
    for (int j = 1; j < n - 1; j++) {
      to[i][j] = 0.2 * (from[i][j] + from[i][j - 1] + from[i][j + 1] + from[i - 1][j] + from[i + 1][j]);
    }
  }
}

int main(int argc, char **argv) {
  int n = bench_size(argc, argv, 700);
  double(*a)[n] = bench_alloc(sizeof(double[n][n]));
  double(*b)[n] = bench_alloc(sizeof(double[n][n]));
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < n; j++) a[i][j] = b[i][j] = (double)i * (j + 2) / n;
  }

  bench_start();
  for (int step = 0; step < STEPS; step++) {
    sweep(n, b, a);
    sweep(n, a, b);
  }
  bench_end();

  return bench_report(bench_hash_f64s(BENCH_HASH_SEED, &a[0][0], (size_t)n * n));
}
