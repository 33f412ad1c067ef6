// Cholesky factorisation of a symmetric positive definite matrix, in place.
#include "bench.h"
#include <math.h>

static void factorise(int n, double a[n][n]) {
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < i; j++) {
      double sum = a[i][j];
      for (int k = 0; k < j; k++) sum -= a[i][k] * a[j][k];
      a[i][j] = sum / a[j][j];
    }
    double diagonal = a[i][i];
    for (int k = 0; k < i; k++) diagonal -= a[i][k] * a[i][k];
    a[i][i] = sqrt(diagonal);
  }
}

int main(int argc, char **argv) {
  int n = bench_size(argc, argv, 800);
  double(*a)[n] = bench_alloc(sizeof(double[n][n]));
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < i; j++) a[i][j] = a[j][i] = bench_random_unit();
    a[i][i] = n; // dominates its row, so the matrix is positive definite
  }

  bench_start();
  factorise(n, a);
  bench_end();

  uint64_t hash = BENCH_HASH_SEED;
  for (int i = 0; i < n; i++) hash = bench_hash_f64s(hash, a[i], i + 1);
  return bench_report(hash);
}
