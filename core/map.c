/* map.c - element-wise functions of one and two tensors. One line a function in the lists; the rest is the loop around. */
#include <math.h>

#include "nest.h"

typedef float f32;
typedef double f64;
typedef int64_t i64;
typedef uint8_t u8;

/* ---- unary: out = f(in) ---- */

#define DENSE (stride[0] == 1 && stride[1] == 1)

#define UNARY(name, T, R, expression)                                                                           \
  static void name##_##T(int64_t n, char *const *data, const int64_t *stride, const void *argument) {           \
    R *out = (R *)(void *)data[0];                                                                              \
    const T *in = (const T *)(const void *)data[1];                                                             \
    if (DENSE) {                                                                                                \
      for (int64_t i = 0; i < n; i++) {                                                                         \
        T x = in[i];                                                                                            \
        out[i] = (R)(expression);                                                                               \
      }                                                                                                         \
    } else {                                                                                                    \
      for (int64_t i = 0; i < n; i++) {                                                                         \
        T x = in[i * stride[1]];                                                                                \
        out[i * stride[0]] = (R)(expression);                                                                   \
      }                                                                                                         \
    }                                                                                                           \
  }

#define SQRT_HALF 0.70710678118654752440

/* name, code, float expression, double expression */
#define REAL_UNARY(X)                                                                                           \
  X(neg, EG_NEG, -x, -x)                                                                                        \
  X(absolute, EG_ABS, fabsf(x), fabs(x))                                                                        \
  X(sign, EG_SIGN, x != x ? x : (f32)((x > 0) - (x < 0)), x != x ? x : (f64)((x > 0) - (x < 0)))                \
  X(exponential, EG_EXP, expf(x), exp(x))                                                                       \
  X(exponential1, EG_EXPM1, expm1f(x), expm1(x))                                                                \
  X(logarithm, EG_LOG, logf(x), log(x))                                                                         \
  X(logarithm1, EG_LOG1P, log1pf(x), log1p(x))                                                                  \
  X(root, EG_SQRT, sqrtf(x), sqrt(x))                                                                           \
  X(inverse_root, EG_RSQRT, 1 / sqrtf(x), 1 / sqrt(x))                                                          \
  X(square, EG_SQUARE, x *x, x *x)                                                                              \
  X(reciprocal, EG_RECIPROCAL, 1 / x, 1 / x)                                                                    \
  X(sine, EG_SIN, sinf(x), sin(x))                                                                              \
  X(cosine, EG_COS, cosf(x), cos(x))                                                                            \
  X(hyperbolic, EG_TANH, tanhf(x), tanh(x))                                                                     \
  X(sigmoid, EG_SIGMOID, 1 / (1 + expf(-x)), 1 / (1 + exp(-x)))                                                 \
  X(softplus, EG_SOFTPLUS, fmaxf(x, 0) + log1pf(expf(-fabsf(x))), fmax(x, 0) + log1p(exp(-fabs(x))))            \
  X(relu, EG_RELU, x < 0 ? 0 : x, x < 0 ? 0 : x)                                                                \
  X(gelu, EG_GELU, x * 0.5f * (1 + erff(x * (f32)SQRT_HALF)), x * 0.5 * (1 + erf(x * SQRT_HALF)))               \
  X(error_function, EG_ERF, erff(x), erf(x))                                                                    \
  X(floor_, EG_FLOOR, floorf(x), floor(x))                                                                      \
  X(ceil_, EG_CEIL, ceilf(x), ceil(x))                                                                          \
  X(round_, EG_ROUND, rintf(x), rint(x))

/* Bit tests, so that no compiler flag about finite arithmetic can remove them. */
static inline bool finite_f32(f32 x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return (bits & 0x7f800000u) != 0x7f800000u;
}
static inline bool finite_f64(f64 x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  return (bits & 0x7ff0000000000000u) != 0x7ff0000000000000u;
}

