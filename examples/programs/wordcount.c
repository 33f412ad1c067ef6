// Counts lines, words and bytes of files or of standard input, and the commonest words.
//
//   wordcount [-n COUNT] [FILE...]
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WORD = 63 };

typedef struct {
  char *word; // NULL: empty
  uint64_t count;
} Slot;

static Slot *slots;
static size_t capacity = 1024, distinct;
static uint64_t lines, words, bytes;

static void *allocate(size_t count, size_t size) {
  void *memory = calloc(count, size);
  if (!memory) {
    fputs("wordcount: out of memory\n", stderr);
    exit(3);
  }
  return memory;
}

static Slot *locate(const char *word) {
  uint64_t hash = 14695981039346656037u;
  for (const char *c = word; *c; c++) hash = (hash ^ (unsigned char)*c) * 1099511628211u;
  size_t at = (hash ^ hash >> 32) & (capacity - 1);
  while (slots[at].word && strcmp(slots[at].word, word) != 0) at = (at + 1) & (capacity - 1);
  return &slots[at];
}

static void grow(void) {
  Slot *old = slots;
  size_t old_capacity = capacity;
  capacity *= 2;
  slots = allocate(capacity, sizeof(Slot));
  for (size_t i = 0; i < old_capacity; i++) {
    if (old[i].word) *locate(old[i].word) = old[i];
  }
  free(old);
}

static void count_word(const char *word) {
  words++;
  Slot *slot = locate(word);
  slot->count++;
  if (slot->word) return;
  slot->word = strdup(word);
  if (2 * ++distinct > capacity) grow();
}

// Letters, digits and all bytes beyond ASCII make words, so UTF-8 stays together.
static void count_file(FILE *file) {
  char word[MAX_WORD + 1];
  size_t length = 0;
  int c;
  do {
    c = getc(file);
    if (c != EOF) bytes++;
    if (c == '\n') lines++;
    if (c != EOF && (isalnum(c) || c >= 128)) {
      if (length < MAX_WORD) word[length++] = (char)tolower(c);
    } else if (length > 0) {
      word[length] = 0;
      count_word(word);
      length = 0;
    }
  } while (c != EOF);
}

static int by_count(const void *a, const void *b) {
  const Slot *x = a, *y = b;
  if (x->count != y->count) return x->count < y->count ? 1 : -1;
  if (!x->word || !y->word) return (x->word == NULL) - (y->word == NULL);
  return strcmp(x->word, y->word);
}

int main(int argc, char **argv) {
  int i = 1;
  size_t shown = 10;
  if (argc > 2 && !strcmp(argv[1], "-n")) {
    shown = strtoul(argv[2], NULL, 10);
    i = 3;
  }
  slots = allocate(capacity, sizeof(Slot));
  if (i == argc) count_file(stdin);
  for (; i < argc; i++) {
    FILE *file = fopen(argv[i], "r");
    if (!file) {
      fprintf(stderr, "wordcount: cannot open %s\n", argv[i]);
      return 1;
    }
    count_file(file);
    fclose(file);
  }
  printf("%llu lines, %llu words (%zu different), %llu bytes\n", (unsigned long long)lines,
         (unsigned long long)words, distinct, (unsigned long long)bytes);
  qsort(slots, capacity, sizeof(Slot), by_count);
  for (size_t rank = 0; rank < shown && rank < distinct; rank++) {
    printf("%8llu  %s\n", (unsigned long long)slots[rank].count, slots[rank].word);
  }
  return 0;
}
