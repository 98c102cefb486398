/* error.c - statuses and their messages, the checks that kernels share, and the interrupt flag. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#include "internal.h"

static _Thread_local char message[1024] = "no error";

eg_status eg_fail(eg_status status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  return status;
}

const char *eg_error_message(void) { return message; }

/* ---- descriptions ---- */

static char *next_text(size_t *length) {
  static _Thread_local char text[8][192];
  static _Thread_local unsigned turn;
  *length = sizeof text[0];
  return text[turn++ % 8];
}

const char *eg_dtype_name(int dtype) {
  static const char *const names[] = {"float32", "float64", "int64", "uint8"};
  return dtype >= 0 && dtype < 4 ? names[dtype] : "unknown dtype";
}

static size_t write_sizes(char *text, size_t length, int dims, const int64_t *size) {
  size_t at = (size_t)snprintf(text, length, "(");
  for (int d = 0; d < dims && at < length; d++)
    at += (size_t)snprintf(text + at, length - at, d ? ", %" PRId64 : "%" PRId64, size[d]);
  if (at < length) at += (size_t)snprintf(text + at, length - at, ")");
  return EG_MIN(at, length - 1);
}

const char *eg_describe_sizes(int dims, const int64_t *size) {
  size_t length;
  char *text = next_text(&length);
  write_sizes(text, length, dims, size);
  return text;
}

const char *eg_describe(const eg_tensor *t) {
  size_t length;
  char *text = next_text(&length);
  if (!t) {
    snprintf(text, length, "released tensor");
    return text;
  }
  size_t at = write_sizes(text, length, t->dims, t->size);
  snprintf(text + at, length - at, " %s", eg_dtype_name(t->dtype));
  return text;
}

/* ---- checks ---- */

eg_status eg_check_live(const char *op, const char *name, const eg_tensor *t) {
  if (t) return EG_OK;
  return eg_fail(EG_ERELEASED,
                 "%s: %s was released: it was made in a scope that has ended; return it from the scope or call :keep()",
                 op, name);
}

eg_status eg_check_real(const char *op, const char *name, const eg_tensor *t) {
  EG_TRY(eg_check_live(op, name, t));
  if (t->dtype == EG_FLOAT32 || t->dtype == EG_FLOAT64) return EG_OK;
  return eg_fail(EG_EDTYPE, "%s: %s is %s, expected float32 or float64; convert it with :to(\"float32\")", op, name,
                 eg_describe(t));
}

eg_status eg_check_dtype(const char *op, const char *name, const eg_tensor *t, int dtype) {
  EG_TRY(eg_check_live(op, name, t));
  if (t->dtype == dtype) return EG_OK;
  return eg_fail(EG_EDTYPE, "%s: %s is %s, expected %s", op, name, eg_describe(t), eg_dtype_name(dtype));
}

eg_status eg_check_dims(const char *op, const char *name, const eg_tensor *t, int dims) {
  EG_TRY(eg_check_live(op, name, t));
  if (t->dims == dims) return EG_OK;
  return eg_fail(EG_ESHAPE, "%s: %s has %d dimensions, expected %d: %s", op, name, t->dims, dims, eg_describe(t));
}

eg_status eg_check_contiguous(const char *op, const char *name, const eg_tensor *t) {
  EG_TRY(eg_check_live(op, name, t));
  if (t->contiguous) return EG_OK;
  return eg_fail(EG_EINVAL, "%s: %s must be contiguous; call :contiguous() first: %s", op, name, eg_describe(t));
}

eg_status eg_check_same_shape(const char *op, const char *a_name, const eg_tensor *a, const char *b_name,
                              const eg_tensor *b) {
  EG_TRY(eg_check_live(op, a_name, a));
  EG_TRY(eg_check_live(op, b_name, b));
  if (eg_same_shape(a, b)) return EG_OK;
  return eg_fail(EG_ESHAPE, "%s: shapes differ: %s %s, %s %s", op, a_name, eg_describe_sizes(a->dims, a->size), b_name,
                 eg_describe_sizes(b->dims, b->size));
}

eg_status eg_check_same_dtype(const char *op, const char *a_name, const eg_tensor *a, const char *b_name,
                              const eg_tensor *b) {
  EG_TRY(eg_check_live(op, a_name, a));
  EG_TRY(eg_check_live(op, b_name, b));
  if (a->dtype == b->dtype) return EG_OK;
  return eg_fail(EG_EDTYPE, "%s: dtypes differ: %s %s, %s %s", op, a_name, eg_describe(a), b_name, eg_describe(b));
}

eg_status eg_check_shape(const char *op, const char *name, const eg_tensor *t, int dims, const int64_t *size) {
  EG_TRY(eg_check_live(op, name, t));
  bool same = t->dims == dims;
  for (int d = 0; same && d < dims; d++) same = t->size[d] == size[d];
  if (same) return EG_OK;
  return eg_fail(EG_ESHAPE, "%s: %s has shape %s, expected %s", op, name, eg_describe_sizes(t->dims, t->size),
                 eg_describe_sizes(dims, size));
}

/* ---- interrupts ---- */

static volatile sig_atomic_t interrupted, trapped;

void eg_interrupt_set(int value) { interrupted = value; }
int eg_interrupt_get(void) { return interrupted; }
void eg_interrupt_trap(int trap) { trapped = trap; }

bool eg_interrupt_pending(void) { return interrupted && !trapped; }
