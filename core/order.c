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

/* Merge sort from the bottom up; runs of RUN items are first sorted by insertion. Returns where the result lies. An interrupt
 * ends it early: a long line is one tile. */
static E(item) * E(merge_sort)(E(item) * from, E(item) * to, int64_t n, bool descending) {
  for (int64_t start = 0; start < n && !eg_interrupt_pending(); start += RUN)
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
        if (k % POLL == 0 && eg_interrupt_pending()) return from;
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
  for (int64_t i = 0; i < n; i++) {
    if (i % POLL == 0 && eg_interrupt_pending()) return;
    items[i] = (E(item)){((const element *)in)[i * stride], i + 1};
  }
  items = E(merge_sort)(items, items + n, n, descending);
  if (eg_interrupt_pending()) return;
  for (int64_t i = 0; i < n; i++) {
    ((element *)values)[i * out_stride] = items[i].value;
    positions[i * out_stride] = items[i].position;
  }
}

#if ELEMENT_REAL
/* Whole numbers in the order of the real ones: negative numbers have all bits turned, the others the sign bit. */
static inline T(key) E(key_of)(element x) {
  T(key) bits, sign = (T(key))1 << (8 * sizeof bits - 1);
  memcpy(&bits, &x, sizeof bits);
  return bits ^ ((T(key))(0 - (bits >> (8 * sizeof bits - 1))) | sign);
}

static double E(value_of)(uint64_t key) {
  T(key) bits = (T(key))key, sign = (T(key))1 << (8 * sizeof bits - 1);
  element x;
  bits = bits & sign ? bits & ~sign : ~bits;
  memcpy(&x, &bits, sizeof x);
  return (double)x;
}

/* The keys of up to BLOCK elements, 0 beyond the last; true when one of them is NaN. */
static inline bool E(block_of_keys)(T(key) keys[BLOCK], const element *in, int64_t stride, int64_t n) {
  T(key) nan = 0;
  if (n == BLOCK && stride == 1)
    for (int i = 0; i < BLOCK; i++) {
      keys[i] = E(key_of)(in[i]);
      nan |= (T(key))(in[i] != in[i]);
    }
  else
    for (int i = 0; i < BLOCK; i++) {
      keys[i] = i < n ? E(key_of)(in[i * stride]) : 0;
      nan |= i < n && in[i * stride] != in[i * stride];
    }
  return nan != 0;
}

/* Counts the elements by the leading DIGIT bits of their keys; two tables, since neighbours often count in one place. */
static void E(count_leading)(int64_t n, char *const *data, const int64_t *stride, const void *argument) {
  selection *s = *(selection *const *)argument;
  const element *in = (const void *)data[0];
  const int shift = s->shift;
  T(key) keys[BLOCK];
  for (int64_t at = 0; at < n; at += BLOCK) {
    const int some = (int)EG_MIN(BLOCK, n - at);
    if (E(block_of_keys)(keys, in + at * stride[0], stride[0], some)) s->nan = true;
    for (int i = 0; i < BLOCK; i++) keys[i] >>= shift;
    for (int i = 0; i < some - 1; i += 2) {
      s->counts[0][keys[i]]++;
      s->counts[1][keys[i + 1]]++;
    }
    if (some % 2) s->counts[0][keys[some - 1]]++;
  }
}

/* Collects the keys that begin with `leading`, and the least of those beyond them. Few do: a block of elements is looked at
 * together. */
static void E(collect)(int64_t n, char *const *data, const int64_t *stride, const void *argument) {
  selection *s = *(selection *const *)argument;
  const element *in = (const void *)data[0];
  const int shift = s->shift;
  const T(key) leading = (T(key))s->leading, last = (T(key)) ~(T(key))0;
  T(key) next = last, keys[BLOCK];
  for (int64_t at = 0; at < n; at += BLOCK) {
    const int some = (int)EG_MIN(BLOCK, n - at);
    T(key) kept = 0;
    E(block_of_keys)(keys, in + at * stride[0], stride[0], some);
    for (int i = 0; i < BLOCK; i++) kept |= (T(key))((keys[i] >> shift) == leading);
    for (int i = 0; i < BLOCK; i++) {
      const T(key) beyond = keys[i] | (T(key))(0 - (T(key))(keys[i] >> shift <= leading)); /* all ones: not beyond */
      next = beyond < next ? beyond : next;
    }
    for (int i = 0; kept && i < some; i++)
      if (keys[i] >> shift == leading) s->keys[s->count++] = keys[i];
  }
  if (next != last && next < s->next) s->next = next;
}
#endif

#else
#include <math.h>

#include "lines.h"
#include "nest.h"

enum { RUN = 16, POLL = 1 << 18, DIGIT = 14, BINS = 1 << DIGIT, BLOCK = 64 };

typedef uint32_t key_float32;
typedef uint64_t key_float64;

/* The search for the element of a given rank: only those whose keys share its leading bits are kept. */
typedef struct {
  int shift;              /* bits of a key below the digit looked at */
  uint64_t leading, next; /* the digit of the element; the least key seen above the kept ones, all ones when none */
  uint64_t *keys;         /* kept */
  int64_t count;
  bool nan; /* seen */
  int64_t counts[2][BINS];
} selection;

#define EG_ELEMENTS "order.c"
#include "element.h"

/* ---- sort ---- */

