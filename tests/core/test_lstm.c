/* LSTM against plain loops in double, its backward against differences of those loops; the sums of squares over sequences; threads. */
#include "tensors.h"

typedef struct lstm {
  int64_t n, steps, hidden;
  eg_tensor *in, *weight, *initial, *states, *gates, *grad, *d_in, *d_initial;
} lstm;

static const int64_t shapes[][3] = {{2, 3, 2}, {1, 1, 5}, {3, 4, 17}, {18, 2, 20}};

static lstm prepare(const int64_t *shape, int dtype, bool gaps) {
  lstm l = {.n = shape[0], .steps = shape[1], .hidden = shape[2]};
  l.in = random_tensor(dtype, 3, SIZES(l.n, l.steps, 4 * l.hidden)), l.d_in = eg_new_like(l.in, -1),
  l.gates = eg_new_like(l.in, -1);
  l.weight = random_tensor(dtype, 2, SIZES(4 * l.hidden, l.hidden));
  l.initial = random_tensor(dtype, 2, SIZES(l.n, 2 * l.hidden)), l.d_initial = eg_new_like(l.initial, -1);
  l.grad = random_tensor(dtype, 3, SIZES(l.n, l.steps, 2 * l.hidden)), l.states = eg_new_like(l.grad, -1);
  if (gaps)
    l.in = scattered(l.in), l.weight = scattered(l.weight), l.initial = scattered(l.initial),
    l.grad = scattered(l.grad);
  return l;
}

static void drop(lstm *l) {
  eg_tensor *all[] = {l->in, l->weight, l->initial, l->states, l->gates, l->grad, l->d_in, l->d_initial};
  for (size_t i = 0; i < COUNT(all); i++) eg_free(all[i]);
}

static double *numbers(const eg_tensor *t) {
  double *x = calloc((size_t)t->count + 1, sizeof *x);
  for (int64_t i = 0; i < t->count; i++) x[i] = get(t, i);
  return x;
}

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

static void loops(const lstm *l, const double *in, const double *weight, const double *initial, double *states) {
  int64_t h = l->hidden;
  for (int64_t n = 0; n < l->n; n++)
    for (int64_t t = 0; t < l->steps; t++) {
      double *state = states + (n * l->steps + t) * 2 * h;
      const double *before = t ? state - 2 * h : initial + n * 2 * h, *from = in + (n * l->steps + t) * 4 * h;
      for (int64_t j = 0; j < h; j++) {
        double a[4];
        for (int64_t g = 0; g < 4; g++) {
          a[g] = from[g * h + j];
          for (int64_t i = 0; i < h; i++) a[g] += weight[(g * h + j) * h + i] * before[i];
        }
        state[h + j] = sigmoid(a[1]) * before[h + j] + sigmoid(a[0]) * tanh(a[2]);
        state[j] = sigmoid(a[3]) * tanh(state[h + j]);
      }
    }
}

static void assert_near(const eg_tensor *t, const double *expected, double share, const char *what) {
  for (int64_t i = 0; i < t->count; i++)
    if (!(fabs(get(t, i) - expected[i]) <= share * (1 + fabs(expected[i]))))
      fail_msg("%s: element %lld is %.17g, expected %.17g", what, (long long)i, get(t, i), expected[i]);
}

/* The derivative of the sum of states times grad by x, element by element. */
static void check_gradient(const lstm *l, double **in, int which, const eg_tensor *got, double share) {
  int64_t count = l->grad->count;
  double *states = calloc((size_t)count, sizeof *states), *expected = calloc((size_t)got->count, sizeof *expected);
  for (int64_t i = 0; i < got->count; i++)
    for (int side = -1; side <= 1; side += 2) {
      in[which][i] += side * 1e-5;
      loops(l, in[0], in[1], in[2], states);
      for (int64_t j = 0; j < count; j++) expected[i] += side * states[j] * get(l->grad, j) / 2e-5;
      in[which][i] -= side * 1e-5;
    }
  assert_near(got, expected, share, which == 0 ? "d_in" : "d_initial");
  free(states), free(expected);
}

static void equals_plain_loops(void **state) {
  for (size_t i = 0; i < COUNT(shapes); i++)
    for (int variant = 0; variant < 4; variant++) {
      lstm l = prepare(shapes[i], variant & 1 ? EG_FLOAT64 : EG_FLOAT32, variant & 2);
      double *in[] = {numbers(l.in), numbers(l.weight), numbers(l.initial)}, *states = numbers(l.states);
      assert_int_equal(eg_lstm_forward(l.states, l.gates, l.in, l.weight, l.initial), EG_OK);
      loops(&l, in[0], in[1], in[2], states);
      assert_near(l.states, states, variant & 1 ? 1e-13 : 1e-5, "states");
      assert_int_equal(eg_lstm_backward(l.d_in, l.d_initial, l.grad, l.states, l.gates, l.weight, l.initial), EG_OK);
      if (i < 2)
        check_gradient(&l, in, 0, l.d_in, variant & 1 ? 1e-8 : 1e-4),
            check_gradient(&l, in, 2, l.d_initial, variant & 1 ? 1e-8 : 1e-4);
      for (int j = 0; j < 3; j++) free(in[j]);
      free(states), drop(&l);
    }
}

