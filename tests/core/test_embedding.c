/* Rows by number and their sums against plain loops, bit by bit; squares of samples; hostile indices; threads; memory. */
#include "tensors.h"

enum { ROWS = 150, WIDTH = 70, SAMPLES = 40, PER_SAMPLE = 9 };

/* Numbers of which many repeat; `blank` among them. */
static eg_tensor *some_index(bool gaps) {
  eg_tensor *index = fresh(EG_INT64, 2, SIZES(SAMPLES, PER_SAMPLE));
  for (int64_t i = 0; i < index->count; i++) put(index, i, 1 + floor((next_number() + 1) / 2 * ROWS / (1 + i % 4)));
  put(index, 3, ROWS), put(index, 5, 7), put(index, 6, 7);
  return gaps ? scattered(index) : index;
}

static int64_t number(const eg_tensor *index, int64_t i) { return (int64_t)get(index, i); }

static void rows_are_copied(void **state) {
  for (int variant = 0; variant < 4; variant++) {
    int dtype = variant & 1 ? EG_FLOAT64 : EG_FLOAT32;
    eg_tensor *table = random_tensor(dtype, 2, SIZES(ROWS, WIDTH)), *index = some_index(variant & 2);
    if (variant & 2) table = scattered(table);
    eg_tensor *out = fresh(dtype, 3, SIZES(SAMPLES, PER_SAMPLE, WIDTH));
    for (int64_t blank = 0; blank <= 7; blank += 7) {
      assert_int_equal(eg_embedding(out, table, index, blank), EG_OK);
      for (int64_t i = 0; i < out->count; i++) {
        int64_t row = number(index, i / WIDTH);
        assert_true(get(out, i) == (row == blank ? 0 : get(table, (row - 1) * WIDTH + i % WIDTH)));
      }
    }
    eg_free(table), eg_free(index), eg_free(out);
  }
}

/* The sums that a loop over the positions makes in `dtype`, and which rows occur. */
static eg_tensor *sums_by_loop(const eg_tensor *grad, const eg_tensor *index, int64_t blank, bool *occurs) {
  eg_tensor *sum = fresh(grad->dtype, 2, SIZES(ROWS, WIDTH));
  eg_fill(sum, 0);
  memset(occurs, 0, ROWS);
  for (int64_t i = 0; i < index->count; i++)
    for (int64_t j = 0; j < WIDTH; j++) {
      int64_t row = number(index, i) - 1;
      if (row + 1 == blank) continue;
      occurs[row] = true;
      double old = get(sum, row * WIDTH + j), more = get(grad, i * WIDTH + j);
      put(sum, row * WIDTH + j, grad->dtype == EG_FLOAT32 ? (double)((float)old + (float)more) : old + more);
    }
  return sum;
}

static void gradients_are_rows_with_the_bits_of_a_loop(void **state) {
  for (int variant = 0; variant < 8; variant++) {
    int dtype = variant & 1 ? EG_FLOAT64 : EG_FLOAT32;
    int64_t blank = variant & 4 ? 7 : 0, used = 0, count = 0, at = 0;
    bool occurs[ROWS];
    eg_tensor *index = some_index(variant & 2), *grad = random_tensor(dtype, 3, SIZES(SAMPLES, PER_SAMPLE, WIDTH));
    if (variant & 2) grad = scattered(grad);
    eg_tensor *expected = sums_by_loop(grad, index, blank, occurs);
    for (int64_t r = 0; r < ROWS; r++) count += occurs[r];
    assert_int_equal(eg_embedding_used(&used, index, ROWS, blank), EG_OK);
    assert_int_equal(used, count);
    eg_tensor *rows = fresh(EG_INT64, 1, &used), *sums = fresh(dtype, 2, SIZES(used, WIDTH));
    for (int threads = 1; threads <= 4; threads *= 2) {
      eg_threads_set(threads), mark(sums), mark(rows);
      assert_int_equal(eg_embedding_rows(rows, sums, grad, index, ROWS, blank), EG_OK);
      at = 0;
      for (int64_t r = 0; r < ROWS; r++) {
        if (!occurs[r]) continue;
        assert_int_equal(number(rows, at), r + 1);
        for (int64_t j = 0; j < WIDTH; j++) assert_true(get(sums, at * WIDTH + j) == get(expected, r * WIDTH + j));
        at++;
      }
    }
    eg_free(index), eg_free(grad), eg_free(expected), eg_free(rows), eg_free(sums);
  }
}

