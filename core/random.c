/* random.c - Philox4x32-10 (Salmon et al. 2011): random numbers as a function of a key and a counter.
 *
 * A stream is a key and the number of blocks taken. Element i of a fill uses fixed words of fixed blocks, so the numbers do not
 * depend on how the work is cut among threads. */
#ifdef SET

/* ---- vectors of blocks, and float numbers made of them ---- */

static void S(blocks)(const eg_rng *rng, uint64_t first, int64_t count, uint32_t *out) {
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

static void S(uniform_f32)(const fill *f, int64_t at, int64_t count, const uint32_t *w) {
  float *out = (float *)f->out->data + at, low = (float)f->a, span = (float)f->b, last = (float)f->c;
  for (int64_t i = 0; i < count; i++) {
    float x = low + span * unit_float(w[i]);
    out[i] = x < last ? x : last;
  }
}

static void S(normal_f32)(const fill *f, int64_t at, int64_t count, const uint32_t *w) {
  float *out = (float *)f->out->data + at, mean = (float)f->a, deviation = (float)f->b, x, y;
  for (int64_t i = 0; i < count / 2; i++) {
    pair_float(w + 2 * i, &x, &y);
    out[2 * i] = mean + deviation * x;
    out[2 * i + 1] = mean + deviation * y;
  }
  if (count % 2) {
    pair_float(w + count - 1, &x, &y);
    out[count - 1] = mean + deviation * x;
  }
}

#else
#include <math.h>

#include "internal.h"

enum { WORDS = 1024 };

typedef struct fill {
  eg_tensor *out;
  const eg_rng *rng;
  double a, b, c;
  uint64_t low, span;
  int words; /* that an element takes: 1 or 2 */
  void (*make)(const struct fill *f, int64_t at, int64_t count, const uint32_t *words);
} fill;

static inline void philox_round(uint32_t c[4], uint32_t k0, uint32_t k1) {
  uint64_t p0 = (uint64_t)0xD2511F53u * c[0], p1 = (uint64_t)0xCD9E8D57u * c[2];
  uint32_t c1 = c[1], c3 = c[3];
  c[0] = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
  c[1] = (uint32_t)p1;
  c[2] = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
  c[3] = (uint32_t)p0;
}

static inline float unit_float(uint32_t word) { return (float)(word >> 8) * 0x1p-24f; }

/* log(x) for 0 < x <= 1, by a polynomial about 1 (Cephes), without branches; error below 2 units in the last place. */
static inline float log_float(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  int32_t exponent = (int32_t)(bits - 0x3F3504F3u) >> 23; /* of x = 2^exponent m, sqrt(1/2) <= m < sqrt(2) */
  bits -= (uint32_t)exponent << 23;
  memcpy(&x, &bits, sizeof x);
  float r = x - 1, n = (float)exponent, square = r * r;
  float p = -1.1514610310e-1f + r * 7.0376836292e-2f;
  p = 1.1676998740e-1f + r * p;
  p = -1.2420140846e-1f + r * p;
  p = 1.4249322787e-1f + r * p;
  p = -1.6668057665e-1f + r * p;
  p = 2.0000714765e-1f + r * p;
  p = -2.4999993993e-1f + r * p;
  p = 3.3333331174e-1f + r * p;
  return (r + (r * square * p - 2.12194440e-4f * n - 0.5f * square)) + 0.693359375f * n;
}

/* The angle is the second word: two bits a quarter of the circle, the rest an angle of at most an eighth about its middle. */
static inline void pair_float(const uint32_t *w, float *x, float *y) {
  float radius = sqrtf(-2 * log_float(((float)w[0] + 0.5f) * 0x1p-32f));
  float angle = (float)(int32_t)(w[1] << 2) * (1.57079632679f * 0x1p-32f), square = angle * angle;
  float sine = angle + angle * square * (-1.6666654611e-1f + square * (8.3321608736e-3f - square * 1.9515295891e-4f));
  float cosine =
      1 - 0.5f * square + square * square * (4.166664568e-2f + square * (-1.388731625e-3f + square * 2.443315712e-5f));
  uint32_t quarter = w[1] >> 30;
  float first = quarter & 1 ? sine : cosine, second = quarter & 1 ? cosine : sine;
  *x = radius * ((quarter + 1) & 2 ? -first : first);
  *y = radius * (quarter & 2 ? -second : second);
}

#define EG_KERNELS_OF_A_SET "random.c"
#include "instructions.h"

/* ---- the generator ---- */

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
  EG_OF_SET(blocks)(rng, first, count, out);
}

void eg_rng_advance(eg_rng *rng, uint64_t blocks) { rng->counter += blocks; }

