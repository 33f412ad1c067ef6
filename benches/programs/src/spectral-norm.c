// The spectral norm of the infinite matrix 1 / ((i + j)(i + j + 1) / 2 + i + 1), cut to
// n x n, by the power method; its entries are computed, never stored.
#include "bench.h"
#include <math.h>

static double entry(int i, int j) { return 1.0 / ((i + j) * (i + j + 1) / 2 + i + 1); }

static void multiply(int n, double *out, const double *in, int transposed) {
  for (int i = 0; i < n; i++) {
    double sum = 0;
    for (int j = 0; j < n; j++) sum += (transposed ? entry(j, i) : entry(i, j)) * in[j];
    out[i] = sum;
  }
}

int main(int argc, char **argv) {
  int n = bench_size(argc, argv, 1200);
  double *u = bench_alloc(sizeof(double) * n), *v = bench_alloc(sizeof(double) * n);
  double *between = bench_alloc(sizeof(double) * n);
  for (int i = 0; i < n; i++) u[i] = 1;

  bench_start();
  for (int i = 0; i < 10; i++) {
    multiply(n, between, u, 0);
    multiply(n, v, between, 1);
    multiply(n, between, v, 0);
    multiply(n, u, between, 1);
  }
  double uv = 0, vv = 0;
  for (int i = 0; i < n; i++) {
    uv += u[i] * v[i];
    vv += v[i] * v[i];
  }
  bench_end();

  return bench_report(bench_hash_f64(BENCH_HASH_SEED, sqrt(uv / vv)));
}