static void squares_over_sequences(void **state) {
  enum { SAMPLES = 5, GROUP = 4, OUT = 50, IN = 37 };
  for (int variant = 0; variant < 8; variant++) {
    int dtype = variant & 1 ? EG_FLOAT64 : EG_FLOAT32;
    bool absolute = variant & 4;
    eg_tensor *delta = random_tensor(dtype, 2, SIZES(SAMPLES * GROUP, OUT)),
              *input = random_tensor(dtype, 2, SIZES(SAMPLES * GROUP, IN));
    eg_tensor *weight = random_tensor(dtype, 2, SIZES(OUT, IN)), *bias = random_tensor(dtype, 1, SIZES(OUT));
    if (variant & 2) delta = scattered(delta), input = scattered(input);
    double *w = numbers(weight), *b = numbers(bias), size[OUT * IN];
    for (int64_t i = 0; i < OUT * IN; i++) size[i] = 2 * SAMPLES * GROUP * GROUP;
    for (int64_t n = 0; n < SAMPLES; n++)
      for (int64_t o = 0; o < OUT; o++)
        for (int64_t i = 0; i <= IN; i++) {
          double sum = 0;
          for (int64_t t = n * GROUP; t < (n + 1) * GROUP; t++)
            sum += get(delta, t * OUT + o) * (i < IN ? get(input, t * IN + i) : 1);
          *(i < IN ? &w[o * IN + i] : &b[o]) += absolute ? fabs(sum) : sum * sum;
        }
    assert_int_equal(eg_fisher_sequence(weight, bias, delta, input, GROUP, absolute), EG_OK);
    assert_close(weight, w, size, "weight"), assert_close(bias, b, size, "bias");
    assert_int_equal(eg_fisher_sequence(weight, NULL, delta, input, GROUP, absolute), EG_OK);
    assert_fails(eg_fisher_sequence(weight, bias, delta, input, 3, 0), EG_ESHAPE,
                 "do not have the rows of whole samples of 3");
    assert_fails(eg_fisher_sequence(bias, weight, delta, input, GROUP, 0), EG_ESHAPE,
                 "fisher_sequence: weight has shape (50)");
    free(w), free(b), eg_free(delta), eg_free(input), eg_free(weight), eg_free(bias);
  }
}

static void bits_do_not_depend_on_threads(void **state) {
  lstm l = prepare(SIZES(100, 12, 48), EG_FLOAT32, false), first = prepare(SIZES(100, 12, 48), EG_FLOAT32, false);
  eg_tensor *delta = random_tensor(EG_FLOAT32, 2, SIZES(400, 90)),
            *input = random_tensor(EG_FLOAT32, 2, SIZES(400, 70));
  eg_tensor *squares = fresh(EG_FLOAT32, 2, SIZES(90, 70)), *first_squares = eg_new_like(squares, -1);
  for (int threads = 1; threads <= 4; threads *= 2) {
    lstm *to = threads == 1 ? &first : &l;
    eg_threads_set(threads);
    eg_fill(threads == 1 ? first_squares : squares, 0);
    assert_int_equal(eg_lstm_forward(to->states, to->gates, l.in, l.weight, l.initial), EG_OK);
    assert_int_equal(eg_lstm_backward(to->d_in, to->d_initial, l.grad, to->states, to->gates, l.weight, l.initial),
                     EG_OK);
    assert_int_equal(eg_fisher_sequence(threads == 1 ? first_squares : squares, NULL, delta, input, 8, 0), EG_OK);
    if (threads > 1)
      assert_true(same_bits(l.states, first.states) && same_bits(l.d_in, first.d_in) &&
                  same_bits(l.d_initial, first.d_initial) && same_bits(squares, first_squares));
  }
  drop(&l), drop(&first), eg_free(delta), eg_free(input), eg_free(squares), eg_free(first_squares);
}

static void messages(void **state) {
  lstm l = prepare(shapes[0], EG_FLOAT32, true);
  eg_tensor *wide = eg_new_like(l.states, EG_FLOAT64), *odd = fresh(EG_FLOAT32, 2, SIZES(7, 2));
  mark(l.states), mark(l.gates), mark(l.d_in), mark(l.d_initial);
  assert_fails(eg_lstm_forward(l.states, l.gates, l.in, odd, l.initial), EG_ESHAPE,
               "lstm: weight has shape (7, 2), expected (8, 2)");
  assert_fails(eg_lstm_forward(wide, l.gates, l.in, l.weight, l.initial), EG_EDTYPE, "lstm: states is");
  assert_fails(eg_lstm_forward(l.states, l.gates, l.states, l.weight, l.initial), EG_ESHAPE,
               "lstm: input has shape (2, 3, 4), expected (2, 3, 8)");
  assert_fails(eg_lstm_forward(l.states, l.gates, l.in, l.weight, odd), EG_ESHAPE,
               "lstm: initial state has shape (7, 2), expected (2, 4)");
  assert_fails(eg_lstm_backward(l.d_in, l.d_initial, NULL, l.states, l.gates, l.weight, l.initial), EG_ERELEASED,
               "output gradient was released");
  for (int64_t count = 0; count < 6; count++) {
    int64_t live = eg_live_bytes();
    eg_alloc_fail_after(count);
    assert_fails(eg_lstm_forward(l.states, l.gates, l.in, l.weight, l.initial), EG_ENOMEM, "out of memory");
    eg_alloc_fail_after(count);
    assert_fails(eg_lstm_backward(l.d_in, l.d_initial, l.grad, l.states, l.gates, l.weight, l.initial), EG_ENOMEM,
                 "out of memory");
    assert_int_equal(eg_live_bytes(), live);
  }
  eg_alloc_fail_after(-1);
  assert_true(is_marked(l.states) && is_marked(l.gates) && is_marked(l.d_in) && is_marked(l.d_initial));
  drop(&l), eg_free(wide), eg_free(odd);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(equals_plain_loops),
      cmocka_unit_test(squares_over_sequences),
      cmocka_unit_test(bits_do_not_depend_on_threads),
      cmocka_unit_test(messages),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