static uint64_t mix(uint64_t x) { /* splitmix64's finaliser */
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

uint64_t eg_rng_key(uint64_t seed, const char *name) {
  uint64_t hash = 0xCBF29CE484222325u; /* FNV-1a */
  for (const char *c = name ? name : ""; *c; c++) hash = (hash ^ (uint8_t)*c) * 0x100000001B3u;
  return mix(mix(seed + 0x9E3779B97F4A7C15u) ^ hash);
}

/* ---- numbers from words ---- */

static inline double unit_double(const uint32_t *w) {
  return (double)(((uint64_t)w[0] << 21) ^ (w[1] >> 11)) * 0x1p-53;
}

/* A whole number below span (0: below 2^64): the high half of a product of two words, biased by less than 2^-64. */
static inline uint64_t below(uint64_t span, const uint32_t *w) {
  uint64_t bits = (uint64_t)w[0] << 32 | w[1];
  return span ? (uint64_t)(((unsigned __int128)bits * span) >> 64) : bits;
}

double eg_rng_double(eg_rng *rng) {
  uint32_t w[4];
  eg_rng_block(rng, 0, w);
  eg_rng_advance(rng, 1);
  return unit_double(w);
}

/* ---- filling a contiguous tensor ---- */

static void fill_tile(void *context, int64_t tile) {
  const fill *f = context;
  uint32_t words[WORDS];
  int64_t end = EG_MIN((tile + 1) * EG_TILE, f->out->count), piece = WORDS / f->words;
  for (int64_t at = tile * EG_TILE; at < end; at += piece) {
    int64_t count = EG_MIN(piece, end - at);
    eg_rng_blocks(f->rng, (uint64_t)(at * f->words / 4), eg_tiles(count * f->words, 4), words);
    f->make(f, at, count, words);
  }
}

/* Takes the stream's next numbers, in whole blocks. */
static eg_status run(fill *f, eg_rng *rng) {
  f->rng = rng;
  EG_TRY(eg_parallel_over(f->out->count, eg_tiles(f->out->count, EG_TILE), fill_tile, f));
  eg_rng_advance(rng, (uint64_t)eg_tiles(f->out->count * f->words, 4));
  return EG_OK;
}

static eg_status check(const char *op, const eg_tensor *out, const eg_rng *rng) {
  EG_TRY(eg_check_contiguous(op, "output", out));
  if (!rng) return eg_fail(EG_EINVAL, "%s: there is no random stream to draw from", op);
  return EG_OK;
}

/* ---- uniform: a + u b, at most c, the number before the high end, which rounding could reach ---- */

static void uniform_f64(const fill *f, int64_t at, int64_t count, const uint32_t *w) {
  double *out = (double *)f->out->data + at;
  for (int64_t i = 0; i < count; i++) {
    double x = f->a + f->b * unit_double(w + 2 * i);
    out[i] = x < f->c ? x : f->c;
  }
}

eg_status eg_uniform(eg_tensor *out, eg_rng *rng, double low, double high) {
  EG_TRY(eg_check_real("uniform", "output", out));
  EG_TRY(check("uniform", out, rng));
  bool single = out->dtype == EG_FLOAT32;
  double span = high - low;
  if (!(low <= high) || !isfinite(span) || (single && !(isfinite((float)span) && isfinite((float)low))))
    return eg_fail(EG_EINVAL, "uniform: the range %g to %g is empty or too wide for %s", low, high,
                   eg_dtype_name(out->dtype));
  double last = single ? (double)nextafterf((float)high, (float)low) : nextafter(high, low);
  fill f = {.out = out, .a = low, .b = span, .c = last, .words = 1, .make = EG_OF_SET(uniform_f32)};
  if (!single) f.words = 2, f.make = uniform_f64;
  return run(&f, rng);
}

/* ---- normal: Box and Muller (1958): a + b radius (cosine, sine), radius = sqrt(-2 log u), of one pair of words in float, of two
 * in double; u is never 0 ---- */

static void normal_f64(const fill *f, int64_t at, int64_t count, const uint32_t *w) {
  double *out = (double *)f->out->data + at;
  for (int64_t i = 0; i < count; i += 2, w += 4) {
    double radius = sqrt(-2 * log(1 - unit_double(w))), angle = 6.283185307179586476925 * unit_double(w + 2);
    out[i] = f->a + f->b * (radius * cos(angle));
    if (i + 1 < count) out[i + 1] = f->a + f->b * (radius * sin(angle));
  }
}

eg_status eg_normal(eg_tensor *out, eg_rng *rng, double mean, double std) {
  EG_TRY(eg_check_real("normal", "output", out));
  EG_TRY(check("normal", out, rng));
  bool single = out->dtype == EG_FLOAT32, finite = isfinite(mean) && isfinite(std);
  if (single) finite = isfinite((float)mean) && isfinite((float)std);
  if (!finite || std < 0)
    return eg_fail(EG_EINVAL, "normal: mean %g and deviation %g must be finite, the deviation not negative", mean, std);
  fill f = {.out = out, .a = mean, .b = std, .words = 1, .make = EG_OF_SET(normal_f32)};
  if (!single) f.words = 2, f.make = normal_f64;
  return run(&f, rng);
}

/* ---- whole numbers ---- */

static void randint_int64(const fill *f, int64_t at, int64_t count, const uint32_t *w) {
  int64_t *out = (int64_t *)f->out->data + at;
  for (int64_t i = 0; i < count; i++) out[i] = (int64_t)(f->low + below(f->span, w + 2 * i));
}

static void randint_uint8(const fill *f, int64_t at, int64_t count, const uint32_t *w) {
  uint8_t *out = (uint8_t *)f->out->data + at;
  for (int64_t i = 0; i < count; i++) out[i] = (uint8_t)(f->low + below(f->span, w + 2 * i));
}

eg_status eg_randint(eg_tensor *out, eg_rng *rng, int64_t low, int64_t high) {
  EG_TRY(check("randint", out, rng));
  if (out->dtype != EG_INT64 && out->dtype != EG_UINT8)
    return eg_fail(EG_EDTYPE, "randint: output is %s, expected int64 or uint8", eg_describe(out));
  if (low > high || (out->dtype == EG_UINT8 && (low < 0 || high > 255)))
    return eg_fail(EG_EINVAL, "randint: the range %lld to %lld is empty or does not fit into %s", (long long)low,
                   (long long)high, eg_dtype_name(out->dtype));
  fill f = {.out = out, .words = 2, .make = out->dtype == EG_INT64 ? randint_int64 : randint_uint8};
  f.low = (uint64_t)low;
  f.span = (uint64_t)high - (uint64_t)low + 1;
  return run(&f, rng);
}

static void bernoulli(const fill *f, int64_t at, int64_t count, const uint32_t *w) {
  void *out = (char *)f->out->data + (size_t)at * eg_element_size(f->out->dtype);
  uint64_t ones = f->span;
  switch (f->out->dtype) {
    case EG_FLOAT32:
      for (int64_t i = 0; i < count; i++) ((float *)out)[i] = w[i] < ones;
      break;
    case EG_FLOAT64:
      for (int64_t i = 0; i < count; i++) ((double *)out)[i] = w[i] < ones;
      break;
    case EG_INT64:
      for (int64_t i = 0; i < count; i++) ((int64_t *)out)[i] = w[i] < ones;
      break;
    case EG_UINT8:
      for (int64_t i = 0; i < count; i++) ((uint8_t *)out)[i] = w[i] < ones;
      break;
  }
}

eg_status eg_bernoulli(eg_tensor *out, eg_rng *rng, double p) {
  EG_TRY(check("bernoulli", out, rng));
  if (!(p >= 0 && p <= 1)) return eg_fail(EG_EINVAL, "bernoulli: p is %g, expected 0 to 1", p);
  fill f = {.out = out, .span = (uint64_t)(p * 0x1p32), .words = 1, .make = bernoulli};
  return run(&f, rng);
}

/* Fisher and Yates: from the last on, each element changes places with one of those up to it. */
eg_status eg_randperm(eg_tensor *out, eg_rng *rng) {
  EG_TRY(eg_check_dtype("randperm", "output", out, EG_INT64));
  EG_TRY(eg_check_dims("randperm", "output", out, 1));
  EG_TRY(check("randperm", out, rng));
  int64_t *x = out->data, draws = EG_MAX(out->count - 1, 0);
  uint32_t words[WORDS];
  for (int64_t i = 0; i < out->count; i++) x[i] = i + 1;
  for (int64_t i = 0; i < draws; i++) {
    if (i % (1 << 18) == 0 && eg_interrupt_pending()) return eg_fail(EG_EINTR, "interrupted");
    int64_t from = 2 * i % WORDS, last = out->count - 1 - i;
    if (from == 0) eg_rng_blocks(rng, (uint64_t)(i / 2), EG_MIN(WORDS / 4, eg_tiles(draws - i, 2)), words);
    int64_t other = (int64_t)below((uint64_t)last + 1, words + from), swap = x[last];
    x[last] = x[other];
    x[other] = swap;
  }
  eg_rng_advance(rng, (uint64_t)eg_tiles(draws, 2));
  return EG_OK;
}
#endif
