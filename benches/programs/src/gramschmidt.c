// QR decomposition by modified Gram-Schmidt: A = Q * R, column by column.
#include "bench.h"
#include <math.h>

static void decompose(int rows, int columns, double a[rows][columns], double q[rows][columns],
                      double r[columns][columns]) {
  for (int k = 0; k < columns; k++) {
    double square = 0;
    for (int i = 0; i < rows; i++) square += a[i][k] * a[i][k];
    r[k][k] = sqrt(square);
    for (int i = 0; i < rows; i++) q[i][k] = a[i][k] / r[k][k];
    for (int j = k + 1; j < columns; j++) {
      double projection = 0;
      for (int i = 0; i < rows; i++) projection += q[i][k] * a[i][j];
      r[k][j] = projection;
      for (int i = 0; i < rows; i++) a[i][j] -= q[i][k] * projection;
    }
  }
}

int main(int argc, char **argv) {
  int n = bench_size(argc, argv, 340);
  int rows = n + n / 3;
  double(*a)[n] = bench_alloc(sizeof(double[rows][n]));
  double(*q)[n] = bench_alloc(sizeof(double[rows][n]));
  double(*r)[n] = bench_alloc(sizeof(double[n][n]));
  for (int i = 0; i < rows; i++) {
    for (int j = 0; j < n; j++) a[i][j] = bench_random_unit() + (i == j);
  }

  bench_start();
  decompose(rows, n, a, q, r);
  bench_end();

  uint64_t hash = bench_hash_f64s(BENCH_HASH_SEED, &q[0][0], (size_t)rows * n);
  return bench_report(bench_hash_f64s(hash, &r[0][0], (size_t)n * n));
}
