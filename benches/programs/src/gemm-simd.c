// Matrix product C += A * B on n x n floats, four lanes wide, two rows of C at a time.
#include "bench.h"
#include <wasm_simd128.h>

static void multiply_add(int n, float *c, const float *a, const float *b) {
  for (int i = 0; i < n; i += 2) {
    for (int j = 0; j < n; j += 4) {
      v128_t top = wasm_v128_load(&c[i * n + j]), bottom = wasm_v128_load(&c[(i + 1) * n + j]);
      for (int k = 0; k < n; k++) {
        v128_t row = wasm_v128_load(&b[k * n + j]);
        top = wasm_f32x4_add(top, wasm_f32x4_mul(wasm_v128_load32_splat(&a[i * n + k]), row));
        bottom = wasm_f32x4_add(bottom, wasm_f32x4_mul(wasm_v128_load32_splat(&a[(i + 1) * n + k]), row));
      }
      wasm_v128_store(&c[i * n + j], top);
      wasm_v128_store(&c[(i + 1) * n + j], bottom);
    }
  }
}

int main(int argc, char **argv) {
  int n = (bench_size(argc, argv, 640) + 3) / 4 * 4;
  size_t count = (size_t)n * n;
  float *a = bench_alloc(sizeof(float) * count), *b = bench_alloc(sizeof(float) * count);
  float *c = bench_alloc(sizeof(float) * count);
  for (size_t i = 0; i < count; i++) {
    a[i] = (float)bench_random_unit();
    b[i] = (float)bench_random_unit() - 0.5f;
  }

  bench_start();
  multiply_add(n, c, a, b);
  bench_end();

  return bench_report(bench_hash_bytes(BENCH_HASH_SEED, c, sizeof(float) * count));
}
