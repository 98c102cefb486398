/* Convolution and its adjoints against loops in double, over shapes, layouts and dtypes; messages; threads; memory. */
#include "convolution.h"

static const shape shapes[] = {
    {1, 1, 3, 3, 1, 1, 1, {1, 1, 0, 0}},    {2, 1, 7, 7, 3, 3, 3, {1, 1, 0, 0}},
    {3, 3, 9, 8, 33, 5, 3, {1, 1, 2, 1}},   {3, 8, 9, 8, 33, 3, 3, {2, 2, 1, 1}},
    {2, 33, 6, 7, 8, 1, 1, {1, 1, 0, 0}},   {2, 33, 6, 7, 20, 6, 7, {1, 1, 0, 0}},
    {2, 3, 9, 11, 5, 2, 3, {3, 2, 1, 4}},   {2, 3, 9, 11, 5, 2, 2, {3, 4, 0, 0}},
    {40, 2, 4, 4, 3, 3, 3, {1, 1, 1, 1}},   {1, 5, 60, 37, 7, 3, 3, {1, 1, 1, 1}},
    {1, 64, 33, 60, 2, 3, 2, {2, 3, 1, 1}}, {2, 3, 14, 26, 34, 3, 3, {1, 1, 0, 0}},
    {1, 2, 1, 1, 3, 3, 3, {1, 1, 1, 1}},    {2, 1, 5, 1, 2, 4, 1, {7, 9, 0, 0}},
    {33, 2, 3, 3, 35, 3, 3, {1, 1, 0, 0}},  {1, 3, 2, 2, 3, 2, 2, {1, 2, 3, 5}},
};

static void equals_plain_loops(void **state) {
  for (size_t i = 0; i < COUNT(shapes); i++)
    for (int variant = 0; variant < 4; variant++) {
      char what[64];
      snprintf(what, sizeof what, "shape %zu variant %d", i, variant);
      convolution k = prepare(&shapes[i], variant % 2 ? EG_FLOAT64 : EG_FLOAT32, variant / 2);
      reference(&k, &shapes[i]);
      run(&k, &shapes[i].how);
      assert_close(k.out, k.value[0], k.size[0], what);
      assert_close(k.grad_in, k.value[1], k.size[1], what);
      assert_close(k.grad_weight, k.value[2], k.size[2], what);
      drop(&k);
    }
}

static void random_shapes_equal_plain_loops(void **state) {
  for (int i = 0; i < 40; i++) {
    int64_t r[11];
    for (size_t j = 0; j < COUNT(r); j++) r[j] = (int64_t)((next_number() + 1) * 512);
    shape s = {1 + r[0] % 4,
               1 + r[1] % 9,
               1 + r[2] % 12,
               1 + r[3] % 12,
               1 + r[4] % 40,
               1,
               1,
               {1 + r[5] % 3, 1 + r[6] % 3, r[7] % 3, r[8] % 3}};
    s.kernel_h = 1 + r[9] % (s.h + 2 * s.how.padding_h);
    s.kernel_w = 1 + r[10] % (s.w + 2 * s.how.padding_w);
    convolution k = prepare(&s, i % 2, i % 3 == 0);
    reference(&k, &s);
    run(&k, &s.how);
    assert_close(k.out, k.value[0], k.size[0], "forward");
    assert_close(k.grad_in, k.value[1], k.size[1], "input");
    assert_close(k.grad_weight, k.value[2], k.size[2], "weight");
    drop(&k);
  }
}

static void bias_is_optional(void **state) {
  convolution k = prepare(&shapes[2], EG_FLOAT32, false);
  eg_tensor *zero = fresh(EG_FLOAT32, 1, k.bias->size), *plain = eg_new_like(k.out, -1);
  memset(zero->data, 0, (size_t)zero->count * 4);
  assert_int_equal(eg_conv2d(k.out, k.in, k.weight, zero, &shapes[2].how), EG_OK);
  assert_int_equal(eg_conv2d(plain, k.in, k.weight, NULL, &shapes[2].how), EG_OK);
  assert_true(same_bits(k.out, plain));
  eg_free(zero), eg_free(plain), drop(&k);
}

