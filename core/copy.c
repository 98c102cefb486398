/* copy.c - filling, copying with conversion, clamping and choosing. */

#ifdef ELEMENT

static void E(fill)(int64_t n, char *const *data, const int64_t *stride, const void *argument) {
  element *out = (void *)data[0], value = *(const element *)argument;
  if (stride[0] == 1)
    for (int64_t i = 0; i < n; i++) out[i] = value;
  else
    for (int64_t i = 0; i < n; i++) out[i * stride[0]] = value;
}

/* To whole numbers: towards zero, the nearest end for what lies outside, 0 for NaN. */
#if ELEMENT_REAL
static inline int64_t E(whole)(element x) {
  return x >= (element)9223372036854775808.0    ? INT64_MAX
         : x <= (element)-9223372036854775808.0 ? INT64_MIN
         : ELEMENT_NAN(x)                       ? 0
                                                : (int64_t)x;
}
static inline uint8_t E(byte)(element x) { return (uint8_t)(int)(x > 0 ? (x < 255 ? x : 255) : 0); }
#else
static inline int64_t E(whole)(element x) { return x; }
static inline uint8_t E(byte)(int64_t x) { return (uint8_t)(x < 0 ? 0 : x > 255 ? 255 : x); }
#endif

/* out = in; the argument is out's dtype. */
static void E(copy)(int64_t n, char *const *data, const int64_t *stride, const void *argument) {
  const element *in = (const void *)data[1];
  switch (*(const int32_t *)argument) {
    case EG_FLOAT32: MOVE(float, (float)x); break;
    case EG_FLOAT64: MOVE(double, (double)x); break;
    case EG_INT64: MOVE(int64_t, E(whole)(x)); break;
    case EG_UINT8: MOVE(uint8_t, E(byte)(x)); break;
  }
}

/* out = in between the two ends in the argument */
static void E(clamp)(int64_t n, char *const *data, const int64_t *stride, const void *argument) {
  const element *in = (const void *)data[1], *ends = argument, low = ends[0], high = ends[1];
  MOVE(element, x < low ? low : x > high ? high : x);
}

static void E(where)(int64_t n, char *const *data, const int64_t *stride, const void *argument) {
  element *out = (void *)data[0];
  const uint8_t *condition = (const void *)data[1];
  const element *a = (const void *)data[2], *b = (const void *)data[3];
  if (stride[0] == 1 && stride[1] == 1 && stride[2] <= 1 && stride[3] <= 1) {
    int64_t by_a = stride[2], by_b = stride[3];
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) {
      element x = a[i * by_a], y = b[i * by_b];
      out[i] = condition[i] ? x : y;
    }
  } else
    for (int64_t i = 0; i < n; i++) out[i * stride[0]] = condition[i * stride[1]] ? a[i * stride[2]] : b[i * stride[3]];
}

#else
#include <math.h>

#include "nest.h"

/* out[i] = value of x = in[i] */
#define MOVE(R, value)                                                                                                 \
  do {                                                                                                                 \
    R *out = (void *)data[0];                                                                                          \
    if (stride[0] == 1 && stride[1] == 1) {                                                                            \
      _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) {                                                           \
        element x = in[i];                                                                                             \
        out[i] = value;                                                                                                \
      }                                                                                                                \
    } else                                                                                                             \
      for (int64_t i = 0; i < n; i++) {                                                                                \
        element x = in[i * stride[1]];                                                                                 \
        out[i * stride[0]] = value;                                                                                    \
      }                                                                                                                \
  } while (0)

#define EG_ELEMENTS "copy.c"
#include "element.h"

bool eg_number_of(int dtype, double value, eg_number *number) {
  bool whole = value == floor(value) && fabs(value) < 9223372036854775808.0;
  if (dtype == EG_FLOAT32) number->float32 = (float)value;
  else if (dtype == EG_FLOAT64) number->float64 = value;
  else if (dtype == EG_INT64 && whole) number->int64 = (int64_t)value;
  else if (dtype == EG_UINT8 && whole && value >= 0 && value <= 255) number->uint8 = (uint8_t)value;
  else return false;
  return true;
}

eg_status eg_fill(eg_tensor *out, double value) {
  eg_number number;
  EG_TRY(eg_check_live("fill", "tensor", out));
  if (!eg_number_of(out->dtype, value, &number))
    return eg_fail(EG_EINVAL, "fill: %g is no %s number", value, eg_dtype_name(out->dtype));
  return eg_nest("fill", EG_ELEMENT(out->dtype, fill), &number, out, NULL, NULL, NULL);
}

eg_status eg_copy(eg_tensor *out, const eg_tensor *in) {
  EG_TRY(eg_check_live("copy", "output", out));
  EG_TRY(eg_check_live("copy", "input", in));
  return eg_nest("copy", EG_ELEMENT(in->dtype, copy), &out->dtype, out, in, NULL, NULL);
}

eg_status eg_elements(const eg_tensor *t, eg_tensor **copy, const void **data) {
  *data = t->data;
  if (t->contiguous) return EG_OK;
  *copy = eg_new_like(t, -1);
  if (!*copy) return EG_ENOMEM;
  *data = (*copy)->data;
  return eg_copy(*copy, t);
}

eg_status eg_clamp(eg_tensor *out, const eg_tensor *in, double low, double high) {
  EG_TRY(eg_check_same_shape("clamp", "output", out, "input", in));
  EG_TRY(eg_check_same_dtype("clamp", "output", out, "input", in));
  if (!(low <= high)) return eg_fail(EG_EINVAL, "clamp: no number lies between %g and %g", low, high);
  float single[] = {(float)low, (float)high};
  double twice[] = {low, high};
  int64_t whole[] = {EG_OF_SET(whole_float64)(ceil(low)), EG_OF_SET(whole_float64)(floor(high))};
  bool is_byte = in->dtype == EG_UINT8, is_whole = is_byte || in->dtype == EG_INT64;
  if ((is_whole && ceil(low) > floor(high)) || (is_byte && (low > 255 || high < 0)))
    return eg_fail(EG_EINVAL, "clamp: no %s number lies between %g and %g", eg_dtype_name(in->dtype), low, high);
  uint8_t byte[] = {EG_OF_SET(byte_int64)(whole[0]), EG_OF_SET(byte_int64)(whole[1])};
  const void *ends[] = {single, twice, whole, byte};
  return eg_nest("clamp", EG_ELEMENT(out->dtype, clamp), ends[out->dtype], out, in, NULL, NULL);
}

eg_status eg_where(eg_tensor *out, const eg_tensor *condition, const eg_tensor *a, const eg_tensor *b) {
  EG_TRY(eg_check_dtype("where", "condition", condition, EG_UINT8));
  EG_TRY(eg_check_same_dtype("where", "first choice", a, "second choice", b));
  EG_TRY(eg_check_same_dtype("where", "output", out, "first choice", a));
  return eg_nest("where", EG_ELEMENT(out->dtype, where), NULL, out, condition, a, b);
}
#endif
