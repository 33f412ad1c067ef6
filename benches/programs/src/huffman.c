// Canonical Huffman coding of n KiB: count, build the tree, encode, decode bit by bit.
#include "bench.h"

enum { SYMBOLS = 256, MAX_BITS = 32 };

typedef struct {
  uint8_t length[SYMBOLS];
  uint32_t code[SYMBOLS];
  int of_length[MAX_BITS];       // how many codes have this length
  uint8_t by_code[SYMBOLS];      // symbols ordered by (length, symbol)
} Code;

static int lightest(const uint32_t *weight, const int *parent, int count) {
  int best = -1;
  for (int i = 0; i < count; i++) {
    if (weight[i] && parent[i] < 0 && (best < 0 || weight[i] < weight[best])) best = i;
  }
  return best;
}

static void measure_lengths(Code *code, const uint32_t *counts) {
  uint32_t weight[2 * SYMBOLS] = {0};
  int parent[2 * SYMBOLS], nodes = SYMBOLS;
  memcpy(weight, counts, sizeof(uint32_t) * SYMBOLS);
  memset(parent, -1, sizeof parent);
  for (;;) {
    int first = lightest(weight, parent, nodes);
    parent[first] = nodes;
    int second = lightest(weight, parent, nodes);
    if (second < 0) {
      parent[first] = -1;
      break;
    }
    parent[second] = nodes;
    weight[nodes++] = weight[first] + weight[second];
  }
  for (int symbol = 0; symbol < SYMBOLS; symbol++) {
    int depth = 0;
    for (int node = symbol; parent[node] >= 0; node = parent[node]) depth++;
    code->length[symbol] = (uint8_t)depth;
  }
}

static void assign_codes(Code *code) {
  uint32_t next = 0;
  int rank = 0;
  for (int length = 1; length < MAX_BITS; length++, next <<= 1) {
    code->of_length[length] = 0;
    for (int symbol = 0; symbol < SYMBOLS; symbol++) {
      if (code->length[symbol] != length) continue;
      code->code[symbol] = next++;
      code->by_code[rank++] = (uint8_t)symbol;
      code->of_length[length]++;
    }
  }
}

static size_t encode(const Code *code, uint8_t *out, const uint8_t *data, size_t count) {
  uint8_t *start = out;
  uint64_t pending = 0;
  int bits = 0;
  for (size_t i = 0; i < count; i++) {
    pending = pending << code->length[data[i]] | code->code[data[i]];
    bits += code->length[data[i]];
    for (; bits >= 8; bits -= 8) *out++ = (uint8_t)(pending >> (bits - 8));
  }
  *out++ = (uint8_t)(pending << (8 - bits));
  return out - start;
}

static void decode(const Code *code, uint8_t *out, const uint8_t *packed, size_t count) {
  size_t at = 0;
  for (size_t i = 0; i < count; i++) {
    int value = 0, first = 0, rank = 0, length = 1;
    for (;; length++) {
      value |= packed[at / 8] >> (7 - at % 8) & 1;
      at++;
      int here = code->of_length[length];
      if (value - first < here) break;
      rank += here;
      first = (first + here) << 1;
      value <<= 1;
    }
    out[i] = code->by_code[rank + value - first];
  }
}

int main(int argc, char **argv) {
  size_t count = (size_t)bench_size(argc, argv, 3000) * 1024;
  uint8_t *data = bench_alloc(count), *packed = bench_alloc(2 * count + 8), *back = bench_alloc(count);
  uint32_t counts[SYMBOLS] = {0};
  Code code = {0};
  for (size_t i = 0; i < count; i++) {
    uint32_t draw = bench_random();
    data[i] = (uint8_t)(' ' + (draw & draw >> 8 & draw >> 16 & 63));
  }

  bench_start();
  for (size_t i = 0; i < count; i++) counts[data[i]]++;
  measure_lengths(&code, counts);
  assign_codes(&code);
  size_t packed_length = encode(&code, packed, data, count);
  decode(&code, back, packed, count);
  bench_end();

  if (memcmp(data, back, count) != 0) return 1;
  return bench_report(bench_hash_bytes(BENCH_HASH_SEED, packed, packed_length));
}
