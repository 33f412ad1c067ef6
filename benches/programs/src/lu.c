// LU decomposition in place, without pivoting, then a triangular solve.
#include "bench.h"

static void decompose(int n, double a[n][n]) {
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < i; j++) {
      for (int k = 0; k < j; k++) a[i][j] -= a[i][k] * a[k][j];
      a[i][j] /= a[j][j];
    }
    for (int j = i; j < n; j++) {
      for (int k = 0; k < i; k++) a[i][j] -= a[i][k] * a[k][j];
    }
  }
}

static void solve(int n, double lu[n][n], double x[n]) {
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < i; j++) x[i] -= lu[i][j] * x[j];
  }
  for (int i = n - 1; i >= 0; i--) {
    for (int j = i + 1; j < n; j++) x[i] -= lu[i][j] * x[j];
    x[i] /= lu[i][i];
  }
}

int main(int argc, char **argv) {
  int n = bench_size(argc, argv, 600);
  double(*a)[n] = bench_alloc(sizeof(double[n][n]));
  double *x = bench_alloc(sizeof(double[n]));
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < n; j++) a[i][j] = bench_random_unit();
    a[i][i] += n; // diagonally dominant: no pivot can vanish
    x[i] = i % 7 + 1;
  }

  bench_start();
  decompose(n, a);
  solve(n, a, x);
  bench_end();

  uint64_t hash = bench_hash_f64s(BENCH_HASH_SEED, &a[0][0], (size_t)n * n);
  return bench_report(bench_hash_f64s(hash, x, n));
}
