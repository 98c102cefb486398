/* Selection, gathering, scattering, masks, one-hot rows and batches against plain loops; hostile indices; threads. */
#include "tensors.h"

static const int dtypes[] = {EG_FLOAT32, EG_FLOAT64, EG_INT64, EG_UINT8};

enum { PLAIN, TURNED, SCATTERED, LAYOUTS };

/* Whole numbers from 0 to 99, with the first and the last dimension exchanged in memory, or gaps everywhere. */
static eg_tensor *operand(int dtype, int dims, const int64_t *size, int layout) {
  int64_t from[8], stride[8];
  memcpy(from, size, (size_t)dims * sizeof *size);
  if (layout == TURNED) from[0] = size[dims - 1], from[dims - 1] = size[0];
  eg_tensor *t = fresh(dtype, dims, from);
  for (int64_t i = 0; i < t->count; i++) put(t, i, floor((next_number() + 1) * 50));
  if (layout == PLAIN) return t;
  if (layout == SCATTERED) return scattered(t);
  memcpy(stride, t->stride, sizeof stride);
  stride[0] = t->stride[dims - 1], stride[dims - 1] = t->stride[0];
  if (dims == 1) stride[0] = 1;
  eg_tensor *view = eg_view(t, dims, size, stride, 0);
  eg_free(t);
  return view;
}

/* Random indices from 1 to limit. */
static eg_tensor *indices(int dims, const int64_t *size, int64_t limit, bool gaps) {
  eg_tensor *t = fresh(EG_INT64, dims, size);
  for (int64_t i = 0; i < t->count; i++) put(t, i, 1 + floor((next_number() + 1) / 2 * (double)limit));
  return gaps ? scattered(t) : t;
}

/* The row-major position in t of the element at `at` (a row-major position in a tensor of shape `shape`), with the
 * coordinate along dim replaced. */
static int64_t moved(const eg_tensor *t, const eg_tensor *shape, int64_t at, int dim, int64_t along) {
  int64_t place_in_t = 0, unit = 1;
  for (int d = shape->dims - 1; d >= 0; d--) {
    place_in_t += (d == dim ? along : at % shape->size[d]) * unit;
    at /= shape->size[d];
    unit *= t->size[d];
  }
  return place_in_t;
}

static int64_t coordinate(const eg_tensor *t, int64_t at, int dim) {
  for (int d = t->dims - 1; d > dim; d--) at /= t->size[d];
  return at % t->size[dim];
}

static const struct {
  int dims;
  int64_t size[4];
} shapes[] = {{1, {9}}, {2, {5, 7}}, {2, {1, 4}}, {3, {4, 5, 6}}, {4, {3, 2, 5, 4}}, {3, {6, 1, 1}}};

static void test_selection_and_its_gradient(void **state) {
  static const int64_t counts[] = {0, 1, 3, 40};
  for (size_t s = 0; s < COUNT(shapes); s++)
    for (size_t d = 0; d < COUNT(dtypes); d++)
      for (int layout = 0; layout < LAYOUTS; layout++)
        for (int dim = 0; dim < shapes[s].dims; dim++)
          for (size_t c = 0; c < COUNT(counts); c++) {
            eg_tensor *in = operand(dtypes[d], shapes[s].dims, shapes[s].size, layout);
            eg_tensor *index = indices(1, &counts[c], in->size[dim], layout == TURNED);
            int64_t size[4];
            memcpy(size, in->size, sizeof size);
            size[dim] = counts[c];
            eg_tensor *out = fresh(dtypes[d], in->dims, size), *sum = operand(dtypes[d], in->dims, in->size, PLAIN);
            assert_int_equal(eg_index_select(out, in, dim, index), EG_OK);
            double *expected = calloc((size_t)in->count + 1, sizeof *expected);
            for (int64_t i = 0; i < sum->count; i++) expected[i] = get(sum, i);
            for (int64_t i = 0; i < out->count; i++) {
              int64_t from = moved(in, out, i, dim, (int64_t)get(index, coordinate(out, i, dim)) - 1);
              assert_true(get(out, i) == get(in, from));
              expected[from] += get(out, i);
            }
            if (layout == SCATTERED) out = scattered(out);
            assert_int_equal(eg_index_add(sum, dim, index, out), EG_OK);
            for (int64_t i = 0; i < sum->count; i++)
              assert_true(get(sum, i) == (dtypes[d] == EG_UINT8 ? (double)(uint8_t)(int64_t)expected[i] : expected[i]));
            free(expected);
            eg_free(in), eg_free(index), eg_free(out), eg_free(sum);
          }
}

