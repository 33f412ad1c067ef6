// The Mandelbrot set on n x n points: iterations until escape, at most 100.
#include "bench.h"

enum { LIMIT = 100 };

static int escape_time(double cx, double cy) {
  double x = 0, y = 0;
  int count = 0;
  while (count < LIMIT && x * x + y * y <= 4.0) {
    double next = x * x - y * y + cx;
    y = 2 * x * y + cy;
    x = next;
    count++;
  }
  return count;
}

int main(int argc, char **argv) {
  int n = bench_size(argc, argv, 1100);
  uint8_t *image = bench_alloc((size_t)n * n);

  bench_start();
  for (int row = 0; row < n; row++) {
    for (int column = 0; column < n; column++) {
      image[row * n + column] = (uint8_t)escape_time(3.0 * column / n - 2.0, 2.5 * row / n - 1.25);
    }
  }
  bench_end();

  return bench_report(bench_hash_bytes(BENCH_HASH_SEED, image, (size_t)n * n));
}
