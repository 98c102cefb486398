/* conv.c - two-dimensional convolution and its two adjoints, all by one product.
 *
 * A convolution is a matrix product whose left matrix need not be stored: its element (pixel, tap) is
 * image[pixel + tap], where `image` is a copy of a few rows of the source inside a border of zeros, and two tables
 * hold the offsets. So
 *   forward:          out[pixel][channel]  = sum over taps of   image[pixel + tap] * weight[tap][channel]
 *   input gradient:   the same over grad_out, once for each phase of the stride, the taps taken backwards
 *   weight gradient:  grad[tap][channel]   = sum over pixels of image[tap + pixel] * grad_out[pixel][channel]
 * Channels lie in vector lanes; planes are turned into lanes and back as they are read and written. */

#ifdef REAL

#include "vectors.h"

/* c[r] = start + sum over i of image[row[r] + column[i]] * m[i], for ROWS rows of `vectors` vectors that stay in
 * registers. Without a start the sum is made apart, then added to c. */
static ALWAYS_INLINE void K(tile)(int vectors, real *c, const real *start, const int64_t *row, const real *image,
                                  int64_t count, const int64_t *column, const real *m) {
  K(vector) sum[ROWS][2], *to = (K(vector) *)c;
  const real *from[ROWS];
#pragma GCC unroll 16
  for (int r = 0; r < ROWS; r++) {
    const K(vector) *begin = (const K(vector) *)start;
    from[r] = image + row[r];
    sum[r][0] = sum[r][1] = (K(vector)){0};
    if (start) sum[r][0] = begin[0], sum[r][1] = begin[vectors - 1];
  }
  for (int64_t i = 0; i < count; i++, m += vectors * K(lanes)) {
    K(vector) first = ((const K(vector) *)m)[0], second = ((const K(vector) *)m)[vectors - 1];
    int64_t at = column[i];
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; r++) {
      real x = from[r][at];
      sum[r][0] += x * first;
      if (vectors == 2) sum[r][1] += x * second;
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < ROWS; r++) {
    K(vector) *at = to + r * vectors;
    if (!start) sum[r][0] += at[0], sum[r][1] += at[vectors - 1];
    at[0] = sum[r][0];
    if (vectors == 2) at[1] = sum[r][1];
  }
}

/* The same for a sum of any length, in blocks (as multiply_rows in vectors.h). */
static void K(rows)(int64_t width, real *c, const real *start, const int64_t *row, const real *image, int64_t count,
                    const int64_t *column, const real *m) {
  for (int64_t i = 0; i == 0 || i < count; i += SUMMED, start = NULL) {
    int64_t block = EG_MIN(SUMMED, count - i);
    if (width > K(lanes)) K(tile)(2, c, start, row, image, block, column + i, m + i * width);
    else K(tile)(1, c, start, row, image, block, column + i, m + i * width);
  }
}

/* Copies a row of elements that lie `step` apart. Rows are short: the last vector overlaps the one before. */
static inline void K(copy)(real *to, const real *from, int64_t count, int64_t step) {
  if (step == 1 && count >= K(lanes)) {
    int64_t last = count - K(lanes);
    for (int64_t i = 0; i < last; i += K(lanes)) *(K(vector) *)(to + i) = *(const K(vector) *)(from + i);
    *(K(vector) *)(to + last) = *(const K(vector) *)(from + last);
  } else {
    for (int64_t i = 0; i < count; i++) to[i] = from[i * step];
  }
}

