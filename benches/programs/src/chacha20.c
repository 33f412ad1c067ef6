// The ChaCha20 stream cipher (RFC 8439) over n KiB, one block at a time.
#include "bench.h"

static uint32_t rotate(uint32_t word, int bits) { return word << bits | word >> (32 - bits); }

static void quarter_round(uint32_t x[16], int a, int b, int c, int d) {
  x[a] += x[b], x[d] = rotate(x[d] ^ x[a], 16);
  x[c] += x[d], x[b] = rotate(x[b] ^ x[c], 12);
  x[a] += x[b], x[d] = rotate(x[d] ^ x[a], 8);
  x[c] += x[d], x[b] = rotate(x[b] ^ x[c], 7);
}

static void block(uint32_t out[16], const uint32_t state[16]) {
  uint32_t x[16];
  memcpy(x, state, sizeof x);
  for (int i = 0; i < 10; i++) {
    quarter_round(x, 0, 4, 8, 12);
    quarter_round(x, 1, 5, 9, 13);
    quarter_round(x, 2, 6, 10, 14);
    quarter_round(x, 3, 7, 11, 15);
    quarter_round(x, 0, 5, 10, 15);
    quarter_round(x, 1, 6, 11, 12);
    quarter_round(x, 2, 7, 8, 13);
    quarter_round(x, 3, 4, 9, 14);
  }
  for (int i = 0; i < 16; i++) out[i] = x[i] + state[i];
}

static void encrypt(uint32_t *data, size_t words, uint32_t state[16]) {
  for (; words >= 16; data += 16, words -= 16) {
    uint32_t stream[16];
    block(stream, state);
    state[12]++;
    for (int i = 0; i < 16; i++) data[i] ^= stream[i];
  }
}

int main(int argc, char **argv) {
  size_t length = (size_t)bench_size(argc, argv, 32000) * 1024;
  uint32_t *data = bench_alloc(length);
  uint32_t state[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
  for (uint32_t i = 0; i < 8; i++) state[4 + i] = 0x03020100 + 0x04040404 * i;
  for (size_t i = 0; i < length / 4; i++) data[i] = (uint32_t)i;

  bench_start();
  encrypt(data, length / 4, state);
  bench_end();

  uint64_t hash = BENCH_HASH_SEED;
  for (size_t i = 0; i < length / 4; i++) hash = bench_hash(hash, data[i]);
  return bench_report(hash);
}
