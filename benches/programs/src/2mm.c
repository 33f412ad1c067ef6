// Two dependent matrix products: E = (A * B) * D, inner products down a column.
#include "bench.h"

static void product(int rows, int inner, int columns, double out[rows][columns],
                    double left[rows][inner], double right[inner][columns]) {
  for (int i = 0; i < rows; i++) {
    for (int j = 0; j < columns; j++) {
      double sum = 0;
      for (int k = 0; k < inner; k++) sum += left[i][k] * right[k][j];
      out[i][j] = sum;
    }
  }
}

static void fill(double *matrix, int count) {
  for (int i = 0; i < count; i++) matrix[i] = bench_random_unit() - 0.25;
}

int main(int argc, char **argv) {
  int n = bench_size(argc, argv, 320);
  int inner = n + n / 8 + 1, last = n + n / 4 + 1;
  double(*a)[inner] = bench_alloc(sizeof(double[n][inner]));
  double(*b)[n] = bench_alloc(sizeof(double[inner][n]));
  double(*ab)[n] = bench_alloc(sizeof(double[n][n]));
  double(*d)[last] = bench_alloc(sizeof(double[n][last]));
  double(*e)[last] = bench_alloc(sizeof(double[n][last]));
  fill(&a[0][0], n * inner);
  fill(&b[0][0], n * inner);
  fill(&d[0][0], n * last);

  bench_start();
  product(n, inner, n, ab, a, b);
  product(n, n, last, e, ab, d);
  bench_end();

  return bench_report(bench_hash_f64s(BENCH_HASH_SEED, &e[0][0], (size_t)n * last));
}