/* Copies the rows of the source that a unit of work reads into `image`; zeros where the window leaves the source. */
static void K(load)(real *image, const plan *p, unit u) {
  const int64_t *size = p->source->size, *stride = p->source->stride;
  int64_t rows = image_rows(p, u.rows), top = u.row * p->y.stride + p->y.first, left = p->x.first;
  int64_t first_row = EG_MAX(0, -top), last_row = EG_MIN(rows, size[2] - top);
  int64_t first = EG_MAX(0, -left), width = EG_MIN(p->pitch, size[3] - left) - first;
  bool border = first_row > 0 || last_row < rows || width < p->pitch;
  bool whole = width == p->pitch && stride[2] == p->pitch && stride[3] == 1; /* no gaps on either side: one long row */
  int64_t step = whole ? EG_MAX(last_row - first_row, 1) : 1;
  if (width <= 0) last_row = first_row;
  for (int64_t i = 0; i < u.samples * p->depth; i++, image += p->plane) {
    const real *plane = p->source->data;
    plane += (u.sample + i / p->depth) * stride[0] + i % p->depth * stride[1];
    if (border) memset(image, 0, (size_t)(rows * p->pitch) * sizeof(real));
    for (int64_t y = first_row; y < last_row; y += step) {
      const real *from = plane + (top + y) * stride[2] + (left + first) * stride[3];
      K(copy)(image + y * p->pitch + first, from, step * width, stride[3]);
    }
  }
}

/* ---- forward and input gradient: pixels by taps ---- */

/* m[tap][lane] of one block of channels, from a weight of any strides. */
static void K(pack)(void *context, int64_t block) {
  const correlation *k = context;
  const plan *p = &k->plan;
  const int64_t *stride = k->weight->stride;
  int64_t width = block_width(k->channels, K(lanes), block), first = block * 2 * K(lanes);
  for (int64_t lane = 0; lane < width; lane++) {
    bool used = first + lane < k->channels;
    real *to = (real *)p->shared + first * p->taps + lane;
    const real *from = k->weight->data;
    from += (used ? first + lane : 0) * stride[k->channel_dim] + k->y.tap * stride[2] + k->x.tap * stride[3];
    for (int64_t y = 0; y < p->y.taps; y++)
      for (int64_t c = 0; c < p->depth; c++)
        for (int64_t x = 0; x < p->x.taps; x++, to += width) {
          int64_t at = c * stride[1 - k->channel_dim] + y * k->y.tap_step * stride[2] + x * k->x.tap_step * stride[3];
          *to = used ? from[at] : 0;
        }
  }
}

/* Writes the lanes of one block to the planes of the target. */
static void K(store)(const correlation *k, unit u, int64_t block, int64_t width, const real *c) {
  const plan *p = &k->plan;
  const int64_t *size = k->target->size;
  int64_t first = block * 2 * K(lanes), channels = EG_MIN(width, k->channels - first), plane = size[2] * size[3];
  bool whole = k->y.step == 1 && k->x.step == 1 && p->x.size == size[3];
  int64_t runs = whole ? 1 : u.rows, length = whole ? u.rows * p->x.size : p->x.size;
  for (int64_t s = 0; s < u.samples; s++)
    for (int64_t y = 0; y < runs; y++, c += length * width) {
      real *to = (real *)k->target->data + ((u.sample + s) * k->channels + first) * plane;
      to += (k->y.origin + (u.row + y) * k->y.step) * size[3] + k->x.origin;
      if (k->x.step == 1) K(transpose)(to, plane, c, width, length, channels);
      else
        for (int64_t x = 0; x < length; x++)
          for (int64_t lane = 0; lane < channels; lane++) to[lane * plane + x * k->x.step] = c[x * width + lane];
    }
}

static void K(correlate)(void *context, int64_t tile) {
  const correlation *k = context;
  const plan *p = &k->plan;
  unit u = unit_of(p, tile);
  int64_t pixels = u.samples * u.rows * p->x.size;
  real *image = own_memory(p), *c = image + p->image_count;
  K(load)(image, p, u);
  for (int64_t block = 0; block * 2 * K(lanes) < k->channels; block++) {
    int64_t width = block_width(k->channels, K(lanes), block), first = block * 2 * K(lanes);
    const real *m = (const real *)p->shared + first * p->taps;
    real start[2 * K(lanes)] = {0};
    if (k->bias)
      for (int64_t lane = 0; lane < EG_MIN(width, k->channels - first); lane++)
        start[lane] = ((const real *)k->bias->data)[(first + lane) * k->bias->stride[0]];
    for (int64_t i = 0; i < pixels; i += ROWS) {
      range taps = taps_of(p, u, i, EG_MIN(i + ROWS, pixels) - 1);
      const int64_t *tap = p->tap + taps.first, count = taps.last - taps.first;
      K(rows)(width, c + i * width, start, p->pixel + i, image, count, tap, m + taps.first * width);
    }
    for (int64_t i = 0; k->relu && i < pixels * width; i += K(lanes))
      *(K(vector) *)(c + i) = K(rectified)(*(const K(vector) *)(c + i));
    K(store)(k, u, block, width, c);
  }
}

