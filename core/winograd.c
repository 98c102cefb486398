/* winograd.c - 3x3 convolutions of stride 1 with a quarter of the multiplications (Winograd 1980; Lavin and Gray 2016).
 *
 * F(4x4, 3x3): a tile of 4x4 pixels of the target sees 6x6 pixels d of the source through the weight g:
 *   target tile = A^T [(G g G^T) o (B^T d B)] A
 * where the product o, summed over channels, is one small matrix product for each of the 36 places. The weight gradient is
 * the adjoint: grad g = G^T [(B^T d B) o (A grad A^T)] G, summed over tiles. The matrices are Toom and Cook's for the points
 * 0, 1/2, -1/2, 3/2, -3/2 and infinity: all but G are exact in binary, and the error is a third of that of the usual points
 * 0, 1, -1, 2, -2: two to four times that of summing directly (the test says which bound holds).
 *
 * Pixels are turned into lanes of channels first, so that every transform works on whole vectors. */
#ifdef REAL

#include "vectors.h"

/* ---- the six one-dimensional transforms, of vectors ---- */

/* B^T: six pixels of the source, in place */
static ALWAYS_INLINE void K(source_side)(K(vector) * x, int step) {
  K(vector) x0 = x[0], x1 = x[step], x2 = x[2 * step], x3 = x[3 * step], x4 = x[4 * step], x5 = x[5 * step];
  K(vector) even = x4 - (real)2.25 * x2, odd = (real)0.5 * x3 - (real)1.125 * x1;
  x[0] = (real)0.5625 * x0 - (real)2.5 * x2 + x4;
  x[step] = even + odd;
  x[2 * step] = even - odd;
  even = x4 - (real)0.25 * x2;
  odd = (real)1.5 * x3 - (real)0.375 * x1;
  x[3 * step] = even + odd;
  x[4 * step] = even - odd;
  x[5 * step] = (real)0.5625 * x1 - (real)2.5 * x3 + x5;
}

/* A^T: the first four of six places become pixels of the target */
static ALWAYS_INLINE void K(target_side)(K(vector) * x, int step) {
  K(vector) even1 = x[step] + x[2 * step], odd1 = x[step] - x[2 * step], even2 = x[3 * step] + x[4 * step];
  K(vector) odd2 = x[3 * step] - x[4 * step];
  x[0] += even1 + even2;
  x[step] = (real)0.5 * odd1 + (real)1.5 * odd2;
  x[2 * step] = (real)0.25 * even1 + (real)2.25 * even2;
  x[3 * step] = (real)0.125 * odd1 + (real)3.375 * odd2 + x[5 * step];
}

/* A: four pixels of the target's gradient become six places */
static ALWAYS_INLINE void K(target_side_back)(K(vector) * x, int step) {
  K(vector) x0 = x[0], x1 = x[step], x2 = x[2 * step], x3 = x[3 * step];
  K(vector) even = x0 + (real)0.25 * x2, odd = (real)0.5 * x1 + (real)0.125 * x3;
  x[step] = even + odd;
  x[2 * step] = even - odd;
  even = x0 + (real)2.25 * x2;
  odd = (real)1.5 * x1 + (real)3.375 * x3;
  x[3 * step] = even + odd;
  x[4 * step] = even - odd;
  x[5 * step] = x3;
}

/* G: three taps become six places */
static ALWAYS_INLINE void K(weight_side)(K(vector) * x, int step) {
  const real ninth = (real)1 / 9;
  K(vector) x0 = x[0], x1 = x[step], x2 = x[2 * step];
  K(vector) even = x0 + (real)0.25 * x2, odd = (real)0.5 * x1;
  x[0] = (16 * ninth) * x0;
  x[step] = -even - odd;
  x[2 * step] = odd - even;
  even = ninth * x0 + (real)0.25 * x2;
  odd = (real)1.5 * ninth * x1;
  x[3 * step] = even + odd;
  x[4 * step] = even - odd;
  x[5 * step] = x2;
}

