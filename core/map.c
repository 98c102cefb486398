/* map.c - element-wise functions of one tensor: a line for each in the list of values; of those that layers
 * use, slopes in one pass. */

#ifdef ELEMENT

/* out = f(in); the argument is the operation. */
static void E(unary)(int64_t n, char *const *data, const int64_t *stride, const void *argument) {
  const element *in = (const void *)data[1];
  switch (*(const int *)argument) {
#if ELEMENT_REAL
    case EG_NEG: MAP(element, -x); break;
    case EG_ABS: MAP(element, fabs(x)); break;
    case EG_SIGN: MAP(element, x > 0 ? 1 : x < 0 ? -1 : x); break;
    case EG_EXP: MAP(element, eg_exp(x)); break;
    case EG_EXPM1: MAP(element, expm1(x)); break;
    case EG_LOG: MAP(element, log(x)); break;
    case EG_LOG1P: MAP(element, log1p(x)); break;
    case EG_SQRT: MAP(element, sqrt(x)); break;
    case EG_RSQRT: MAP(element, 1 / sqrt(x)); break;
    case EG_SQUARE: MAP(element, x * x); break;
    case EG_RECIPROCAL: MAP(element, 1 / x); break;
    case EG_SIN: MAP(element, sin(x)); break;
    case EG_COS: MAP(element, cos(x)); break;
    case EG_TANH: MAP(element, eg_tanh(x)); break;
    case EG_SIGMOID: MAP(element, 1 / (1 + eg_exp(-x))); break;
    case EG_SOFTPLUS: MAP(element, (x > 0 ? x : 0) + log1p(eg_exp(-fabs(x)))); break;
    case EG_RELU: MAP(element, x <= 0 ? 0 : x); break;
    case EG_GELU: MAP(element, x * (element)0.5 * eg_erfc(x * -(element)SQRT_HALF)); break;
    case EG_ERF: MAP(element, erf(x)); break;
    case EG_FLOOR: MAP(element, floor(x)); break;
    case EG_CEIL: MAP(element, ceil(x)); break;
    case EG_ROUND: MAP(element, rint(x)); break;
    case EG_ISNAN: MAP(uint8_t, x != x); break;
    case EG_ISFINITE: MAP(uint8_t, fabs(x) <= T(most)); break;
#else
    case EG_NEG: MAP(element, -(wide)x); break;
    case EG_ABS: MAP(element, negative(x) ? -(wide)x : (wide)x); break;
    case EG_SIGN: MAP(element, negative(x) ? -1 : x != 0); break;
    case EG_SQUARE: MAP(element, (wide)x * (wide)x); break;
#endif
    case EG_NOT: MAP(uint8_t, x == 0); break;
  }
}

#if ELEMENT_REAL
/* grad_in = g f'(s) for the functions of layers: operands grad_in, grad_out g, and s, the saved output (of GELU the input). */
static void E(unary_backward)(int64_t n, char *const *data, const int64_t *stride, const void *argument) {
  const element *grad = (const void *)data[1], *saved = (const void *)data[2];
  switch (*(const int *)argument) {
    case EG_RELU: MAP_SLOPE(s <= 0 ? 0 : g); break; /* NaN passes the gradient */
    case EG_TANH: MAP_SLOPE(g * (1 - s * s)); break;
    case EG_SIGMOID: MAP_SLOPE(g * s * (1 - s)); break;
    case EG_EXP: MAP_SLOPE(g * s); break;
    case EG_SQRT: MAP_SLOPE(g / (2 * s)); break;
    case EG_RSQRT: MAP_SLOPE(g * s * s * s * (element)-0.5); break;
    case EG_GELU:
      MAP_SLOPE(g * ((element)0.5 * eg_erfc(s * -(element)SQRT_HALF) +
                     s * (element)NORMAL_PEAK * eg_exp(s * s * (element)-0.5)));
      break;
  }
}
#endif

#else
#include <float.h>
#include <stdio.h>
#include <tgmath.h>

#include "exponential.h"
#include "nest.h"

#define SQRT_HALF 0.70710678118654752440
#define NORMAL_PEAK 0.39894228040143267794 /* 1 / sqrt(2 pi) */

static const float most_float32 = FLT_MAX;
static const double most_float64 = DBL_MAX;

static inline bool negative(int64_t x) { return x < 0; }

