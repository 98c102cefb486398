/* Lion (Chen et al. 2023, arXiv 2302.06675): every weight takes a step of one size, against the sign of a mean of its gradient and its
 * momentum; the momentum then keeps a share of itself.
 *
 *     c <- beta1 m + (1 - beta1) g;   w <- w - lr (sign(c) + weight_decay w);   m <- beta2 m + (1 - beta2) g
 *
 * Compile it (core/ is the folder of engram_plugin.h: PREFIX/include/engram of an installed Engram) and use it:
 *
 *     cc -std=c11 -O2 -shared -fPIC -I core experiments/plugins/lion.c -o lion.so
 *     engram plugin check ./lion.so
 *     engram run --plugin ./lion.so FILE                       then optim.Lion(model, { lr = 1e-4 })
 *
 * A NaN in the gradient makes its weight NaN, which ends a training, rather than hiding in the momentum. */
#include "engram_plugin.h"

enum { LR, BETA1, BETA2, WEIGHT_DECAY };
enum { MOMENTUM };

static const engram_hyper hyper[] = {
    [LR] = ENGRAM_HYPER(.name = "lr", .initial = 1e-4, .minimum = 0, .maximum = INFINITY, .doc = "size of a step"),
    [BETA1] = ENGRAM_HYPER(.name = "beta1", .initial = 0.9, .minimum = 0, .maximum = 1,
                           .doc = "share of the momentum in a step"),
    [BETA2] =
        ENGRAM_HYPER(.name = "beta2", .initial = 0.99, .minimum = 0, .maximum = 1, .doc = "share of the momentum kept"),
    [WEIGHT_DECAY] = ENGRAM_HYPER(.name = "weight_decay", .initial = 0, .minimum = 0, .maximum = INFINITY,
                                  .doc = "pull towards zero, apart from the gradient"),
};

static const engram_slot slot[] = {
    [MOMENTUM] = ENGRAM_SLOT(.name = "momentum", .like = ENGRAM_LIKE_PARAMETER, .doc = "running mean of gradients"),
};

/* The weights first .. first + count - 1 of a view, in either type; returns how many of them changed. */
#define LION(real, name)                                                                                               \
  static double name(void *context, int64_t first, int64_t count) {                                                    \
    const engram_view *v = context;                                                                                    \
    real *w = (real *)v->data + first, *m = (real *)v->slots[MOMENTUM] + first;                                        \
    const real *g = (const real *)v->grad + first;                                                                     \
    const real lr = (real)v->hyper[LR], decay = (real)(v->hyper[LR] * v->hyper[WEIGHT_DECAY]);                         \
    const real beta1 = (real)v->hyper[BETA1], rest1 = (real)(1 - v->hyper[BETA1]);                                     \
    const real beta2 = (real)v->hyper[BETA2], rest2 = (real)(1 - v->hyper[BETA2]);                                     \
    int64_t moved = 0;                                                                                                 \
    for (int64_t i = 0; i < count; i++) {                                                                              \
      const real c = beta1 * m[i] + rest1 * g[i], before = w[i];                                                       \
      const real sign = c > 0 ? 1 : c < 0 ? -1 : c; /* 0 stays 0, and NaN stays NaN */                                 \
      w[i] = before - lr * sign - decay * before;                                                                      \
      m[i] = beta2 * m[i] + rest2 * g[i];                                                                              \
      moved += w[i] != before;                                                                                         \
    }                                                                                                                  \
    return (double)moved;                                                                                              \
  }

LION(float, lion_float32)
LION(double, lion_float64)

static engram_status step(void *state, engram_view *v) {
  (void)state;
  v->moved = (int64_t)v->host->parallel_sum(v->count, v->dtype == ENGRAM_FLOAT32 ? lion_float32 : lion_float64, v);
  return ENGRAM_OK;
}

ENGRAM_PLUGIN(.name = "Lion", .version = "1.0", .licence = "MIT",
              .doc = "steps of one size against the sign of the momentum", .source = "arXiv 2302.06675", .hyper = hyper,
              .hypers = 4, .slot = slot, .slots = 1, .step = step)
