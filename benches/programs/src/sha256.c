// SHA-256 (FIPS 180-4) over a message of n KiB.
#include "bench.h"

static uint32_t round_constants[64];
static const uint32_t initial_state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                          0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static uint32_t rotate(uint32_t word, int bits) { return word >> bits | word << (32 - bits); }

// The first 32 fractional bits of the cube root of a prime: bisection with 32 bits after the point.
static uint32_t cube_root_fraction(uint32_t prime) {
  uint64_t low = 0, high = 8ull << 32;
  while (high - low > 1) {
    uint64_t middle = (low + high) / 2;
    unsigned __int128 square = (unsigned __int128)middle * middle;
    int below = square * middle < (unsigned __int128)prime << 96;
    *(below ? &low : &high) = middle;
  }
  return (uint32_t)low;
}

static void make_round_constants(void) {
  int count = 0;
  for (uint32_t candidate = 2; count < 64; candidate++) {
    int prime = 1;
    for (uint32_t d = 2; d * d <= candidate; d++) prime &= candidate % d != 0;
    if (prime) round_constants[count++] = cube_root_fraction(candidate);
  }
}

static void compress(uint32_t state[8], const uint8_t *block) {
  uint32_t w[64];
  for (int i = 0; i < 16; i++, block += 4) {
    w[i] = (uint32_t)block[0] << 24 | block[1] << 16 | block[2] << 8 | block[3];
  }
  for (int i = 16; i < 64; i++) {
    uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
    uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
  uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
  for (int i = 0; i < 64; i++) {
    uint32_t sum1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    uint32_t t1 = h + sum1 + ((e & f) ^ (~e & g)) + round_constants[i] + w[i];
    uint32_t sum0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    uint32_t t2 = sum0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + t1;
    d = c, c = b, b = a, a = t1 + t2;
  }
  state[0] += a, state[1] += b, state[2] += c, state[3] += d;
  state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

static void sha256(uint32_t state[8], const uint8_t *message, size_t length) {
  uint8_t tail[128] = {0};
  size_t whole = length / 64, rest = length % 64, tail_blocks = rest < 56 ? 1 : 2;
  memcpy(state, initial_state, sizeof initial_state);
  for (size_t i = 0; i < whole; i++) compress(state, message + 64 * i);
  memcpy(tail, message + 64 * whole, rest);
  tail[rest] = 0x80;
  for (int i = 0; i < 8; i++) tail[64 * tail_blocks - 1 - i] = (uint8_t)((uint64_t)length * 8 >> 8 * i);
  for (size_t i = 0; i < tail_blocks; i++) compress(state, tail + 64 * i);
}

int main(int argc, char **argv) {
  size_t length = (size_t)bench_size(argc, argv, 12000) * 1024;
  uint8_t *message = bench_alloc(length);
  uint32_t state[8];
  make_round_constants();
  sha256(state, (const uint8_t *)"abc", 3);
  if (state[0] != 0xba7816bf || state[7] != 0xf20015ad) return 1; // the standard's example
  for (size_t i = 0; i < length; i++) message[i] = (uint8_t)(i * 7 + (i >> 8));

  bench_start();
  sha256(state, message, length);
  bench_end();

  return bench_report(bench_hash_bytes(BENCH_HASH_SEED, state, sizeof state));
}