static void test_gathering_and_its_gradient(void **state) {
  for (size_t s = 0; s < COUNT(shapes); s++)
    for (size_t d = 0; d < COUNT(dtypes); d++)
      for (int layout = 0; layout < LAYOUTS; layout++)
        for (int dim = 0; dim < shapes[s].dims; dim++)
          for (int smaller = 0; smaller < 2; smaller++) { /* the index may cover a part of the other dimensions */
            eg_tensor *in = operand(dtypes[d], shapes[s].dims, shapes[s].size, layout);
            int64_t size[4];
            for (int e = 0; e < in->dims; e++)
              size[e] = e == dim ? 2 + 5 * smaller : in->size[e] - (smaller && in->size[e] > 1);
            eg_tensor *index = indices(in->dims, size, in->size[dim], layout == TURNED),
                      *out = fresh(dtypes[d], in->dims, size);
            eg_tensor *sum = operand(dtypes[d], in->dims, in->size, layout);
            if (layout == SCATTERED) out = scattered(out);
            assert_int_equal(eg_gather(out, in, dim, index), EG_OK);
            double *expected = calloc((size_t)in->count + 1, sizeof *expected);
            for (int64_t i = 0; i < sum->count; i++) expected[i] = get(sum, i);
            for (int64_t i = 0; i < out->count; i++) {
              int64_t from = moved(in, out, i, dim, (int64_t)get(index, i) - 1);
              assert_true(get(out, i) == get(in, from));
              expected[from] += get(out, i);
            }
            assert_int_equal(eg_scatter_add(sum, dim, index, out), EG_OK);
            for (int64_t i = 0; i < sum->count; i++)
              assert_true(get(sum, i) == (dtypes[d] == EG_UINT8 ? (double)(uint8_t)(int64_t)expected[i] : expected[i]));
            free(expected);
            eg_free(in), eg_free(index), eg_free(out), eg_free(sum);
          }
}

static void test_masks(void **state) {
  for (int layout = 0; layout < LAYOUTS; layout++)
    for (int64_t n = 0; n < 40; n += 13) {
      eg_tensor *mask = operand(EG_UINT8, 2, SIZES(n, 7), layout);
      int64_t expected = 0, count = -1;
      for (int64_t i = 0; i < mask->count; i++) put(mask, i, get(mask, i) > 50 ? get(mask, i) : 0);
      for (int64_t i = 0; i < mask->count; i++) expected += get(mask, i) != 0;
      assert_int_equal(eg_count_true(mask, &count), EG_OK);
      assert_int_equal(count, expected);
      eg_tensor *out = fresh(EG_INT64, 1, &count), *wrong = fresh(EG_INT64, 1, SIZES(count + 1));
      assert_int_equal(eg_nonzero(out, mask), EG_OK);
      for (int64_t i = 0, k = 0; i < mask->count; i++)
        if (get(mask, i) != 0) assert_true(get(out, k++) == (double)i + 1);
      assert_fails(eg_nonzero(wrong, mask), EG_ESHAPE, "nonzero: output has shape");
      eg_free(mask), eg_free(out), eg_free(wrong);
    }
}

static void test_one_hot_rows(void **state) {
  for (int dtype = 0; dtype < 2; dtype++)
    for (int gaps = 0; gaps < 2; gaps++) {
      eg_tensor *labels = indices(1, SIZES(20), 6, gaps), *out = random_tensor(dtype, 2, SIZES(20, 6));
      assert_int_equal(eg_one_hot(out, labels), EG_OK);
      for (int64_t i = 0; i < out->count; i++) assert_true(get(out, i) == (get(labels, i / 6) == (double)(i % 6) + 1));
      put(labels, 4, 7);
      mark(out);
      assert_fails(eg_one_hot(out, labels), EG_EINDEX, "one_hot: label 7 at position 5 is out of range 1..6");
      assert_true(is_marked(out));
      eg_free(labels), eg_free(out);
    }
}

static void test_batches(void **state) {
  static const int stored[] = {EG_UINT8, EG_FLOAT32, EG_FLOAT64};
  for (size_t d = 0; d < COUNT(stored); d++)
    for (int dtype = 0; dtype < 2; dtype++)
      for (int layout = 0; layout < LAYOUTS; layout++)
        for (int dims = 1; dims <= 4; dims += 3) {
          eg_tensor *in = operand(stored[d], dims, SIZES(30, 2, 5, 7), layout),
                    *index = indices(1, SIZES(50), 30, layout == TURNED);
          eg_tensor *out = fresh(dtype, dims, SIZES(50, 2, 5, 7));
          float scale = 1 / 255.0f, shift = -0.5f;
          assert_int_equal(eg_batch(out, in, index, scale, shift), EG_OK);
          for (int64_t i = 0; i < out->count; i++) {
            int64_t item = out->count / 50, from = ((int64_t)get(index, i / item) - 1) * item + i % item;
            assert_true(fabs(get(out, i) - (get(in, from) * scale + shift)) < (dtype == EG_FLOAT32 ? 1e-7 : 1e-15));
          }
          eg_free(in), eg_free(index), eg_free(out);
        }
}

