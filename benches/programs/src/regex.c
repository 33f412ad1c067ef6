// A backtracking regular-expression machine run over n generated log lines.
// Patterns know literals, "\\" escapes, ".", "[a-z]", "(...)", "|", "*", "+" and "?".
#include "bench.h"

typedef enum { CHAR, ANY, CLASS, SPLIT, JUMP, MATCH } Op;

typedef struct {
  Op op;
  char letter;
  uint8_t class[32];   // one bit per byte value
  int first, second;   // where SPLIT and JUMP go on; SPLIT tries first before second
} Step;

enum { MAX_STEPS = 128 };

typedef struct {
  Step steps[MAX_STEPS];
  int count;
} Program;

static const char *pattern;

static int emit(Program *program, Op op) {
  memset(&program->steps[program->count], 0, sizeof(Step));
  program->steps[program->count].op = op;
  return program->count++;
}

// Makes room for one step at `at`; jumps past it move along.
static void open_gap(Program *program, int at) {
  memmove(&program->steps[at + 1], &program->steps[at], sizeof(Step) * (program->count - at));
  program->count++;
  for (int i = at + 1; i < program->count; i++) {
    program->steps[i].first += program->steps[i].first >= at;
    program->steps[i].second += program->steps[i].second >= at;
  }
  program->steps[at] = (Step){.op = SPLIT, .first = at + 1};
}

static void alternatives(Program *program);

static void class(Program *program) {
  Step *step = &program->steps[emit(program, CLASS)];
  for (; *pattern != ']'; pattern++) {
    int low = (uint8_t)*pattern, high = low;
    if (pattern[1] == '-') high = (uint8_t)pattern[2], pattern += 2;
    for (int c = low; c <= high; c++) step->class[c / 8] |= 1 << c % 8;
  }
  pattern++;
}

static void atom(Program *program) {
  char letter = *pattern++;
  if (letter == '(') {
    alternatives(program);
    pattern++;
  } else if (letter == '[') {
    class(program);
  } else if (letter == '.') {
    emit(program, ANY);
  } else {
    program->steps[emit(program, CHAR)].letter = letter == '\\' ? *pattern++ : letter;
  }
}

static void repetition(Program *program) {
  int start = program->count;
  atom(program);
  char mark = *pattern;
  if (mark != '*' && mark != '+' && mark != '?') return;
  pattern++;
  if (mark == '+') {
    int split = emit(program, SPLIT);
    program->steps[split].first = start, program->steps[split].second = split + 1;
    return;
  }
  open_gap(program, start);
  if (mark == '*') program->steps[emit(program, JUMP)].first = start;
  program->steps[start].second = program->count;
}

static void alternatives(Program *program) {
  int start = program->count;
  while (*pattern && *pattern != '|' && *pattern != ')') repetition(program);
  if (*pattern != '|') return;
  pattern++;
  open_gap(program, start);
  int jump = emit(program, JUMP);
  program->steps[start].second = program->count;
  alternatives(program);
  program->steps[jump].first = program->count;
}

static int matches(const Program *program, int at, const char *text) {
  for (;;) {
    const Step *step = &program->steps[at];
    uint8_t letter = (uint8_t)*text;
    switch (step->op) {
      case MATCH: return 1;
      case JUMP: at = step->first; continue;
      case SPLIT:
        if (matches(program, step->first, text)) return 1;
        at = step->second;
        continue;
      case CHAR: if (*text != step->letter) return 0; break;
      case CLASS: if (!(step->class[letter / 8] >> letter % 8 & 1)) return 0; break;
      case ANY: if (!letter) return 0; break;
    }
    at++, text++;
  }
}

static int find(const Program *program, const char *text) {
  for (int at = 0; text[at]; at++) {
    if (matches(program, 0, text + at)) return at;
  }
  return -1;
}

int main(int argc, char **argv) {
  static const char *patterns[] = {"error|warning", "[0-9]+\\.[0-9]+", "user=[a-z]+[0-9]*", "(GET|POST) /[a-z/]*\\?",
                                   "id=([a-f0-9][a-f0-9])+;", "(a|b)*c.*9"};
  enum { PATTERNS = sizeof patterns / sizeof *patterns, LINE = 96 };
  static Program programs[PATTERNS];
  int lines = bench_size(argc, argv, 30000);
  char(*log)[LINE] = bench_alloc((size_t)lines * LINE);
  for (int i = 0; i < lines; i++) {
    uint32_t draw = bench_random();
    snprintf(log[i], LINE, "%u.%u %s %s /a/b%s user=%s%u id=%x; aabbab%s", draw >> 16, draw % 1000,
             draw % 5 ? "info" : "error", draw % 3 ? "GET" : "PUT", draw % 7 ? "" : "?q", draw % 2 ? "ann" : "bob",
             draw % 50, draw, draw % 4 ? "" : "c 19");
  }
  for (int i = 0; i < PATTERNS; i++) {
    pattern = patterns[i];
    alternatives(&programs[i]);
    emit(&programs[i], MATCH);
  }

  bench_start();
  uint64_t hash = BENCH_HASH_SEED;
  for (int i = 0; i < lines; i++) {
    for (int p = 0; p < PATTERNS; p++) hash = bench_hash(hash, find(&programs[p], log[i]));
  }
  bench_end();

  return bench_report(hash);
}