#define DEFINE_REAL(name, code, single, twofold) UNARY(name, f32, f32, single) UNARY(name, f64, f64, twofold)
REAL_UNARY(DEFINE_REAL)
UNARY(isnan_, f32, u8, x != x)
UNARY(isnan_, f64, u8, x != x)
UNARY(isfinite_, f32, u8, finite_f32(x))
UNARY(isfinite_, f64, u8, finite_f64(x))
UNARY(not_, f32, u8, x == 0)
UNARY(not_, f64, u8, x == 0)
UNARY(not_, i64, u8, x == 0)
UNARY(not_, u8, u8, x == 0)
UNARY(neg, i64, i64, (i64)(0 - (uint64_t)x))
UNARY(neg, u8, u8, -x)
UNARY(absolute, i64, i64, x < 0 ? (i64)(0 - (uint64_t)x) : x)
UNARY(absolute, u8, u8, x)
UNARY(sign, i64, i64, (x > 0) - (x < 0))
UNARY(sign, u8, u8, x > 0)
UNARY(square, i64, i64, (i64)((uint64_t)x * (uint64_t)x))
UNARY(square, u8, u8, x *x)

/* By code and dtype (float32, float64, int64, uint8); NULL: not for this dtype. */
#define LIST_REAL(name, code, single, twofold) [code] = {name##_f32, name##_f64, NULL, NULL},
static const eg_row unary_rows[EG_UNARY_COUNT][4] = {REAL_UNARY(LIST_REAL)};
static const struct {
  int op;
  eg_row rows[4];
} more_unary_rows[] = {
    {EG_NEG, {neg_f32, neg_f64, neg_i64, neg_u8}},
    {EG_ABS, {absolute_f32, absolute_f64, absolute_i64, absolute_u8}},
    {EG_SIGN, {sign_f32, sign_f64, sign_i64, sign_u8}},
    {EG_SQUARE, {square_f32, square_f64, square_i64, square_u8}},
    {EG_ISNAN, {isnan__f32, isnan__f64, NULL, NULL}},
    {EG_ISFINITE, {isfinite__f32, isfinite__f64, NULL, NULL}},
    {EG_NOT, {not__f32, not__f64, not__i64, not__u8}},
};

static eg_row unary_row(int op, int dtype) {
  for (size_t i = 0; i < sizeof more_unary_rows / sizeof *more_unary_rows; i++)
    if (more_unary_rows[i].op == op) return more_unary_rows[i].rows[dtype];
  return unary_rows[op][dtype];
}

/* An output other than the inputs must not overlap them with other strides; Lua never makes such calls but for views. */
eg_status eg_unary(int op, eg_tensor *out, const eg_tensor *in) {
  if (op < 0 || op >= EG_UNARY_COUNT) return eg_fail(EG_EINVAL, "unary: unknown operation %d", op);
  EG_TRY(eg_check_same_shape("unary", "output", out, "input", in));
  bool mask = op == EG_ISNAN || op == EG_ISFINITE || op == EG_NOT;
  EG_TRY(eg_check_dtype("unary", "output", out, mask ? EG_UINT8 : in->dtype));
  eg_row row = unary_row(op, in->dtype);
  if (!row) return eg_check_real("unary", "input", in);
  return eg_nest("unary", row, NULL, out, in, NULL, NULL);
}

/* ---- unary backward: grad_in from grad_out and the saved input or output s ---- */

#define UNARY_BACKWARD(name, T, expression)                                                                     \
  static void name##_backward_##T(int64_t n, char *const *data, const int64_t *stride, const void *argument) {  \
    T *out = (T *)(void *)data[0];                                                                              \
    const T *grad = (const T *)(const void *)data[1], *saved = (const T *)(const void *)data[2];                \
    if (DENSE && stride[2] == 1) {                                                                              \
      for (int64_t i = 0; i < n; i++) {                                                                         \
        T g = grad[i], s = saved[i];                                                                            \
        out[i] = expression;                                                                                    \
      }                                                                                                         \
    } else {                                                                                                    \
      for (int64_t i = 0; i < n; i++) {                                                                         \
        T g = grad[i * stride[1]], s = saved[i * stride[2]];                                                    \
        out[i * stride[0]] = expression;                                                                        \
      }                                                                                                         \
    }                                                                                                           \
  }

