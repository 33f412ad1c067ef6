// C strings through the C library: split, compare, search, copy and join n lines of words.
#include "bench.h"
#include <ctype.h>

enum { LINE = 128, WORDS = 32 };

static int split(char *line, char *words[WORDS]) {
  int count = 0;
  for (char *word = strtok(line, " ,;"); word && count < WORDS; word = strtok(NULL, " ,;")) words[count++] = word;
  return count;
}

static void sort(char *words[], int count) {
  for (int i = 1; i < count; i++) {
    char *word = words[i];
    int at = i;
    for (; at > 0 && strcmp(words[at - 1], word) > 0; at--) words[at] = words[at - 1];
    words[at] = word;
  }
}

static void capitalise(char *word) {
  for (; *word; word++) {
    if (islower((unsigned char)*word)) *word = (char)toupper((unsigned char)*word);
  }
}

static void decimal(char *out, uint32_t number) {
  char digits[12];
  int at = sizeof digits - 1;
  digits[at] = 0;
  do {
    digits[--at] = (char)('0' + number % 10);
  } while (number /= 10);
  strcpy(out, digits + at);
}

static void make_line(char *line) {
  static const char *stems[] = {"stack", "heap", "register", "tier", "call", "trap", "linear", "table"};
  static const char *marks[] = {" ", ", ", "; ", " "};
  *line = 0;
  while (strlen(line) < LINE - 32) {
    strcat(line, stems[bench_random() >> 29]);
    decimal(line + strlen(line), bench_random() % 500);
    strcat(line, marks[bench_random() >> 30]);
  }
}

int main(int argc, char **argv) {
  int lines = bench_size(argc, argv, 35000);
  char(*text)[LINE] = bench_alloc((size_t)lines * LINE);
  char joined[LINE];
  for (int i = 0; i < lines; i++) make_line(text[i]);

  bench_start();
  uint64_t hash = BENCH_HASH_SEED;
  for (int i = 0; i < lines; i++) {
    char *words[WORDS];
    const char *found = strstr(text[i], "register4");
    hash = bench_hash(hash, found ? (uint64_t)(found - text[i]) : 0);
    int count = split(text[i], words);
    sort(words, count);
    *joined = 0;
    for (int w = 0; w < count; w++) {
      if (w % 3 == 0) capitalise(words[w]);
      if (w > 0 && !strncmp(words[w], words[w - 1], 4)) continue;
      strcat(joined, words[w]);
      hash = bench_hash(hash, (uint64_t)strtol(words[w] + strcspn(words[w], "0123456789"), NULL, 10));
    }
    hash = bench_hash_bytes(hash, joined, strlen(joined));
  }
  bench_end();

  return bench_report(hash);
}
