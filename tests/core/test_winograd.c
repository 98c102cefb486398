/* 3x3 convolutions by tiles against their naive twin, loops in double: over shapes, layouts and dtypes; the bound of the
 * error; threads; memory. */
#include "convolution.h"

static const shape shapes[] = {
    {2, 16, 10, 10, 16, 3, 3, {1, 1, 0, 0}}, {2, 17, 9, 8, 33, 3, 3, {1, 1, 1, 1}},
    {17, 32, 5, 5, 20, 3, 3, {1, 1, 1, 1}},  {1, 20, 14, 14, 34, 3, 3, {1, 1, 0, 0}},
    {1, 16, 30, 31, 16, 3, 3, {1, 1, 2, 2}}, {3, 16, 8, 5, 40, 3, 3, {1, 1, 0, 3}},
    {1, 16, 5, 230, 16, 3, 3, {1, 1, 1, 0}}, {8, 18, 7, 7, 16, 3, 3, {1, 1, 1, 1}},
};

/* Tiles mix neighbouring pixels, so errors are measured by the largest sum of magnitudes of a tensor: then the bound of plain
 * sums, 32 units in the last place, holds (at most 18 were seen, 1 in the mean). */
static void level(convolution *k) {
  const eg_tensor *results[] = {k->out, k->grad_in, k->grad_weight};
  for (int which = 0; which < 3; which++) {
    double largest = 0;
    for (int64_t i = 0; i < results[which]->count; i++) largest = fmax(largest, k->size[which][i]);
    for (int64_t i = 0; i < results[which]->count; i++) k->size[which][i] = largest;
  }
}

static void equals_plain_loops(void **state) {
  for (size_t i = 0; i < COUNT(shapes); i++)
    for (int variant = 0; variant < 2; variant++) {
      char what[64];
      snprintf(what, sizeof what, "shape %zu variant %d", i, variant);
      convolution k = prepare(&shapes[i], variant ? EG_FLOAT64 : EG_FLOAT32, i % 2 == (size_t)variant);
      reference(&k, &shapes[i]);
      level(&k);
      run(&k, &shapes[i].how);
      assert_close(k.out, k.value[0], k.size[0], what);
      assert_close(k.grad_in, k.value[1], k.size[1], what);
      assert_close(k.grad_weight, k.value[2], k.size[2], what);
      drop(&k);
    }
}

static void reads_broadcast_gradients(void **state) {
  const shape *s = &shapes[1];
  convolution k = prepare(s, EG_FLOAT32, false);
  eg_tensor *one = random_tensor(EG_FLOAT32, 1, SIZES(1)), *spread = eg_view(one, 4, k.out->size, SIZES(0, 0, 0, 0), 0);
  eg_free(k.grad_out);
  k.grad_out = spread;
  reference(&k, s);
  level(&k);
  run(&k, &s->how);
  assert_close(k.grad_in, k.value[1], k.size[1], "input");
  assert_close(k.grad_weight, k.value[2], k.size[2], "weight");
  eg_free(one), drop(&k);
}

/* A sample's output has the same bits whatever else is in the batch: evaluation does not depend on the batch size. */
static void samples_do_not_touch_each_other(void **state) {
  const shape *s = &shapes[7];
  convolution k = prepare(s, EG_FLOAT32, false);
  run(&k, &s->how);
  for (int64_t n = 0; n < s->n; n++) {
    eg_tensor *in = eg_view(k.in, 4, SIZES(1, s->c, s->h, s->w), k.in->stride, n * k.in->stride[0]);
    eg_tensor *alone = eg_conv2d_new(in, k.weight, &s->how);
    assert_int_equal(eg_conv2d(alone, in, k.weight, k.bias, &s->how), EG_OK);
    assert_memory_equal(alone->data, (float *)k.out->data + n * alone->count, (size_t)alone->count * 4);
    eg_free(in), eg_free(alone);
  }
  drop(&k);
}

static void bits_do_not_depend_on_threads(void **state) {
  const size_t cases[] = {2, 3, 4, 7};
  for (size_t i = 0; i < COUNT(cases); i++) {
    convolution k = prepare(&shapes[cases[i]], EG_FLOAT32, false);
    const eg_tensor *results[] = {k.out, k.grad_in, k.grad_weight};
    eg_tensor *first[3];
    for (int threads = 1; threads <= 4; threads *= 2) {
      assert_int_equal(eg_threads_set(threads), EG_OK);
      run(&k, &shapes[cases[i]].how);
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

static void failed_allocations_leave_outputs(void **state) {
  const shape *s = &shapes[0];
  convolution k = prepare(s, EG_FLOAT32, false);
  int64_t live = eg_live_bytes();
  mark(k.out), mark(k.grad_in), mark(k.grad_weight);
  eg_alloc_fail_after(0);
  assert_fails(eg_conv2d(k.out, k.in, k.weight, k.bias, &s->how), EG_ENOMEM, "out of memory");
  eg_alloc_fail_after(0);
  assert_fails(eg_conv2d_input(k.grad_in, k.grad_out, k.weight, &s->how), EG_ENOMEM, "out of memory");
  eg_alloc_fail_after(0);
  assert_fails(eg_conv2d_weight(k.grad_weight, k.grad_out, k.in, &s->how), EG_ENOMEM, "out of memory");
  assert_true(is_marked(k.out) && is_marked(k.grad_in) && is_marked(k.grad_weight));
  run(&k, &s->how);
  assert_int_equal(eg_live_bytes(), live);
  drop(&k);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(equals_plain_loops),
      cmocka_unit_test(reads_broadcast_gradients),
      cmocka_unit_test(samples_do_not_touch_each_other),
      cmocka_unit_test(bits_do_not_depend_on_threads),
      cmocka_unit_test(failed_allocations_leave_outputs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