/* A gradient that a sum spreads over the output has stride 0 everywhere. */
static void reads_broadcast_gradients(void **state) {
  const shape *s = &shapes[3];
  convolution k = prepare(s, EG_FLOAT32, false);
  eg_tensor *one = random_tensor(EG_FLOAT32, 1, SIZES(1)), *spread = eg_view(one, 4, k.out->size, SIZES(0, 0, 0, 0), 0);
  eg_free(k.grad_out);
  k.grad_out = spread;
  reference(&k, s);
  run(&k, &s->how);
  assert_close(k.grad_in, k.value[1], k.size[1], "input");
  assert_close(k.grad_weight, k.value[2], k.size[2], "weight");
  eg_free(one), drop(&k);
}

static void bits_do_not_depend_on_threads(void **state) {
  static const shape wide = {9, 8, 14, 14, 48, 3, 3, {1, 1, 1, 1}}, alone = {1, 8, 30, 40, 48, 3, 3, {2, 2, 1, 1}};
  const shape *cases[] = {&wide, &alone, &shapes[8], &shapes[14]};
  for (size_t i = 0; i < COUNT(cases); i++) {
    convolution k = prepare(cases[i], EG_FLOAT32, false);
    const eg_tensor *results[] = {k.out, k.grad_in, k.grad_weight};
    eg_tensor *first[3];
    for (int threads = 1; threads <= 4; threads *= 2) {
      assert_int_equal(eg_threads_set(threads), EG_OK);
      run(&k, &cases[i]->how);
      for (int j = 0; j < 3; j++) {
        if (threads > 1) assert_true(same_bits(results[j], first[j]));
        else
          first[j] = eg_new_like(results[j], -1),
          memcpy(first[j]->data, results[j]->data, (size_t)results[j]->count * 4);
      }
    }
    for (int j = 0; j < 3; j++) eg_free(first[j]);
    drop(&k);
  }
}

static void empty_tensors(void **state) {
  const eg_conv how = {1, 1, 0, 0};
  static const shape cases[] = {
      {0, 2, 5, 5, 3, 3, 3, {1, 1, 0, 0}}, {2, 0, 5, 5, 3, 3, 3, {1, 1, 0, 0}}, {2, 2, 5, 5, 0, 3, 3, {1, 1, 0, 0}}};
  for (size_t i = 0; i < COUNT(cases); i++) {
    convolution k = prepare(&cases[i], EG_FLOAT32, false);
    reference(&k, &cases[i]);
    run(&k, &how);
    assert_close(k.out, k.value[0], k.size[0], "forward");
    assert_close(k.grad_in, k.value[1], k.size[1], "input");
    assert_close(k.grad_weight, k.value[2], k.size[2], "weight");
    drop(&k);
  }
}

