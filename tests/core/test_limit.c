/* Limits: figures that can be, messages, and failures of allocation. How large they are is the machine's affair. */
#include "tensors.h"

static void limits_are_figures(void **state) {
  for (int threads = 1; threads <= 2; threads++) {
    double arithmetic = 0, memory = 0;
    eg_threads_set(threads);
    assert_int_equal(eg_limit_sgemm(1, &arithmetic), EG_OK);
    assert_int_equal(eg_limit_triad(1, &memory), EG_OK);
    assert_true(isfinite(arithmetic) && arithmetic > 1e6);
    assert_true(isfinite(memory) && memory > 1e6);
  }
}

static void refuses_no_rounds(void **state) {
  double figure = -1;
  assert_fails(eg_limit_sgemm(0, &figure), EG_EINVAL, "limit_sgemm: 0 rounds, expected 1 or more");
  assert_fails(eg_limit_triad(-3, &figure), EG_EINVAL, "limit_triad: -3 rounds, expected 1 or more");
  assert_true(figure == -1);
}

static void failures_leave_the_figure(void **state) {
  eg_status (*const limit[])(int, double *) = {eg_limit_sgemm, eg_limit_triad};
  for (size_t i = 0; i < COUNT(limit); i++) {
    double figure = -1;
    int64_t live = eg_live_bytes();
    eg_alloc_fail_after(0);
    assert_fails(limit[i](1, &figure), EG_ENOMEM, "out of memory");
    eg_alloc_fail_after(-1);
    eg_interrupt_set(2);
    assert_fails(limit[i](1, &figure), EG_EINTR, "interrupted");
    eg_interrupt_set(0);
    assert_true(figure == -1);
    assert_int_equal(eg_live_bytes(), live);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(limits_are_figures),
      cmocka_unit_test(refuses_no_rounds),
      cmocka_unit_test(failures_leave_the_figure),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