#define INVERSE_ROOT_2PI 0.39894228040143267794
#define GELU_SLOPE(T, erf_, exp_) \
  (g * ((T)0.5 * (1 + erf_(s * (T)SQRT_HALF)) + s * (T)INVERSE_ROOT_2PI * exp_(s * s * (T)-0.5)))

#define BACKWARD(X)                                                                    \
  X(relu, EG_RELU, s > 0 ? g : 0, s > 0 ? g : 0)                                       \
  X(hyperbolic, EG_TANH, g *(1 - s * s), g *(1 - s * s))                               \
  X(sigmoid, EG_SIGMOID, g *s *(1 - s), g *s *(1 - s))                                 \
  X(exponential, EG_EXP, g *s, g *s)                                                   \
  X(root, EG_SQRT, g / (2 * s), g / (2 * s))                                           \
  X(inverse_root, EG_RSQRT, g *s *s *s * -0.5f, g *s *s *s * -0.5)                     \
  X(gelu, EG_GELU, GELU_SLOPE(f32, erff, expf), GELU_SLOPE(f64, erf, exp))             \
  X(absolute, EG_ABS, s > 0 ? g : s < 0 ? -g : 0 * s, s > 0 ? g : s < 0 ? -g : 0 * s)  \
  X(logarithm, EG_LOG, g / s, g / s)                                                   \
  X(square, EG_SQUARE, 2 * g * s, 2 * g * s)                                           \
  X(sine, EG_SIN, g *cosf(s), g *cos(s))                                               \
  X(cosine, EG_COS, -g * sinf(s), -g * sin(s))                                         \
  X(softplus, EG_SOFTPLUS, g / (1 + expf(-s)), g / (1 + exp(-s)))

#define DEFINE_BACKWARD(name, code, single, twofold) UNARY_BACKWARD(name, f32, single) UNARY_BACKWARD(name, f64, twofold)
BACKWARD(DEFINE_BACKWARD)

#define LIST_BACKWARD(name, code, single, twofold) [code] = {name##_backward_f32, name##_backward_f64},
static const eg_row backward_rows[EG_UNARY_COUNT][2] = {BACKWARD(LIST_BACKWARD)};

eg_status eg_unary_backward(int op, eg_tensor *grad_in, const eg_tensor *grad_out, const eg_tensor *saved) {
  if (op < 0 || op >= EG_UNARY_COUNT || !backward_rows[op][0])
    return eg_fail(EG_EINVAL, "unary backward: operation %d has no kernel", op);
  EG_TRY(eg_check_real("unary backward", "gradient", grad_out));
  EG_TRY(eg_check_same_shape("unary backward", "output", grad_in, "gradient", grad_out));
  EG_TRY(eg_check_same_shape("unary backward", "saved", saved, "gradient", grad_out));
  EG_TRY(eg_check_same_dtype("unary backward", "output", grad_in, "gradient", grad_out));
  EG_TRY(eg_check_same_dtype("unary backward", "saved", saved, "gradient", grad_out));
  return eg_nest("unary backward", backward_rows[op][grad_out->dtype], NULL, grad_in, grad_out, saved, NULL);
}

/* ---- binary: out = f(a, b) ---- */

