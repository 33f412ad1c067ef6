// A fast Fourier transform of 2^n complex numbers, forwards and back (radix 2, in place).
#include "bench.h"
#include <math.h>

typedef struct {
  double re, im;
} Complex;

static void reverse_bits(Complex *data, uint32_t count) {
  for (uint32_t i = 1, j = 0; i < count; i++) {
    uint32_t bit = count >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i >= j) continue;
    Complex old = data[i];
    data[i] = data[j];
    data[j] = old;
  }
}

// twiddle[k] = e^(2 pi i k / count); direction is 1 or -1.
static void transform(Complex *data, uint32_t count, const Complex *twiddle, double direction) {
  reverse_bits(data, count);
  for (uint32_t half = 1; half < count; half *= 2) {
    uint32_t stride = count / (2 * half);
    for (uint32_t start = 0; start < count; start += 2 * half) {
      Complex *low = data + start, *high = low + half;
      for (uint32_t k = 0; k < half; k++) {
        Complex w = {twiddle[k * stride].re, direction * twiddle[k * stride].im};
        Complex turned = {high[k].re * w.re - high[k].im * w.im, high[k].re * w.im + high[k].im * w.re};
        high[k] = (Complex){low[k].re - turned.re, low[k].im - turned.im};
        low[k] = (Complex){low[k].re + turned.re, low[k].im + turned.im};
      }
    }
  }
}

int main(int argc, char **argv) {
  uint32_t count = 1u << bench_size(argc, argv, 19);
  Complex *data = bench_alloc(sizeof(Complex) * count), *twiddle = bench_alloc(sizeof(Complex) * count);
  for (uint32_t i = 0; i < count; i++) {
    double angle = 6.283185307179586 * i / count;
    twiddle[i] = (Complex){cos(angle), sin(angle)};
    data[i] = (Complex){bench_random_unit(), bench_random_unit()};
  }

  bench_start();
  transform(data, count, twiddle, -1);
  for (uint32_t i = count / 4; i < 3 * count / 4; i++) data[i].re *= 0.5; // damp the high frequencies
  transform(data, count, twiddle, 1);
  bench_end();

  return bench_report(bench_hash_f64s(BENCH_HASH_SEED, &data[0].re, 2 * (size_t)count));
}
