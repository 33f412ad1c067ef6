// Dijkstra's shortest paths over an n x n grid of weighted cells, with a binary heap.
#include "bench.h"

typedef struct {
  uint32_t distance;
  uint32_t cell;
} Entry;

typedef struct {
  Entry *entries;
  int count;
} Heap;

static void push(Heap *heap, Entry entry) {
  int at = heap->count++;
  while (at > 0) {
    int parent = (at - 1) / 2;
    if (heap->entries[parent].distance <= entry.distance) break;
    heap->entries[at] = heap->entries[parent];
    at = parent;
  }
  heap->entries[at] = entry;
}

static Entry pop(Heap *heap) {
  Entry top = heap->entries[0], last = heap->entries[--heap->count];
  int at = 0;
  for (;;) {
    int child = 2 * at + 1;
    if (child >= heap->count) break;
    if (child + 1 < heap->count &&
        heap->entries[child + 1].distance < heap->entries[child].distance) {
      child++;
    }
    if (last.distance <= heap->entries[child].distance) break;
    heap->entries[at] = heap->entries[child];
    at = child;
  }
  heap->entries[at] = last;
  return top;
}

static void visit(Heap *heap, uint32_t *distance, const uint8_t *weight, uint32_t cell, uint32_t from) {
  uint32_t through = from + weight[cell];
  if (through >= distance[cell]) return;
  distance[cell] = through;
  push(heap, (Entry){through, cell});
}

static void shortest_paths(int n, const uint8_t *weight, uint32_t *distance, Heap *heap) {
  for (int i = 0; i < n * n; i++) distance[i] = UINT32_MAX;
  visit(heap, distance, weight, 0, 0);
  while (heap->count > 0) {
    Entry entry = pop(heap);
    if (entry.distance != distance[entry.cell]) continue; // a better path was found since
    int row = entry.cell / n, column = entry.cell % n;
    if (row > 0) visit(heap, distance, weight, entry.cell - n, entry.distance);
    if (row < n - 1) visit(heap, distance, weight, entry.cell + n, entry.distance);
    if (column > 0) visit(heap, distance, weight, entry.cell - 1, entry.distance);
    if (column < n - 1) visit(heap, distance, weight, entry.cell + 1, entry.distance);
  }
}

int main(int argc, char **argv) {
  int n = bench_size(argc, argv, 1200);
  uint8_t *weight = bench_alloc((size_t)n * n);
  uint32_t *distance = bench_alloc(sizeof(uint32_t) * n * n);
  Heap heap = {bench_alloc(sizeof(Entry) * 4 * n * n + sizeof(Entry)), 0};
  for (int i = 0; i < n * n; i++) weight[i] = 1 + bench_random() % 200;

  bench_start();
  shortest_paths(n, weight, distance, &heap);
  bench_end();

  return bench_report(bench_hash_bytes(BENCH_HASH_SEED, distance, sizeof(uint32_t) * n * n));
}
