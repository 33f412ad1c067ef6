// General matrix product: C = alpha * A * B + beta * C on n x n doubles.
#include "bench.h"

static void gemm(int n, double alpha, double beta, double c[n][n], double a[n][n], double b[n][n]) {
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < n; j++) c[i][j] *= beta;
    for (int k = 0; k < n; k++) {
      double scaled = alpha * a[i][k];
      for (int j = 0; j < n; j++) c[i][j] += scaled * b[k][j];
    }
  }
}

int main(int argc, char **argv) {
  int n = bench_size(argc, argv, 400);
  double(*a)[n] = bench_alloc(sizeof(double[n][n]));
  double(*b)[n] = bench_alloc(sizeof(double[n][n]));
  double(*c)[n] = bench_alloc(sizeof(double[n][n]));
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < n; j++) {
      a[i][j] = bench_random_unit();
      b[i][j] = bench_random_unit() - 0.5;
      c[i][j] = bench_random_unit();
    }
  }

  bench_start();
  gemm(n, 1.5, 1.2, c, a, b);
  bench_end();

  return bench_report(bench_hash_f64s(BENCH_HASH_SEED, &c[0][0], (size_t)n * n));
}
