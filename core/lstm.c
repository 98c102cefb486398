/* lstm.c - long short-term memory (Hochreiter and Schmidhuber 1997), one layer over all steps; gates in PyTorch's order i f g o.
 *
 *   a = gates_in[t] + h Wh^T;   i f o = sigmoid of their parts, g = tanh of its;   c = f c + i g;   h = o tanh(c)
 * A group of samples goes through all its steps by itself. */

#ifdef REAL

#include "products.h"

static inline real K(sigmoid)(real x) { return 1 / (1 + eg_exp(-x)); }

/* Gates before their functions to gates, in place, and the new state (h, c) from the old c. */
static void K(step)(int64_t n, real *restrict gate, real *restrict state, const real *restrict c) {
  for (int64_t j = 0; j < n; j++) gate[j] = K(sigmoid)(gate[j]), gate[n + j] = K(sigmoid)(gate[n + j]);
  for (int64_t j = 0; j < n; j++) gate[2 * n + j] = eg_tanh(gate[2 * n + j]);
  for (int64_t j = 0; j < n; j++) gate[3 * n + j] = K(sigmoid)(gate[3 * n + j]);
  for (int64_t j = 0; j < n; j++) state[n + j] = gate[n + j] * c[j] + gate[j] * gate[2 * n + j];
  for (int64_t j = 0; j < n; j++) state[j] = gate[3 * n + j] * eg_tanh(state[n + j]);
}

/* The state (h, c) before step t of a sample. */
static const real *K(before)(const work *w, int64_t sample, int64_t t) {
  if (t == 0) return (const real *)w->initial + sample * 2 * w->hidden;
  return (const real *)w->states + (sample * w->steps + t - 1) * 2 * w->hidden;
}

static void K(forward_group)(const work *w, int64_t first, int64_t samples) {
  int64_t n = w->hidden;
  for (int64_t t = 0; t < w->steps; t++) {
    real *gates = (real *)w->gates + (first * w->steps + t) * 4 * n;
    const real *h = K(before)(w, first, t);
    for (int64_t i = 0; i < samples; i++)
      memcpy(gates + i * w->steps * 4 * n, (const real *)w->in + ((first + i) * w->steps + t) * 4 * n,
             (size_t)(4 * n) * sizeof(real));
    K(product)(samples, 4 * n, n, gates, w->steps * 4 * n, h, t ? w->steps * 2 * n : 2 * n, 1, w->turned, 4 * n, true);
    for (int64_t i = 0; i < samples; i++) K(step)
    (n, gates + i * w->steps * 4 * n, (real *)w->states + ((first + i) * w->steps + t) * 2 * n,
     K(before)(w, first + i, t) + n);
  }
}

/* From the gradients dh, dc of the state after a step to those of the gates before their functions, and dc before the step. */
static void K(step_backward)(int64_t n, real *restrict grad, real *restrict dh, real *restrict dc,
                             const real *restrict gate, const real *restrict c_after, const real *restrict c_before) {
  for (int64_t j = 0; j < n; j++) {
    real i = gate[j], f = gate[n + j], g = gate[2 * n + j], o = gate[3 * n + j], u = eg_tanh(c_after[j]);
    real d = dc[j] + dh[j] * o * (1 - u * u);
    grad[j] = d * g * i * (1 - i);
    grad[n + j] = d * c_before[j] * f * (1 - f);
    grad[2 * n + j] = d * i * (1 - g * g);
    grad[3 * n + j] = dh[j] * u * o * (1 - o);
    dc[j] = d * f;
  }
}

/* d_initial serves as dh and dc of each sample on the way back. */
static void K(backward_group)(const work *w, int64_t first, int64_t samples) {
  int64_t n = w->hidden;
  real *d = (real *)w->d_initial + first * 2 * n;
  memset(d, 0, (size_t)(samples * 2 * n) * sizeof(real));
  for (int64_t t = w->steps - 1; t >= 0; t--) {
    for (int64_t i = 0; i < samples; i++) {
      int64_t at = (first + i) * w->steps + t;
      const real *grad = (const real *)w->grad + at * 2 * n;
      for (int64_t j = 0; j < 2 * n; j++) d[i * 2 * n + j] += grad[j];
      K(step_backward)
      (n, (real *)w->d_in + at * 4 * n, d + i * 2 * n, d + i * 2 * n + n, (const real *)w->gates + at * 4 * n,
       (const real *)w->states + at * 2 * n + n, K(before)(w, first + i, t) + n);
    }
    K(product)
    (samples, n, 4 * n, d, 2 * n, (const real *)w->d_in + (first * w->steps + t) * 4 * n, w->steps * 4 * n, 1,
     w->weight, n, false);
  }
}

static void K(turn_weight)(void *to, const void *from, int64_t n) { K(turn)(to, 4 * n, from, n, 4 * n, n); }

#else
#include "exponential.h"
#include "internal.h"

#pragma GCC optimize("fp-contract=fast")