static void squares_of_each_sample(void **state) {
  for (int variant = 0; variant < 4; variant++) {
    int dtype = variant & 1 ? EG_FLOAT64 : EG_FLOAT32;
    bool absolute = variant & 2;
    eg_tensor *index = some_index(false), *grad = random_tensor(dtype, 3, SIZES(SAMPLES, PER_SAMPLE, WIDTH));
    eg_tensor *out = random_tensor(dtype, 2, SIZES(ROWS, WIDTH)), *before = eg_new_like(out, -1),
              *first = eg_new_like(out, -1);
    double *expected = calloc(ROWS * WIDTH, sizeof *expected), *size = calloc(ROWS * WIDTH, sizeof *size);
    eg_copy(before, out);
    for (int64_t i = 0; i < out->count; i++) expected[i] = get(out, i), size[i] = fabs(expected[i]);
    for (int64_t n = 0; n < SAMPLES; n++) {
      double *sum = calloc(ROWS * WIDTH, sizeof *sum);
      for (int64_t i = n * PER_SAMPLE; i < (n + 1) * PER_SAMPLE; i++)
        for (int64_t j = 0; j < WIDTH && number(index, i) != 7; j++)
          sum[(number(index, i) - 1) * WIDTH + j] += get(grad, i * WIDTH + j);
      for (int64_t i = 0; i < ROWS * WIDTH; i++) {
        expected[i] += absolute ? fabs(sum[i]) : sum[i] * sum[i];
        size[i] += sum[i] != 0 ? PER_SAMPLE * PER_SAMPLE : 0;
      }
      free(sum);
    }
    for (int threads = 1; threads <= 4; threads *= 2) {
      eg_threads_set(threads);
      eg_copy(out, before);
      assert_int_equal(eg_fisher_embedding(out, grad, index, 7, absolute), EG_OK);
      assert_close(out, expected, size, "squares");
      if (threads == 1) eg_copy(first, out);
      assert_true(same_bits(out, first));
    }
    eg_free(index), eg_free(grad), eg_free(out), eg_free(before), eg_free(first), free(expected), free(size);
  }
}

static void empty_indices(void **state) {
  eg_tensor *table = random_tensor(EG_FLOAT32, 2, SIZES(3, 2)), *index = fresh(EG_INT64, 2, SIZES(0, 4));
  eg_tensor *out = fresh(EG_FLOAT32, 3, SIZES(0, 4, 2)), *rows = fresh(EG_INT64, 1, SIZES(0));
  eg_tensor *sums = fresh(EG_FLOAT32, 2, SIZES(0, 2));
  int64_t used = 5;
  assert_int_equal(eg_embedding(out, table, index, 0), EG_OK);
  assert_int_equal(eg_embedding_used(&used, index, 3, 0), EG_OK);
  assert_int_equal(used, 0);
  assert_int_equal(eg_embedding_rows(rows, sums, out, index, 3, 0), EG_OK);
  assert_int_equal(eg_fisher_embedding(table, out, index, 0, 0), EG_OK);
  eg_free(table), eg_free(index), eg_free(out), eg_free(rows), eg_free(sums);
}

static void messages(void **state) {
  eg_tensor *table = random_tensor(EG_FLOAT32, 2, SIZES(3, 2)), *index = fresh(EG_INT64, 1, SIZES(4));
  eg_tensor *out = fresh(EG_FLOAT32, 2, SIZES(4, 2)), *wide = fresh(EG_FLOAT64, 2, SIZES(4, 2));
  eg_tensor *rows = fresh(EG_INT64, 1, SIZES(2)), *sums = fresh(EG_FLOAT32, 2, SIZES(2, 2)),
            *flat = fresh(EG_FLOAT32, 1, SIZES(4));
  int64_t used = 9;
  static const int64_t hostile[] = {0, -1, 4, INT64_MIN, INT64_MAX};
  mark(out), mark(rows), mark(sums);
  for (size_t i = 0; i < COUNT(hostile); i++) {
    eg_fill(index, 1);
    ((int64_t *)index->data)[2] = hostile[i];
    assert_fails(eg_embedding(out, table, index, 0), EG_EINDEX,
                 "at position 3 is out of range 1..3 (indices count from 1)");
    assert_fails(eg_embedding_used(&used, index, 3, 0), EG_EINDEX, "embedding backward: index");
    assert_fails(eg_embedding_rows(rows, sums, out, index, 3, 0), EG_EINDEX, "embedding backward: index");
    assert_fails(eg_fisher_embedding(table, out, index, 0, 0), EG_EINDEX, "fisher_embedding: index");
  }
  eg_fill(index, 2);
  assert_fails(eg_embedding_rows(rows, sums, out, index, 3, 0), EG_ESHAPE, "the index has not 2 different rows");
  assert_fails(eg_embedding(out, table, flat, 0), EG_EDTYPE, "the index is (4) float32, expected int64");
  assert_fails(eg_embedding(wide, table, index, 0), EG_EDTYPE, "embedding: output is (4, 2) float64, expected float32");
  assert_fails(eg_embedding(sums, table, index, 0), EG_ESHAPE, "embedding: output has shape (2, 2), expected (4, 2)");
  assert_fails(eg_embedding(out, flat, index, 0), EG_ESHAPE, "embedding: table");
  assert_fails(eg_embedding(out, table, NULL, 0), EG_ERELEASED, "embedding: index was released");
  assert_fails(eg_embedding_rows(rows, sums, NULL, index, 3, 0), EG_ERELEASED, "gradient was released");
  for (int64_t count = 0; count < 2; count++) {
    int64_t live = eg_live_bytes();
    eg_alloc_fail_after(count);
    assert_fails(eg_embedding_rows(rows, sums, out, index, 3, 0), EG_ENOMEM, "out of memory");
    assert_int_equal(eg_live_bytes(), live);
  }
  eg_alloc_fail_after(-1);
  assert_true(is_marked(out) && is_marked(rows) && is_marked(sums) && used == 9);
  eg_tensor *all[] = {table, index, out, wide, rows, sums, flat};
  for (size_t i = 0; i < COUNT(all); i++) eg_free(all[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(rows_are_copied),
      cmocka_unit_test(gradients_are_rows_with_the_bits_of_a_loop),
      cmocka_unit_test(squares_of_each_sample),
      cmocka_unit_test(empty_indices),
      cmocka_unit_test(messages),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
