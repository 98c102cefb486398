/* order.c - sorting along a dimension, and quantiles. NaN counts as largest. */

#ifdef ELEMENT

typedef struct {
  element value;
  int64_t position;
} E(item);

/* True when b stands before a: NaN counts as largest. Equal items keep their order, so this is strict. */
static inline bool E(precedes)(E(item) b, E(item) a, bool descending) {
  element x = descending ? a.value : b.value, y = descending ? b.value : a.value;
  return x < y || (ELEMENT_NAN(y) && !ELEMENT_NAN(x));
}

/* Merge sort from the bottom up; runs of RUN items are first sorted by insertion. Returns where the result lies. */
static E(item) * E(merge_sort)(E(item) * from, E(item) * to, int64_t n, bool descending) {
  for (int64_t start = 0; start < n; start += RUN)
    for (int64_t i = start + 1; i < EG_MIN(start + RUN, n); i++) {
      E(item) moving = from[i];
      int64_t j = i;
      for (; j > start && E(precedes)(moving, from[j - 1], descending); j--) from[j] = from[j - 1];
      from[j] = moving;
    }
  for (int64_t width = RUN; width < n; width *= 2) {
    for (int64_t start = 0; start < n; start += 2 * width) {
      int64_t middle = EG_MIN(start + width, n), end = EG_MIN(start + 2 * width, n), left = start, right = middle;
      for (int64_t k = start; k < end; k++) {
        bool take_right = right < end && (left == middle || E(precedes)(from[right], from[left], descending));
        to[k] = from[take_right ? right++ : left++];
      }
    }
    E(item) *swap = from;
    from = to;
    to = swap;
  }
  return from;
}

/* One line into values and positions; scratch holds 2 n items. */
static void E(sort_line)(void *values, int64_t *positions, int64_t out_stride, const void *in, int64_t stride,
                         int64_t n, bool descending, void *scratch) {
  E(item) *items = scratch;
  for (int64_t i = 0; i < n; i++) items[i] = (E(item)){((const element *)in)[i * stride], i + 1};
  items = E(merge_sort)(items, items + n, n, descending);
  for (int64_t i = 0; i < n; i++) {
    ((element *)values)[i * out_stride] = items[i].value;
    positions[i * out_stride] = items[i].position;
  }
}

#if ELEMENT_REAL
/* Whole numbers in the order of the real ones: negative numbers have all bits turned, the others the sign bit. */
static inline E(key) E(key_of)(element x) {
  E(key) bits, sign = (E(key))1 << (8 * sizeof bits - 1);
  memcpy(&bits, &x, sizeof bits);
  return bits & sign ? ~bits : bits | sign;
}

static double E(value_of)(uint64_t key) {
  E(key) bits = (E(key))key, sign = (E(key))1 << (8 * sizeof bits - 1);
  element x;
  bits = bits & sign ? bits & ~sign : ~bits;
  memcpy(&x, &bits, sizeof x);
  return (double)x;
}

/* Counts, of the elements whose leading bits are those of `prefix`, each value of the next DIGIT bits. */
static void E(count_digits)(int64_t n, char *const *data, const int64_t *stride, const void *argument) {
  radix *r = *(radix *const *)argument;
  const element *in = (const void *)data[0];
  for (int64_t i = 0; i < n; i++) {
    E(key) key = E(key_of)(in[i * stride[0]]);
    if (r->known == 0 || key >> (r->bits - r->known) == r->prefix) r->counts[key >> r->shift & r->mask]++;
  }
}

static void E(next_key)(int64_t n, char *const *data, const int64_t *stride, const void *argument) {
  radix *r = *(radix *const *)argument;
  const element *in = (const void *)data[0];
  for (int64_t i = 0; i < n; i++) {
    E(key) key = E(key_of)(in[i * stride[0]]);
    if (key > r->prefix && key < r->next) r->next = key;
  }
}
#endif

#else
#include <math.h>

#include "lines.h"
#include "nest.h"

enum { RUN = 16, DIGIT = 11, BINS = 1 << DIGIT };

typedef uint32_t key_float32;
typedef uint64_t key_float64;

/* The search for the element of a given rank, DIGIT bits of its key at a time. */
typedef struct {
  int bits, known, shift; /* of a key; found so far; below the digit looked at */
  uint64_t prefix, mask;  /* the known leading bits; the digit's bits */
  uint64_t next;          /* the least key above the one found */
  int64_t counts[BINS];
} radix;

#define EG_ELEMENTS "order.c"
#include "element.h"

/* ---- sort ---- */

typedef struct {
  eg_lines in, out;
  eg_tensor *values, *indices;
  bool descending;
  int64_t block; /* lines in a tile */
  char *scratch; /* for each thread, two lines of values with their positions */
  size_t room;   /* bytes of one thread */
} sorting;