/* out[i] = value of x = in[i], converted to R. Rows may lie over each other in step, so iterations are independent. */
#define MAP(R, value)                                                                                                  \
  do {                                                                                                                 \
    R *out = (void *)data[0];                                                                                          \
    if (stride[0] == 1 && stride[1] == 1) {                                                                            \
      _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) {                                                           \
        element x = in[i];                                                                                             \
        out[i] = (R)(value);                                                                                           \
      }                                                                                                                \
    } else                                                                                                             \
      for (int64_t i = 0; i < n; i++) {                                                                                \
        element x = in[i * stride[1]];                                                                                 \
        out[i * stride[0]] = (R)(value);                                                                               \
      }                                                                                                                \
  } while (0)

/* out[i] = value of g = grad[i] and s = saved[i] */
#define MAP_SLOPE(value)                                                                                               \
  do {                                                                                                                 \
    element *out = (void *)data[0];                                                                                    \
    if (stride[0] == 1 && stride[1] == 1 && stride[2] == 1) {                                                          \
      _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) {                                                           \
        element g = grad[i], s = saved[i];                                                                             \
        (void)g, (void)s, out[i] = (element)(value);                                                                   \
      }                                                                                                                \
    } else                                                                                                             \
      for (int64_t i = 0; i < n; i++) {                                                                                \
        element g = grad[i * stride[1]], s = saved[i * stride[2]];                                                     \
        (void)g, (void)s, out[i * stride[0]] = (element)(value);                                                       \
      }                                                                                                                \
  } while (0)

#define EG_ELEMENTS "map.c"
#include "element.h"

static const char *const names[] = {"neg",     "abs",      "sign",     "exp",        "expm1", "log",   "log1p",
                                    "sqrt",    "rsqrt",    "square",   "reciprocal", "sin",   "cos",   "tanh",
                                    "sigmoid", "softplus", "relu",     "gelu",       "erf",   "floor", "ceil",
                                    "round",   "isnan",    "isfinite", "not"};
_Static_assert(sizeof names / sizeof *names == EG_UNARY_COUNT, "a name for each operation");

eg_status eg_unary(int op, eg_tensor *out, const eg_tensor *in) {
  if (op < 0 || op >= EG_UNARY_COUNT) return eg_fail(EG_EINVAL, "unary: unknown operation %d", op);
  const char *name = names[op];
  EG_TRY(eg_check_live(name, "input", in));
  bool any_dtype = op == EG_NEG || op == EG_ABS || op == EG_SIGN || op == EG_SQUARE || op == EG_NOT;
  bool mask = op == EG_ISNAN || op == EG_ISFINITE || op == EG_NOT;
  if (!any_dtype) EG_TRY(eg_check_real(name, "input", in));
  EG_TRY(eg_check_dtype(name, "output", out, mask ? EG_UINT8 : in->dtype));
  EG_TRY(eg_check_same_shape(name, "output", out, "input", in));
  return eg_nest(name, EG_ELEMENT(in->dtype, unary), &op, out, in, NULL, NULL);
}

eg_status eg_unary_backward(int op, eg_tensor *grad_in, const eg_tensor *grad_out, const eg_tensor *saved) {
  char name[32];
  bool known = op == EG_RELU || op == EG_TANH || op == EG_SIGMOID || op == EG_EXP || op == EG_SQRT || op == EG_RSQRT ||
               op == EG_GELU;
  if (!known) return eg_fail(EG_EINVAL, "unary backward: operation %d has no slope here", op);
  snprintf(name, sizeof name, "%s backward", names[op]);
  EG_TRY(eg_check_real(name, "gradient", grad_out));
  EG_TRY(eg_check_same_dtype(name, "saved", saved, "gradient", grad_out));
  EG_TRY(eg_check_same_dtype(name, "output", grad_in, "gradient", grad_out));
  EG_TRY(eg_check_same_shape(name, "saved", saved, "gradient", grad_out));
  EG_TRY(eg_check_same_shape(name, "output", grad_in, "gradient", grad_out));
  bool single = grad_out->dtype == EG_FLOAT32;
  eg_row row = single ? EG_OF_SET(unary_backward_float32) : EG_OF_SET(unary_backward_float64);
  return eg_nest(name, row, &op, grad_in, grad_out, saved, NULL);
}
#endif