enum { GROUP = 16 }; /* samples that go together */

typedef struct work {
  const void *in, *weight, *initial, *grad;
  void *states, *gates, *d_in, *d_initial, *turned;
  int64_t n, steps, hidden;
  int dtype;
  eg_tensor *copies[4];
} work;

#define EG_KERNELS "lstm.c"
#include "real.h"

static eg_status check_like(const char *op, const char *name, const eg_tensor *t, int dtype, int dims,
                            const int64_t *size, bool written) {
  EG_TRY(eg_check_dtype(op, name, t, dtype));
  EG_TRY(eg_check_shape(op, name, t, dims, size));
  return written ? eg_check_contiguous(op, name, t) : EG_OK;
}

/* Shapes of what both directions have. */
static eg_status check_all(const char *op, work *w, const eg_tensor *states, const eg_tensor *gates,
                           const eg_tensor *weight, const eg_tensor *initial) {
  EG_TRY(eg_check_real(op, "weight", weight));
  EG_TRY(eg_check_dims(op, "weight", weight, 2));
  int64_t n = weight->size[1];
  EG_TRY(eg_check_shape(op, "weight", weight, 2, (const int64_t[]){4 * n, n}));
  EG_TRY(eg_check_live(op, "states", states));
  EG_TRY(eg_check_dims(op, "states", states, 3));
  const int64_t all[] = {states->size[0], states->size[1], 2 * n}, of_gates[] = {all[0], all[1], 4 * n};
  const int64_t of_initial[] = {all[0], 2 * n};
  EG_TRY(check_like(op, "states", states, weight->dtype, 3, all, true));
  EG_TRY(check_like(op, "gates", gates, weight->dtype, 3, of_gates, true));
  EG_TRY(check_like(op, "initial state", initial, weight->dtype, 2, of_initial, false));
  *w = (work){.n = all[0], .steps = all[1], .hidden = n, .dtype = weight->dtype};
  w->states = states->data, w->gates = gates->data;
  EG_TRY(eg_elements(initial, &w->copies[0], &w->initial));
  eg_status status = eg_elements(weight, &w->copies[1], &w->weight);
  if (status) eg_free(w->copies[0]);
  return status;
}

static void close_work(work *w) {
  for (size_t i = 0; i < sizeof w->copies / sizeof *w->copies; i++) eg_free(w->copies[i]);
}

static void forward_tile(void *context, int64_t tile) {
  const work *w = context;
  EG_REAL(w->dtype, forward_group)(w, tile * GROUP, EG_MIN(GROUP, w->n - tile * GROUP));
}

static void backward_tile(void *context, int64_t tile) {
  const work *w = context;
  EG_REAL(w->dtype, backward_group)(w, tile * GROUP, EG_MIN(GROUP, w->n - tile * GROUP));
}

static int64_t cost(const work *w) { return w->n * w->steps * w->hidden * EG_MAX(w->hidden / 2, 16); }

eg_status eg_lstm_forward(eg_tensor *states, eg_tensor *gates, const eg_tensor *in, const eg_tensor *weight,
                          const eg_tensor *initial) {
  static const char *op = "lstm";
  work w;
  EG_TRY(check_all(op, &w, states, gates, weight, initial));
  size_t bytes = (size_t)(4 * w.hidden * w.hidden) * eg_element_size(w.dtype);
  eg_status status = check_like(op, "input", in, w.dtype, 3, gates->size, false);
  if (!status) status = eg_elements(in, &w.copies[2], &w.in);
  w.turned = status ? NULL : eg_block_new(bytes);
  if (!status && !w.turned) status = EG_ENOMEM;
  if (!status) {
    EG_REAL(w.dtype, turn_weight)(w.turned, w.weight, w.hidden);
    status = eg_parallel_over(cost(&w), eg_tiles(w.n, GROUP), forward_tile, &w);
    eg_block_free(w.turned, bytes);
  }
  close_work(&w);
  return status;
}

eg_status eg_lstm_backward(eg_tensor *d_in, eg_tensor *d_initial, const eg_tensor *grad, const eg_tensor *states,
                           const eg_tensor *gates, const eg_tensor *weight, const eg_tensor *initial) {
  static const char *op = "lstm backward";
  work w;
  EG_TRY(check_all(op, &w, states, gates, weight, initial));
  eg_status status = check_like(op, "output gradient", grad, w.dtype, 3, states->size, false);
  if (!status) status = check_like(op, "input gradient", d_in, w.dtype, 3, gates->size, true);
  if (!status) status = check_like(op, "gradient of the initial state", d_initial, w.dtype, 2, initial->size, true);
  if (!status) status = eg_elements(grad, &w.copies[3], &w.grad);
  if (!status) {
    w.d_in = d_in->data, w.d_initial = d_initial->data;
    status = eg_parallel_over(cost(&w), eg_tiles(w.n, GROUP), backward_tile, &w);
  }
  close_work(&w);
  return status;
}
#endif
