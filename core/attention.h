/* attention.h - one row of attention: scores to weights, dropout, and back; for the kernel halves of attention.c and
 * attention_last.c. */

#include "products.h"

/* Scores to weights, in place: the first `seen` of n keys are looked at, those under the mask are not. */
static void K(weigh)(real *s, int64_t seen, int64_t n, const uint8_t *mask, real scale) {
  real top = -INFINITY;
  double sum = 0;
  for (int64_t i = 0; i < seen; i++) s[i] = mask && mask[i] ? -INFINITY : s[i] * scale;
  for (int64_t i = 0; i < seen; i++) top = s[i] > top ? s[i] : top;
  for (int64_t i = 0; i < seen; i++) s[i] = eg_exp(s[i] - top);
  for (int64_t i = 0; mask && i < seen; i++) s[i] = mask[i] ? 0 : s[i]; /* where all are hidden it is -inf less -inf */
  for (int64_t i = 0; i < seen; i++) sum += (double)s[i];
  real by = sum == 0 ? 0 : (real)(1 / sum);
  for (int64_t i = 0; i < seen; i++) s[i] *= by;
  for (int64_t i = seen; i < n; i++) s[i] = 0;
}

/* out = the weights that dropout leaves, scaled up; the weights themselves without it. */
static void K(drop)(real *out, const real *weights, int64_t n, const uint8_t *kept, real scale) {
  if (!kept) memcpy(out, weights, (size_t)n * sizeof(real));
  else
    for (int64_t i = 0; i < n; i++) out[i] = kept[i] ? weights[i] * scale : 0;
}

/* Through dropout and softmax: grad (of the dropped weights, in place) becomes that of the scores before they were scaled. */
static void K(weigh_backward)(real *grad, const real *weights, int64_t n, const uint8_t *kept, real keep_scale,
                              real scale) {
  double sum = 0;
  if (kept)
    for (int64_t i = 0; i < n; i++) grad[i] = kept[i] ? grad[i] * keep_scale : 0;
  for (int64_t i = 0; i < n; i++) sum += (double)grad[i] * (double)weights[i];
  for (int64_t i = 0; i < n; i++) grad[i] = weights[i] * (grad[i] - (real)sum) * scale;
}