/* ---- weight gradient: taps by pixels ---- */

/* m[pixel][lane] of one block of grad_out's channels. */
static void K(interleave)(real *m, const plan *p, unit u, const eg_tensor *t, int64_t first, int64_t width) {
  int64_t channels = EG_MIN(width, t->size[1] - first), step = t->stride[3];
  bool whole = step == 1 && t->stride[2] == p->x.size;
  int64_t runs = whole ? 1 : u.rows, length = whole ? u.rows * p->x.size : p->x.size;
  if (channels < width) memset(m, 0, (size_t)(u.samples * u.rows * p->x.size * width) * sizeof(real));
  for (int64_t s = 0; s < u.samples; s++)
    for (int64_t y = 0; y < runs; y++, m += length * width) {
      const real *from = (const real *)t->data + (u.sample + s) * t->stride[0] + first * t->stride[1];
      from += (u.row + y) * t->stride[2];
      if (step == 1) K(transpose)(m, width, from, t->stride[1], channels, length);
      else
        for (int64_t lane = 0; lane < channels; lane++)
          for (int64_t x = 0; x < length; x++) m[x * width + lane] = from[lane * t->stride[1] + x * step];
    }
}

/* One group of units adds up its own gradient, for a share of the blocks of channels. */
static void K(gather)(void *context, int64_t tile) {
  const weight_gradient *k = context;
  const plan *p = &k->plan;
  int64_t group = tile / k->shares, share = tile % k->shares, rows = round_up(p->taps, PADDING);
  range blocks = {k->blocks * share / k->shares, k->blocks * (share + 1) / k->shares};
  real *image = own_memory(p), *m = image + p->image_count, *partial = (real *)p->shared + group * k->partial_count;
  for (int64_t b = blocks.first; b < blocks.last; b++) {
    int64_t first = b * 2 * K(lanes), width = block_width(k->channels, K(lanes), b);
    memset(partial + first * rows, 0, (size_t)(width * rows) * sizeof(real));
  }
  for (int64_t i = p->units * group / k->groups; i < p->units * (group + 1) / k->groups; i++) {
    unit u = unit_of(p, i);
    int64_t pixels = u.samples * u.rows * p->x.size;
    K(load)(image, p, u);
    for (int64_t b = blocks.first; b < blocks.last; b++) {
      int64_t first = b * 2 * K(lanes), width = block_width(k->channels, K(lanes), b);
      K(interleave)(m, p, u, k->grad_out, first, width);
      for (int64_t tap = 0; tap < p->taps; tap += ROWS) {
        real *c = partial + first * rows + tap * width;
        K(rows)(width, c, NULL, p->tap + tap, image, pixels, p->pixel, m);
      }
    }
  }
}

/* Adds up the groups' gradients of one block of channels, in order, and writes them to the weight's layout. */
static void K(add_up)(void *context, int64_t block) {
  const weight_gradient *k = context;
  int64_t taps = k->plan.taps, width = block_width(k->channels, K(lanes), block), first = block * 2 * K(lanes);
  real *sum = (real *)k->plan.shared + first * round_up(taps, PADDING),
       *to = (real *)k->grad_weight->data + first * taps;
  for (int64_t g = 1; g < k->groups; g++)
    for (int64_t i = 0; i < taps * width; i++) sum[i] += sum[g * k->partial_count + i];
  K(transpose)(to, taps, sum, width, taps, EG_MIN(width, k->channels - first));
}

#else
#include "winograd.h"

/* Under -std=c11 the compiler may not fuse a * b + c by itself; the products here want it. */
#pragma GCC optimize("fp-contract=fast")

enum { PADDING = 24 }; /* tables and sums are padded to whole groups of ROWS, in every instruction set */

