/* random.c - Philox4x32-10 (Salmon et al. 2011): random numbers as a function of a key and a counter.
 *
 * A stream is a key and the number of blocks taken. Element i of a fill uses fixed words of fixed blocks, so the numbers do not
 * depend on how the work is cut among threads. */
#include <math.h>

#include "internal.h"

/* ---- the generator ---- */

static inline void philox_round(uint32_t c[4], uint32_t k0, uint32_t k1) {
  uint64_t p0 = (uint64_t)0xD2511F53u * c[0], p1 = (uint64_t)0xCD9E8D57u * c[2];
  uint32_t c1 = c[1], c3 = c[3];
  c[0] = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
  c[1] = (uint32_t)p1;
  c[2] = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
  c[3] = (uint32_t)p0;
}

void eg_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
  uint32_t c[4] = {counter[0], counter[1], counter[2], counter[3]}, k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; round++) {
    philox_round(c, k0, k1);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  memcpy(out, c, sizeof c);
}

void eg_rng_block(const eg_rng *rng, uint64_t index, uint32_t out[4]) {
  uint64_t at = rng->counter + index;
  const uint32_t counter[4] = {(uint32_t)at, (uint32_t)(at >> 32), 0, 0};
  const uint32_t key[2] = {(uint32_t)rng->key, (uint32_t)(rng->key >> 32)};
  eg_philox(counter, key, out);
}

void eg_rng_blocks(const eg_rng *rng, uint64_t first, int64_t count, uint32_t *out) {
  enum { LANES = 16 };
  for (int64_t done = 0; done < count; done += LANES, out += 4 * LANES) {
    uint32_t c[4][LANES] = {0}, k0 = (uint32_t)rng->key, k1 = (uint32_t)(rng->key >> 32);
    for (int i = 0; i < LANES; i++) {
      uint64_t at = rng->counter + first + (uint64_t)(done + i);
      c[0][i] = (uint32_t)at, c[1][i] = (uint32_t)(at >> 32);
    }
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u)
      for (int i = 0; i < LANES; i++) {
        uint32_t lane[4] = {c[0][i], c[1][i], c[2][i], c[3][i]};
        philox_round(lane, k0, k1);
        for (int j = 0; j < 4; j++) c[j][i] = lane[j];
      }
    for (int i = 0; i < EG_MIN(LANES, count - done); i++)
      for (int j = 0; j < 4; j++) out[4 * i + j] = c[j][i];
  }
}

void eg_rng_advance(eg_rng *rng, uint64_t blocks) { rng->counter += blocks; }

