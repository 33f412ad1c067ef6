// Burrows-Wheeler transform with move-to-front and run lengths over blocks of text,
// then the whole way back: what bzip2-like compressors spend their time on.
#include "bench.h"

enum { BLOCK = 8192 };

static int rank_of[BLOCK], next_rank[BLOCK], order[BLOCK], spare[BLOCK], place[BLOCK + 1];

// Orders the rotations in `from` by the rank of the letter `ahead` places on, stably.
static void counting_sort(int *to, const int *from, int ahead, int ranks) {
  memset(place, 0, sizeof(int) * (ranks + 1));
  for (int i = 0; i < BLOCK; i++) place[rank_of[i] + 1]++;
  for (int i = 0; i < ranks; i++) place[i + 1] += place[i];
  for (int i = 0; i < BLOCK; i++) to[place[rank_of[(from[i] + ahead) % BLOCK]]++] = from[i];
}

// Sorts all rotations by doubling the compared prefix until all ranks differ.
static void sort_rotations(const uint8_t *text) {
  int ranks = 256;
  for (int i = 0; i < BLOCK; i++) rank_of[i] = text[i], spare[i] = i;
  counting_sort(order, spare, 0, ranks);
  for (int ahead = 1; ahead < BLOCK; ahead *= 2) {
    counting_sort(spare, order, ahead, ranks);
    counting_sort(order, spare, 0, ranks);
    next_rank[order[0]] = 0;
    ranks = 1;
    for (int i = 1; i < BLOCK; i++) {
      int a = order[i - 1], b = order[i];
      ranks += rank_of[a] != rank_of[b] || rank_of[(a + ahead) % BLOCK] != rank_of[(b + ahead) % BLOCK];
      next_rank[b] = ranks - 1;
    }
    memcpy(rank_of, next_rank, sizeof rank_of);
    if (ranks == BLOCK) break;
  }
}

static int transform(uint8_t *last, const uint8_t *text) {
  int origin = 0;
  sort_rotations(text);
  for (int i = 0; i < BLOCK; i++) {
    if (order[i] == 0) origin = i;
    last[i] = text[(order[i] + BLOCK - 1) % BLOCK];
  }
  return origin;
}

static void restore(uint8_t *text, const uint8_t *last, int origin) {
  int start[257] = {0};
  for (int i = 0; i < BLOCK; i++) start[last[i] + 1]++;
  for (int i = 0; i < 256; i++) start[i + 1] += start[i];
  for (int i = 0; i < BLOCK; i++) spare[start[last[i]]++] = i;
  for (int i = 0, at = spare[origin]; i < BLOCK; i++, at = spare[at]) text[i] = last[at];
}

static void move_to_front(uint8_t *data, int forward) {
  uint8_t recent[256];
  for (int i = 0; i < 256; i++) recent[i] = (uint8_t)i;
  for (int i = 0; i < BLOCK; i++) {
    int at = data[i];
    uint8_t symbol = recent[at];
    if (forward) {
      symbol = data[i];
      for (at = 0; recent[at] != symbol; at++) continue;
    }
    memmove(recent + 1, recent, at);
    recent[0] = symbol;
    data[i] = forward ? (uint8_t)at : symbol;
  }
}

static int count_runs(const uint8_t *data) {
  int runs = 1;
  for (int i = 1; i < BLOCK; i++) runs += data[i] != data[i - 1];
  return runs;
}

static void make_text(uint8_t *text) {
  for (int i = 0; i < BLOCK; i++) {
    uint32_t draw = bench_random();
    text[i] = i > 64 && draw % 8 ? text[i - 8 * (1 + draw / 8 % 3)] : (uint8_t)('a' + draw % 20);
  }
}

int main(int argc, char **argv) {
  int blocks = bench_size(argc, argv, 100);
  uint8_t *text = bench_alloc((size_t)blocks * BLOCK);
  uint8_t *packed = bench_alloc((size_t)blocks * BLOCK);
  uint8_t back[BLOCK];
  uint64_t hash = BENCH_HASH_SEED, broken = 0;
  for (int i = 0; i < blocks; i++) make_text(text + i * BLOCK);

  bench_start();
  for (int i = 0; i < blocks; i++) {
    uint8_t *data = packed + i * BLOCK;
    int origin = transform(data, text + i * BLOCK);
    move_to_front(data, 1);
    hash = bench_hash(hash, (uint64_t)origin << 32 | count_runs(data));
    memcpy(back, data, BLOCK);
    move_to_front(back, 0);
    memcpy(data, back, BLOCK);
    restore(back, data, origin);
    broken |= memcmp(back, text + i * BLOCK, BLOCK) != 0;
  }
  bench_end();

  if (broken) return 1;
  return bench_report(hash);
}