static void test_empty_batches(void **state) {
  eg_tensor *in = fresh(EG_UINT8, 2, SIZES(3, 4)), *index = fresh(EG_INT64, 1, SIZES(0)),
            *out = fresh(EG_FLOAT32, 2, SIZES(0, 4));
  assert_int_equal(eg_batch(out, in, index, 1, 0), EG_OK);
  assert_int_equal(eg_index_select(out, out, 1, index), EG_ESHAPE);
  eg_free(in), eg_free(index), eg_free(out);
}

/* ---- hostile indices ---- */

static void test_no_index_reaches_outside(void **state) {
  static const double bad[] = {0, 6, -1, 7, 0x1p62, -0x1p63};
  static const char *const texts[] = {"index 0 at",
                                      "index 6 at",
                                      "index -1 at",
                                      "index 7 at",
                                      "index 4611686018427387904 at",
                                      "index -9223372036854775808 at"};
  eg_tensor *in = operand(EG_FLOAT32, 2, SIZES(5, 4), PLAIN), *index = fresh(EG_INT64, 1, SIZES(9)),
            *rows = fresh(EG_FLOAT32, 2, SIZES(9, 4));
  eg_tensor *grid = fresh(EG_INT64, 2, SIZES(9, 4)), *whole = fresh(EG_FLOAT32, 2, SIZES(5, 4));
  for (size_t b = 0; b < COUNT(bad); b++)
    for (int64_t at = 0; at < 9; at += 4) {
      char text[100];
      snprintf(text, sizeof text, "%s position %d is out of range 1..5", texts[b], (int)at + 1);
      assert_int_equal(eg_fill(index, 2), EG_OK);
      assert_int_equal(eg_fill(grid, 2), EG_OK);
      put(index, at, bad[b]);
      mark(rows), mark(whole);
      assert_fails(eg_index_select(rows, in, 0, index), EG_EINDEX, text);
      assert_fails(eg_index_add(whole, 0, index, rows), EG_EINDEX, text);
      assert_fails(eg_index_add(index, 0, index, index), EG_EINVAL, "index_add: ");
      assert_fails(eg_batch(rows, in, index, 1, 0), EG_EINDEX, text);
      put(grid, at, bad[b]);
      assert_fails(eg_gather(rows, in, 0, grid), EG_EINDEX, text);
      assert_fails(eg_scatter_add(whole, 0, grid, rows), EG_EINDEX, text);
      assert_true(is_marked(rows) && is_marked(whole));
    }
  put(index, 0, 2), put(index, 2, 11), put(index, 4, 1), put(index, 8, 1);
  assert_fails(eg_index_select(rows, in, 0, index), EG_EINDEX,
               "index_select: index 11 at position 3 is out of range 1..5");
  eg_free(in), eg_free(index), eg_free(rows), eg_free(grid), eg_free(whole);
}

