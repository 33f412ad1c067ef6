// Gauss-Seidel relaxation in place: every cell waits for its neighbours, so the
// chain of floating-point latencies decides.
#include "bench.h"

enum { STEPS = 12 };

static void relax(int n, double a[n][n]) {
  for (int i = 1; i < n - 1; i++) {
    for (int j = 1; j < n - 1; j++) {
      double above = a[i - 1][j - 1] + a[i - 1][j] + a[i - 1][j + 1];
      double here = a[i][j - 1] + a[i][j] + a[i][j + 1];
      double below = a[i + 1][j - 1] + a[i + 1][j] + a[i + 1][j + 1];
      a[i][j] = (above + here + below) / 9.0;
    }
  }
}

int main(int argc, char **argv) {
  int n = bench_size(argc, argv, 700);
  double(*a)[n] = bench_alloc(sizeof(double[n][n]));
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < n; j++) a[i][j] = ((double)i * (j + 2) + 2) / n;
  }

  bench_start();
  for (int step = 0; step < STEPS; step++) relax(n, a);
  bench_end();

  return bench_report(bench_hash_f64s(BENCH_HASH_SEED, &a[0][0], (size_t)n * n));
}