static void sort_tile(void *context, int64_t tile) {
  const sorting *s = context;
  int64_t last = EG_MIN((tile + 1) * s->block, s->in.count);
  for (int64_t i = tile * s->block; i < last; i++) {
    int64_t to = eg_line(&s->out, i);
    EG_ELEMENT(s->values->dtype, sort_line)
    ((char *)s->values->data + (size_t)to * s->in.element, (int64_t *)s->indices->data + to, s->out.stride,
     s->in.data + (size_t)eg_line(&s->in, i) * s->in.element, s->in.stride, s->in.length, s->descending,
     s->scratch + (size_t)eg_thread_number() * s->room);
  }
}

eg_status eg_sort(eg_tensor *values, eg_tensor *indices, const eg_tensor *in, int dim, int descending) {
  sorting s = {.values = values, .indices = indices, .descending = descending};
  EG_TRY(eg_check_same_dtype("sort", "values", values, "input", in));
  EG_TRY(eg_check_same_shape("sort", "values", values, "input", in));
  EG_TRY(eg_check_dtype("sort", "indices", indices, EG_INT64));
  EG_TRY(eg_check_same_shape("sort", "indices", indices, "input", in));
  EG_TRY(eg_check_contiguous("sort", "values", values));
  EG_TRY(eg_check_contiguous("sort", "indices", indices));
  if (dim < 0) return eg_fail(EG_EINVAL, "sort: dimension %d is out of range", dim + 1);
  if (eg_overlap(values, in) || eg_overlap(indices, in) || eg_overlap(values, indices))
    return eg_fail(EG_EINVAL, "sort: an output shares memory with another tensor");
  EG_TRY(eg_lines_open(&s.out, "sort", values, dim));
  if (in->count == 0) return EG_OK;
  EG_TRY(eg_lines_open(&s.in, "sort", in, dim));
  s.block = eg_lines_tile(&s.in, EG_TILE / 16);
  s.room = ((size_t)s.in.length * 32 + 63) / 64 * 64;
  size_t bytes = s.room * (size_t)eg_threads_get();
  s.scratch = eg_block_new(bytes);
  if (s.scratch) {
    eg_parallel_over(16 * in->count, eg_tiles(s.in.count, s.block), sort_tile, &s);
    eg_block_free(s.scratch, bytes);
  }
  eg_lines_close(&s.in);
  return s.scratch ? EG_OK : EG_ENOMEM;
}

/* ---- quantile ---- */

/* The values of ranks `rank` and rank + 1 (0-based) in rising order, found digit by digit: no sorting, no copy. */
static void select_ranks(const eg_tensor *in, int64_t rank, double *value, double *next) {
  bool single = in->dtype == EG_FLOAT32;
  radix r = {.bits = single ? 32 : 64}, *where = &r;
  while (r.known < r.bits) {
    int digit = EG_MIN(DIGIT, r.bits - r.known);
    r.shift = r.bits - r.known - digit;
    r.mask = ((uint64_t)1 << digit) - 1;
    memset(r.counts, 0, sizeof r.counts);
    eg_nest_in_order("quantile", single ? count_digits_float32 : count_digits_float64, &where, in, NULL, NULL, NULL);
    uint64_t bin = 0;
    for (; rank >= r.counts[bin]; bin++) rank -= r.counts[bin];
    r.prefix = r.prefix << digit | bin;
    r.known += digit;
    if (r.known == r.bits && rank + 1 < r.counts[bin]) r.next = r.prefix;
  }
  *value = single ? value_of_float32(r.prefix) : value_of_float64(r.prefix);
  *next = *value;
  if (r.next == r.prefix) return;
  r.next = UINT64_MAX;
  eg_nest_in_order("quantile", single ? next_key_float32 : next_key_float64, &where, in, NULL, NULL, NULL);
  if (r.next != UINT64_MAX) *next = single ? value_of_float32(r.next) : value_of_float64(r.next);
}

eg_status eg_quantile(const eg_tensor *in, double q, double *value) {
  int64_t nan;
  EG_TRY(eg_check_real("quantile", "input", in));
  if (!(q >= 0 && q <= 1)) return eg_fail(EG_EINVAL, "quantile: q is %g, expected 0 to 1", q);
  if (in->count == 0)
    return eg_fail(EG_EINVAL, "quantile: the tensor is empty: shape %s", eg_describe_sizes(in->dims, in->size));
  EG_TRY(eg_count_nonfinite(in, &nan, NULL));
  double position = q * (double)(in->count - 1), rank = floor(position), share = position - rank, low, high;
  select_ranks(in, (int64_t)rank, &low, &high);
  bool from_low = isinf(high) || (share < 0.5 && !isinf(low)); /* from the nearer end, and from a finite one */
  if (nan > 0) *value = NAN;
  else if (low == high || share == 0) *value = low;
  else *value = from_low ? low + (high - low) * share : high - (high - low) * (1 - share);
  return EG_OK;
}
#endif
