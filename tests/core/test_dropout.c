/* Dropout: masks against the generator word by word, the map against plain loops; messages; threads. */
#include "tensors.h"

/* The word that decides about element i. */
static uint32_t word(const eg_rng *rng, int64_t i) {
  uint64_t block = rng->counter + (uint64_t)i / 4;
  uint32_t out[4];
  eg_philox((uint32_t[]){(uint32_t)block, (uint32_t)(block >> 32), 0, 0},
            (uint32_t[]){(uint32_t)rng->key, (uint32_t)(rng->key >> 32)}, out);
  return out[i % 4];
}

static void check(eg_tensor *in, eg_tensor *mask, double p, eg_rng rng) {
  eg_tensor *out = fresh(in->dtype, in->dims, in->size), *again = fresh(in->dtype, in->dims, in->size);
  eg_rng before = rng;
  int64_t run = mask->count ? in->count / mask->count : 1;
  double *expected = calloc((size_t)in->count + 1, sizeof *expected);
  assert_int_equal(eg_dropout(out, mask, in, p, &rng), EG_OK);
  assert_true(rng.key == before.key && rng.counter == before.counter + (uint64_t)(mask->count + 3) / 4);
  for (int64_t i = 0; i < mask->count; i++) assert_true(get(mask, i) == !((double)word(&before, i) < p * 0x1p32));
  for (int64_t i = 0; i < in->count; i++) expected[i] = get(mask, i / run) != 0 ? get(in, i) / (1 - p) : 0;
  assert_close(out, expected, NULL, "dropout");
  assert_int_equal(eg_dropout_apply(again, mask, in, p), EG_OK);
  assert_true(same_bits(again, out));
  free(expected), eg_free(out), eg_free(again);
}

static void masks_are_the_streams_words(void **state) {
  static const struct {
    int dims, mask_dims;
    int64_t size[4];
  } shapes[] = {{1, 1, {1}},          {1, 1, {7}},        {2, 2, {5, 9}},
                {3, 3, {2, 3, 4}},    {3, 2, {2, 3, 4}},  {4, 2, {3, 5, 2, 7}},
                {4, 4, {3, 5, 2, 7}}, {2, 2, {130, 301}}, {4, 2, {40, 50, 4, 5}},
                {2, 2, {0, 3}},       {3, 2, {2, 3, 0}},  {0, 0, {0}}};
  static const double rates[] = {0, 0.25, 0.5, 1.0 / 3, 0.999, 1, 1e-10};
  for (size_t i = 0; i < COUNT(shapes); i++)
    for (int variant = 0; variant < 4; variant++)
      for (size_t r = 0; r < COUNT(rates); r++) {
        eg_tensor *in = random_tensor(variant & 1 ? EG_FLOAT64 : EG_FLOAT32, shapes[i].dims, shapes[i].size);
        eg_tensor *mask = fresh(EG_UINT8, shapes[i].mask_dims, shapes[i].size);
        if (variant & 2) in = scattered(in);
        check(in, mask, rates[r], (eg_rng){eg_rng_key(i, "dropout"), (uint64_t)r << 33 | 0xfffffffe});
        eg_free(in), eg_free(mask);
      }
}

static void share_of_zeros_is_p(void **state) {
  eg_tensor *in = fresh(EG_FLOAT32, 1, SIZES(200000)), *mask = eg_new_like(in, EG_UINT8), *out = eg_new_like(in, -1);
  eg_rng rng = {eg_rng_key(1, "dropout"), 0};
  eg_fill(in, 1);
  for (int i = 1; i < 10; i++) {
    double p = i / 10.0, sum = 0;
    assert_int_equal(eg_dropout(out, mask, in, p, &rng), EG_OK);
    for (int64_t j = 0; j < mask->count; j++) sum += get(mask, j);
    assert_true(fabs(sum / 200000 - (1 - p)) < 5 * sqrt(p * (1 - p) / 200000));
  }
  eg_free(in), eg_free(mask), eg_free(out);
}

/* p = 1 drops all, whatever the input. */
static void dropped_is_zero(void **state) {
  eg_tensor *in = fresh(EG_FLOAT32, 1, SIZES(40)), *mask = eg_new_like(in, EG_UINT8), *out = eg_new_like(in, -1);
  eg_rng rng = {1, 0};
  eg_fill(in, INFINITY);
  assert_int_equal(eg_dropout(out, mask, in, 1, &rng), EG_OK);
  for (int64_t i = 0; i < 40; i++) assert_true(get(out, i) == 0 && get(mask, i) == 0);
  eg_free(in), eg_free(mask), eg_free(out);
}