/* G^T: the first three of six places become taps of the gradient */
static ALWAYS_INLINE void K(weight_side_back)(K(vector) * x, int step) {
  const real ninth = (real)1 / 9;
  K(vector) even1 = x[step] + x[2 * step], odd1 = x[step] - x[2 * step], even2 = x[3 * step] + x[4 * step];
  K(vector) odd2 = x[3 * step] - x[4 * step];
  x[0] = (16 * ninth) * x[0] - even1 + ninth * even2;
  x[step] = (real)1.5 * ninth * odd2 - (real)0.5 * odd1;
  x[2 * step] = (real)0.25 * (even2 - even1) + x[5 * step];
}

/* ---- the products of one place, of rows of one or two vectors ---- */

/* Rows are tiles, which lie `depth` apart; what is summed are channels. */
static void K(multiply_tiles)(int64_t width, int64_t rows, real *c, const real *a, int64_t depth, const real *b,
                              int64_t count) {
  if (width > K(lanes)) K(multiply_rows)(2, rows, c, width, a, depth, 1, b, width, count, NULL, false);
  else K(multiply_rows)(1, rows, c, width, a, depth, 1, b, width, count, NULL, false);
}

/* Rows are channels; what is summed are tiles, which lie `depth` apart. */
static void K(multiply_channels)(int64_t width, int64_t rows, real *c, const real *a, int64_t depth, const real *b,
                                 int64_t count) {
  if (width > K(lanes)) K(multiply_rows)(2, rows, c, width, a, 1, depth, b, width, count, NULL, true);
  else K(multiply_rows)(1, rows, c, width, a, 1, depth, b, width, count, NULL, true);
}

/* ---- planes to lanes: image[pixel][channel] of rows `top` .. of columns `left` .., zeros outside the planes ---- */

static void K(load)(real *image, int64_t depth, const eg_tensor *t, int64_t first_channel, int64_t channels, unit u,
                    window w) {
  const int64_t *size = t->size, *stride = t->stride;
  int64_t first_row = EG_MAX(0, -w.top), last_row = EG_MAX(first_row, EG_MIN(w.rows, size[2] - w.top));
  int64_t first = EG_MAX(0, -w.left), width = EG_MIN(w.pitch, size[3] - w.left) - first;
  bool whole = width == w.pitch && stride[2] == w.pitch && stride[3] == 1; /* one long row */
  bool border = channels < depth || first_row > 0 || last_row < w.rows || width < w.pitch;
  for (int64_t s = 0; s < u.samples; s++, image += w.rows * w.pitch * depth) {
    if (border) memset(image, 0, (size_t)(w.rows * w.pitch * depth) * sizeof(real));
    if (width <= 0) continue;
    const real *plane = (const real *)t->data + (u.sample + s) * stride[0] + first_channel * stride[1];
    int64_t step = whole ? EG_MAX(1, last_row - first_row) : 1;
    for (int64_t y = first_row; y < last_row; y += step) {
      const real *from = plane + (w.top + y) * stride[2] + (w.left + first) * stride[3];
      real *to = image + (y * w.pitch + first) * depth;
      if (stride[3] == 1) K(transpose)(to, depth, from, stride[1], channels, step * width);
      else
        for (int64_t x = 0; x < width; x++)
          for (int64_t c = 0; c < channels; c++) to[x * depth + c] = from[x * stride[3] + c * stride[1]];
    }
  }
}

/* ---- transforms of all tiles of a unit: places[place][tile][lane] ---- */

