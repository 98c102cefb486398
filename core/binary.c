/* binary.c - element-wise functions of two tensors, or of a tensor and a number. */

#ifdef ELEMENT

#if ELEMENT_REAL
static inline element E(divide)(element x, element y) { return x / y; }

static inline element E(modulo)(element x, element y) {
  element r = fmod(x, y);
  return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}
#else
/* Division to floor. -1 stands apart, since the least number has no negative; 0 was refused before. */
static inline element E(divide)(element x, element y) {
  if (y == (element)-1 && negative(y)) return (element) - (wide)x;
  return (element)(x / y - (x % y != 0 && negative(x) != negative(y)));
}

static inline element E(modulo)(element x, element y) {
  if (y == (element)-1 && negative(y)) return 0;
  element r = x % y;
  return r != 0 && negative(r) != negative(y) ? (element)(r + y) : r;
}
#endif

/* out = a op b; the argument is the operation. */
static void E(binary)(int64_t n, char *const *data, const int64_t *stride, const void *argument) {
  const element *a = (const void *)data[1], *b = (const void *)data[2];
  switch (*(const int *)argument) {
    case EG_ADD: ZIP(element, (wide)x + (wide)y); break;
    case EG_SUB: ZIP(element, (wide)x - (wide)y); break;
    case EG_MUL: ZIP(element, (wide)x * (wide)y); break;
    case EG_DIV: ZIP(element, E(divide)(x, y)); break;
#if ELEMENT_REAL
    case EG_POW: ZIP(element, pow(x, y)); break;
#endif
    case EG_REMAINDER: ZIP(element, E(modulo)(x, y)); break;
    case EG_MAXIMUM: ZIP(element, x > y || ELEMENT_NAN(x) ? x : y); break;
    case EG_MINIMUM: ZIP(element, x < y || ELEMENT_NAN(x) ? x : y); break;
    case EG_EQ: ZIP(uint8_t, x == y); break;
    case EG_NE: ZIP(uint8_t, x != y); break;
    case EG_LT: ZIP(uint8_t, x < y); break;
    case EG_LE: ZIP(uint8_t, x <= y); break;
    case EG_GT: ZIP(uint8_t, x > y); break;
    case EG_GE: ZIP(uint8_t, x >= y); break;
    case EG_AND: ZIP(uint8_t, (x != 0) & (y != 0)); break;
    case EG_OR: ZIP(uint8_t, (x != 0) | (y != 0)); break;
  }
}

/* out = a + alpha b; the argument is alpha, of the elements' type. */
static void E(add_scaled)(int64_t n, char *const *data, const int64_t *stride, const void *argument) {
  const element *a = (const void *)data[1], *b = (const void *)data[2], alpha = *(const element *)argument;
  ZIP(element, (wide)x + (wide)alpha * (wide)y);
}

static void E(find_zero)(int64_t n, char *const *data, const int64_t *stride, const void *argument) {
  bool found = false;
  for (int64_t i = 0; i < n; i++) found |= ((const element *)(const void *)data[0])[i * stride[0]] == 0;
  if (found) **(bool *const *)argument = true;
}

#else
#include <tgmath.h>

#include "nest.h"

static inline bool negative(int64_t x) { return x < 0; }

/* out[i] = value of x = a[i] and y = b[i], converted to R: dense rows, then a number on either side, then any strides.
 * Rows may lie over each other in step, so iterations are independent. */
#define ZIP(R, value)                                                                                                  \
  do {                                                                                                                 \
    R *out = (void *)data[0];                                                                                          \
    bool dense = stride[0] == 1;                                                                                       \
    if (dense && stride[1] == 1 && stride[2] == 1) {                                                                   \
      _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) {                                                           \
        element x = a[i], y = b[i];                                                                                    \
        out[i] = (R)(value);                                                                                           \
      }                                                                                                                \
    } else if (dense && stride[1] == 1 && stride[2] == 0) {                                                            \
      element y = *b;                                                                                                  \
      _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) {                                                           \
        element x = a[i];                                                                                              \
        out[i] = (R)(value);                                                                                           \
      }                                                                                                                \
    } else if (dense && stride[1] == 0 && stride[2] == 1) {                                                            \
      element x = *a;                                                                                                  \
      _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) {                                                           \
        element y = b[i];                                                                                              \
        out[i] = (R)(value);                                                                                           \
      }                                                                                                                \
    } else                                                                                                             \
      for (int64_t i = 0; i < n; i++) {                                                                                \
        element x = a[i * stride[1]], y = b[i * stride[2]];                                                            \
        out[i * stride[0]] = (R)(value);                                                                               \
      }                                                                                                                \
  } while (0)

