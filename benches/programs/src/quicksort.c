// Quicksort with the median of three as pivot and insertion sort for short runs.
#include "bench.h"

enum { SHORT_RUN = 16 };

static void swap(int32_t *a, int32_t *b) {
  int32_t old = *a;
  *a = *b;
  *b = old;
}

static void insertion_sort(int32_t *items, int count) {
  for (int i = 1; i < count; i++) {
    int32_t item = items[i];
    int at = i;
    for (; at > 0 && items[at - 1] > item; at--) items[at] = items[at - 1];
    items[at] = item;
  }
}

static int32_t median(int32_t *items, int count) {
  int32_t *low = items, *middle = items + count / 2, *high = items + count - 1;
  if (*middle < *low) swap(middle, low);
  if (*high < *low) swap(high, low);
  if (*high < *middle) swap(high, middle);
  return *middle;
}

static void quicksort(int32_t *items, int count) {
  while (count > SHORT_RUN) {
    int32_t pivot = median(items, count);
    int left = 0, right = count - 1;
    for (;;) {
      while (items[left] < pivot) left++;
      while (items[right] > pivot) right--;
      if (left >= right) break;
      swap(&items[left++], &items[right--]);
    }
    quicksort(items, left);
    items += left;
    count -= left;
  }
  insertion_sort(items, count);
}

int main(int argc, char **argv) {
  int n = bench_size(argc, argv, 1000000);
  int32_t *items = bench_alloc(sizeof(int32_t) * n);
  for (int i = 0; i < n; i++) items[i] = (int32_t)bench_random();

  bench_start();
  quicksort(items, n);
  bench_end();

  return bench_report(bench_hash_bytes(BENCH_HASH_SEED, items, sizeof(int32_t) * n));
}
