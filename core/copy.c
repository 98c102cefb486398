/* copy.c - filling, copying with conversion, choosing and clamping. */
#include <math.h>

#include "nest.h"

typedef float f32;
typedef double f64;
typedef int64_t i64;
typedef uint8_t u8;

/* ---- fill ---- */

#define FILL(T)                                                                                        \
  static void fill_##T(int64_t n, char *const *data, const int64_t *stride, const void *argument) {    \
    T *out = (T *)(void *)data[0], value = *(const T *)argument;                                       \
    if (stride[0] == 1)                                                                                \
      for (int64_t i = 0; i < n; i++) out[i] = value;                                                  \
    else                                                                                               \
      for (int64_t i = 0; i < n; i++) out[i * stride[0]] = value;                                      \
  }
FILL(f32)
FILL(f64)
FILL(i64)
FILL(u8)

eg_status eg_fill(eg_tensor *out, double value) {
  EG_TRY(eg_check_live("fill", "tensor", out));
  union {
    f32 single;
    f64 twofold;
    i64 whole;
    u8 byte;
  } v;
  if (out->dtype > EG_FLOAT64 && !(fabs(value) < 9.2e18))
    return eg_fail(EG_EINVAL, "fill: %g does not fit into %s", value, eg_dtype_name(out->dtype));
  if (out->dtype == EG_FLOAT32) v.single = (f32)value;
  else if (out->dtype == EG_FLOAT64) v.twofold = value;
  else if (out->dtype == EG_INT64) v.whole = (i64)value;
  else v.byte = (u8)(i64)value;
  static const eg_row rows[] = {fill_f32, fill_f64, fill_i64, fill_u8};
  return eg_nest("fill", rows[out->dtype], &v, out, NULL, NULL, NULL);
}

/* ---- copy: out = in, converted ---- */

/* Real numbers out of the range of whole ones become the nearest end; NaN becomes 0. */
static inline i64 whole(f64 x) {
  if (x != x) return 0;
  if (x >= 9223372036854775807.0) return INT64_MAX;
  if (x <= -9223372036854775808.0) return INT64_MIN;
  return (i64)x;
}

#define COPY(R, T, expression)                                                                              \
  static void copy_##R##_##T(int64_t n, char *const *data, const int64_t *stride, const void *argument) {   \
    R *out = (R *)(void *)data[0];                                                                          \
    const T *in = (const T *)(const void *)data[1];                                                         \
    if (stride[0] == 1 && stride[1] == 1)                                                                   \
      for (int64_t i = 0; i < n; i++) {                                                                     \
        T x = in[i];                                                                                        \
        out[i] = (R)(expression);                                                                           \
      }                                                                                                     \
    else                                                                                                    \
      for (int64_t i = 0; i < n; i++) {                                                                     \
        T x = in[i * stride[1]];                                                                            \
        out[i * stride[0]] = (R)(expression);                                                               \
      }                                                                                                     \
  }
#define COPY_FROM(T) COPY(f32, T, x) COPY(f64, T, x)
COPY_FROM(f32)
COPY_FROM(f64)
COPY_FROM(i64)
COPY_FROM(u8)
COPY(i64, f32, whole(x))
COPY(i64, f64, whole(x))
COPY(i64, i64, x)
COPY(i64, u8, x)
COPY(u8, f32, whole(x))
COPY(u8, f64, whole(x))
COPY(u8, i64, x)
COPY(u8, u8, x)

eg_status eg_copy(eg_tensor *out, const eg_tensor *in) {
  static const eg_row rows[4][4] = {{copy_f32_f32, copy_f32_f64, copy_f32_i64, copy_f32_u8},
                                    {copy_f64_f32, copy_f64_f64, copy_f64_i64, copy_f64_u8},
                                    {copy_i64_f32, copy_i64_f64, copy_i64_i64, copy_i64_u8},
                                    {copy_u8_f32, copy_u8_f64, copy_u8_i64, copy_u8_u8}};
  EG_TRY(eg_check_live("copy", "output", out));
  EG_TRY(eg_check_live("copy", "input", in));
  return eg_nest("copy", rows[out->dtype][in->dtype], NULL, out, in, NULL, NULL);
}

/* ---- add_scaled: out = a + alpha * b ---- */