static void messages_name_the_shapes(void **state) {
  eg_conv how = {1, 1, 0, 0};
  eg_tensor *in = random_tensor(EG_FLOAT32, 4, SIZES(32, 3, 28, 28)),
            *weight = random_tensor(EG_FLOAT32, 4, SIZES(32, 1, 3, 3));
  eg_tensor *fit = random_tensor(EG_FLOAT32, 4, SIZES(32, 3, 3, 3)), *large = fresh(EG_FLOAT32, 4, SIZES(1, 3, 31, 5));
  eg_tensor *flat = fresh(EG_FLOAT32, 2, SIZES(3, 3)), *number = fresh(EG_INT64, 4, SIZES(32, 3, 28, 28));
  eg_tensor *wide = fresh(EG_FLOAT64, 4, SIZES(32, 3, 3, 3)), *empty = fresh(EG_FLOAT32, 4, SIZES(32, 3, 0, 3));
  eg_tensor *out = eg_conv2d_new(in, fit, &how), *small = fresh(EG_FLOAT32, 4, SIZES(32, 32, 26, 25));
  eg_tensor *bias = fresh(EG_FLOAT32, 1, SIZES(31)), *gaps = scattered(random_tensor(EG_FLOAT32, 4, out->size));
  mark(out);
  assert_null(eg_conv2d_new(in, weight, &how));
  assert_string_equal(eg_error_message(), "conv2d: input has 3 channels, the layer wants 1: input (32, 3, 28, 28), "
                                          "weight (32, 1, 3, 3)");
  assert_fails(eg_conv2d(out, in, weight, NULL, &how), EG_ESHAPE, "conv2d: input has 3 channels, the layer wants 1");
  assert_fails(eg_conv2d(out, in, large, NULL, &how), EG_ESHAPE,
               "conv2d: the kernel is larger than the padded input: input (32, 3, 28, 28), weight (1, 3, 31, 5), "
               "padding (0, 0)");
  assert_fails(eg_conv2d(out, in, empty, NULL, &how), EG_ESHAPE, "conv2d: the kernel is empty: weight (32, 3, 0, 3)");
  assert_fails(eg_conv2d(out, in, flat, NULL, &how), EG_ESHAPE, "conv2d: weight has 2 dimensions, expected 4");
  assert_fails(eg_conv2d(out, flat, fit, NULL, &how), EG_ESHAPE, "conv2d: input has 2 dimensions, expected 4");
  assert_fails(eg_conv2d(out, number, fit, NULL, &how), EG_EDTYPE, "conv2d: input is (32, 3, 28, 28) int64");
  assert_fails(eg_conv2d(out, in, wide, NULL, &how), EG_EDTYPE, "conv2d: dtypes differ");
  assert_fails(eg_conv2d(small, in, fit, NULL, &how), EG_ESHAPE,
               "conv2d: output has shape (32, 32, 26, 25), expected (32, 32, 26, 26)");
  assert_fails(eg_conv2d(gaps, in, fit, NULL, &how), EG_EINVAL, "conv2d: output must be contiguous");
  assert_fails(eg_conv2d(out, in, fit, bias, &how), EG_ESHAPE, "conv2d: bias has shape (31), expected (32)");
  assert_fails(eg_conv2d(out, NULL, fit, NULL, &how), EG_ERELEASED, "conv2d: input was released");
  assert_fails(eg_conv2d(NULL, in, fit, NULL, &how), EG_ERELEASED, "conv2d: output was released");
  assert_fails(eg_conv2d_input(in, NULL, fit, &how), EG_ERELEASED, "conv2d_input: output gradient was released");
  assert_fails(eg_conv2d_input(in, small, fit, &how), EG_ESHAPE,
               "conv2d_input: output gradient has shape (32, 32, 26, 25)");
  assert_fails(eg_conv2d_weight(fit, small, in, &how), EG_ESHAPE,
               "conv2d_weight: output gradient has shape (32, 32, 26, 25)");
  assert_fails(eg_conv2d_weight(weight, out, in, &how), EG_ESHAPE, "conv2d_weight: input has 3 channels");
  static const struct {
    eg_conv how;
    const char *text;
  } wrong[] = {{{0, 1, 0, 0}, "conv2d: stride is (0, 1), expected at least 1"},
               {{1, -2, 0, 0}, "conv2d: stride is (1, -2), expected at least 1"},
               {{1, 1, 0, -1}, "conv2d: padding is (0, -1), expected at least 0"},
               {{1, 1, INT64_MAX, 0}, "conv2d: padding (9223372036854775807, 0) is too large"}};
  for (size_t i = 0; i < COUNT(wrong); i++)
    assert_fails(eg_conv2d(out, in, fit, NULL, &wrong[i].how), EG_EINVAL, wrong[i].text);
  assert_true(is_marked(out));
  eg_tensor *all[] = {in, weight, fit, large, flat, number, wide, empty, out, small, bias, gaps};
  for (size_t i = 0; i < COUNT(all); i++) eg_free(all[i]);
}