/* B^T d B of every channel */
static void K(transform_source)(real *places, const real *image, const winograd *k, unit u) {
  int64_t depth = k->padded_depth, pitch = k->pitch * depth, plane = k->tiles * depth;
  for (int64_t s = 0; s < u.samples; s++)
    for (int64_t i = 0; i < u.rows * k->across; i++, places += depth) {
      const real *from = image + ((s * u.image_rows + i / k->across * 4) * k->pitch + i % k->across * 4) * depth;
      for (int64_t c = 0; c < depth; c += K(lanes)) {
        K(vector) d[36];
#pragma GCC unroll 6
        for (int x = 0; x < 6; x++) {
#pragma GCC unroll 6
          for (int y = 0; y < 6; y++) d[6 * y + x] = *(const K(vector) *)(from + y * pitch + x * depth + c);
          K(source_side)(d + x, 6);
        }
#pragma GCC unroll 6
        for (int y = 0; y < 6; y++) {
          K(source_side)(d + 6 * y, 1);
#pragma GCC unroll 6
          for (int x = 0; x < 6; x++) *(K(vector) *)(places + (6 * y + x) * plane + c) = d[6 * y + x];
        }
      }
    }
}

/* A^T m A + bias, or its positive part, of a block of channels, into pixels[pixel][lane] */
static void K(transform_target)(real *pixels, const real *places, const real *bias, const winograd *k, unit u,
                                int64_t width) {
  int64_t pitch = 4 * k->across * width, plane = k->tiles * width;
  for (int64_t i = 0; i < u.samples * u.rows * k->across; i++, places += width) {
    real *to = pixels + i / k->across * 4 * pitch + i % k->across * 4 * width;
    for (int64_t lane = 0; lane < width; lane += K(lanes)) {
      K(vector) m[36], start = *(const K(vector) *)(bias + lane);
      const bool relu = k->relu;
#pragma GCC unroll 6
      for (int x = 0; x < 6; x++) {
#pragma GCC unroll 6
        for (int y = 0; y < 6; y++) m[6 * y + x] = *(const K(vector) *)(places + (6 * y + x) * plane + lane);
        K(target_side)(m + x, 6);
      }
#pragma GCC unroll 4
      for (int y = 0; y < 4; y++) {
        K(target_side)(m + 6 * y, 1);
#pragma GCC unroll 4
        for (int x = 0; x < 4; x++) {
          K(vector) sum = m[6 * y + x] + start;
          *(K(vector) *)(to + y * pitch + x * width + lane) = relu ? K(rectified)(sum) : sum;
        }
      }
    }
  }
}

/* A grad A^T of a block of channels, from pixels[pixel][lane] */
static void K(transform_gradient)(real *places, const real *pixels, const winograd *k, unit u, int64_t width) {
  int64_t pitch = 4 * k->across * width, plane = k->tiles * width;
  for (int64_t i = 0; i < u.samples * u.rows * k->across; i++, places += width) {
    const real *from = pixels + i / k->across * 4 * pitch + i % k->across * 4 * width;
    for (int64_t lane = 0; lane < width; lane += K(lanes)) {
      K(vector) m[36];
#pragma GCC unroll 4
      for (int x = 0; x < 4; x++) {
#pragma GCC unroll 4
        for (int y = 0; y < 4; y++) m[6 * y + x] = *(const K(vector) *)(from + y * pitch + x * width + lane);
        K(target_side_back)(m + x, 6);
      }
#pragma GCC unroll 6
      for (int y = 0; y < 6; y++) {
        K(target_side_back)(m + 6 * y, 1);
#pragma GCC unroll 6
        for (int x = 0; x < 6; x++) *(K(vector) *)(places + (6 * y + x) * plane + lane) = m[6 * y + x];
      }
    }
  }
}

/* ---- forward and input gradient ---- */

