// Parses a generated JSON document of n records into a tree, queries it and writes it out again.
#include "bench.h"

typedef enum { NUL, BOOL, NUMBER, STRING, ARRAY, OBJECT } Kind;

typedef struct Value Value;
struct Value {
  Kind kind;
  double number;       // also a boolean's truth
  const char *text;    // string bytes, escapes still in place
  int length;
  const char *key;     // the name under which an object holds this value
  int key_length;
  Value *first, *next; // members of an array or object
};

static Value *pool;
static int used;
static const char *in;
static char *out;

static void skip_space(void) {
  while (*in == ' ' || *in == '\n') in++;
}

static int string(const char **text) {
  *text = ++in;
  while (*in != '"') in += *in == '\\' ? 2 : 1;
  return (int)(in++ - *text);
}

static double number(void) {
  int negative = *in == '-';
  double value = 0, scale = 1;
  in += negative;
  while (*in >= '0' && *in <= '9') value = value * 10 + (*in++ - '0');
  if (*in == '.') {
    for (in++; *in >= '0' && *in <= '9'; in++) value += (*in - '0') * (scale *= 0.1);
  }
  return negative ? -value : value;
}

static Value *value(void);

static void members(Value *parent, char close) {
  Value **link = &parent->first;
  in++;
  for (skip_space(); *in != close; skip_space()) {
    const char *key = NULL;
    int key_length = 0;
    if (close == '}') {
      key_length = string(&key);
      skip_space();
      in++; // the colon
    }
    Value *member = *link = value();
    member->key = key, member->key_length = key_length;
    link = &member->next;
    skip_space();
    if (*in == ',') in++;
  }
  in++;
}

static Value *value(void) {
  Value *v = &pool[used++];
  memset(v, 0, sizeof *v);
  skip_space();
  switch (*in) {
    case '{': v->kind = OBJECT; members(v, '}'); break;
    case '[': v->kind = ARRAY; members(v, ']'); break;
    case '"': v->kind = STRING; v->length = string(&v->text); break;
    case 't': v->kind = BOOL; v->number = 1; in += 4; break;
    case 'f': v->kind = BOOL; in += 5; break;
    case 'n': v->kind = NUL; in += 4; break;
    default: v->kind = NUMBER; v->number = number(); break;
  }
  return v;
}

static double sum_of(const Value *v, const char *key) {
  double sum = v->kind == NUMBER && v->key && !strncmp(v->key, key, v->key_length) ? v->number : 0;
  for (const Value *m = v->first; m; m = m->next) sum += sum_of(m, key);
  return sum;
}

static void put(const char *text, int length) {
  memcpy(out, text, length);
  out += length;
}

static void put_quoted(const char *text, int length) {
  *out++ = '"';
  put(text, length);
  *out++ = '"';
}

static void put_number(double number) {
  char digits[24];
  int at = 24;
  uint64_t scaled = (uint64_t)((number < 0 ? -number : number) * 100 + 0.5);
  for (int place = 0; place < 3 || scaled; place++, scaled /= 10) {
    if (place == 2) digits[--at] = '.';
    digits[--at] = (char)('0' + scaled % 10);
  }
  if (number < 0) *out++ = '-';
  put(digits + at, 24 - at);
}

static void write(const Value *v) {
  if (v->key) put_quoted(v->key, v->key_length), *out++ = ':';
  switch (v->kind) {
    case NUL: put("null", 4); return;
    case BOOL: v->number ? put("true", 4) : put("false", 5); return;
    case NUMBER: put_number(v->number); return;
    case STRING: put_quoted(v->text, v->length); return;
    case ARRAY:
    case OBJECT: break;
  }
  *out++ = v->kind == ARRAY ? '[' : '{';
  for (const Value *m = v->first; m; m = m->next) {
    write(m);
    if (m->next) *out++ = ',';
  }
  *out++ = v->kind == ARRAY ? ']' : '}';
}

static char *make_document(int records) {
  char *document = bench_alloc((size_t)records * 200 + 8), *at = document;
  at += sprintf(at, "[");
  for (int i = 0; i < records; i++) {
    uint32_t draw = bench_random();
    at += sprintf(at, "%s\n { \"id\": %d, \"name\": \"item \\\"%u\\\"\", \"price\": %u.%02u,", i ? "," : "", i,
                  draw % 9973, draw % 500, draw % 100);
    at += sprintf(at, " \"tags\": [\"t%u\", \"t%u\", null], \"size\": {\"w\": -%u, \"h\": %u}, \"new\": %s }",
                  draw >> 28, draw >> 27, draw % 64, draw % 48, draw & 1 ? "true" : "false");
  }
  sprintf(at, "\n]");
  return document;
}

int main(int argc, char **argv) {
  int records = bench_size(argc, argv, 150000);
  char *document = make_document(records);
  char *text = bench_alloc((size_t)records * 200 + 8);
  pool = bench_alloc(sizeof(Value) * ((size_t)records * 12 + 1));

  bench_start();
  in = document, out = text;
  Value *root = value();
  double sum = sum_of(root, "price") + sum_of(root, "w");
  write(root);
  bench_end();

  return bench_report(bench_hash_bytes(bench_hash_f64(BENCH_HASH_SEED, sum), text, out - text));
}