/* Strides and paddings near the end of the number range, and tensors that are large only by their strides of 0. */
static void hostile_sizes(void **state) {
  eg_tensor *in = random_tensor(EG_FLOAT32, 4, SIZES(1, 1, 3, 3)),
            *weight = random_tensor(EG_FLOAT32, 4, SIZES(1, 1, 1, 1));
  const eg_conv far = {INT64_MAX / 4, INT64_MAX / 4, INT64_MAX / 4, INT64_MAX / 4};
  eg_tensor *out = eg_conv2d_new(in, weight, &far);
  assert_non_null(out);
  assert_int_not_equal(eg_conv2d(out, in, weight, NULL, &far), EG_OK);
  assert_int_not_equal(eg_conv2d_weight(weight, out, in, &far), EG_OK);
  assert_int_equal(eg_fill(out, 2), EG_OK);
  assert_int_equal(eg_conv2d_input(in, out, weight, &far), EG_OK); /* only the middle window meets the input */
  for (int64_t i = 0; i < 9; i++) assert_true(get(in, i) == (i == 0 ? 2 * get(weight, 0) : 0));
  eg_tensor *huge = eg_view(in, 4, SIZES(1, 1, 1 << 28, 1 << 28), SIZES(0, 0, 0, 0), 0);
  eg_tensor *kernel = eg_view(weight, 4, SIZES(1, 1, 1 << 28, 1 << 28), SIZES(0, 0, 0, 0), 0);
  eg_tensor *one = fresh(EG_FLOAT32, 4, SIZES(1, 1, 1, 1));
  assert_int_equal(eg_conv2d(one, huge, kernel, NULL, &(eg_conv){1, 1, 0, 0}), EG_ENOMEM);
  eg_tensor *all[] = {in, weight, out, huge, kernel, one};
  for (size_t i = 0; i < COUNT(all); i++) eg_free(all[i]);
}

static void failed_allocations_leave_outputs(void **state) {
  const size_t cases[] = {2, 3, 7}; /* stride 1, stride 2, a stride with empty phases */
  for (size_t i = 0; i < COUNT(cases); i++) {
    const shape *s = &shapes[cases[i]];
    convolution k = prepare(s, EG_FLOAT32, false);
    int64_t live = eg_live_bytes();
    mark(k.out), mark(k.grad_in), mark(k.grad_weight);
    eg_alloc_fail_after(0);
    assert_fails(eg_conv2d(k.out, k.in, k.weight, k.bias, &s->how), EG_ENOMEM, "out of memory");
    eg_alloc_fail_after(0);
    assert_fails(eg_conv2d_input(k.grad_in, k.grad_out, k.weight, &s->how), EG_ENOMEM, "out of memory");
    eg_alloc_fail_after(1);
    assert_int_equal(eg_conv2d_input(k.grad_in, k.grad_out, k.weight, &s->how), EG_OK); /* one allocation is all */
    mark(k.grad_in);
    eg_alloc_fail_after(0);
    assert_fails(eg_conv2d_weight(k.grad_weight, k.grad_out, k.in, &s->how), EG_ENOMEM, "out of memory");
    assert_true(is_marked(k.out) && is_marked(k.grad_in) && is_marked(k.grad_weight));
    run(&k, &s->how);
    assert_int_equal(eg_live_bytes(), live);
    drop(&k);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(equals_plain_loops),
      cmocka_unit_test(random_shapes_equal_plain_loops),
      cmocka_unit_test(bias_is_optional),
      cmocka_unit_test(reads_broadcast_gradients),
      cmocka_unit_test(bits_do_not_depend_on_threads),
      cmocka_unit_test(empty_tensors),
      cmocka_unit_test(messages_name_the_shapes),
      cmocka_unit_test(hostile_sizes),
      cmocka_unit_test(failed_allocations_leave_outputs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