#define BINARY(name, T, R, expression)                                                                          \
  static void name##_##T(int64_t n, char *const *data, const int64_t *stride, const void *argument) {           \
    R *out = (R *)(void *)data[0];                                                                              \
    const T *a = (const T *)(const void *)data[1], *b = (const T *)(const void *)data[2];                       \
    if (DENSE && stride[2] == 1) {                                                                              \
      for (int64_t i = 0; i < n; i++) {                                                                         \
        T x = a[i], y = b[i];                                                                                   \
        out[i] = (R)(expression);                                                                               \
      }                                                                                                         \
    } else if (DENSE && stride[2] == 0) {                                                                       \
      T y = b[0];                                                                                               \
      for (int64_t i = 0; i < n; i++) {                                                                         \
        T x = a[i];                                                                                             \
        out[i] = (R)(expression);                                                                               \
      }                                                                                                         \
    } else {                                                                                                    \
      for (int64_t i = 0; i < n; i++) {                                                                         \
        T x = a[i * stride[1]], y = b[i * stride[2]];                                                           \
        out[i * stride[0]] = (R)(expression);                                                                   \
      }                                                                                                         \
    }                                                                                                           \
  }

static inline f32 modulo_f32(f32 x, f32 y) {
  f32 r = fmodf(x, y);
  return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}
static inline f64 modulo_f64(f64 x, f64 y) {
  f64 r = fmod(x, y);
  return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}
/* Division to floor; -1 apart, since the most negative number has no negative. */
static inline i64 floor_divide(i64 x, i64 y) {
  if (y == 0) return 0;
  if (y == -1) return (i64)(0 - (uint64_t)x);
  return x / y - (x % y != 0 && (x < 0) != (y < 0));
}
static inline i64 floor_remainder(i64 x, i64 y) {
  if (y == 0 || y == -1) return 0;
  i64 r = x % y;
  return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}
static i64 whole_power(i64 x, i64 y) {
  uint64_t result = 1, base = (uint64_t)x;
  if (y < 0) return x == 1 ? 1 : x == -1 ? (y % 2 ? -1 : 1) : 0;
  for (; y; y >>= 1, base *= base)
    if (y & 1) result *= base;
  return (i64)result;
}

/* name, code, real expressions (single, double), int64, uint8 */
#define ARITHMETIC(X)                                                                                           \
  X(add, EG_ADD, x + y, x + y, (i64)((uint64_t)x + (uint64_t)y), x + y)                                         \
  X(subtract, EG_SUB, x - y, x - y, (i64)((uint64_t)x - (uint64_t)y), x - y)                                    \
  X(multiply, EG_MUL, x *y, x *y, (i64)((uint64_t)x * (uint64_t)y), x *y)                                       \
  X(divide, EG_DIV, x / y, x / y, floor_divide(x, y), y ? x / y : 0)                                            \
  X(power, EG_POW, powf(x, y), pow(x, y), whole_power(x, y), (u8)whole_power(x, y))                                 \
  X(remainder_, EG_REMAINDER, modulo_f32(x, y), modulo_f64(x, y), floor_remainder(x, y), y ? x % y : 0)   \
  X(larger, EG_MAXIMUM, x != x || x > y ? x : y, x != x || x > y ? x : y, x > y ? x : y, x > y ? x : y)         \
  X(smaller, EG_MINIMUM, x != x || x < y ? x : y, x != x || x < y ? x : y, x < y ? x : y, x < y ? x : y)

#define COMPARISON(X)                     \
  X(equal, EG_EQ, x == y)                 \
  X(different, EG_NE, x != y)             \
  X(less, EG_LT, x < y)                   \
  X(less_or_equal, EG_LE, x <= y)         \
  X(greater, EG_GT, x > y)                \
  X(greater_or_equal, EG_GE, x >= y)      \
  X(both, EG_AND, (x != 0) & (y != 0))    \
  X(either, EG_OR, (x != 0) | (y != 0))

#define DEFINE_ARITHMETIC(name, code, single, twofold, whole, byte)                                   \
  BINARY(name, f32, f32, single) BINARY(name, f64, f64, twofold) BINARY(name, i64, i64, whole) BINARY(name, u8, u8, byte)
#define DEFINE_COMPARISON(name, code, expression)                                     \
  BINARY(name, f32, u8, expression) BINARY(name, f64, u8, expression) BINARY(name, i64, u8, expression) \
      BINARY(name, u8, u8, expression)