/* G g G^T of one block of channels: shared[place][source channel][lane] */
static void K(transform_weight)(void *context, int64_t block) {
  const winograd *k = context;
  const int64_t *stride = k->weight->stride;
  int64_t width = block_width(k->channels, K(lanes), block), first = block * 2 * K(lanes);
  int64_t row = k->turned ? -stride[2] : stride[2], column = k->turned ? -stride[3] : stride[3];
  real *to = (real *)k->shared + 36 * first * k->depth;
  const real *from = k->weight->data;
  if (k->turned) from += 2 * stride[2] + 2 * stride[3];
  for (int64_t c = 0; c < k->depth; c++)
    for (int64_t lane = 0; lane < width; lane += K(lanes)) {
      K(vector) g[36] = {{0}};
      for (int64_t i = 0; i < EG_MIN(K(lanes), k->channels - first - lane); i++) {
        const real *tap = from + (first + lane + i) * stride[k->turned] + c * stride[!k->turned];
        for (int y = 0; y < 3; y++)
          for (int x = 0; x < 3; x++) g[6 * y + x][i] = tap[y * row + x * column];
      }
      for (int x = 0; x < 3; x++) K(weight_side)(g + x, 6);
      for (int y = 0; y < 6; y++) K(weight_side)(g + 6 * y, 1);
      for (int place = 0; place < 36; place++) *(K(vector) *)(to + (place * k->depth + c) * width + lane) = g[place];
    }
}

/* Writes a block's pixels to the planes of the target. */
static void K(store)(const winograd *k, unit u, const real *pixels, int64_t width, int64_t first) {
  const int64_t *size = k->target->size;
  int64_t channels = EG_MIN(width, k->channels - first), plane = size[2] * size[3], pitch = 4 * k->across;
  int64_t rows = EG_MIN(4 * u.rows, size[2] - 4 * u.row);
  bool whole = pitch == size[3];
  for (int64_t s = 0; s < u.samples; s++, pixels += 4 * u.rows * pitch * width) {
    real *to = (real *)k->target->data + ((u.sample + s) * k->channels + first) * plane + 4 * u.row * size[3];
    if (whole) K(transpose)(to, plane, pixels, width, rows * pitch, channels);
    else
      for (int64_t y = 0; y < rows; y++)
        K(transpose)(to + y * size[3], plane, pixels + y * pitch * width, width, size[3], channels);
  }
}

static void K(correlate)(void *context, int64_t tile) {
  const winograd *k = context;
  unit u = unit_of(k, tile);
  int64_t tiles = u.samples * u.rows * k->across;
  real *image = own_memory(k), *source = image + k->image_count, *product = source + 36 * k->tiles * k->padded_depth;
  K(load)(image, k->padded_depth, k->source, 0, k->depth, u, source_window(k, u));
  K(transform_source)(source, image, k, u);
  for (int64_t block = 0; block * 2 * K(lanes) < k->channels; block++) {
    int64_t width = block_width(k->channels, K(lanes), block), first = block * 2 * K(lanes);
    const real *weight = (const real *)k->shared + 36 * first * k->depth;
    real bias[2 * K(lanes)] = {0}, *pixels = product + 36 * k->tiles * width;
    if (k->bias)
      for (int64_t lane = 0; lane < EG_MIN(width, k->channels - first); lane++)
        bias[lane] = ((const real *)k->bias->data)[(first + lane) * k->bias->stride[0]];
    for (int64_t place = 0; place < 36; place++) K(multiply_tiles)
    (width, tiles, product + place * k->tiles * width, source + place * k->tiles * k->padded_depth, k->padded_depth,
     weight + place * k->depth * width, k->depth);
    K(transform_target)(pixels, product, bias, k, u, width);
    K(store)(k, u, pixels, width, first);
  }
}

/* ---- weight gradient ---- */

