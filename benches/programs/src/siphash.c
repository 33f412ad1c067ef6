// SipHash-2-4 of n short keys of 1 to 32 bytes: 64-bit arithmetic in small calls.
#include "bench.h"

typedef struct {
  uint64_t v0, v1, v2, v3;
} State;

static uint64_t rotate(uint64_t word, int bits) { return word << bits | word >> (64 - bits); }

static void rounds(State *s, int count) {
  while (count--) {
    s->v0 += s->v1, s->v1 = rotate(s->v1, 13) ^ s->v0, s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3, s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3, s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1, s->v1 = rotate(s->v1, 17) ^ s->v2, s->v2 = rotate(s->v2, 32);
  }
}

static void absorb(State *s, uint64_t word) {
  s->v3 ^= word;
  rounds(s, 2);
  s->v0 ^= word;
}

static uint64_t siphash(uint64_t k0, uint64_t k1, const uint8_t *data, size_t length) {
  State s = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
             k1 ^ 0x7465646279746573};
  uint64_t last = (uint64_t)length << 56;
  for (; length >= 8; data += 8, length -= 8) {
    uint64_t word;
    memcpy(&word, data, 8);
    absorb(&s, word);
  }
  for (size_t i = 0; i < length; i++) last |= (uint64_t)data[i] << 8 * i;
  absorb(&s, last);
  s.v2 ^= 255;
  rounds(&s, 4);
  return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

int main(int argc, char **argv) {
  int n = bench_size(argc, argv, 3000000);
  uint8_t text[4096 + 32];
  for (size_t i = 0; i < sizeof text; i++) text[i] = (uint8_t)bench_random();

  bench_start();
  uint64_t hash = 0;
  for (int i = 0; i < n; i++) hash += siphash(i, ~i, text + i % 4096, 1 + i % 32);
  bench_end();

  return bench_report(hash);
}
