// Heapsort of n doubles.
#include "bench.h"

static void sift_down(double *items, int at, int count) {
  double item = items[at];
  for (;;) {
    int child = 2 * at + 1;
    if (child >= count) break;
    if (child + 1 < count && items[child + 1] > items[child]) child++;
    if (items[child] <= item) break;
    items[at] = items[child];
    at = child;
  }
  items[at] = item;
}

static void heapsort_doubles(double *items, int count) {
  for (int i = count / 2 - 1; i >= 0; i--) sift_down(items, i, count);
  for (int last = count - 1; last > 0; last--) {
    double top = items[0];
    items[0] = items[last];
    items[last] = top;
    sift_down(items, 0, last);
  }
}

int main(int argc, char **argv) {
  int n = bench_size(argc, argv, 500000);
  double *items = bench_alloc(sizeof(double) * n);
  for (int i = 0; i < n; i++) items[i] = bench_random_unit() * 1000 - 500;

  bench_start();
  heapsort_doubles(items, n);
  bench_end();

  return bench_report(bench_hash_f64s(BENCH_HASH_SEED, items, n));
}
