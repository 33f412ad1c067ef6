// AES-128 (FIPS 197) in counter mode over n KiB, byte by byte with a computed S-box.
#include "bench.h"

enum { ROUNDS = 10, BLOCK = 16 };

static uint8_t sbox[256];
static uint8_t round_keys[ROUNDS + 1][BLOCK];

static uint8_t twice(uint8_t x) { return (uint8_t)(x << 1 ^ (x >> 7) * 0x1b); }

static uint8_t multiply(uint8_t a, uint8_t b) {
  uint8_t product = 0;
  for (; b; b >>= 1, a = twice(a)) product ^= b & 1 ? a : 0;
  return product;
}

static void make_sbox(void) {
  for (int x = 0; x < 256; x++) {
    uint8_t inverse = 1;
    for (int i = 0; i < 254; i++) inverse = multiply(inverse, (uint8_t)x); // x^254 = 1/x
    uint8_t mixed = inverse;
    for (int i = 1; i < 5; i++) mixed ^= (uint8_t)(inverse << i | inverse >> (8 - i));
    sbox[x] = mixed ^ 0x63;
  }
}

static void expand_key(const uint8_t key[BLOCK]) {
  uint8_t constant = 1;
  memcpy(round_keys[0], key, BLOCK);
  for (int round = 1; round <= ROUNDS; round++, constant = twice(constant)) {
    const uint8_t *old = round_keys[round - 1];
    uint8_t *new = round_keys[round];
    for (int i = 0; i < 4; i++) new[i] = old[i] ^ sbox[old[12 + (i + 1) % 4]];
    new[0] ^= constant;
    for (int i = 4; i < BLOCK; i++) new[i] = old[i] ^ new[i - 4];
  }
}

static void substitute_and_shift(uint8_t to[BLOCK], const uint8_t from[BLOCK]) {
  for (int i = 0; i < BLOCK; i++) to[i] = sbox[from[(i + 4 * (i % 4)) % BLOCK]];
}

static void mix_columns(uint8_t state[BLOCK]) {
  for (uint8_t *c = state; c < state + BLOCK; c += 4) {
    uint8_t all = c[0] ^ c[1] ^ c[2] ^ c[3], first = c[0];
    for (int i = 0; i < 3; i++) c[i] ^= all ^ twice(c[i] ^ c[i + 1]);
    c[3] ^= all ^ twice(c[3] ^ first);
  }
}

static void add_key(uint8_t state[BLOCK], const uint8_t key[BLOCK]) {
  for (int i = 0; i < BLOCK; i++) state[i] ^= key[i];
}

static void encrypt(uint8_t block[BLOCK]) {
  uint8_t shifted[BLOCK];
  add_key(block, round_keys[0]);
  for (int round = 1; round < ROUNDS; round++) {
    substitute_and_shift(shifted, block);
    mix_columns(shifted);
    add_key(shifted, round_keys[round]);
    memcpy(block, shifted, BLOCK);
  }
  substitute_and_shift(shifted, block);
  add_key(shifted, round_keys[ROUNDS]);
  memcpy(block, shifted, BLOCK);
}

static void counter_mode(uint8_t *data, size_t length) {
  for (size_t at = 0, counter = 0; at < length; at += BLOCK, counter++) {
    uint8_t stream[BLOCK] = {0};
    memcpy(stream, &counter, sizeof counter);
    encrypt(stream);
    for (int i = 0; i < BLOCK; i++) data[at + i] ^= stream[i];
  }
}

int main(int argc, char **argv) {
  size_t length = (size_t)bench_size(argc, argv, 5000) * 1024;
  uint8_t *data = bench_alloc(length);
  uint8_t key[BLOCK], block[BLOCK];
  for (int i = 0; i < BLOCK; i++) key[i] = (uint8_t)i, block[i] = (uint8_t)(i * 0x11);
  make_sbox();
  expand_key(key);
  encrypt(block);
  if (block[0] != 0x69 || block[15] != 0x5a) return 1; // the standard's example

  bench_start();
  counter_mode(data, length);
  bench_end();

  return bench_report(bench_hash_bytes(BENCH_HASH_SEED, data, length));
}
