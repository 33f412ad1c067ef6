// The Mandelbrot set on n x n points, four points at a time in single precision.
#include "bench.h"
#include <wasm_simd128.h>

enum { LIMIT = 100 };

static v128_t escape_times(v128_t cx, v128_t cy) {
  v128_t x = wasm_f32x4_const_splat(0), y = x, count = wasm_i32x4_const_splat(0);
  for (int i = 0; i < LIMIT; i++) {
    v128_t xx = wasm_f32x4_mul(x, x), yy = wasm_f32x4_mul(y, y), xy = wasm_f32x4_mul(x, y);
    v128_t inside = wasm_f32x4_le(wasm_f32x4_add(xx, yy), wasm_f32x4_const_splat(4));
    if (!wasm_v128_any_true(inside)) break;
    count = wasm_i32x4_sub(count, inside); // a true lane is -1
    x = wasm_v128_bitselect(wasm_f32x4_add(wasm_f32x4_sub(xx, yy), cx), x, inside);
    y = wasm_v128_bitselect(wasm_f32x4_add(wasm_f32x4_add(xy, xy), cy), y, inside);
  }
  return count;
}

int main(int argc, char **argv) {
  int n = (bench_size(argc, argv, 1900) + 3) / 4 * 4;
  int32_t *image = bench_alloc(sizeof(int32_t) * n * n);
  float scale = 1.0f / (float)n;

  bench_start();
  for (int row = 0; row < n; row++) {
    v128_t cy = wasm_f32x4_splat(2.5f * (float)row * scale - 1.25f);
    for (int column = 0; column < n; column += 4) {
      v128_t index = wasm_i32x4_add(wasm_i32x4_splat(column), wasm_i32x4_const(0, 1, 2, 3));
      v128_t cx = wasm_f32x4_mul(wasm_f32x4_convert_i32x4(index), wasm_f32x4_splat(3.0f * scale));
      cx = wasm_f32x4_sub(cx, wasm_f32x4_const_splat(2));
      wasm_v128_store(&image[row * n + column], escape_times(cx, cy));
    }
  }
  bench_end();

  return bench_report(bench_hash_bytes(BENCH_HASH_SEED, image, sizeof(int32_t) * n * n));
}
