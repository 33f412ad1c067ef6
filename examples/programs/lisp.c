// A small Lisp: integers, symbols, strings, pairs and closures, with proper tail calls.
//
//   lisp FILE...     runs files       lisp -e EXPR    prints the value of an expression
//   lisp             reads expressions from standard input and prints their values
//
// Memory is an arena that only grows: programs end before garbage matters.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum { NIL, INTEGER, SYMBOL, STRING, PAIR, PRIMITIVE, CLOSURE } Kind;

typedef struct Value Value;
struct Value {
  Kind kind;
  union {
    int64_t integer;
    const char *text;
    struct { Value *head, *tail; };                       // a pair
    Value *(*primitive)(Value *arguments);
    struct { Value *parameters, *body, *environment; };   // a closure
  };
};

static Value nil_value = {.kind = NIL};
static Value *const nil = &nil_value;
static Value *symbols = &nil_value, *globals = &nil_value;
static Value *truth, *quote, *if_, *define, *set, *lambda, *let, *begin, *cond, *else_, *and_, *or_;

static _Noreturn void fail(const char *message, const char *detail) {
  fflush(stdout);
  fprintf(stderr, "lisp: %s%s%s\n", message, *detail ? ": " : "", detail);
  exit(1);
}

// ---- Values ----

static Value *make(Kind kind) {
  enum { BLOCK = 1 << 16 };
  static Value *free_values;
  static int left;
  if (left == 0) {
    free_values = malloc(sizeof(Value) * BLOCK);
    if (!free_values) fail("out of memory", "");
    left = BLOCK;
  }
  left--;
  free_values->kind = kind;
  return free_values++;
}

static Value *integer(int64_t number) {
  Value *value = make(INTEGER);
  value->integer = number;
  return value;
}

static Value *cons(Value *head, Value *tail) {
  Value *value = make(PAIR);
  value->head = head;
  value->tail = tail;
  return value;
}

static Value *symbol(const char *name) {
  for (Value *at = symbols; at != nil; at = at->tail) {
    if (!strcmp(at->head->text, name)) return at->head;
  }
  Value *value = make(SYMBOL);
  value->text = strdup(name);
  symbols = cons(value, symbols);
  return value;
}

static Value *boolean(int condition) { return condition ? truth : nil; }

static Value *head(Value *value) {
  if (value->kind != PAIR) fail("a list has too few elements", "");
  return value->head;
}

static Value *tail(Value *value) {
  if (value->kind != PAIR) fail("a list has too few elements", "");
  return value->tail;
}

static int64_t number(Value *value) {
  if (value->kind != INTEGER) fail("a number is needed", value->kind == SYMBOL ? value->text : "");
  return value->integer;
}

// ---- Text to values and back ----

static const char *input;

static void skip_space(void) {
  while (*input && (strchr(" \t\r\n", *input) || *input == ';')) {
    if (*input == ';') input += strcspn(input, "\n");
    else input++;
  }
}

static Value *read(void);

static Value *read_list(void) {
  skip_space();
  if (!*input) fail("a closing parenthesis is missing", "");
  if (*input == ')') return input++, nil;
  Value *first = read();
  return cons(first, read_list());
}

static Value *read_string(void) {
  Value *value = make(STRING);
  size_t length = strcspn(input, "\"");
  value->text = strndup(input, length);
  input += length;
  if (*input++ != '"') fail("a string has no end", "");
  return value;
}

static Value *read(void) {
  skip_space();
  if (*input == '(') return input++, read_list();
  if (*input == '\'') return input++, cons(quote, cons(read(), nil));
  if (*input == '"') return input++, read_string();
  char token[128];
  size_t length = strcspn(input, " \t\r\n;()'\"");
  if (length == 0 || length >= sizeof token) fail("this cannot be read", input);
  memcpy(token, input, length);
  token[length] = 0;
  input += length;
  char *end;
  long long value = strtoll(token, &end, 10);
  return *end ? symbol(token) : integer(value);
}

static void print(const Value *value) {
  switch (value->kind) {
    case NIL: fputs("()", stdout); break;
    case INTEGER: printf("%lld", (long long)value->integer); break;
    case SYMBOL:
    case STRING: fputs(value->text, stdout); break;
    case PRIMITIVE: fputs("<primitive>", stdout); break;
    case CLOSURE: fputs("<closure>", stdout); break;
    case PAIR:
      putchar('(');
      for (; value->kind == PAIR; value = value->tail) {
        print(value->head);
        if (value->tail->kind == PAIR) putchar(' ');
      }
      if (value != nil) fputs(" . ", stdout), print(value);
      putchar(')');
  }
}

// ---- Evaluation ----

