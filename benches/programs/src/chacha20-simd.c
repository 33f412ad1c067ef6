// ChaCha20 over n KiB, four blocks side by side: lane i of each vector belongs to block i.
#include "bench.h"
#include <wasm_simd128.h>

#define ROTATE(word, bits) wasm_v128_or(wasm_i32x4_shl(word, bits), wasm_u32x4_shr(word, 32 - (bits)))

static inline void quarter_round(v128_t x[16], int a, int b, int c, int d) {
  x[a] = wasm_i32x4_add(x[a], x[b]), x[d] = ROTATE(wasm_v128_xor(x[d], x[a]), 16);
  x[c] = wasm_i32x4_add(x[c], x[d]), x[b] = ROTATE(wasm_v128_xor(x[b], x[c]), 12);
  x[a] = wasm_i32x4_add(x[a], x[b]), x[d] = ROTATE(wasm_v128_xor(x[d], x[a]), 8);
  x[c] = wasm_i32x4_add(x[c], x[d]), x[b] = ROTATE(wasm_v128_xor(x[b], x[c]), 7);
}

// Turns four vectors of one word each into four words of each block, mixed into the data.
static inline void mix_in(uint32_t *data, const v128_t x[4]) {
  v128_t low01 = wasm_i32x4_shuffle(x[0], x[1], 0, 4, 1, 5), low23 = wasm_i32x4_shuffle(x[2], x[3], 0, 4, 1, 5);
  v128_t high01 = wasm_i32x4_shuffle(x[0], x[1], 2, 6, 3, 7), high23 = wasm_i32x4_shuffle(x[2], x[3], 2, 6, 3, 7);
  v128_t words[4] = {
      wasm_i64x2_shuffle(low01, low23, 0, 2), wasm_i64x2_shuffle(low01, low23, 1, 3),
      wasm_i64x2_shuffle(high01, high23, 0, 2), wasm_i64x2_shuffle(high01, high23, 1, 3)};
  for (int block = 0; block < 4; block++) {
    uint32_t *at = data + 16 * block;
    wasm_v128_store(at, wasm_v128_xor(wasm_v128_load(at), words[block]));
  }
}

static void four_blocks(uint32_t *data, const uint32_t state[16]) {
  v128_t start[16], x[16];
  for (int i = 0; i < 16; i++) start[i] = wasm_i32x4_splat((int32_t)state[i]);
  start[12] = wasm_i32x4_add(start[12], wasm_i32x4_const(0, 1, 2, 3));
  memcpy(x, start, sizeof x);
  for (int i = 0; i < 10; i++) {
    for (int j = 0; j < 4; j++) quarter_round(x, j, 4 + j, 8 + j, 12 + j);
    for (int j = 0; j < 4; j++) quarter_round(x, j, 4 + (j + 1) % 4, 8 + (j + 2) % 4, 12 + (j + 3) % 4);
  }
  for (int i = 0; i < 16; i++) x[i] = wasm_i32x4_add(x[i], start[i]);
  for (int i = 0; i < 16; i += 4) mix_in(data + i, x + i);
}

int main(int argc, char **argv) {
  size_t length = (size_t)bench_size(argc, argv, 48000) * 1024;
  uint32_t *data = bench_alloc(length);
  uint32_t state[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
  for (uint32_t i = 0; i < 8; i++) state[4 + i] = 0x03020100 + 0x04040404 * i;
  for (size_t i = 0; i < length / 4; i++) data[i] = (uint32_t)i;

  bench_start();
  for (size_t at = 0; at < length / 4; at += 64, state[12] += 4) four_blocks(data + at, state);
  bench_end();

  uint64_t hash = BENCH_HASH_SEED;
  for (size_t i = 0; i < length / 4; i++) hash = bench_hash(hash, data[i]);
  return bench_report(hash);
}