static uint64_t mix(uint64_t x) { /* splitmix64's finaliser */
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

uint64_t eg_rng_key(uint64_t seed, const char *name) {
  uint64_t hash = 0xCBF29CE484222325u; /* FNV-1a */
  for (const char *c = name; *c; c++) hash = (hash ^ (uint8_t)*c) * 0x100000001B3u;
  return mix(mix(seed + 0x9E3779B97F4A7C15u) ^ hash);
}

double eg_rng_double(eg_rng *rng) {
  uint32_t w[4];
  eg_rng_block(rng, 0, w);
  eg_rng_advance(rng, 1);
  return (double)(((uint64_t)w[0] << 21) ^ (w[1] >> 11)) * 0x1p-53;
}

/* ---- numbers from words ---- */

static inline float unit_float(uint32_t word) { return (float)(word >> 8) * 0x1p-24f; }
static inline double unit_double(uint32_t high, uint32_t low) {
  return (double)(((uint64_t)high << 21) ^ (low >> 11)) * 0x1p-53;
}

/* What one fill needs to know; blocks_per is elements of one block. */
typedef struct {
  eg_tensor *out;
  const eg_rng *rng;
  double a, b;
  uint64_t low, span;
  int per_block;
  void (*block)(const void *fill, int64_t element, int64_t count, const uint32_t words[4]);
} fill;

enum { BLOCKS_PER_TILE = 4096 };

static void fill_tile(void *context, int64_t tile) {
  const fill *f = context;
  int64_t blocks = eg_tiles(f->out->count, f->per_block);
  for (int64_t b = tile * BLOCKS_PER_TILE, end = EG_MIN(b + BLOCKS_PER_TILE, blocks); b < end; b++) {
    uint32_t words[4];
    eg_rng_block(f->rng, (uint64_t)b, words);
    int64_t first = b * f->per_block;
    f->block(f, first, EG_MIN(f->per_block, f->out->count - first), words);
  }
}

/* The next numbers of a stream into a contiguous tensor. */
static eg_status run(fill *f, eg_rng *rng) {
  int64_t blocks = eg_tiles(f->out->count, f->per_block);
  f->rng = rng;
  eg_parallel(eg_tiles(blocks, BLOCKS_PER_TILE), fill_tile, f);
  eg_rng_advance(rng, (uint64_t)blocks);
  return EG_OK;
}

static eg_status check(const char *op, const eg_tensor *out, const eg_rng *rng) {
  EG_TRY(eg_check_contiguous(op, "output", out));
  if (!rng) return eg_fail(EG_EINVAL, "%s: no random stream", op);
  return EG_OK;
}

/* ---- uniform: low + u (high - low); rounding must not reach high ---- */

static void uniform_f32(const void *context, int64_t at, int64_t count, const uint32_t w[4]) {
  const fill *f = context;
  float *out = (float *)f->out->data + at, low = (float)f->a, span = (float)(f->b - f->a);
  for (int64_t i = 0; i < count; i++) {
    float x = low + span * unit_float(w[i]);
    out[i] = x < (float)f->b || span <= 0 ? x : nextafterf((float)f->b, low);
  }
}

static void uniform_f64(const void *context, int64_t at, int64_t count, const uint32_t w[4]) {
  const fill *f = context;
  double *out = (double *)f->out->data + at, span = f->b - f->a;
  for (int64_t i = 0; i < count; i++) {
    double x = f->a + span * unit_double(w[2 * i], w[2 * i + 1]);
    out[i] = x < f->b || span <= 0 ? x : nextafter(f->b, f->a);
  }
}

eg_status eg_uniform(eg_tensor *out, eg_rng *rng, double low, double high) {
  EG_TRY(eg_check_real("uniform", "output", out));
  EG_TRY(check("uniform", out, rng));
  if (!(low <= high) || !isfinite(high - low))
    return eg_fail(EG_EINVAL, "uniform: the range %g to %g is empty or infinite", low, high);
  bool single = out->dtype == EG_FLOAT32;
  fill f = {.out = out, .a = low, .b = high, .per_block = single ? 4 : 2, .block = single ? uniform_f32 : uniform_f64};
  return run(&f, rng);
}

/* ---- normal: Box and Muller (1958), two numbers from two uniform ones; 1 - u keeps the logarithm finite ---- */

static inline void box_muller(double u, double v, double *x, double *y) {
  double radius = sqrt(-2 * log(1 - u)), angle = 6.283185307179586476925 * v;
  *x = radius * cos(angle);
  *y = radius * sin(angle);
}

static void normal_f32(const void *context, int64_t at, int64_t count, const uint32_t w[4]) {
  const fill *f = context;
  float *out = (float *)f->out->data + at;
  for (int64_t i = 0; i < count; i += 2) {
    double x, y;
    box_muller((w[i] + 0.5) * 0x1p-32, (w[i + 1] + 0.5) * 0x1p-32, &x, &y);
    out[i] = (float)(f->a + f->b * x);
    if (i + 1 < count) out[i + 1] = (float)(f->a + f->b * y);
  }
}

static void normal_f64(const void *context, int64_t at, int64_t count, const uint32_t w[4]) {
  const fill *f = context;
  double *out = (double *)f->out->data + at, x, y;
  box_muller(unit_double(w[0], w[1]), unit_double(w[2], w[3]), &x, &y);
  out[0] = f->a + f->b * x;
  if (count > 1) out[1] = f->a + f->b * y;
}

eg_status eg_normal(eg_tensor *out, eg_rng *rng, double mean, double std) {
  EG_TRY(eg_check_real("normal", "output", out));
  EG_TRY(check("normal", out, rng));
  if (!(std >= 0) || !isfinite(std) || !isfinite(mean))
    return eg_fail(EG_EINVAL, "normal: mean %g and deviation %g must be finite, the deviation not negative", mean, std);
  bool single = out->dtype == EG_FLOAT32;
  fill f = {.out = out, .a = mean, .b = std, .per_block = single ? 4 : 2, .block = single ? normal_f32 : normal_f64};
  return run(&f, rng);
}

/* ---- whole numbers: the high half of word pair x span (bias below 2^-64 of a share) ---- */

static void randint_block(const void *context, int64_t at, int64_t count, const uint32_t w[4]) {
  const fill *f = context;
  for (int64_t i = 0; i < count; i++) {
    uint64_t bits = (uint64_t)w[2 * i] << 32 | w[2 * i + 1];
    uint64_t pick = f->span ? (uint64_t)(((unsigned __int128)bits * f->span) >> 64) : bits;
    int64_t value = (int64_t)(f->low + pick);
    if (f->out->dtype == EG_INT64) ((int64_t *)f->out->data)[at + i] = value;
    else ((uint8_t *)f->out->data)[at + i] = (uint8_t)value;
  }
}

eg_status eg_randint(eg_tensor *out, eg_rng *rng, int64_t low, int64_t high) {
  EG_TRY(check("randint", out, rng));
  if (out->dtype != EG_INT64 && out->dtype != EG_UINT8)
    return eg_fail(EG_EDTYPE, "randint: expected an int64 or uint8 tensor, got %s", eg_describe(out));
  if (low > high || (out->dtype == EG_UINT8 && (low < 0 || high > 255)))
    return eg_fail(EG_EINVAL, "randint: the range %lld to %lld is empty or does not fit into %s", (long long)low,
                   (long long)high, eg_dtype_name(out->dtype));
  fill f = {.out = out,
            .low = (uint64_t)low,
            .span = (uint64_t)high - (uint64_t)low + 1,
            .per_block = 2,
            .block = randint_block};
  return run(&f, rng);
}

static void bernoulli_block(const void *context, int64_t at, int64_t count, const uint32_t w[4]) {
  const fill *f = context;
  for (int64_t i = 0; i < count; i++) {
    bool one = w[i] < f->span;
    if (f->out->dtype == EG_FLOAT32) ((float *)f->out->data)[at + i] = one;
    else if (f->out->dtype == EG_FLOAT64) ((double *)f->out->data)[at + i] = one;
    else if (f->out->dtype == EG_INT64) ((int64_t *)f->out->data)[at + i] = one;
    else ((uint8_t *)f->out->data)[at + i] = one;
  }
}

eg_status eg_bernoulli(eg_tensor *out, eg_rng *rng, double p) {
  EG_TRY(check("bernoulli", out, rng));
  if (!(p >= 0 && p <= 1)) return eg_fail(EG_EINVAL, "bernoulli: p must be from 0 to 1, got %g", p);
  fill f = {.out = out, .span = (uint64_t)(p * 0x1p32), .per_block = 4, .block = bernoulli_block};
  return run(&f, rng);
}

/* Fisher and Yates: element i changes places with one of those not yet placed; two words a step. */
eg_status eg_randperm(eg_tensor *out, eg_rng *rng) {
  EG_TRY(eg_check_dtype("randperm", "output", out, EG_INT64));
  EG_TRY(eg_check_dims("randperm", "output", out, 1));
  EG_TRY(check("randperm", out, rng));
  int64_t *x = out->data, n = out->count;
  for (int64_t i = 0; i < n; i++) x[i] = i + 1;
  for (int64_t i = n - 1, taken = 0; i > 0; i--, taken++) {
    uint32_t w[4];
    eg_rng_block(rng, (uint64_t)(taken / 2), w);
    uint64_t bits = (uint64_t)w[taken % 2 * 2] << 32 | w[taken % 2 * 2 + 1];
    int64_t j = (int64_t)(((unsigned __int128)bits * (uint64_t)(i + 1)) >> 64), swap = x[i];
    x[i] = x[j];
    x[j] = swap;
  }
  eg_rng_advance(rng, (uint64_t)eg_tiles(EG_MAX(n - 1, 0), 2));
  return EG_OK;
}
