/* dropout.c - multiplication by a random mask, an element or a channel at a time, and by a mask drawn before. */

#ifdef REAL

/* out = mask ? in * scale : 0. Data: out, in, mask; the mask stands still along a row where it is one a channel. */
static void K(apply)(int64_t n, char *const *data, const int64_t *stride, const void *argument) {
  real *out = (real *)data[0];
  const real *in = (const real *)data[1];
  const uint8_t *mask = (const uint8_t *)data[2];
  real scale = (real) * (const double *)argument;
  if (stride[0] == 1 && stride[1] == 1 && stride[2] == 0) {
    if (!*mask) memset(out, 0, (size_t)n * sizeof(real));
    else
      for (int64_t i = 0; i < n; i++) out[i] = in[i] * scale;
  } else if (stride[0] == 1 && stride[1] == 1 && stride[2] == 1) {
    for (int64_t i = 0; i < n; i++) out[i] = mask[i] ? in[i] * scale : 0;
  } else {
    for (int64_t i = 0; i < n; i++) out[i * stride[0]] = mask[i * stride[2]] ? in[i * stride[1]] * scale : 0;
  }
}

/* Element i takes word i % 4 of block i / 4. */
static void K(draw)(void *context, int64_t tile) {
  enum { WORDS = 1024 };
  const draw *d = context;
  uint32_t word[WORDS], last_dropped = (uint32_t)(d->threshold - 1);
  int64_t end = EG_MIN((tile + 1) * EG_TILE, d->count);
  for (int64_t first = tile * EG_TILE; first < end; first += WORDS) {
    int64_t n = EG_MIN(WORDS, end - first);
    eg_rng_blocks(d->rng, (uint64_t)first / 4, eg_tiles(n, 4), word);
    if (d->threshold == 0) memset(d->mask + first, 1, (size_t)n);
    else
      for (int64_t i = 0; i < n; i++) d->mask[first + i] = word[i] > last_dropped;
  }
}

#else
#include <math.h>

#include "nest.h"

typedef struct draw {
  const eg_rng *rng;
  uint8_t *mask;
  int64_t count;
  uint64_t threshold; /* a word below it drops its element */
} draw;

#define EG_KERNELS "dropout.c"
#include "real.h"

static bool is_per_channel(const eg_tensor *mask, const eg_tensor *in) {
  return mask->dims == 2 && in->dims > 2 && mask->size[0] == in->size[0] && mask->size[1] == in->size[1];
}

static eg_status check(const char *op, const eg_tensor *out, const eg_tensor *mask, const eg_tensor *in, double p) {
  EG_TRY(eg_check_real(op, "input", in));
  EG_TRY(eg_check_dtype(op, "output", out, in->dtype));
  EG_TRY(eg_check_shape(op, "output", out, in->dims, in->size));
  EG_TRY(eg_check_contiguous(op, "output", out));
  EG_TRY(eg_check_dtype(op, "mask", mask, EG_UINT8));
  if (!is_per_channel(mask, in) && !eg_same_shape(mask, in))
    return eg_fail(EG_ESHAPE, "%s: mask has shape %s, expected that of the input %s or its first two sizes", op,
                   eg_describe_sizes(mask->dims, mask->size), eg_describe_sizes(in->dims, in->size));
  if (!(p >= 0 && p <= 1)) return eg_fail(EG_EINVAL, "%s: p is %g, expected 0 to 1", op, p);
  return EG_OK;
}

/* out = in * mask / (1 - p), the mask spread over what lies behind the channels. */
static eg_status apply(const char *op, eg_tensor *out, const eg_tensor *mask, const eg_tensor *in, double p) {
  double scale = p < 1 ? 1 / (1 - p) : 0;
  eg_tensor spread = *mask;
  if (is_per_channel(mask, in)) {
    spread.dims = in->dims;
    for (int d = 2; d < in->dims; d++) spread.size[d] = 1, spread.stride[d] = 0;
  }
  return eg_nest(op, EG_REAL(in->dtype, apply), &scale, out, in, &spread, NULL);
}

eg_status eg_dropout(eg_tensor *out, eg_tensor *mask, const eg_tensor *in, double p, eg_rng *rng) {
  EG_TRY(check("dropout", out, mask, in, p));
  EG_TRY(eg_check_contiguous("dropout", "mask", mask));
  if (!rng) return eg_fail(EG_EINVAL, "dropout: there is no random stream to draw from");
  draw d = {.rng = rng, .mask = mask->data, .count = mask->count, .threshold = (uint64_t)ceil(p * 4294967296.0)};
  EG_TRY(eg_parallel(eg_tiles(d.count, EG_TILE), EG_REAL(in->dtype, draw), &d));
  eg_rng_advance(rng, (uint64_t)eg_tiles(d.count, 4));
  return apply("dropout", out, mask, in, p);
}

eg_status eg_dropout_apply(eg_tensor *out, const eg_tensor *mask, const eg_tensor *in, double p) {
  EG_TRY(check("dropout_apply", out, mask, in, p));
  return apply("dropout_apply", out, mask, in, p);
}
#endif
