// Dynamic dispatch: expression trees and a pipeline of filters called through tables of
// function pointers, n times over.
#include "bench.h"

typedef struct Node Node;

typedef struct {
  int64_t (*evaluate)(const Node *, int64_t x);
  int (*depth)(const Node *);
} Methods;

struct Node {
  const Methods *methods;
  const Node *left, *right;
  int64_t constant;
};

static int64_t evaluate(const Node *node, int64_t x) { return node->methods->evaluate(node, x); }

static int depth(const Node *node) { return node->methods->depth(node); }

static int64_t variable(const Node *node, int64_t x) { return x + node->constant % 2; }
static int64_t constant(const Node *node, int64_t x) { return node->constant ^ (x & 1); }
static int64_t sum(const Node *node, int64_t x) { return evaluate(node->left, x) + evaluate(node->right, x); }
static int64_t difference(const Node *node, int64_t x) { return evaluate(node->left, x) - evaluate(node->right, x); }
static int64_t product(const Node *node, int64_t x) { return evaluate(node->left, x) * evaluate(node->right, x) + 1; }
static int64_t choice(const Node *node, int64_t x) { return evaluate(x & 4 ? node->left : node->right, x >> 1); }

static int leaf_depth(const Node *node) { return node->left != NULL; }

static int inner_depth(const Node *node) {
  int left = depth(node->left), right = depth(node->right);
  return 1 + (left > right ? left : right);
}

static const Methods leaves[] = {{variable, leaf_depth}, {constant, leaf_depth}};
static const Methods inner[] = {
    {sum, inner_depth}, {difference, inner_depth}, {product, inner_depth}, {choice, inner_depth}};

static const Node *grow(int levels) {
  Node *node = bench_alloc(sizeof(Node));
  uint32_t draw = bench_random();
  node->constant = draw >> 24;
  if (levels == 0 || draw % 16 == 0) {
    node->methods = &leaves[draw >> 8 & 1];
  } else {
    node->methods = &inner[draw >> 8 & 3];
    node->left = grow(levels - 1);
    node->right = grow(levels - 1);
  }
  return node;
}

typedef uint32_t (*Filter)(uint32_t);

static uint32_t spread(uint32_t x) { return x * 2654435761u; }
static uint32_t fold(uint32_t x) { return x ^ x >> 15; }
static uint32_t turn(uint32_t x) { return x << 7 | x >> 25; }
static uint32_t keep(uint32_t x) { return x; }
static const Filter filters[] = {spread, fold, turn, keep};

int main(int argc, char **argv) {
  enum { TREES = 16, STAGES = 64 };
  int n = bench_size(argc, argv, 1500);
  const Node *trees[TREES];
  Filter pipeline[STAGES];
  for (int i = 0; i < TREES; i++) trees[i] = grow(8);
  for (int i = 0; i < STAGES; i++) pipeline[i] = filters[bench_random() >> 30];

  bench_start();
  uint64_t hash = BENCH_HASH_SEED;
  for (int round = 0; round < n; round++) {
    uint32_t x = (uint32_t)round;
    for (int i = 0; i < STAGES; i++) x = pipeline[i](x);
    for (int i = 0; i < TREES; i++) hash = bench_hash(hash, evaluate(trees[i], x & 255) + depth(trees[i]));
  }
  bench_end();

  return bench_report(hash);
}
