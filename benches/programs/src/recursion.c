// Calls and little else: Fibonacci, Ackermann, Takeuchi and the queens of a chess board.
// The size is the Fibonacci index; the others follow from it.
#include "bench.h"

static int fibonacci(int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

static int ackermann(int m, int n) {
  if (m == 0) return n + 1;
  return ackermann(m - 1, n == 0 ? 1 : ackermann(m, n - 1));
}

static int takeuchi(int x, int y, int z) {
  if (y >= x) return z;
  return takeuchi(takeuchi(x - 1, y, z), takeuchi(y - 1, z, x), takeuchi(z - 1, x, y));
}

// Bits mark the columns and diagonals under attack.
static int queens(uint32_t board, uint32_t columns, uint32_t left, uint32_t right) {
  if (columns == board) return 1;
  int solutions = 0;
  for (uint32_t free = board & ~(columns | left | right); free; free &= free - 1) {
    uint32_t place = free & -free;
    solutions += queens(board, columns | place, (left | place) << 1, (right | place) >> 1);
  }
  return solutions;
}

int main(int argc, char **argv) {
  int n = bench_size(argc, argv, 36);

  bench_start();
  uint64_t hash = bench_hash(BENCH_HASH_SEED, fibonacci(n));
  hash = bench_hash(hash, ackermann(2, 8 * n));
  hash = bench_hash(hash, takeuchi(n / 2, n / 3, n / 6));
  hash = bench_hash(hash, queens((1u << n / 3) - 1, 0, 0, 0));
  bench_end();

  return bench_report(hash);
}
