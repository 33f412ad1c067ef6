// Heat equation on an n x n x n grid: a seven-point stencil between two grids.
#include "bench.h"

enum { STEPS = 25 };

static void diffuse(int n, double to[n][n][n], double from[n][n][n]) {
  for (int i = 1; i < n - 1; i++) {
    for (int j = 1; j < n - 1; j++) {
      for (int k = 1; k < n - 1; k++) {
        double twice = 2.0 * from[i][j][k];
        to[i][j][k] = from[i][j][k] + 0.125 * (from[i + 1][j][k] - twice + from[i - 1][j][k]) +
                      0.125 * (from[i][j + 1][k] - twice + from[i][j - 1][k]) +
                      0.125 * (from[i][j][k + 1] - twice + from[i][j][k - 1]);
      }
    }
  }
}

int main(int argc, char **argv) {
  int n = bench_size(argc, argv, 90);
  double(*a)[n][n] = bench_alloc(sizeof(double[n][n][n]));
  double(*b)[n][n] = bench_alloc(sizeof(double[n][n][n]));
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < n; j++) {
      for (int k = 0; k < n; k++) a[i][j][k] = b[i][j][k] = (double)(i + j + n - k) * 10 / n;
    }
  }

  bench_start();
  for (int step = 0; step < STEPS; step++) {
    diffuse(n, b, a);
    diffuse(n, a, b);
  }
  bench_end();

  return bench_report(bench_hash_f64s(BENCH_HASH_SEED, &a[0][0][0], (size_t)n * n * n));
}
