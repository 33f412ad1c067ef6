// A mix as small controllers run it: a linked list that is searched, reversed and sorted,
// 16-bit matrices, a state machine that reads numbers, and a CRC over all results, n rounds.
#include "bench.h"

typedef struct Item Item;
struct Item {
  Item *next;
  int16_t value, index;
};

enum { ITEMS = 300, SIDE = 12, STATES = 7 };

static Item items[ITEMS];
static int16_t a[SIDE][SIDE], b[SIDE][SIDE];
static int32_t c[SIDE][SIDE];

static uint16_t crc16(uint16_t crc, uint32_t word) {
  for (int bit = 0; bit < 32; bit++, word >>= 1) {
    crc = (uint16_t)(crc >> 1 ^ ((crc ^ word) & 1 ? 0xa001 : 0));
  }
  return crc;
}

static Item *reverse(Item *list) {
  Item *reversed = NULL;
  while (list) {
    Item *next = list->next;
    list->next = reversed;
    reversed = list;
    list = next;
  }
  return reversed;
}

static int by_value(const Item *x, const Item *y) { return x->value - y->value; }
static int by_index(const Item *x, const Item *y) { return x->index - y->index; }

static Item *sort(Item *list, int (*compare)(const Item *, const Item *)) {
  if (!list || !list->next) return list;
  Item *middle = list, *end = list->next;
  while (end && end->next) middle = middle->next, end = end->next->next;
  Item *right = sort(middle->next, compare);
  middle->next = NULL;
  Item *left = sort(list, compare), *merged = NULL, **tail = &merged;
  while (left && right) {
    Item **smaller = compare(left, right) <= 0 ? &left : &right;
    *tail = *smaller;
    tail = &(*tail)->next;
    *smaller = *tail;
  }
  *tail = left ? left : right;
  return merged;
}

static uint16_t list_round(Item **list, uint16_t crc, int round) {
  int16_t wanted = (int16_t)(round * 37 % 256);
  const Item *found = *list;
  while (found && (found->value & 255) != wanted) found = found->next;
  crc = crc16(crc, found ? (uint32_t)found->index : ~0u);
  if (found) items[found->index].value ^= (int16_t)(round & 0x700);
  *list = sort(reverse(*list), by_value);
  for (const Item *item = *list; item; item = item->next) {
    if (item->index % 16 == 0) crc = crc16(crc, (uint16_t)item->value);
  }
  *list = sort(*list, by_index);
  return crc;
}

static uint16_t matrix_round(uint16_t crc, int16_t shift) {
  for (int i = 0; i < SIDE; i++) {
    for (int j = 0; j < SIDE; j++) {
      int32_t sum = 0;
      for (int k = 0; k < SIDE; k++) sum += (int32_t)a[i][k] * b[k][j];
      c[i][j] = (sum >> 2 & 15) * (sum >> 5 & 127);
    }
  }
  for (int i = 0; i < SIDE; i++) {
    for (int j = 0; j < SIDE; j++) a[i][j] = (int16_t)(a[i][j] + c[j][i] + shift);
    crc = crc16(crc, (uint32_t)c[i][i]);
  }
  return crc;
}

typedef enum { START, SIGN, INTEGER, POINT, EXPONENT, DONE, INVALID } State;

static State step(State state, char letter) {
  int digit = letter >= '0' && letter <= '9';
  if (letter == ',') return DONE;
  switch (state) {
    case START: return digit ? INTEGER : letter == '-' || letter == '+' ? SIGN : letter == '.' ? POINT : INVALID;
    case SIGN: return digit ? INTEGER : letter == '.' ? POINT : INVALID;
    case INTEGER: return digit ? INTEGER : letter == '.' ? POINT : letter == 'e' ? EXPONENT : INVALID;
    case POINT: return digit ? POINT : letter == 'e' ? EXPONENT : INVALID;
    case EXPONENT: return digit || letter == '-' ? EXPONENT : INVALID;
    case DONE:
    case INVALID: break;
  }
  return INVALID;
}

static uint16_t machine_round(uint16_t crc, char *text) {
  uint32_t visits[STATES] = {0};
  State state = START;
  for (char *at = text; *at; at++) {
    state = step(state, *at);
    visits[state]++;
    if (state == DONE) state = START;
  }
  for (int i = 0; i < STATES; i++) crc = crc16(crc, visits[i]);
  text[crc % 64] ^= crc & 0x100 ? 0 : 1; // the next round reads slightly other numbers
  return crc;
}

int main(int argc, char **argv) {
  int rounds = bench_size(argc, argv, 1500);
  char text[] = "12,-7.25,+3e10,.5e-3,99x,1.2.3,4711,-0.001,5e5,hello,+,1234567890,6.02e23,-1,0,42.0,7e-7,3.14159,8,";
  Item *list = NULL;
  for (int i = ITEMS - 1; i >= 0; i--) {
    items[i] = (Item){list, (int16_t)(bench_random() >> 18), (int16_t)i};
    list = &items[i];
  }
  for (int i = 0; i < SIDE; i++) {
    for (int j = 0; j < SIDE; j++) {
      a[i][j] = (int16_t)(bench_random() >> 20);
      b[i][j] = (int16_t)(bench_random() >> 22);
    }
  }

  bench_start();
  uint16_t crc = 0xffff;
  for (int i = 0; i < rounds; i++) {
    crc = list_round(&list, crc, i);
    for (int j = 0; j < 8; j++) crc = machine_round(matrix_round(crc, (int16_t)(i + j)), text);
  }
  bench_end();

  return bench_report(bench_hash(BENCH_HASH_SEED, crc));
}
