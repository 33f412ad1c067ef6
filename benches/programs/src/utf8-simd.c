// Scans n KiB of UTF-8 sixteen bytes at a time: counts code points, finds line ends,
// turns ASCII letters to upper case and classifies bytes by a table look-up.
#include "bench.h"
#include <wasm_simd128.h>

typedef struct {
  uint64_t code_points, lines, spaces, line_end_sum;
} Totals;

static v128_t upper_case(v128_t text) {
  v128_t from_a = wasm_i8x16_sub(text, wasm_i8x16_const_splat('a'));
  v128_t lower = wasm_u8x16_lt(from_a, wasm_i8x16_const_splat(26));
  return wasm_i8x16_sub(text, wasm_v128_and(lower, wasm_i8x16_const_splat(32)));
}

// White space has one byte value per low nibble, so one look-up by that nibble decides.
static v128_t white_space(v128_t text) {
  v128_t expected = wasm_i8x16_const(' ', -1, -1, -1, -1, -1, -1, -1, -1, '\t', '\n', -1, -1, '\r', -1, -1);
  v128_t nibble = wasm_v128_and(text, wasm_i8x16_const_splat(15));
  return wasm_i8x16_eq(wasm_i8x16_swizzle(expected, nibble), text);
}

static void scan(uint8_t *text, size_t length, Totals *totals) {
  for (size_t at = 0; at < length; at += 16) {
    v128_t bytes = wasm_v128_load(text + at);
    // Continuation bytes are 0x80 to 0xbf: as signed numbers, less than -64.
    v128_t starts = wasm_i8x16_ge(bytes, wasm_i8x16_const_splat(-64));
    totals->code_points += (uint32_t)__builtin_popcount(wasm_i8x16_bitmask(starts));
    totals->spaces += (uint32_t)__builtin_popcount(wasm_i8x16_bitmask(white_space(bytes)));
    uint32_t ends = wasm_i8x16_bitmask(wasm_i8x16_eq(bytes, wasm_i8x16_const_splat('\n')));
    for (; ends; ends &= ends - 1) {
      totals->lines++;
      totals->line_end_sum += at + (uint32_t)__builtin_ctz(ends);
    }
    wasm_v128_store(text + at, upper_case(bytes));
  }
}

int main(int argc, char **argv) {
  static const char *letters[] = {"a", "e", "n", "r", " ", " ", "\n", "q", "z", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                                  "T", "o", "\t", "s"};
  size_t length = (size_t)bench_size(argc, argv, 32000) * 1024, at = 0;
  uint8_t *text = bench_alloc(length + 16);
  while (at < length) {
    for (const char *c = letters[bench_random() >> 28]; *c; c++) text[at++] = (uint8_t)*c;
  }
  Totals totals = {0};

  bench_start();
  for (int pass = 0; pass < 4; pass++) scan(text, length, &totals);
  bench_end();

  uint64_t hash = bench_hash(bench_hash(BENCH_HASH_SEED, totals.code_points), totals.lines);
  hash = bench_hash(bench_hash(hash, totals.spaces), totals.line_end_sum);
  return bench_report(bench_hash_bytes(hash, text, length));
}