static void test_messages(void **state) {
  eg_tensor *in = operand(EG_FLOAT32, 2, SIZES(5, 4), PLAIN), *index = indices(1, SIZES(3), 4, false),
            *rows = fresh(EG_FLOAT32, 2, SIZES(3, 4));
  eg_tensor *bytes = fresh(EG_UINT8, 1, SIZES(3)), *grid = indices(2, SIZES(3, 4), 4, false),
            *wide = indices(2, SIZES(3, 9), 4, false);
  eg_tensor *five = indices(1, SIZES(5), 5, false), *wide_rows = fresh(EG_FLOAT32, 2, SIZES(3, 9)),
            *scalar = fresh(EG_FLOAT32, 0, NULL), *byte_rows = fresh(EG_UINT8, 2, SIZES(3, 4));
  mark(rows);
  assert_fails(eg_index_select(rows, in, 2, index), EG_EINVAL,
               "index_select: dimension 3 is out of range for shape (5, 4)");
  assert_fails(eg_index_select(rows, in, -1, index), EG_EINVAL, "index_select: dimension 0 is out of range");
  assert_fails(eg_index_select(rows, in, 1, index), EG_ESHAPE, "index_select: rows has shape (3, 4), expected (5, 3)");
  assert_fails(eg_index_select(rows, in, 0, bytes), EG_EDTYPE,
               "index_select: the index is (3) uint8, expected int64; convert it with :to(\"int64\")");
  assert_fails(eg_index_select(rows, in, 0, grid), EG_ESHAPE, "index_select: index has 2 dimensions, expected 1");
  assert_fails(eg_index_select(byte_rows, in, 0, index), EG_EDTYPE, "index_select: dtypes differ");
  assert_fails(eg_index_select(rows, in, 0, NULL), EG_ERELEASED, "index_select: index was released");
  assert_fails(eg_index_select(NULL, in, 0, index), EG_ERELEASED, "index_select: rows was released");
  assert_fails(eg_index_select(in, in, 0, five), EG_EINVAL, "index_select: the output shares memory with an input");
  assert_fails(eg_gather(rows, in, 0, index), EG_ESHAPE, "gather: shapes differ: picked (3, 4), index (3)");
  assert_fails(eg_gather(wide_rows, in, 0, wide), EG_ESHAPE,
               "gather: index (3, 9) does not fit into (5, 4) outside dimension 1");
  assert_fails(eg_gather(rows, scalar, 0, grid), EG_EINVAL, "gather: dimension 1 is out of range for shape ()");
  assert_fails(eg_scatter_add(in, 0, grid, NULL), EG_ERELEASED, "scatter_add: picked was released");
  assert_fails(eg_batch(byte_rows, in, index, 1, 0), EG_EDTYPE, "batch: output is (3, 4) uint8");
  assert_fails(eg_batch(rows, grid, index, 1, 0), EG_EDTYPE, "batch: items is (3, 4) int64");
  assert_fails(eg_batch(rows, scalar, index, 1, 0), EG_ESHAPE, "batch: items must have one dimension or more");
  assert_fails(eg_batch(wide_rows, in, index, 1, 0), EG_ESHAPE, "batch: output has shape (3, 9), expected (3, 4)");
  assert_fails(eg_one_hot(rows, bytes), EG_EDTYPE, "one_hot: the label is (3) uint8, expected int64");
  assert_fails(eg_one_hot(wide, index), EG_EDTYPE, "one_hot: output is (3, 9) int64");
  assert_fails(eg_nonzero(index, grid), EG_EDTYPE, "nonzero: mask is (3, 4) int64, expected uint8");
  assert_fails(eg_count_true(NULL, NULL), EG_ERELEASED, "count_true: mask was released");
  assert_true(is_marked(rows));
  eg_free(in), eg_free(index), eg_free(rows), eg_free(bytes), eg_free(grid), eg_free(wide), eg_free(wide_rows),
      eg_free(scalar), eg_free(byte_rows), eg_free(five);
}

static void test_threads_change_no_bit(void **state) {
  eg_tensor *images = operand(EG_UINT8, 4, SIZES(300, 1, 28, 28), PLAIN), *index = indices(1, SIZES(500), 300, false),
            *first[4], *out;
  int64_t wide[] = {500, 700}, turned[] = {300, 500};
  eg_tensor *grid = indices(2, SIZES(500, 700), 300, false), *table = random_tensor(EG_FLOAT32, 2, SIZES(300, 700));
  for (int threads = 1; threads <= 4; threads *= 2) {
    eg_threads_set(threads);
    for (int which = 0; which < 4; which++) {
      out = which == 0 ? fresh(EG_FLOAT32, 4, SIZES(500, 1, 28, 28)) : fresh(EG_FLOAT32, 2, which == 3 ? turned : wide);
      switch (which) {
        case 0: assert_int_equal(eg_batch(out, images, index, 0.01, -1), EG_OK); break;
        case 1: assert_int_equal(eg_index_select(out, table, 0, index), EG_OK); break;
        case 2: assert_int_equal(eg_gather(out, table, 0, grid), EG_OK); break;
        case 3: assert_int_equal(eg_index_select(out, table, 1, index), EG_OK); break;
      }
      if (threads == 1) first[which] = out;
      else assert_true(same_bits(out, first[which])), eg_free(out);
    }
  }
  for (int64_t i = 0; i < 300 * 500; i++) /* elements picked alone, over the edges of tiles */
    assert_true(get(first[3], i) == get(table, i / 500 * 700 + (int64_t)get(index, i % 500) - 1));
  for (int which = 0; which < 4; which++) eg_free(first[which]);
  eg_free(images), eg_free(index), eg_free(grid), eg_free(table);
}

static int nothing_is_left(void **state) {
  assert_int_equal(eg_live_tensors(), 0);
  assert_int_equal(eg_live_bytes(), 0);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(test_selection_and_its_gradient, nothing_is_left),
      cmocka_unit_test_teardown(test_gathering_and_its_gradient, nothing_is_left),
      cmocka_unit_test_teardown(test_masks, nothing_is_left),
      cmocka_unit_test_teardown(test_one_hot_rows, nothing_is_left),
      cmocka_unit_test_teardown(test_batches, nothing_is_left),
      cmocka_unit_test_teardown(test_empty_batches, nothing_is_left),
      cmocka_unit_test_teardown(test_no_index_reaches_outside, nothing_is_left),
      cmocka_unit_test_teardown(test_messages, nothing_is_left),
      cmocka_unit_test_teardown(test_threads_change_no_bit, nothing_is_left),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
