// Radix sort of 64-bit records by a 32-bit key: four stable counting passes of 8 bits.
#include "bench.h"

typedef struct {
  uint32_t key;
  uint32_t payload;
} Record;

static void counting_pass(Record *to, const Record *from, int count, int shift) {
  int place[257] = {0};
  for (int i = 0; i < count; i++) place[(from[i].key >> shift & 255) + 1]++;
  for (int digit = 0; digit < 256; digit++) place[digit + 1] += place[digit];
  for (int i = 0; i < count; i++) to[place[from[i].key >> shift & 255]++] = from[i];
}

int main(int argc, char **argv) {
  int n = bench_size(argc, argv, 4000000);
  Record *records = bench_alloc(sizeof(Record) * n), *spare = bench_alloc(sizeof(Record) * n);
  for (int i = 0; i < n; i++) records[i] = (Record){bench_random(), i};

  bench_start();
  for (int shift = 0; shift < 32; shift += 16) {
    counting_pass(spare, records, n, shift);
    counting_pass(records, spare, n, shift + 8);
  }
  bench_end();

  uint64_t hash = BENCH_HASH_SEED;
  for (int i = 0; i < n; i++) hash = bench_hash(hash, (uint64_t)records[i].key << 32 | records[i].payload);
  return bench_report(hash);
}
