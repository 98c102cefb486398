/* lines.c - a tensor seen as lines along one of its dimensions. */
#include "lines.h"

/* The dimensions first .. last - 1 as one, with its size and stride; false when they have no common stride. */
static bool merge(const eg_tensor *t, int first, int last, int64_t *size, int64_t *stride) {
  *size = 1;
  *stride = 1;
  for (int d = last - 1; d >= first; d--) {
    if (t->size[d] == 1) continue;
    if (*size == 1) *stride = t->stride[d];
    else if (t->stride[d] != *size * *stride) return false;
    *size *= t->size[d];
  }
  return true;
}

static bool view(eg_lines *lines, const eg_tensor *t, int dim) {
  lines->data = t->data;
  lines->element = eg_element_size(t->dtype);
  if (dim < 0) {
    lines->outer = lines->inner = 1;
    lines->outer_stride = lines->inner_stride = 1;
    return merge(t, 0, t->dims, &lines->length, &lines->stride);
  }
  lines->length = t->size[dim];
  lines->stride = t->stride[dim];
  return merge(t, 0, dim, &lines->outer, &lines->outer_stride) &&
         merge(t, dim + 1, t->dims, &lines->inner, &lines->inner_stride);
}

eg_status eg_lines_open(eg_lines *lines, const char *op, const eg_tensor *t, int dim) {
  lines->copy = NULL;
  if (dim >= t->dims)
    return eg_fail(EG_EINVAL, "%s: dimension %d is out of range for shape %s", op, dim + 1,
                   eg_describe_sizes(t->dims, t->size));
  if (t->count == 0) { /* no strides matter */
    eg_tensor row_major = *t;
    eg_row_major(t->dims, t->size, row_major.stride);
    view(lines, &row_major, dim);
  } else if (!view(lines, t, dim)) {
    lines->copy = eg_new_like(t, -1);
    if (!lines->copy) return EG_ENOMEM;
    if (eg_copy(lines->copy, t)) return eg_lines_close(lines), EG_ENOMEM;
    view(lines, lines->copy, dim);
  }
  lines->count = lines->outer * lines->inner;
  return EG_OK;
}

void eg_lines_close(eg_lines *lines) {
  eg_free(lines->copy);
  lines->copy = NULL;
}
