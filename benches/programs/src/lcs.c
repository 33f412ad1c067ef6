// The longest common subsequence of two strings of n letters, found by Hirschberg's
// divide and conquer in linear space.
#include "bench.h"

static int max(int a, int b) { return a > b ? a : b; }

// scores[j] = length of the common subsequence of all of a and the first j letters of b;
// step is -1 to read both strings from their ends.
static void last_row(const char *a, int na, const char *b, int nb, int step, int *scores) {
  memset(scores, 0, sizeof(int) * (nb + 1));
  for (int i = 0; i < na; i++) {
    char letter = a[i * step];
    int diagonal = 0;
    for (int j = 1; j <= nb; j++) {
      int above = scores[j];
      scores[j] = letter == b[(j - 1) * step] ? diagonal + 1 : max(above, scores[j - 1]);
      diagonal = above;
    }
  }
}

static char *subsequence(const char *a, int na, const char *b, int nb, char *out) {
  if (na == 0 || nb == 0) return out;
  if (na == 1) {
    if (memchr(b, a[0], nb)) *out++ = a[0];
    return out;
  }
  int half = na / 2, split = 0, best = -1;
  int *left = bench_alloc(sizeof(int) * (nb + 1)), *right = bench_alloc(sizeof(int) * (nb + 1));
  last_row(a, half, b, nb, 1, left);
  last_row(a + na - 1, na - half, b + nb - 1, nb, -1, right);
  for (int j = 0; j <= nb; j++) {
    if (left[j] + right[nb - j] > best) best = left[split = j] + right[nb - j];
  }
  free(left);
  free(right);
  out = subsequence(a, half, b, split, out);
  return subsequence(a + half, na - half, b + split, nb - split, out);
}

int main(int argc, char **argv) {
  int n = bench_size(argc, argv, 5000);
  char *a = bench_alloc(n), *b = bench_alloc(n), *common = bench_alloc(n);
  for (int i = 0; i < n; i++) {
    a[i] = 'a' + bench_random() % 8;
    b[i] = 'a' + bench_random() % 8;
  }

  bench_start();
  int length = (int)(subsequence(a, n, b, n, common) - common);
  bench_end();

  return bench_report(bench_hash_bytes(bench_hash(BENCH_HASH_SEED, length), common, length));
}
