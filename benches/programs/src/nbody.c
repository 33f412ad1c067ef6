// Gravity between a sun and seven planets over n time steps, with a symplectic integrator.
#include "bench.h"
#include <math.h>

enum { BODIES = 8 };

typedef struct {
  double x, y, z, vx, vy, vz, mass;
} Body;

static void attract(Body *a, Body *b, double dt) {
  double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
  double square = dx * dx + dy * dy + dz * dz + 1e-9;
  double pull = dt / (square * sqrt(square));
  a->vx -= dx * b->mass * pull, b->vx += dx * a->mass * pull;
  a->vy -= dy * b->mass * pull, b->vy += dy * a->mass * pull;
  a->vz -= dz * b->mass * pull, b->vz += dz * a->mass * pull;
}

static void advance(Body bodies[BODIES], double dt) {
  for (int i = 0; i < BODIES; i++) {
    for (int j = i + 1; j < BODIES; j++) attract(&bodies[i], &bodies[j], dt);
  }
  for (Body *body = bodies; body < bodies + BODIES; body++) {
    body->x += dt * body->vx;
    body->y += dt * body->vy;
    body->z += dt * body->vz;
  }
}

int main(int argc, char **argv) {
  int steps = bench_size(argc, argv, 400000);
  Body bodies[BODIES] = {{.mass = 40}};
  for (int i = 1; i < BODIES; i++) {
    double radius = i * (1 + 0.1 * bench_random_unit()), speed = sqrt(40 / radius);
    bodies[i] = (Body){.x = radius, .vy = speed, .vz = 0.01 * i, .mass = 0.001 * bench_random_unit()};
  }

  bench_start();
  for (int i = 0; i < steps; i++) advance(bodies, 0.0001);
  bench_end();

  return bench_report(bench_hash_f64s(BENCH_HASH_SEED, &bodies[0].x, BODIES * (sizeof(Body) / sizeof(double))));
}