// An environment is a list of (symbol . value) pairs; the globals end every one.
static Value *binding(Value *name, Value *environment) {
  for (Value *at = environment; at != nil; at = at->tail) {
    if (at->head->head == name) return at->head;
  }
  for (Value *at = globals; at != nil; at = at->tail) {
    if (at->head->head == name) return at->head;
  }
  fail("unknown name", name->text);
}

static Value *bind(Value *name, Value *value, Value *environment) {
  return cons(cons(name, value), environment);
}

static Value *evaluate(Value *form, Value *environment);

static Value *evaluate_all(Value *forms, Value *environment) {
  if (forms == nil) return nil;
  Value *first = evaluate(head(forms), environment);
  return cons(first, evaluate_all(forms->tail, environment));
}

// Evaluates all forms but the last, which is the caller's to evaluate.
static Value *all_but_last(Value *forms, Value *environment) {
  if (forms == nil) return nil;
  for (; tail(forms) != nil; forms = forms->tail) evaluate(forms->head, environment);
  return forms->head;
}

static Value *close(Value *parameters, Value *body, Value *environment) {
  Value *closure = make(CLOSURE);
  closure->parameters = parameters;
  closure->body = body;
  closure->environment = environment;
  return closure;
}

// (define name value) or (define (name parameters...) body...)
static Value *define_global(Value *rest, Value *environment) {
  Value *name = head(rest), *slot;
  int is_function = name->kind == PAIR;
  if (is_function) name = name->head;
  globals = bind(name, nil, globals);
  slot = globals->head;
  slot->tail = is_function ? close(head(rest)->tail, rest->tail, environment)
                           : evaluate(head(tail(rest)), environment);
  return name;
}

static Value *let_environment(Value *bindings, Value *environment) {
  Value *inner = environment;
  for (; bindings != nil; bindings = tail(bindings)) {
    Value *value = evaluate(head(tail(head(bindings))), environment);
    inner = bind(bindings->head->head, value, inner);
  }
  return inner;
}

static Value *matching_clause(Value *clauses, Value *environment) {
  for (; clauses != nil; clauses = tail(clauses)) {
    Value *test = head(head(clauses));
    if (test == else_ || evaluate(test, environment) != nil) return clauses->head->tail;
  }
  return nil;
}

// The last form of `and` or `or` that matters; the earlier ones are evaluated here.
static Value *deciding_form(Value *forms, int stop_at_truth, Value *environment) {
  if (forms == nil) return stop_at_truth ? nil : truth;
  for (; tail(forms) != nil; forms = forms->tail) {
    Value *value = evaluate(forms->head, environment);
    if ((value != nil) == stop_at_truth) return cons(quote, cons(value, nil));
  }
  return forms->head;
}

static Value *call_environment(const Value *closure, Value *arguments) {
  Value *environment = closure->environment, *names = closure->parameters;
  for (; names->kind == PAIR; names = names->tail, arguments = arguments->tail) {
    environment = bind(names->head, head(arguments), environment);
  }
  return names == nil ? environment : bind(names, arguments, environment); // (lambda all ...)
}

// Special forms and calls in tail position replace form and environment and go round.
static Value *evaluate(Value *form, Value *environment) {
  for (;;) {
    if (form->kind == SYMBOL) return binding(form, environment)->tail;
    if (form->kind != PAIR) return form;
    Value *operator = form->head, *rest = form->tail;
    if (operator == quote) return head(rest);
    if (operator == define) return define_global(rest, environment);
    if (operator == lambda) return close(head(rest), tail(rest), environment);
    if (operator == set) return binding(head(rest), environment)->tail = evaluate(head(tail(rest)), environment);
    if (operator == if_) {
      int holds = evaluate(head(rest), environment) != nil;
      Value *branches = tail(rest);
      form = holds ? head(branches) : tail(branches) == nil ? nil : head(branches->tail);
    } else if (operator == begin) {
      form = all_but_last(rest, environment);
    } else if (operator == let) {
      environment = let_environment(head(rest), environment);
      form = all_but_last(rest->tail, environment);
    } else if (operator == cond) {
      form = all_but_last(matching_clause(rest, environment), environment);
    } else if (operator == and_ || operator == or_) {
      form = deciding_form(rest, operator == or_, environment);
    } else {
      Value *function = evaluate(operator, environment);
      Value *arguments = evaluate_all(rest, environment);
      if (function->kind == PRIMITIVE) return function->primitive(arguments);
      if (function->kind != CLOSURE) fail("this is not a function", operator->kind == SYMBOL ? operator->text : "");
      environment = call_environment(function, arguments);
      form = all_but_last(function->body, environment);
    }
  }
}

// ---- Primitives ----

