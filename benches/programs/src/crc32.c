// CRC-32 (the polynomial of zlib and PNG) over a MiB n times, eight table look-ups per step.
#include "bench.h"

static uint32_t table[8][256];

static void make_tables(void) {
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    table[0][byte] = crc;
  }
  for (int slice = 1; slice < 8; slice++) {
    for (int byte = 0; byte < 256; byte++) {
      uint32_t crc = table[slice - 1][byte];
      table[slice][byte] = crc >> 8 ^ table[0][crc & 255];
    }
  }
}

static uint32_t crc32(uint32_t crc, const uint8_t *data, size_t length) {
  crc = ~crc;
  for (; length >= 8; data += 8, length -= 8) {
    uint32_t low, high;
    memcpy(&low, data, 4);
    memcpy(&high, data + 4, 4);
    low ^= crc;
    crc = table[7][low & 255] ^ table[6][low >> 8 & 255] ^ table[5][low >> 16 & 255] ^ table[4][low >> 24] ^
          table[3][high & 255] ^ table[2][high >> 8 & 255] ^ table[1][high >> 16 & 255] ^ table[0][high >> 24];
  }
  while (length--) crc = crc >> 8 ^ table[0][(crc ^ *data++) & 255];
  return ~crc;
}

int main(int argc, char **argv) {
  enum { LENGTH = 1 << 20 };
  int passes = bench_size(argc, argv, 120);
  uint8_t *data = bench_alloc(LENGTH);
  make_tables();
  if (crc32(0, (const uint8_t *)"123456789", 9) != 0xcbf43926) return 1; // the catalogue's check value
  for (size_t i = 0; i < LENGTH; i++) data[i] = (uint8_t)(i ^ i >> 9);

  bench_start();
  uint32_t crc = 0;
  for (int pass = 0; pass < passes; pass++) crc = crc32(crc, data, LENGTH - 3);
  bench_end();

  return bench_report(bench_hash(BENCH_HASH_SEED, crc));
}