enum {
  IMAGE = 1 << 16,    /* most elements of an image, */
  PIXELS = 1 << 11,   /* and most pixels of a unit: both stay in the second cache */
  FEW_PIXELS = 96,    /* a unit with fewer takes several samples */
  UNITS = 8,          /* least number of units of a large call, for the threads */
  GROUPS = 8,         /* most groups in which a weight gradient is gathered, */
  PARTIALS = 1 << 19, /* and most elements of all their sums */
};

/* One dimension of a plan: pixel i of `size` sees `taps` places of the source, from first + i * stride on. Places
 * outside the source are zeros. */
typedef struct axis {
  int64_t size, taps, stride, first;
} axis;

/* Which pixels of a target are computed through which windows of a source, and how the work is cut. */
typedef struct plan {
  const eg_tensor *source; /* (batch, depth, height, width), any strides */
  int64_t batch, depth;
  axis y, x;
  bool by_row;                       /* taps in the order (row, channel, column), else (channel, row, column) */
  int64_t pitch, plane, image_count; /* elements of a row, of a plane and of all of an image */
  int64_t samples, rows, bands, units, pixels; /* a unit: some samples, or one of the bands of rows of one sample */
  int64_t taps, *tap, *pixel;                  /* taps of all channels; the tables of offsets into the image */
  int64_t shared_count, own_count; /* elements of scratch memory for all, and beside the image for each thread */
  char *shared, *scratch;
} plan;

typedef struct unit {
  int64_t sample, samples, row, rows;
} unit;

typedef struct range {
  int64_t first, last;
} range;

/* One dimension of a correlation: the taps of the weight that stand in the window, in its order, and the pixels of the
 * target that are written. */
typedef struct side {
  int64_t tap, tap_step, origin, step;
} side;

/* Forward and input gradient: channels are the target's. */
typedef struct correlation {
  plan plan;
  side y, x;
  eg_tensor *target;
  const eg_tensor *weight, *bias;
  bool relu;       /* forward: negative results become 0 */
  int channel_dim; /* of the weight: where the target's channels lie */
  int64_t channels;
} correlation;

typedef struct weight_gradient {
  plan plan;
  const eg_tensor *grad_out;
  eg_tensor *grad_weight;
  int64_t channels, blocks, groups, shares, partial_count;
} weight_gradient;

static inline int64_t round_up(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }
static inline int64_t lanes_of(const eg_tensor *t) { return eg_vector_bytes() / (int64_t)eg_element_size(t->dtype); }
static inline int64_t image_rows(const plan *p, int64_t rows) { return (rows - 1) * p->y.stride + p->y.taps; }

/* Blocks of channels are two vectors wide; the last may be one. */
static inline int64_t block_width(int64_t channels, int64_t lanes, int64_t block) {
  return channels - block * 2 * lanes > lanes ? 2 * lanes : lanes;
}

/* The image, then own_count elements. */
static inline int64_t own_bytes(const plan *p) {
  return round_up((p->image_count + p->own_count) * (int64_t)eg_element_size(p->source->dtype), 64);
}

static inline void *own_memory(const plan *p) { return p->scratch + eg_thread_number() * own_bytes(p); }

static unit unit_of(const plan *p, int64_t i) {
  if (p->bands == 1) return (unit){i * p->samples, EG_MIN(p->samples, p->batch - i * p->samples), 0, p->y.size};
  int64_t row = i % p->bands * p->rows;
  return (unit){i / p->bands, 1, row, EG_MIN(p->rows, p->y.size - row)};
}

/* The taps that can meet the source for pixels `from` to `to` of a unit: rows of taps above or below it do not. */
static range taps_of(const plan *p, unit u, int64_t from, int64_t to) {
  range rows = {0, p->y.taps};
  if (u.samples == 1) {
    int64_t top = (u.row + from / p->x.size) * p->y.stride + p->y.first;
    int64_t bottom = (u.row + to / p->x.size) * p->y.stride + p->y.first;
    rows.last = EG_MIN(p->y.taps, EG_MAX(0, p->source->size[2] - top));
    rows.first = EG_MIN(rows.last, EG_MAX(0, -bottom));
  }
  int64_t row = p->depth * p->x.taps;
  return (range){rows.first * row, rows.last * row};
}

