// Shortest paths between all pairs of n nodes, by relaxing through each node in turn.
#include "bench.h"

static void relax(int n, int distance[n][n]) {
  for (int k = 0; k < n; k++) {
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        int through = distance[i][k] + distance[k][j];
        if (through < distance[i][j]) distance[i][j] = through;
      }
    }
  }
}

int main(int argc, char **argv) {
  int n = bench_size(argc, argv, 420);
  int(*distance)[n] = bench_alloc(sizeof(int[n][n]));
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < n; j++) {
      uint32_t draw = bench_random();
      distance[i][j] = i == j ? 0 : draw % 16 == 0 ? (int)(draw >> 8) % 1000 + 1 : 1000000;
    }
  }

  bench_start();
  relax(n, distance);
  bench_end();

  return bench_report(bench_hash_bytes(BENCH_HASH_SEED, distance, sizeof(int[n][n])));
}
