/* limit.c - what this machine can do at most, on the threads that are set: the two limits that `engram bench` holds each
 * case against. They run over the same pool as the kernels, so that a busy neighbour slows both alike. */
#include <cblas.h>

#include "internal.h"

/* One probe: `tiles` pieces of work, done `rounds` times; the best round counts. */
typedef struct {
  float *a, *b, *c;
  int64_t size; /* sgemm: side of the matrices; triad: elements of a tile */
} probe;

static eg_status check_rounds(const char *op, int rounds) {
  return rounds >= 1 ? EG_OK : eg_fail(EG_EINVAL, "%s: %d rounds, expected 1 or more", op, rounds);
}

/* Seconds of the fastest of `rounds` rounds; 0 when the user interrupted. */
static double fastest(int rounds, int64_t tiles, eg_tile_work work, probe *p) {
  double best = 0;
  for (int i = 0; i < rounds; i++) {
    if (eg_interrupt_pending()) return 0;
    double start = eg_clock();
    eg_parallel(tiles, work, p);
    double seconds = EG_MAX(eg_clock() - start, 1e-9);
    if (i == 0 || seconds < best) best = seconds;
  }
  return best;
}

/* ---- arithmetic: one BLAS call a tile, as in matmul.c ---- */

enum { SIDE = 640, CALLS = 4 }; /* the largest matrices: three of 1.6 MB; calls a thread and round */

static void multiply(void *context, int64_t tile) {
  const probe *p = context;
  const int n = (int)p->size;
  float *out = p->c + (int64_t)eg_thread_number() * SIDE * SIDE;
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1, p->a, n, p->b, n, 0, out, n);
}

eg_status eg_limit_sgemm(int rounds, double *per_second) {
  static const int sides[] = {256, 384, 512, SIDE}; /* which suits best depends on the caches */
  EG_TRY(check_rounds("limit_sgemm", rounds));
  const int64_t matrix = (int64_t)SIDE * SIDE, threads = eg_threads_get(), all = (2 + threads) * matrix;
  probe p = {.a = eg_block_new((size_t)all * sizeof(float))};
  if (!p.a) return EG_ENOMEM;
  for (int64_t i = 0; i < all; i++) p.a[i] = 1 + (float)(i % 7);
  p.b = p.a + matrix;
  p.c = p.b + matrix;
  double best = 0;
  for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
    p.size = sides[i];
    double seconds = fastest(rounds, CALLS * threads, multiply, &p), n = sides[i];
    if (seconds > 0) best = EG_MAX(best, (double)(CALLS * threads) * 2 * n * n * n / seconds);
  }
  eg_block_free(p.a, (size_t)all * sizeof(float));
  if (eg_interrupt_pending()) return eg_fail(EG_EINTR, "interrupted");
  *per_second = best;
  return EG_OK;
}

/* ---- memory: a = b + s c, as in McCalpin's STREAM ---- */

enum { ARRAY = 1 << 25, PART = 1 << 18 }; /* elements: 128 MB an array, far above any cache; 1 MB a tile */

static void clear(void *context, int64_t tile) {
  const probe *p = context;
  const int64_t at = tile * p->size;
  for (int64_t i = at; i < at + p->size; i++) p->a[i] = p->b[i] = p->c[i] = 0;
}

static void triad(void *context, int64_t tile) {
  const probe *p = context;
  const int64_t at = tile * p->size;
  float *restrict a = p->a + at;
  const float *restrict b = p->b + at, *restrict c = p->c + at;
  for (int64_t i = 0; i < p->size; i++) a[i] = b[i] + 3.0f * c[i];
}

eg_status eg_limit_triad(int rounds, double *per_second) {
  EG_TRY(check_rounds("limit_triad", rounds));
  const size_t bytes = 3 * (size_t)ARRAY * sizeof(float);
  probe p = {.a = eg_block_new(bytes), .size = PART};
  if (!p.a) return EG_ENOMEM;
  p.b = p.a + ARRAY;
  p.c = p.b + ARRAY;
  eg_parallel(ARRAY / PART, clear, &p); /* the first touch of a page costs more than all that follow */
  double seconds = fastest(rounds, ARRAY / PART, triad, &p);
  eg_block_free(p.a, bytes);
  if (eg_interrupt_pending()) return eg_fail(EG_EINTR, "interrupted");
  *per_second = (double)bytes / seconds;
  return EG_OK;
}