/* One group of units adds up its own gradient, for a share of the blocks of channels: partial[place][channel][lane]. */
static void K(gather)(void *context, int64_t tile) {
  const winograd *k = context;
  int64_t group = tile / k->shares, share = tile % k->shares, blocks = eg_tiles(k->channels, 2 * K(lanes));
  int64_t from_block = blocks * share / k->shares, to_block = blocks * (share + 1) / k->shares;
  real *image = own_memory(k), *source = image + k->image_count, *gradient = source + 36 * k->tiles * k->padded_depth;
  real *partial = (real *)k->shared + group * k->partial_count;
  for (int64_t b = from_block; b < to_block; b++) {
    int64_t width = block_width(k->channels, K(lanes), b);
    memset(partial + 36 * k->depth * b * 2 * K(lanes), 0, (size_t)(36 * k->depth * width) * sizeof(real));
  }
  for (int64_t i = k->units * group / k->groups; i < k->units * (group + 1) / k->groups; i++) {
    unit u = unit_of(k, i);
    int64_t tiles = u.samples * u.rows * k->across;
    K(load)(image, k->padded_depth, k->source, 0, k->depth, u, source_window(k, u));
    K(transform_source)(source, image, k, u);
    for (int64_t b = from_block; b < to_block; b++) {
      int64_t width = block_width(k->channels, K(lanes), b), first = b * 2 * K(lanes);
      real *pixels = gradient + 36 * k->tiles * width, *sum = partial + 36 * k->depth * first;
      K(load)(pixels, width, k->grad_out, first, EG_MIN(width, k->channels - first), u, target_window(k, u));
      K(transform_gradient)(gradient, pixels, k, u, width);
      for (int64_t place = 0; place < 36; place++) K(multiply_channels)
      (width, k->depth, sum + place * k->depth * width, source + place * k->tiles * k->padded_depth, k->padded_depth,
       gradient + place * k->tiles * width, tiles);
    }
  }
}

/* Adds up the groups' gradients of one block of channels, in order: G^T sum G, into the weight's layout. */
static void K(add_up)(void *context, int64_t block) {
  const winograd *k = context;
  int64_t width = block_width(k->channels, K(lanes), block), first = block * 2 * K(lanes);
  const real *partial = (const real *)k->shared + 36 * k->depth * first;
  for (int64_t c = 0; c < k->depth; c++)
    for (int64_t lane = 0; lane < width; lane += K(lanes)) {
      K(vector) g[36];
      for (int place = 0; place < 36; place++) {
        const real *from = partial + (place * k->depth + c) * width + lane;
        g[place] = *(const K(vector) *)from;
        for (int64_t group = 1; group < k->groups; group++)
          g[place] += *(const K(vector) *)(from + group * k->partial_count);
      }
      for (int x = 0; x < 6; x++) K(weight_side_back)(g + x, 6);
      for (int y = 0; y < 3; y++) K(weight_side_back)(g + 6 * y, 1);
      for (int64_t i = 0; i < EG_MIN(K(lanes), k->channels - first - lane); i++) {
        real *to = (real *)k->grad_weight->data + ((first + lane + i) * k->depth + c) * 9;
        for (int tap = 0; tap < 9; tap++) to[tap] = g[tap / 3 * 6 + tap % 3][i];
      }
    }
}

#else
#include "winograd.h"

/* Products are to be fused with sums, as in conv.c. */
#pragma GCC optimize("fp-contract=fast")

enum {
  TILES = 48,         /* about as many tiles a unit: their places stay in the second cache */
  UNITS = 8,          /* least number of units, for the threads */
  GROUPS = 8,         /* most groups in which a weight gradient is gathered, */
  PARTIALS = 1 << 22, /* and most elements of all their sums */
  CHANNELS = 16,      /* fewer do not pay for the transforms, */
  WEIGHTS = 1 << 20,  /* and more pairs of them take much memory: four times that of the weight */
  OWN = 1 << 22       /* most elements of a thread's memory */
};

typedef struct winograd {
  const eg_tensor *source;               /* (batch, depth, height, width), any strides */
  const eg_tensor *weight, *bias;        /* forward and input gradient */
  bool relu;                             /* forward: negative results become 0 */
  eg_tensor *target;                     /* of them */
  const eg_tensor *grad_out;             /* weight gradient */
  eg_tensor *grad_weight;                /* of it */
  bool turned;                           /* the input gradient sees the weight turned around, channels exchanged */
  int64_t batch, depth, channels;        /* of the source and of the target */
  int64_t top, left;                     /* of the source, under the target's first pixel */
  int64_t down, across;                  /* tiles of an image */
  int64_t samples, rows, bands, units;   /* a unit: some samples, or one of the bands of rows of tiles of one sample */
  int64_t tiles, pitch;                  /* most tiles of a unit; pixels of a row of its image */
  int64_t padded_depth;                  /* whole vectors */
  int64_t groups, shares, partial_count; /* weight gradient */
  int64_t image_count, own_count;        /* elements of a unit's image and of all of a thread's memory */
  size_t element;
  char *shared, *scratch;
} winograd;