static void applies_masks_of_any_strides(void **state) {
  eg_tensor *in = random_tensor(EG_FLOAT64, 3, SIZES(3, 4, 5)), *out = eg_new_like(in, -1),
            *mask = fresh(EG_UINT8, 2, SIZES(3, 4));
  for (int64_t i = 0; i < 12; i++) put(mask, i, i % 3 != 0);
  mask = scattered(mask);
  assert_int_equal(eg_dropout_apply(out, mask, in, 0.5), EG_OK);
  for (int64_t i = 0; i < 60; i++) assert_true(get(out, i) == (i / 5 % 3 ? 2 * get(in, i) : 0));
  assert_int_equal(eg_dropout_apply(in, mask, in, 0.5), EG_OK);
  assert_true(same_bits(in, out));
  eg_free(in), eg_free(out), eg_free(mask);
}

static void bits_do_not_depend_on_threads(void **state) {
  eg_tensor *in = random_tensor(EG_FLOAT32, 2, SIZES(300, 501)), *mask = eg_new_like(in, EG_UINT8),
            *out = eg_new_like(in, -1);
  eg_tensor *first = eg_new_like(in, -1), *first_mask = eg_new_like(mask, -1);
  for (int threads = 1; threads <= 4; threads *= 2) {
    eg_rng rng = {5, 3};
    eg_threads_set(threads);
    assert_int_equal(eg_dropout(threads == 1 ? first : out, threads == 1 ? first_mask : mask, in, 0.4, &rng), EG_OK);
    if (threads > 1) assert_true(same_bits(out, first) && same_bits(mask, first_mask));
  }
  eg_free(in), eg_free(mask), eg_free(out), eg_free(first), eg_free(first_mask);
}

static void messages(void **state) {
  eg_tensor *in = random_tensor(EG_FLOAT32, 3, SIZES(2, 3, 4)), *mask = fresh(EG_UINT8, 3, SIZES(2, 3, 4)),
            *out = eg_new_like(in, -1);
  eg_tensor *other = fresh(EG_UINT8, 2, SIZES(2, 4)), *integers = fresh(EG_INT64, 3, SIZES(2, 3, 4)),
            *wide = eg_new_like(in, EG_FLOAT64);
  eg_tensor *gaps = scattered(random_tensor(EG_FLOAT32, 3, in->size)), *flat = fresh(EG_FLOAT32, 1, SIZES(24));
  eg_tensor *loose = scattered(fresh(EG_UINT8, 3, SIZES(2, 3, 4)));
  eg_rng rng = {1, 2};
  mark(out), mark(mask);
  assert_fails(eg_dropout(out, mask, in, 1.5, &rng), EG_EINVAL, "dropout: p is 1.5, expected 0 to 1");
  assert_fails(eg_dropout(out, mask, in, -0.1, &rng), EG_EINVAL, "dropout: p is -0.1, expected 0 to 1");
  assert_fails(eg_dropout(out, mask, in, NAN, &rng), EG_EINVAL, "dropout: p is");
  assert_fails(eg_dropout(out, mask, in, 0.5, NULL), EG_EINVAL, "dropout: there is no random stream to draw from");
  assert_fails(eg_dropout(out, mask, integers, 0.5, &rng), EG_EDTYPE, "dropout: input is (2, 3, 4) int64");
  assert_fails(eg_dropout(wide, mask, in, 0.5, &rng), EG_EDTYPE,
               "dropout: output is (2, 3, 4) float64, expected float32");
  assert_fails(eg_dropout(flat, mask, in, 0.5, &rng), EG_ESHAPE, "dropout: output has shape (24), expected (2, 3, 4)");
  assert_fails(eg_dropout(gaps, mask, in, 0.5, &rng), EG_EINVAL, "dropout: output must be contiguous");
  assert_fails(eg_dropout(out, loose, in, 0.5, &rng), EG_EINVAL, "dropout: mask must be contiguous");
  assert_fails(eg_dropout(out, in, in, 0.5, &rng), EG_EDTYPE, "dropout: mask is (2, 3, 4) float32, expected uint8");
  assert_fails(eg_dropout(out, other, in, 0.5, &rng), EG_ESHAPE,
               "dropout: mask has shape (2, 4), expected that of the input (2, 3, 4) or its first two sizes");
  assert_fails(eg_dropout_apply(out, other, in, 0.5), EG_ESHAPE, "dropout_apply: mask has shape (2, 4)");
  assert_fails(eg_dropout_apply(out, mask, NULL, 0.5), EG_ERELEASED, "dropout_apply: input was released");
  assert_fails(eg_dropout_apply(out, NULL, in, 0.5), EG_ERELEASED, "dropout_apply: mask was released");
  assert_fails(eg_dropout_apply(NULL, mask, in, 0.5), EG_ERELEASED, "dropout_apply: output was released");
  assert_true(is_marked(out) && is_marked(mask) && rng.counter == 2);
  eg_tensor *all[] = {in, mask, out, other, integers, wide, gaps, flat, loose};
  for (size_t i = 0; i < COUNT(all); i++) eg_free(all[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(masks_are_the_streams_words),
      cmocka_unit_test(share_of_zeros_is_p),
      cmocka_unit_test(dropped_is_zero),
      cmocka_unit_test(applies_masks_of_any_strides),
      cmocka_unit_test(bits_do_not_depend_on_threads),
      cmocka_unit_test(messages),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
