// A hash table with open addressing: n operations that insert, look up and delete.
#include "bench.h"

typedef struct {
  uint64_t key; // 0: empty
  uint64_t value;
} Slot;

typedef struct {
  Slot *slots;
  uint32_t mask, count;
} Table;

static uint32_t home(const Table *table, uint64_t key) {
  key ^= key >> 32;
  key *= 0xd6e8feb86659fd93u;
  return (uint32_t)(key >> 32) & table->mask;
}

static Slot *locate(const Table *table, uint64_t key) {
  uint32_t at = home(table, key);
  while (table->slots[at].key != 0 && table->slots[at].key != key) at = (at + 1) & table->mask;
  return &table->slots[at];
}

static void grow(Table *table) {
  Table larger = {bench_alloc(sizeof(Slot) * 2 * (table->mask + 1)), 2 * table->mask + 1, table->count};
  for (uint32_t i = 0; i <= table->mask; i++) {
    if (table->slots[i].key) *locate(&larger, table->slots[i].key) = table->slots[i];
  }
  free(table->slots);
  *table = larger;
}

static void add(Table *table, uint64_t key, uint64_t amount) {
  if (4 * table->count > 3 * table->mask) grow(table);
  Slot *slot = locate(table, key);
  table->count += slot->key == 0;
  slot->key = key;
  slot->value += amount;
}

// Closes the gap by moving back every later entry of the run that may stand there.
static void delete(Table *table, uint64_t key) {
  Slot *slot = locate(table, key);
  if (slot->key == 0) return;
  uint32_t gap = (uint32_t)(slot - table->slots);
  table->count--;
  for (uint32_t at = (gap + 1) & table->mask; table->slots[at].key; at = (at + 1) & table->mask) {
    uint32_t distance = (at - home(table, table->slots[at].key)) & table->mask;
    if (distance < ((at - gap) & table->mask)) continue;
    table->slots[gap] = table->slots[at];
    gap = at;
  }
  table->slots[gap] = (Slot){0, 0};
}

int main(int argc, char **argv) {
  int operations = bench_size(argc, argv, 1500000);
  Table table = {bench_alloc(sizeof(Slot) * 16), 15, 0};

  bench_start();
  uint64_t hash = BENCH_HASH_SEED;
  for (int i = 0; i < operations; i++) {
    uint32_t draw = bench_random();
    uint64_t key = 1 + (draw >> 4) % (uint32_t)(operations / 8 + 1) * 2654435761ull;
    if (draw % 4 < 2) {
      add(&table, key, (uint64_t)i);
    } else if (draw % 4 == 2) {
      hash += locate(&table, key)->value;
    } else {
      delete(&table, key);
    }
  }
  bench_end();

  for (uint32_t i = 0; i <= table.mask; i++) hash = bench_hash(hash, table.slots[i].key + table.slots[i].value);
  return bench_report(bench_hash(hash, table.count));
}