#define EG_KERNELS "conv.c"
#include "real.h"

/* ---- plans ---- */

/* Cuts the work, by shape alone. False when it is too large to be meant, before anything can overflow. */
static bool cut(plan *p, int64_t channels) {
  double rows_all = (p->y.size - 1.0) * p->y.stride + p->y.taps, pitch = (p->x.size - 1.0) * p->x.stride + p->x.taps;
  double work = (double)p->batch * p->y.size * p->x.size * p->depth * p->y.taps * p->x.taps * channels;
  if ((p->depth + 1.0) * rows_all * pitch > 1e14 || work > 1e14) return false;
  p->taps = p->depth * p->y.taps * p->x.taps;
  p->pitch = (int64_t)pitch;
  int64_t fit = (IMAGE / EG_MAX(p->depth * p->pitch, 1) - p->y.taps) / p->y.stride + 1;
  int64_t rows = EG_MIN(fit, PIXELS / p->x.size);
  if (work > 1 << 20) rows = EG_MIN(rows, eg_tiles(p->y.size * p->batch, UNITS));
  p->bands = eg_tiles(p->y.size, EG_MAX(1, EG_MIN(rows, p->y.size)));
  p->rows = eg_tiles(p->y.size, p->bands);
  p->bands = eg_tiles(p->y.size, p->rows);
  /* An odd number of cache lines a plane, so that planes do not fall on one another in the cache. */
  p->plane = round_up(image_rows(p, p->rows) * p->pitch, 16) | 16;
  p->samples = 1;
  if (p->bands == 1) {
    fit = EG_MIN(FEW_PIXELS / (p->y.size * p->x.size), IMAGE / (EG_MAX(p->depth, 1) * p->plane));
    p->samples = EG_MAX(1, EG_MIN(fit, p->batch / UNITS));
  }
  p->units = eg_tiles(p->batch, p->samples) * p->bands;
  p->pixels = p->samples * p->rows * p->x.size;
  p->image_count = p->samples * p->depth * p->plane;
  return true;
}

static int64_t table_bytes(const plan *p) {
  return round_up((round_up(p->taps, PADDING) + round_up(p->pixels, PADDING)) * (int64_t)sizeof(int64_t), 64);
}

/* The scratch memory of a plan: tables, what is shared, and each thread's own. */
static size_t plan_bytes(const plan *p) {
  int64_t shared = round_up(p->shared_count * (int64_t)eg_element_size(p->source->dtype), 64);
  return (size_t)(table_bytes(p) + shared + eg_threads_get() * own_bytes(p));
}

/* Divides the memory and fills the tables; their last entry is repeated up to a multiple of PADDING. */
static void lay_out(plan *p, char *block) {
  p->tap = (int64_t *)block;
  p->pixel = p->tap + round_up(p->taps, PADDING);
  p->shared = block + table_bytes(p);
  p->scratch = p->shared + round_up(p->shared_count * (int64_t)eg_element_size(p->source->dtype), 64);
  int64_t *pixel = p->pixel;
  for (int64_t c = 0; c < p->depth; c++)
    for (int64_t y = 0; y < p->y.taps; y++)
      for (int64_t x = 0; x < p->x.taps; x++) {
        int64_t row = p->by_row ? y * p->depth + c : c * p->y.taps + y;
        p->tap[row * p->x.taps + x] = c * p->plane + y * p->pitch + x;
      }
  for (int64_t s = 0; s < p->samples; s++)
    for (int64_t y = 0; y < p->rows; y++)
      for (int64_t x = 0; x < p->x.size; x++)
        *pixel++ = s * p->depth * p->plane + y * p->y.stride * p->pitch + x * p->x.stride;
  for (int64_t i = p->taps; i < round_up(p->taps, PADDING); i++) p->tap[i] = p->tap[p->taps - 1];
  for (int64_t i = p->pixels; i < round_up(p->pixels, PADDING); i++) p->pixel[i] = p->pixel[p->pixels - 1];
}

/* ---- checks ---- */

