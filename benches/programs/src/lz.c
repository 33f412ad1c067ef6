// LZ77 compression of n KiB of synthetic text with hash chains, and decompression.
// Format: a control byte c; c < 128: c + 1 literals follow; else a match of length
// c - 128 + MIN_MATCH whose distance follows in two bytes.
#include "bench.h"

enum { MIN_MATCH = 4, MAX_MATCH = 131, WINDOW = 65535, HASH_BITS = 14, CHAIN_LIMIT = 16 };

static int32_t head[1 << HASH_BITS];
static int32_t *previous;

static uint32_t hash_at(const uint8_t *at) {
  uint32_t word;
  memcpy(&word, at, 4);
  return word * 2654435761u >> (32 - HASH_BITS);
}

static void insert(const uint8_t *text, int at) {
  uint32_t slot = hash_at(text + at);
  previous[at] = head[slot];
  head[slot] = at;
}

static int longest_match(const uint8_t *text, int at, int limit, int *distance) {
  int best = 0, candidate = head[hash_at(text + at)];
  if (limit > MAX_MATCH) limit = MAX_MATCH;
  for (int tries = 0; tries < CHAIN_LIMIT && candidate >= 0 && at - candidate <= WINDOW; tries++) {
    int length = 0;
    while (length < limit && text[candidate + length] == text[at + length]) length++;
    if (length > best) best = length, *distance = at - candidate;
    candidate = previous[candidate];
  }
  return best;
}

static uint8_t *put_literals(uint8_t *out, const uint8_t *from, int count) {
  while (count > 0) {
    int run = count < 128 ? count : 128;
    *out++ = (uint8_t)(run - 1);
    memcpy(out, from, run);
    out += run, from += run, count -= run;
  }
  return out;
}

static size_t compress(uint8_t *out, const uint8_t *text, int length) {
  uint8_t *start = out;
  int at = 0, literals = 0;
  memset(head, -1, sizeof head);
  while (at + MIN_MATCH <= length) {
    int distance = 0, match = longest_match(text, at, length - at, &distance);
    insert(text, at);
    if (match < MIN_MATCH) {
      at++, literals++;
      continue;
    }
    out = put_literals(out, text + at - literals, literals);
    literals = 0;
    *out++ = (uint8_t)(128 + match - MIN_MATCH);
    *out++ = (uint8_t)distance;
    *out++ = (uint8_t)(distance >> 8);
    for (int i = 1; i < match && at + i + MIN_MATCH <= length; i++) insert(text, at + i);
    at += match;
  }
  literals += length - at;
  return put_literals(out, text + length - literals, literals) - start;
}

static size_t decompress(uint8_t *out, const uint8_t *packed, size_t length) {
  uint8_t *start = out;
  const uint8_t *end = packed + length;
  while (packed < end) {
    int control = *packed++;
    if (control < 128) {
      memcpy(out, packed, control + 1);
      out += control + 1, packed += control + 1;
      continue;
    }
    int distance = packed[0] | packed[1] << 8;
    packed += 2;
    for (int count = control - 128 + MIN_MATCH; count > 0; count--, out++) *out = out[-distance];
  }
  return out - start;
}

static void make_text(uint8_t *text, int length) {
  static const char *words[] = {"wasm ", "engine ", "tier ", "the ", "a ", "compiles ", "stack ", "loop, ",
                                "function ", "hot ", "code ", "runs. ", "of ", "memory ", "in ", "\n"};
  int at = 0;
  while (at < length) {
    uint32_t draw = bench_random();
    const char *word = words[draw >> 28];
    if (draw % 8 == 0) text[at++] = (uint8_t)('0' + draw / 8 % 10);
    for (; *word && at < length; word++) text[at++] = (uint8_t)*word;
  }
}

int main(int argc, char **argv) {
  int length = bench_size(argc, argv, 3000) * 1024;
  uint8_t *text = bench_alloc(length), *packed = bench_alloc(length + length / 64 + 16);
  uint8_t *unpacked = bench_alloc(length);
  previous = bench_alloc(sizeof(int32_t) * length);
  make_text(text, length);

  bench_start();
  size_t packed_length = compress(packed, text, length);
  size_t unpacked_length = decompress(unpacked, packed, packed_length);
  bench_end();

  if (unpacked_length != (size_t)length || memcmp(text, unpacked, length) != 0) return 1;
  return bench_report(bench_hash_bytes(BENCH_HASH_SEED, packed, packed_length));
}