#define ADD_SCALED(T)                                                                                        \
  static void add_scaled_##T(int64_t n, char *const *data, const int64_t *stride, const void *argument) {    \
    T *out = (T *)(void *)data[0];                                                                           \
    const T *a = (const T *)(const void *)data[1], *b = (const T *)(const void *)data[2];                    \
    T alpha = (T) * (const f64 *)argument;                                                                   \
    if (stride[0] == 1 && stride[1] == 1 && stride[2] == 1)                                                  \
      for (int64_t i = 0; i < n; i++) out[i] = a[i] + alpha * b[i];                                          \
    else                                                                                                     \
      for (int64_t i = 0; i < n; i++) out[i * stride[0]] = a[i * stride[1]] + alpha * b[i * stride[2]];      \
  }
ADD_SCALED(f32)
ADD_SCALED(f64)
ADD_SCALED(i64)
ADD_SCALED(u8)

eg_status eg_add_scaled(eg_tensor *out, const eg_tensor *a, const eg_tensor *b, double alpha) {
  static const eg_row rows[] = {add_scaled_f32, add_scaled_f64, add_scaled_i64, add_scaled_u8};
  EG_TRY(eg_check_same_dtype("add_scaled", "first operand", a, "second operand", b));
  EG_TRY(eg_check_same_dtype("add_scaled", "output", out, "first operand", a));
  if (out->dtype > EG_FLOAT64 && alpha != rint(alpha))
    return eg_fail(EG_EINVAL, "add_scaled: %g is no whole number, the tensors are %s", alpha, eg_dtype_name(out->dtype));
  return eg_nest("add_scaled", rows[out->dtype], &alpha, out, a, b, NULL);
}

/* ---- clamp ---- */

#define CLAMP(T)                                                                                        \
  static void clamp_##T(int64_t n, char *const *data, const int64_t *stride, const void *argument) {    \
    T *out = (T *)(void *)data[0];                                                                      \
    const T *in = (const T *)(const void *)data[1], *end = argument;                                    \
    T low = end[0], high = end[1];                                                                      \
    for (int64_t i = 0; i < n; i++) {                                                                   \
      T x = in[i * stride[1]];                                                                          \
      out[i * stride[0]] = x < low ? low : x > high ? high : x;                                         \
    }                                                                                                   \
  }
CLAMP(f32)
CLAMP(f64)
CLAMP(i64)
CLAMP(u8)

eg_status eg_clamp(eg_tensor *out, const eg_tensor *in, double low, double high) {
  EG_TRY(eg_check_same_shape("clamp", "output", out, "input", in));
  EG_TRY(eg_check_same_dtype("clamp", "output", out, "input", in));
  if (!(low <= high)) return eg_fail(EG_EINVAL, "clamp: the range %g to %g is empty", low, high);
  f32 single[] = {(f32)low, (f32)high};
  f64 twofold[] = {low, high};
  i64 integer[] = {whole(ceil(low)), whole(floor(high))};
  u8 byte[] = {(u8)EG_MAX(0, EG_MIN(integer[0], 255)), (u8)EG_MAX(0, EG_MIN(integer[1], 255))};
  static const eg_row rows[] = {clamp_f32, clamp_f64, clamp_i64, clamp_u8};
  const void *ends[] = {single, twofold, integer, byte};
  return eg_nest("clamp", rows[out->dtype], ends[out->dtype], out, in, NULL, NULL);
}

/* ---- where ---- */

#define WHERE(T)                                                                                        \
  static void where_##T(int64_t n, char *const *data, const int64_t *stride, const void *argument) {    \
    T *out = (T *)(void *)data[0];                                                                      \
    const u8 *condition = (const u8 *)data[1];                                                          \
    const T *a = (const T *)(const void *)data[2], *b = (const T *)(const void *)data[3];               \
    for (int64_t i = 0; i < n; i++)                                                                     \
      out[i * stride[0]] = condition[i * stride[1]] ? a[i * stride[2]] : b[i * stride[3]];              \
  }
WHERE(f32)
WHERE(f64)
WHERE(i64)
WHERE(u8)

eg_status eg_where(eg_tensor *out, const eg_tensor *condition, const eg_tensor *a, const eg_tensor *b) {
  static const eg_row rows[] = {where_f32, where_f64, where_i64, where_u8};
  EG_TRY(eg_check_dtype("where", "condition", condition, EG_UINT8));
  EG_TRY(eg_check_same_dtype("where", "first choice", a, "second choice", b));
  EG_TRY(eg_check_same_dtype("where", "output", out, "first choice", a));
  return eg_nest("where", rows[out->dtype], NULL, out, condition, a, b);
}
