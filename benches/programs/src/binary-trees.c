// Allocation: builds, walks and frees binary trees of depth up to n, beside one that lives on.
#include "bench.h"

typedef struct Tree Tree;
struct Tree {
  Tree *left, *right;
};

static Tree *build(int depth) {
  Tree *tree = malloc(sizeof(Tree));
  if (!tree) exit(3);
  tree->left = depth > 0 ? build(depth - 1) : NULL;
  tree->right = depth > 0 ? build(depth - 1) : NULL;
  return tree;
}

static uint32_t count(const Tree *tree) {
  return tree->left ? 1 + count(tree->left) + count(tree->right) : 1;
}

static void release(Tree *tree) {
  if (!tree) return;
  release(tree->left);
  release(tree->right);
  free(tree);
}

int main(int argc, char **argv) {
  int most = bench_size(argc, argv, 16);

  bench_start();
  uint64_t hash = BENCH_HASH_SEED;
  Tree *lasting = build(most);
  for (int depth = 4; depth <= most; depth += 2) {
    uint32_t nodes = 0;
    for (int i = 0; i < 1 << (most - depth + 2); i++) {
      Tree *tree = build(depth);
      nodes += count(tree);
      release(tree);
    }
    hash = bench_hash(hash, nodes);
  }
  hash = bench_hash(hash, count(lasting));
  release(lasting);
  bench_end();

  return bench_report(hash);
}