#define EG_ELEMENTS "binary.c"
#include "element.h"

static const char *const names[] = {"add", "sub", "mul", "div", "pow", "remainder", "maximum",     "minimum",
                                    "eq",  "ne",  "lt",  "le",  "gt",  "ge",        "logical_and", "logical_or"};
_Static_assert(sizeof names / sizeof *names == EG_BINARY_COUNT, "a name for each operation");

static bool is_real(int dtype) { return dtype == EG_FLOAT32 || dtype == EG_FLOAT64; }

/* Whole numbers have no infinity to answer with: a zero divisor is refused before anything is written. */
static eg_status check_divisor(const char *name, const eg_tensor *b) {
  bool found = false, *where = &found;
  EG_TRY(eg_nest_in_order(name, EG_ELEMENT(b->dtype, find_zero), &where, b, NULL, NULL, NULL));
  return found ? eg_fail(EG_EINVAL, "%s: division by zero: %s", name, eg_describe(b)) : EG_OK;
}

eg_status eg_binary(int op, eg_tensor *out, const eg_tensor *a, const eg_tensor *b) {
  if (op < 0 || op >= EG_BINARY_COUNT) return eg_fail(EG_EINVAL, "binary: unknown operation %d", op);
  const char *name = names[op];
  EG_TRY(eg_check_same_dtype(name, "first operand", a, "second operand", b));
  EG_TRY(eg_check_dtype(name, "output", out, op >= EG_EQ ? EG_UINT8 : a->dtype));
  if (op == EG_POW) EG_TRY(eg_check_real(name, "first operand", a));
  if ((op == EG_DIV || op == EG_REMAINDER) && !is_real(b->dtype)) EG_TRY(check_divisor(name, b));
  return eg_nest(name, EG_ELEMENT(a->dtype, binary), &op, out, a, b, NULL);
}

/* ---- with a number ---- */

/* A comparison of whole numbers with a number that is not one of them (0.5, -1 for uint8, NaN) is made in float64. */
static eg_status compare_as_real(int op, eg_tensor *out, const eg_tensor *in, double value, int reversed) {
  eg_tensor *copy = eg_new_like(in, EG_FLOAT64);
  if (!copy) return EG_ENOMEM;
  eg_status status = eg_copy(copy, in);
  if (!status) status = eg_binary_scalar(op, out, copy, value, reversed);
  eg_free(copy);
  return status;
}

eg_status eg_binary_scalar(int op, eg_tensor *out, const eg_tensor *in, double value, int reversed) {
  if (op < 0 || op >= EG_BINARY_COUNT) return eg_fail(EG_EINVAL, "binary: unknown operation %d", op);
  EG_TRY(eg_check_live(names[op], "operand", in));
  EG_TRY(eg_check_live(names[op], "output", out));
  eg_number number;
  eg_tensor scalar = {.data = &number, .count = 1, .dtype = in->dtype, .contiguous = 1};
  if (!eg_number_of(in->dtype, value, &number)) {
    if (op >= EG_EQ) return compare_as_real(op, out, in, value, reversed);
    return eg_fail(EG_EINVAL, "%s: %g is no %s number; convert the tensor with :to(\"float32\")", names[op], value,
                   eg_dtype_name(in->dtype));
  }
  if (op == EG_POW && !reversed && value == 2) return eg_unary(EG_SQUARE, out, in);
  return reversed ? eg_binary(op, out, &scalar, in) : eg_binary(op, out, in, &scalar);
}

eg_status eg_add_scaled(eg_tensor *out, const eg_tensor *a, const eg_tensor *b, double alpha) {
  eg_number factor;
  EG_TRY(eg_check_same_dtype("add", "first operand", a, "second operand", b));
  EG_TRY(eg_check_same_dtype("add", "output", out, "first operand", a));
  if (!eg_number_of(is_real(out->dtype) ? out->dtype : EG_INT64, alpha, &factor))
    return eg_fail(EG_EINVAL, "add: the factor %g is no %s number", alpha, eg_dtype_name(out->dtype));
  if (out->dtype == EG_UINT8) factor.uint8 = (uint8_t)factor.int64; /* wraps around: -1 subtracts */
  return eg_nest("add", EG_ELEMENT(out->dtype, add_scaled), &factor, out, a, b, NULL);
}
#endif