eg_status eg_conv2d_check(const char *op, const eg_tensor *in, const eg_tensor *weight, const eg_conv *how,
                          int64_t *size) {
  EG_TRY(eg_check_real(op, "input", in));
  EG_TRY(eg_check_real(op, "weight", weight));
  EG_TRY(eg_check_same_dtype(op, "input", in, "weight", weight));
  EG_TRY(eg_check_dims(op, "input", in, 4));
  EG_TRY(eg_check_dims(op, "weight", weight, 4));
  const int64_t stride[2] = {how->stride_h, how->stride_w}, padding[2] = {how->padding_h, how->padding_w};
  if (stride[0] < 1 || stride[1] < 1)
    return eg_fail(EG_EINVAL, "%s: stride is %s, expected at least 1", op, eg_describe_sizes(2, stride));
  if (padding[0] < 0 || padding[1] < 0)
    return eg_fail(EG_EINVAL, "%s: padding is %s, expected at least 0", op, eg_describe_sizes(2, padding));
  if (in->size[1] != weight->size[1])
    return eg_fail(EG_ESHAPE, "%s: input has %lld channels, the layer wants %lld: input %s, weight %s", op,
                   (long long)in->size[1], (long long)weight->size[1], eg_describe_sizes(4, in->size),
                   eg_describe_sizes(4, weight->size));
  size[0] = in->size[0];
  size[1] = weight->size[0];
  for (int d = 0; d < 2; d++) {
    int64_t padded = in->size[2 + d], taps = weight->size[2 + d];
    if (__builtin_add_overflow(padded, padding[d], &padded) || __builtin_add_overflow(padded, padding[d], &padded))
      return eg_fail(EG_EINVAL, "%s: padding %s is too large", op, eg_describe_sizes(2, padding));
    if (taps < 1)
      return eg_fail(EG_ESHAPE, "%s: the kernel is empty: weight %s", op, eg_describe_sizes(4, weight->size));
    if (taps > padded)
      return eg_fail(EG_ESHAPE, "%s: the kernel is larger than the padded input: input %s, weight %s, padding %s", op,
                     eg_describe_sizes(4, in->size), eg_describe_sizes(4, weight->size), eg_describe_sizes(2, padding));
    size[2 + d] = (padded - taps) / stride[d] + 1;
  }
  return EG_OK;
}

/* A tensor that belongs to the input: its dtype and shape. */
static eg_status check_like(const char *op, const char *name, const eg_tensor *t, const eg_tensor *in,
                            const int64_t *size) {
  EG_TRY(eg_check_dtype(op, name, t, in->dtype));
  return eg_check_shape(op, name, t, 4, size);
}

/* An output has memory of its own. */
static eg_status check_apart(const char *op, const eg_tensor *out, const eg_tensor *a, const eg_tensor *b) {
  if (eg_overlap(out, a) || eg_overlap(out, b))
    return eg_fail(EG_EINVAL, "%s: the output shares memory with an operand", op);
  return EG_OK;
}

static eg_status too_large(const char *op, const eg_tensor *in, const eg_tensor *weight) {
  return eg_fail(EG_ENOMEM, "%s: the sizes are too large: input %s, weight %s", op, eg_describe_sizes(4, in->size),
                 eg_describe_sizes(4, weight->size));
}

eg_tensor *eg_conv2d_new(const eg_tensor *in, const eg_tensor *weight, const eg_conv *how) {
  int64_t size[4];
  return eg_conv2d_check("conv2d", in, weight, how, size) ? NULL : eg_new(in->dtype, 4, size);
}

/* ---- forward and input gradient ---- */

static bool prepare(correlation *k) {
  plan *p = &k->plan;
  int64_t lanes = lanes_of(p->source);
  if (!cut(p, k->channels)) return false;
  p->shared_count = round_up(k->channels, lanes) * p->taps;
  p->own_count = 2 * lanes * round_up(p->pixels, PADDING);
  return true;
}

static eg_status run(correlation *k, char *block) {
  lay_out(&k->plan, block);
  EG_TRY(eg_parallel(eg_tiles(k->channels, 2 * lanes_of(k->target)), EG_REAL(k->target->dtype, pack), k));
  return eg_parallel(k->plan.units, EG_REAL(k->target->dtype, correlate), k);
}