static Value *add(Value *a) {
  int64_t sum = 0;
  for (; a != nil; a = a->tail) sum += number(a->head);
  return integer(sum);
}

static Value *multiply(Value *a) {
  int64_t product = 1;
  for (; a != nil; a = a->tail) product *= number(a->head);
  return integer(product);
}

static Value *subtract(Value *a) {
  int64_t first = number(head(a));
  if (a->tail == nil) return integer(-first);
  return integer(first - number(add(a->tail)));
}

static int64_t divisor(Value *a) {
  int64_t value = number(head(tail(a)));
  if (value == 0) fail("division by zero", "");
  return value;
}

static Value *divide(Value *a) { return integer(number(head(a)) / divisor(a)); }
static Value *remainder_(Value *a) { return integer(number(head(a)) % divisor(a)); }
static Value *less(Value *a) { return boolean(number(head(a)) < number(head(tail(a)))); }
static Value *equal(Value *a) {
  Value *x = head(a), *y = head(tail(a));
  return boolean(x == y || (x->kind == INTEGER && y->kind == INTEGER && x->integer == y->integer));
}
static Value *is_null(Value *a) { return boolean(head(a) == nil); }
static Value *is_pair(Value *a) { return boolean(head(a)->kind == PAIR); }
static Value *make_pair(Value *a) { return cons(head(a), head(tail(a))); }
static Value *first(Value *a) { return head(head(a)); }
static Value *others(Value *a) { return tail(head(a)); }
static Value *list(Value *a) { return a; }

static Value *display(Value *a) {
  for (; a != nil; a = a->tail) print(a->head);
  return nil;
}

static Value *newline(Value *a) {
  putchar('\n');
  return a;
}

static void start(void) {
  static const struct { const char *name; Value *(*primitive)(Value *); } primitives[] = {
      {"+", add}, {"-", subtract}, {"*", multiply}, {"/", divide}, {"remainder", remainder_},
      {"<", less}, {"=", equal}, {"eq?", equal}, {"null?", is_null}, {"not", is_null}, {"pair?", is_pair},
      {"cons", make_pair}, {"car", first}, {"cdr", others}, {"list", list}, {"display", display}, {"newline", newline}};
  static const char library[] =
      "(define (> a b) (< b a)) (define (<= a b) (not (< b a))) (define (>= a b) (not (< a b)))"
      "(define (map f l) (if (null? l) l (cons (f (car l)) (map f (cdr l)))))"
      "(define (filter f l) (cond ((null? l) l) ((f (car l)) (cons (car l) (filter f (cdr l)))) (else (filter f (cdr l)))))"
      "(define (fold f x l) (if (null? l) x (fold f (f x (car l)) (cdr l))))"
      "(define (append a b) (if (null? a) b (cons (car a) (append (cdr a) b))))"
      "(define (range a b) (if (< a b) (cons a (range (+ a 1) b)) '()))"
      "(define (length l) (fold (lambda (n x) (+ n 1)) 0 l))";
  truth = symbol("t"), quote = symbol("quote"), if_ = symbol("if"), define = symbol("define"), set = symbol("set!");
  lambda = symbol("lambda"), let = symbol("let"), begin = symbol("begin"), cond = symbol("cond");
  else_ = symbol("else"), and_ = symbol("and"), or_ = symbol("or");
  globals = bind(truth, truth, globals);
  for (size_t i = 0; i < sizeof primitives / sizeof *primitives; i++) {
    Value *value = make(PRIMITIVE);
    value->primitive = primitives[i].primitive;
    globals = bind(symbol(primitives[i].name), value, globals);
  }
  input = library;
  for (skip_space(); *input; skip_space()) evaluate(read(), nil);
}

static void run(const char *text, int show) {
  input = text;
  for (skip_space(); *input; skip_space()) {
    Value *value = evaluate(read(), nil);
    if (show) print(value), putchar('\n');
  }
}

static char *read_all(FILE *file) {
  size_t length = 0, capacity = 4096;
  char *text = malloc(capacity);
  while (text && (length += fread(text + length, 1, capacity - length - 1, file), !feof(file)) && !ferror(file)) {
    if (length + 1 == capacity) text = realloc(text, capacity *= 2);
  }
  if (!text) fail("out of memory", "");
  text[length] = 0;
  return text;
}

int main(int argc, char **argv) {
  start();
  if (argc == 1) run(read_all(stdin), 1);
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "-e") && i + 1 < argc) {
      run(argv[++i], 1);
      continue;
    }
    FILE *file = fopen(argv[i], "r");
    if (!file) fail("cannot open", argv[i]);
    run(read_all(file), 0);
    fclose(file);
  }
  return 0;
}