ARITHMETIC(DEFINE_ARITHMETIC)
COMPARISON(DEFINE_COMPARISON)

#define LIST_ARITHMETIC(name, code, single, twofold, whole, byte) [code] = {name##_f32, name##_f64, name##_i64, name##_u8},
#define LIST_COMPARISON(name, code, expression) [code] = {name##_f32, name##_f64, name##_i64, name##_u8},
static const eg_row binary_rows[EG_BINARY_COUNT][4] = {ARITHMETIC(LIST_ARITHMETIC) COMPARISON(LIST_COMPARISON)};

static bool is_comparison(int op) { return op >= EG_EQ; }

static void look_for_zero(int64_t n, char *const *data, const int64_t *stride, const void *argument) {
  i64 *found = *(i64 *const *)argument;
  i64 zero = 0;
  for (int64_t i = 0; i < n; i++) zero |= ((const i64 *)(const void *)data[0])[i * stride[0]] == 0;
  if (zero) __atomic_store_n(found, 1, __ATOMIC_RELAXED);
}
static void look_for_zero_byte(int64_t n, char *const *data, const int64_t *stride, const void *argument) {
  i64 *found = *(i64 *const *)argument;
  i64 zero = 0;
  for (int64_t i = 0; i < n; i++) zero |= ((const u8 *)data[0])[i * stride[0]] == 0;
  if (zero) __atomic_store_n(found, 1, __ATOMIC_RELAXED);
}

/* Whole numbers have no infinity to give: a zero divisor is an error before anything is written. */
static eg_status check_divisor(int op, const eg_tensor *b) {
  if ((op != EG_DIV && op != EG_REMAINDER) || b->dtype <= EG_FLOAT64) return EG_OK;
  i64 found = 0, *where = &found;
  EG_TRY(eg_nest_in_order("binary", b->dtype == EG_INT64 ? look_for_zero : look_for_zero_byte, &where, b, NULL, NULL, NULL));
  if (found) return eg_fail(EG_EINVAL, "binary: division of %s by zero", eg_dtype_name(b->dtype));
  return EG_OK;
}

eg_status eg_binary(int op, eg_tensor *out, const eg_tensor *a, const eg_tensor *b) {
  if (op < 0 || op >= EG_BINARY_COUNT) return eg_fail(EG_EINVAL, "binary: unknown operation %d", op);
  EG_TRY(eg_check_same_dtype("binary", "first operand", a, "second operand", b));
  EG_TRY(eg_check_dtype("binary", "output", out, is_comparison(op) ? EG_UINT8 : a->dtype));
  EG_TRY(check_divisor(op, b));
  return eg_nest("binary", binary_rows[op][a->dtype], NULL, out, a, b, NULL);
}

/* The number as a tensor of one element on the stack. */
static eg_tensor scalar_of(int dtype, double value, void *room) {
  if (dtype == EG_FLOAT32) *(f32 *)room = (f32)value;
  else if (dtype == EG_FLOAT64) *(f64 *)room = value;
  else if (dtype == EG_INT64) *(i64 *)room = (i64)value;
  else *(u8 *)room = (u8)(i64)value;
  return (eg_tensor){.data = room, .count = 1, .dtype = dtype, .contiguous = 1};
}

eg_status eg_binary_scalar(int op, eg_tensor *out, const eg_tensor *in, double value, int reversed) {
  EG_TRY(eg_check_live("binary", "operand", in));
  EG_TRY(eg_check_live("binary", "output", out));
  if (in->dtype > EG_FLOAT64 && !(fabs(value) < 9.2e18))
    return eg_fail(EG_EINVAL, "binary: %g does not fit into %s", value, eg_dtype_name(in->dtype));
  double room;
  eg_tensor number = scalar_of(in->dtype, value, &room);
  if (op == EG_POW && !reversed && value == 2 && in->dtype <= EG_FLOAT64) return eg_unary(EG_SQUARE, out, in);
  return reversed ? eg_binary(op, out, &number, in) : eg_binary(op, out, in, &number);
}