/* The plan of a forward pass, and of the weight gradient, over an output of the given size. */
static plan forward_plan(const eg_tensor *in, const eg_tensor *weight, const eg_conv *how, const int64_t *size) {
  plan p = {.source = in, .batch = size[0], .depth = in->size[1]};
  p.y = (axis){size[2], weight->size[2], how->stride_h, -how->padding_h};
  p.x = (axis){size[3], weight->size[3], how->stride_w, -how->padding_w};
  return p;
}

static eg_status forward(eg_tensor *out, const eg_tensor *in, const eg_tensor *weight, const eg_tensor *bias,
                         const eg_conv *how, bool relu) {
  static const char *op = "conv2d";
  int64_t size[4];
  EG_TRY(eg_conv2d_check(op, in, weight, how, size));
  EG_TRY(check_like(op, "output", out, in, size));
  EG_TRY(eg_check_contiguous(op, "output", out));
  EG_TRY(check_apart(op, out, in, weight));
  if (bias) {
    EG_TRY(eg_check_dtype(op, "bias", bias, in->dtype));
    EG_TRY(eg_check_shape(op, "bias", bias, 1, size + 1));
  }
  if (out->count == 0) return EG_OK;
  bool done = eg_winograd_fits(in->size, weight->size, out->size, how);
  if (done) EG_TRY(eg_winograd(out, in, weight, bias, how, relu, &done));
  if (done) return EG_OK;
  const side all = {.tap = 0, .tap_step = 1, .origin = 0, .step = 1};
  correlation k = {
      .y = all, .x = all, .target = out, .weight = weight, .bias = bias, .channels = size[1], .relu = relu};
  k.plan = forward_plan(in, weight, how, size);
  k.plan.by_row = true;
  if (!prepare(&k)) return too_large(op, in, weight);
  size_t bytes = plan_bytes(&k.plan);
  char *block = eg_block_new(bytes);
  if (!block) return EG_ENOMEM;
  eg_status status = run(&k, block);
  eg_block_free(block, bytes);
  return status;
}

eg_status eg_conv2d(eg_tensor *out, const eg_tensor *in, const eg_tensor *weight, const eg_tensor *bias,
                    const eg_conv *how) {
  return forward(out, in, weight, bias, how, false);
}

eg_status eg_conv2d_relu(eg_tensor *out, const eg_tensor *in, const eg_tensor *weight, const eg_tensor *bias,
                         const eg_conv *how) {
  return forward(out, in, weight, bias, how, true);
}

/* One dimension of one phase: the pixels origin, origin + stride, ... of the input see every stride-th tap of the
 * kernel, from the last to the first, and neighbours among them see neighbouring pixels of grad_out. */
static void set_phase(axis *a, side *s, int64_t origin, int64_t size, int64_t kernel, int64_t stride, int64_t padding) {
  int64_t first = (origin + padding) % stride, taps = first < kernel ? (kernel - 1 - first) / stride + 1 : 0;
  *a = (axis){(size - origin - 1) / stride + 1, taps, 1, (origin + padding) / stride - taps + 1};
  *s = (side){first + (taps - 1) * stride, -stride, origin, stride};
}

static correlation phase_of(eg_tensor *grad_in, const eg_tensor *grad_out, const eg_tensor *weight, const eg_conv *how,
                            int64_t y, int64_t x) {
  const int64_t *size = grad_in->size, *kernel = weight->size;
  correlation k = {.target = grad_in, .weight = weight, .channel_dim = 1, .channels = size[1]};
  k.plan = (plan){.source = grad_out, .batch = size[0], .depth = grad_out->size[1], .by_row = true};
  set_phase(&k.plan.y, &k.y, y, size[2], kernel[2], how->stride_h, how->padding_h);
  set_phase(&k.plan.x, &k.x, x, size[3], kernel[3], how->stride_w, how->padding_w);
  return k;
}