typedef struct unit {
  int64_t sample, samples, row, rows, image_rows;
} unit;

/* Rows and columns of planes, some of which may lie outside. */
typedef struct window {
  int64_t top, left, rows, pitch;
} window;

static inline int64_t round_up(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

/* Blocks of channels are two vectors wide; the last may be one. */
static inline int64_t block_width(int64_t channels, int64_t lanes, int64_t block) {
  return channels - block * 2 * lanes > lanes ? 2 * lanes : lanes;
}

static inline void *own_memory(const winograd *k) {
  return k->scratch + (size_t)(eg_thread_number() * k->own_count) * k->element;
}

static unit unit_of(const winograd *k, int64_t i) {
  if (k->bands == 1)
    return (unit){i * k->samples, EG_MIN(k->samples, k->batch - i * k->samples), 0, k->down, 4 * k->down + 2};
  int64_t row = i % k->bands * k->rows, rows = EG_MIN(k->rows, k->down - row);
  return (unit){i / k->bands, 1, row, rows, 4 * rows + 2};
}

static window source_window(const winograd *k, unit u) {
  return (window){k->top + 4 * u.row, k->left, u.image_rows, k->pitch};
}

static window target_window(const winograd *k, unit u) { return (window){4 * u.row, 0, 4 * u.rows, 4 * k->across}; }

#define EG_KERNELS "winograd.c"
#include "real.h"

/* ---- plans ---- */

/* Whether tiles pay: enough channels, and most pixels of the tiles are wanted; nothing here overflows. */
bool eg_winograd_fits(const int64_t *source, const int64_t *weight, const int64_t *target, const eg_conv *how) {
  if (weight[2] != 3 || weight[3] != 3 || how->stride_h != 1 || how->stride_w != 1) return false;
  if (weight[0] < CHANNELS || weight[1] < CHANNELS || EG_MAX(weight[0], weight[1]) > 1 << 14) return false;
  int64_t height = target[2], width = target[3];
  if (EG_MAX(height, width) > 4096 || source[0] > 1 << 24 || weight[0] * weight[1] > WEIGHTS) return false;
  return 2 * height * width > 16 * eg_tiles(height, 4) * eg_tiles(width, 4);
}

static void measure(winograd *k, int64_t lanes) {
  k->tiles = k->samples * k->rows * k->across;
  k->image_count = round_up(k->samples * (4 * k->rows + 2) * k->pitch * k->padded_depth, 16);
  k->own_count = k->image_count + 36 * k->tiles * k->padded_depth + (36 + 16) * k->tiles * 2 * lanes;
}

/* Cuts the work, by shape alone. False when a thread would need too much memory even for one row of tiles, whatever the batch:
 * a sample's bits do not depend on its neighbours. */
static bool cut(winograd *k, int64_t height, int64_t width) {
  k->element = eg_element_size(k->source->dtype);
  int64_t lanes = eg_vector_bytes() / (int64_t)k->element;
  k->batch = k->source->size[0];
  k->depth = k->source->size[1];
  k->padded_depth = round_up(k->depth, lanes);
  k->down = eg_tiles(height, 4);
  k->across = eg_tiles(width, 4);
  k->rows = EG_MAX(1, EG_MIN(k->down, EG_MIN(TILES / k->across, eg_tiles(k->down * k->batch, UNITS))));
  if (k->down * k->across <= TILES && k->batch >= UNITS) k->rows = k->down;
  k->samples = k->rows < k->down ? 1 : EG_MAX(1, EG_MIN(TILES / (k->down * k->across), k->batch / UNITS));
  k->pitch = 4 * k->across + 2;
  for (measure(k, lanes); k->own_count > OWN && k->samples * k->rows > 1; measure(k, lanes)) {
    if (k->samples > 1) k->samples /= 2;
    else k->rows /= 2;
  }
  k->bands = eg_tiles(k->down, k->rows);
  k->units = eg_tiles(k->batch, k->samples) * k->bands;
  return k->own_count <= OWN;
}

/* Runs with `shared` elements of scratch memory for all. */
static eg_status with_memory(winograd *k, int64_t shared, eg_status (*run)(winograd *k)) {
  size_t all = (size_t)round_up(shared, 16) * k->element;
  size_t bytes = all + (size_t)(eg_threads_get() * k->own_count) * k->element;
  k->shared = eg_block_new(bytes);
  if (!k->shared) return EG_ENOMEM;
  k->scratch = k->shared + all;
  eg_status status = run(k);
  eg_block_free(k->shared, bytes);
  return status;
}

static int64_t blocks_of(const winograd *k) {
  return eg_tiles(k->channels, 2 * (eg_vector_bytes() / (int64_t)k->element));
}

static eg_status run_correlate(winograd *k) {
  EG_TRY(eg_parallel(blocks_of(k), EG_REAL(k->source->dtype, transform_weight), k));
  return eg_parallel(k->units, EG_REAL(k->source->dtype, correlate), k);
}

static eg_status run_gather(winograd *k) {
  EG_TRY(eg_parallel(k->groups * k->shares, EG_REAL(k->source->dtype, gather), k));
  return eg_parallel(blocks_of(k), EG_REAL(k->source->dtype, add_up), k);
}

/* ---- what conv.c calls; all is checked ---- */

static eg_status correlate(winograd *k, bool *done) {
  int64_t lanes = eg_vector_bytes() / (int64_t)eg_element_size(k->source->dtype);
  k->channels = k->target->size[1];
  *done = cut(k, k->target->size[2], k->target->size[3]);
  return *done ? with_memory(k, 36 * k->depth * round_up(k->channels, lanes), run_correlate) : EG_OK;
}

eg_status eg_winograd(eg_tensor *out, const eg_tensor *in, const eg_tensor *weight, const eg_tensor *bias,
                      const eg_conv *how, bool relu, bool *done) {
  winograd k = {.source = in, .target = out, .weight = weight, .bias = bias, .relu = relu};
  k.top = -how->padding_h;
  k.left = -how->padding_w;
  return correlate(&k, done);
}

eg_status eg_winograd_input(eg_tensor *grad_in, const eg_tensor *grad_out, const eg_tensor *weight, const eg_conv *how,
                            bool *done) {
  winograd k = {.source = grad_out, .target = grad_in, .weight = weight, .turned = true};
  k.top = how->padding_h - 2;
  k.left = how->padding_w - 2;
  return correlate(&k, done);
}

eg_status eg_winograd_weight(eg_tensor *grad_weight, const eg_tensor *grad_out, const eg_tensor *in, const eg_conv *how,
                             bool *done) {
  winograd k = {.source = in, .grad_out = grad_out, .grad_weight = grad_weight};
  k.top = -how->padding_h;
  k.left = -how->padding_w;
  k.channels = grad_out->size[1];
  *done = cut(&k, grad_out->size[2], grad_out->size[3]);
  if (!*done) return EG_OK;
  int64_t lanes = eg_vector_bytes() / (int64_t)k.element;
  k.partial_count = 36 * k.depth * round_up(k.channels, lanes);
  k.groups = EG_MAX(1, EG_MIN(EG_MIN(GROUPS, k.units), PARTIALS / k.partial_count));
  k.shares = EG_MIN(blocks_of(&k), eg_tiles(UNITS, k.groups));
  return with_memory(&k, k.groups * k.partial_count, run_gather);
}
#endif