typedef struct {
  eg_lines in, out;
  eg_tensor *values, *indices;
  bool descending;
  int64_t block; /* lines in a tile */
  char *scratch; /* for each thread, or tile where there are fewer, two lines of values with their positions */
  bool by_tile;
  size_t room; /* bytes of one thread */
} sorting;

static void sort_tile(void *context, int64_t tile) {
  const sorting *s = context;
  int64_t last = EG_MIN((tile + 1) * s->block, s->in.count);
  for (int64_t i = tile * s->block; i < last; i++) {
    int64_t to = eg_line(&s->out, i);
    EG_ELEMENT(s->values->dtype, sort_line)
    ((char *)s->values->data + (size_t)to * s->in.element, (int64_t *)s->indices->data + to, s->out.stride,
     s->in.data + (size_t)eg_line(&s->in, i) * s->in.element, s->in.stride, s->in.length, s->descending,
     s->scratch + (size_t)(s->by_tile ? tile : eg_thread_number()) * s->room);
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
  int64_t tiles = eg_tiles(s.in.count, s.block), threads = eg_threads_get();
  s.by_tile = tiles <= threads;
  size_t bytes = s.room * (size_t)EG_MIN(tiles, threads);
  s.scratch = eg_block_new(bytes);
  eg_status status = EG_ENOMEM;
  if (s.scratch) {
    status = eg_parallel_over(16 * in->count, tiles, sort_tile, &s);
    if (!status && eg_interrupt_pending()) status = eg_fail(EG_EINTR, "interrupted");
    eg_block_free(s.scratch, bytes);
  }
  eg_lines_close(&s.in);
  return status;
}

/* ---- quantile ---- */

/* The digit under which rank falls; rank becomes the rank among the elements with this digit. */
static uint64_t digit_of_rank(const selection *s, int64_t *rank) {
  uint64_t digit = 0;
  for (; *rank >= s->counts[0][digit] + s->counts[1][digit]; digit++)
    *rank -= s->counts[0][digit] + s->counts[1][digit];
  return digit;
}

/* Digit by digit, keeps the keys that agree with the one of the rank, until all of its bits are known. */
static uint64_t select_key(selection *s, int64_t rank) {
  while (s->shift > 0) {
    int digit_bits = EG_MIN(DIGIT, s->shift);
    uint64_t mask = ((uint64_t)1 << digit_bits) - 1;
    int64_t count = s->count;
    s->shift -= digit_bits;
    memset(s->counts, 0, sizeof s->counts);
    for (int64_t i = 0; i < count; i++) s->counts[i & 1][s->keys[i] >> s->shift & mask]++;
    s->leading = digit_of_rank(s, &rank);
    s->count = 0;
    for (int64_t i = 0; i < count; i++) {
      uint64_t key = s->keys[i], digit = key >> s->shift & mask;
      if (digit == s->leading) s->keys[s->count++] = key;
      if ((digit > s->leading) & (key < s->next)) s->next = key;
    }
  }
  if (rank + 1 < s->count) s->next = s->keys[0];
  return s->keys[0];
}

/* The elements of ranks `rank` and rank + 1 (0-based) in rising order, without sorting; NaN for both where there is one. */
static eg_status select_ranks(const eg_tensor *in, int64_t rank, double *low, double *high) {
  bool single = in->dtype == EG_FLOAT32;
  selection s = {.shift = (single ? 32 : 64) - DIGIT, .next = UINT64_MAX}, *where = &s;
  eg_row count = single ? EG_OF_SET(count_leading_float32) : EG_OF_SET(count_leading_float64),
         collect = single ? EG_OF_SET(collect_float32) : EG_OF_SET(collect_float64);
  EG_TRY(eg_nest_in_order("quantile", count, &where, in, NULL, NULL, NULL));
  *low = *high = NAN;
  if (s.nan) return EG_OK;
  s.leading = digit_of_rank(&s, &rank);
  size_t bytes = (size_t)(s.counts[0][s.leading] + s.counts[1][s.leading]) * sizeof *s.keys;
  s.keys = eg_block_new(bytes);
  if (!s.keys) return EG_ENOMEM;
  eg_nest_in_order("quantile", collect, &where, in, NULL, NULL, NULL);
  uint64_t key = select_key(&s, rank), next = s.next == UINT64_MAX ? key : s.next;
  *low = single ? EG_OF_SET(value_of_float32)(key) : EG_OF_SET(value_of_float64)(key);
  *high = single ? EG_OF_SET(value_of_float32)(next) : EG_OF_SET(value_of_float64)(next);
  eg_block_free(s.keys, bytes);
  return EG_OK;
}

eg_status eg_quantile(const eg_tensor *in, double q, double *value) {
  EG_TRY(eg_check_real("quantile", "input", in));
  if (!(q >= 0 && q <= 1)) return eg_fail(EG_EINVAL, "quantile: q is %g, expected 0 to 1", q);
  if (in->count == 0)
    return eg_fail(EG_EINVAL, "quantile: the tensor is empty: shape %s", eg_describe_sizes(in->dims, in->size));
  double position = q * (double)(in->count - 1), rank = floor(position), share = position - rank, low, high;
  EG_TRY(select_ranks(in, (int64_t)rank, &low, &high));
  bool from_low = isinf(high) || (share < 0.5 && !isinf(low)); /* from the nearer end, and from a finite one */
  if (low == high || share == 0) *value = low;
  else *value = from_low ? low + (high - low) * share : high - (high - low) * (1 - share);
  return EG_OK;
}
#endif