eg_status eg_conv2d_input(eg_tensor *grad_in, const eg_tensor *grad_out, const eg_tensor *weight, const eg_conv *how) {
  static const char *op = "conv2d_input";
  int64_t size[4];
  EG_TRY(eg_conv2d_check(op, grad_in, weight, how, size));
  EG_TRY(eg_check_contiguous(op, "input gradient", grad_in));
  EG_TRY(check_like(op, "output gradient", grad_out, grad_in, size));
  EG_TRY(check_apart(op, grad_in, grad_out, weight));
  if (grad_in->count == 0) return EG_OK;
  bool done = eg_winograd_fits(grad_out->size, weight->size, grad_in->size, how);
  if (done) EG_TRY(eg_winograd_input(grad_in, grad_out, weight, how, &done));
  if (done) return EG_OK;
  /* With a stride larger than the kernel some pixels are seen by no tap: their phases are empty. */
  int64_t phases_h = EG_MIN(how->stride_h, grad_in->size[2]), phases_w = EG_MIN(how->stride_w, grad_in->size[3]);
  bool empty = false;
  size_t bytes = 1;
  for (int64_t i = 0; i < phases_h * phases_w; i++) {
    correlation k = phase_of(grad_in, grad_out, weight, how, i / phases_w, i % phases_w);
    if (k.plan.y.taps == 0 || k.plan.x.taps == 0) empty = true;
    else if (!prepare(&k)) return too_large(op, grad_in, weight);
    else bytes = EG_MAX(bytes, plan_bytes(&k.plan));
  }
  char *block = eg_block_new(bytes);
  if (!block) return EG_ENOMEM;
  if (empty) memset(grad_in->data, 0, (size_t)grad_in->count * eg_element_size(grad_in->dtype));
  eg_status status = EG_OK;
  for (int64_t i = 0; !status && i < phases_h * phases_w; i++) {
    correlation k = phase_of(grad_in, grad_out, weight, how, i / phases_w, i % phases_w);
    if (k.plan.y.taps == 0 || k.plan.x.taps == 0) continue;
    prepare(&k);
    status = run(&k, block);
  }
  eg_block_free(block, bytes);
  return status;
}

/* ---- weight gradient ---- */

eg_status eg_conv2d_weight(eg_tensor *grad_weight, const eg_tensor *grad_out, const eg_tensor *in, const eg_conv *how) {
  static const char *op = "conv2d_weight";
  int64_t size[4];
  EG_TRY(eg_conv2d_check(op, in, grad_weight, how, size));
  EG_TRY(eg_check_contiguous(op, "weight gradient", grad_weight));
  EG_TRY(check_like(op, "output gradient", grad_out, in, size));
  EG_TRY(check_apart(op, grad_weight, grad_out, in));
  if (grad_weight->count == 0) return EG_OK;
  if (grad_out->count == 0) {
    memset(grad_weight->data, 0, (size_t)grad_weight->count * eg_element_size(grad_weight->dtype));
    return EG_OK;
  }
  bool done = eg_winograd_fits(in->size, grad_weight->size, grad_out->size, how);
  if (done) EG_TRY(eg_winograd_weight(grad_weight, grad_out, in, how, &done));
  if (done) return EG_OK;
  weight_gradient k = {.grad_out = grad_out, .grad_weight = grad_weight, .channels = size[1]};
  plan *p = &k.plan;
  *p = forward_plan(in, grad_weight, how, size);
  if (!cut(p, k.channels)) return too_large(op, in, grad_weight);
  int64_t lanes = lanes_of(in);
  k.blocks = eg_tiles(k.channels, 2 * lanes);
  k.partial_count = round_up(k.channels, lanes) * round_up(p->taps, PADDING);
  k.groups = EG_MAX(1, EG_MIN(EG_MIN(GROUPS, p->units), PARTIALS / k.partial_count));
  k.shares = EG_MIN(k.blocks, eg_tiles(UNITS, k.groups));
  p->shared_count = k.groups * k.partial_count;
  p->own_count = 2 * lanes * p->pixels;
  size_t bytes = plan_bytes(p);
  char *block = eg_block_new(bytes);
  if (!block) return EG_ENOMEM;
  lay_out(p, block);
  eg_status status = eg_parallel(k.groups * k.shares, EG_REAL(in->dtype, gather), &k);
  if (!status) status = eg_parallel(k.blocks, EG_REAL(in->dtype, add_up), &k);
  eg_block_free(block, bytes);
  return status;
}
#endif
