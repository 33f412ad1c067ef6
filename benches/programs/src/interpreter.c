// A register machine for a small bytecode: one switch in a loop.
// The interpreted program follows the Collatz chains from 1 to n and remembers the longest.
#include "bench.h"

typedef enum { LOAD, MOVE, ADD, MUL_ADD, HALVE, JUMP, JUMP_IF_ODD, JUMP_IF_LESS, JUMP_IF_EQUAL, STORE, FETCH, HALT } Op;

typedef struct {
  uint8_t op, a, b, c;
  int32_t operand; // a constant or the target of a jump
} Instruction;

enum { REGISTERS = 16, CELLS = 1024 };

static uint64_t memory[CELLS];

static uint64_t run(const Instruction *program, uint64_t r[REGISTERS]) {
  uint64_t executed = 0;
  for (const Instruction *at = program;; executed++) {
    Instruction i = *at++;
    switch ((Op)i.op) {
      case LOAD: r[i.a] = (uint64_t)(int64_t)i.operand; break;
      case MOVE: r[i.a] = r[i.b]; break;
      case ADD: r[i.a] = r[i.b] + r[i.c]; break;
      case MUL_ADD: r[i.a] = r[i.b] * r[i.c] + (uint64_t)i.operand; break;
      case HALVE: r[i.a] = r[i.b] >> 1; break;
      case JUMP: at = program + i.operand; break;
      case JUMP_IF_ODD: if (r[i.a] & 1) at = program + i.operand; break;
      case JUMP_IF_LESS: if (r[i.a] < r[i.b]) at = program + i.operand; break;
      case JUMP_IF_EQUAL: if (r[i.a] == r[i.b]) at = program + i.operand; break;
      case STORE: memory[r[i.a] % CELLS] = r[i.b]; break;
      case FETCH: r[i.a] = memory[r[i.b] % CELLS]; break;
      case HALT: return executed;
    }
  }
}

// Registers: 0 the limit, 1 the start of the chain, 2 its current value, 3 its length,
// 4 the constant 1, 5 the constant 3, 6 the longest length, 7 where it started, 8 scratch.
static const Instruction collatz[] = {
    {LOAD, 1, 0, 0, 1},          {LOAD, 4, 0, 0, 1},          {LOAD, 5, 0, 0, 3},
    {LOAD, 6, 0, 0, 0},          {MOVE, 2, 1, 0, 0},          {LOAD, 3, 0, 0, 0},
    {JUMP_IF_EQUAL, 2, 4, 0, 12},{ADD, 3, 3, 4, 0},           {JUMP_IF_ODD, 2, 0, 0, 11},
    {HALVE, 2, 2, 0, 0},         {JUMP, 0, 0, 0, 6},          {MUL_ADD, 2, 2, 5, 1},
    {JUMP_IF_EQUAL, 2, 4, 0, 14},{JUMP, 0, 0, 0, 6},          {STORE, 1, 3, 0, 0},
    {JUMP_IF_LESS, 3, 6, 0, 18}, {MOVE, 6, 3, 0, 0},          {MOVE, 7, 1, 0, 0},
    {FETCH, 8, 3, 0, 0},         {ADD, 9, 9, 8, 0},           {ADD, 1, 1, 4, 0},
    {JUMP_IF_LESS, 1, 0, 0, 4},  {HALT, 0, 0, 0, 0},
};

int main(int argc, char **argv) {
  uint64_t registers[REGISTERS] = {(uint64_t)bench_size(argc, argv, 50000)};

  bench_start();
  uint64_t executed = run(collatz, registers);
  bench_end();

  uint64_t hash = bench_hash(bench_hash(BENCH_HASH_SEED, executed), registers[6]);
  return bench_report(bench_hash(bench_hash(hash, registers[7]), registers[9]));
}
