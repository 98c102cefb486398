/* tensor.c - tensors: shape, strides and views over counted storage. No arithmetic here. */
#include "storage.h"

size_t eg_element_size(int dtype) {
  static const size_t sizes[] = {4, 8, 8, 1};
  return dtype >= 0 && dtype < 4 ? sizes[dtype] : 0;
}

void eg_row_major(int dims, const int64_t *size, int64_t *stride) {
  int64_t step = 1;
  for (int d = dims - 1; d >= 0; d--) {
    stride[d] = step;
    step *= EG_MAX(size[d], 1);
  }
}

static bool is_contiguous(const eg_tensor *t) {
  int64_t step = 1;
  if (t->count == 0) return true;
  for (int d = t->dims - 1; d >= 0; d--) {
    if (t->size[d] != 1 && t->stride[d] != step) return false;
    step *= t->size[d];
  }
  return true;
}

/* Checks a shape and counts its elements; false with a message. */
static bool count_elements(const char *op, int dims, const int64_t *size, size_t element, int64_t *count) {
  if (dims < 0 || dims > EG_MAX_DIMS) {
    eg_fail(EG_ESHAPE, "%s: %d dimensions, at most %d are supported", op, dims, EG_MAX_DIMS);
    return false;
  }
  int64_t n = 1, bytes;
  bool empty = false, fits = true;
  for (int d = 0; d < dims; d++) {
    if (size[d] < 0) {
      eg_fail(EG_ESHAPE, "%s: size %lld of dimension %d is negative", op, (long long)size[d], d + 1);
      return false;
    }
    if (size[d] == 0) empty = true;
    else fits = fits && eg_multiply(n, size[d], &n);
  }
  if (!fits || !eg_multiply(n, (int64_t)element, &bytes)) {
    eg_fail(EG_ENOMEM, "%s: a tensor of shape %s does not fit into memory", op, eg_describe_sizes(dims, size));
    return false;
  }
  *count = empty ? 0 : n;
  return true;
}

eg_tensor *eg_new(int dtype, int dims, const int64_t *size) {
  int64_t count;
  size_t element = eg_element_size(dtype);
  if (!element) return eg_fail(EG_EDTYPE, "new: unknown dtype %d", dtype), NULL;
  if (!count_elements("new", dims, size, element, &count)) return NULL;
  if (eg_interrupt_pending()) return eg_fail(EG_EINTR, "interrupted"), NULL;
  eg_tensor *t = eg_block_new(sizeof *t);
  if (!t) return NULL;
  t->storage = eg_storage_new(EG_MAX((size_t)count * element, 1));
  if (!t->storage) return eg_block_free(t, sizeof *t), NULL;
  t->data = t->storage->data;
  t->count = count;
  t->dtype = dtype;
  t->dims = dims;
  t->version = 0;
  t->contiguous = 1;
  for (int d = 0; d < dims; d++) t->size[d] = size[d];
  eg_row_major(dims, size, t->stride);
  eg_tensors_count(1);
  return t;
}

void eg_free(eg_tensor *t) {
  if (!t) return;
  eg_storage_release(t->storage);
  eg_block_free(t, sizeof *t);
  eg_tensors_count(-1);
}

void eg_handle_drop(eg_handle *handle) {
  eg_free(handle->tensor);
  handle->tensor = NULL;
}

/* ---- shapes like another's ---- */

eg_tensor *eg_new_like(const eg_tensor *t, int dtype) {
  if (eg_check_live("new_like", "tensor", t)) return NULL;
  return eg_new(dtype < 0 ? t->dtype : dtype, t->dims, t->size);
}

bool eg_broadcast_sizes(int a_dims, const int64_t *a, int b_dims, const int64_t *b, int *dims, int64_t *size) {
  *dims = EG_MAX(a_dims, b_dims);
  for (int d = 0; d < *dims; d++) {
    int from_a = a_dims - *dims + d, from_b = b_dims - *dims + d;
    int64_t x = from_a < 0 ? 1 : a[from_a], y = from_b < 0 ? 1 : b[from_b];
    if (x != y && x != 1 && y != 1) return false;
    size[d] = x == 1 ? y : x;
  }
  return true;
}

bool eg_broadcast_strides(const eg_tensor *t, int dims, const int64_t *size, int64_t *stride) {
  if (t->dims > dims) return false;
  for (int d = 0; d < dims; d++) {
    int from = t->dims - dims + d;
    if (from < 0 || (t->size[from] == 1 && size[d] != 1)) stride[d] = 0;
    else if (t->size[from] == size[d]) stride[d] = t->stride[from];
    else return false;
  }
  return true;
}

eg_tensor *eg_new_broadcast(const eg_tensor *a, const eg_tensor *b, int dtype) {
  int dims;
  int64_t size[EG_MAX_DIMS];
  if (eg_check_live("broadcast", "first operand", a) || eg_check_live("broadcast", "second operand", b)) return NULL;
  if (!eg_broadcast_sizes(a->dims, a->size, b->dims, b->size, &dims, size)) {
    eg_fail(EG_ESHAPE, "shapes do not broadcast: %s and %s", eg_describe_sizes(a->dims, a->size),
            eg_describe_sizes(b->dims, b->size));
    return NULL;
  }
  return eg_new(dtype < 0 ? a->dtype : dtype, dims, size);
}

eg_tensor *eg_new_reduced(const eg_tensor *t, int dim, int keep, int dtype) {
  if (eg_check_live("reduce", "tensor", t)) return NULL;
  if (dim >= t->dims) {
    eg_fail(EG_EINVAL, "dimension %d is out of range for shape %s", dim + 1, eg_describe_sizes(t->dims, t->size));
    return NULL;
  }
  int dims = 0;
  int64_t size[EG_MAX_DIMS];
  for (int d = 0; d < t->dims; d++) {
    if (dim >= 0 && d != dim) size[dims++] = t->size[d];
    else if (keep) size[dims++] = 1;
  }
  return eg_new(dtype < 0 ? t->dtype : dtype, dims, size);
}

/* ---- views ---- */

static eg_tensor *share(const eg_tensor *t) {
  eg_tensor *view = eg_block_new(sizeof *view);
  if (!view) return NULL;
  *view = *t;
  view->storage->users++;
  view->version = view->storage->version;
  eg_tensors_count(1);
  return view;
}

eg_tensor *eg_alias(const eg_tensor *t) {
  if (eg_check_live("alias", "tensor", t)) return NULL;
  return share(t);
}

eg_tensor *eg_view(const eg_tensor *t, int dims, const int64_t *size, const int64_t *stride, int64_t offset) {
  int64_t count, last = offset;
  if (eg_check_live("view", "tensor", t)) return NULL;
  size_t element = eg_element_size(t->dtype);
  if (!count_elements("view", dims, size, element, &count)) return NULL;
  int64_t start = (int64_t)(((char *)t->data - (char *)t->storage->data) / (ptrdiff_t)element);
  bool inside = offset >= -start;
  for (int d = 0; d < dims && count > 0; d++) {
    int64_t span;
    inside = inside && stride[d] >= 0 && eg_multiply(size[d] - 1, stride[d], &span) &&
             !__builtin_add_overflow(last, span, &last);
  }
  if (!inside || (count > 0 && last >= (int64_t)(t->storage->bytes / element) - start)) {
    eg_fail(EG_EINVAL, "view: shape %s at offset %lld reaches outside the tensor %s", eg_describe_sizes(dims, size),
            (long long)offset, eg_describe(t));
    return NULL;
  }
  eg_tensor *view = share(t);
  if (!view) return NULL;
  view->data = (char *)t->data + (count > 0 ? offset * (int64_t)element : 0);
  view->count = count;
  view->dims = dims;
  for (int d = 0; d < dims; d++) {
    view->size[d] = size[d];
    view->stride[d] = stride[d];
  }
  view->contiguous = is_contiguous(view);
  return view;
}

/* Finds strides for `size` over t's elements in row-major order, merging and splitting dimensions; false when only a
 * copy can do it. Walks both shapes from the left, matching groups of dimensions with equal products. */
static bool view_strides(const eg_tensor *t, int dims, const int64_t *size, int64_t *stride) {
  int old = 0, next = 0;
  int64_t from[EG_MAX_DIMS], step[EG_MAX_DIMS];
  int kept = 0;
  for (int d = 0; d < t->dims; d++)
    if (t->size[d] != 1) from[kept] = t->size[d], step[kept++] = t->stride[d];
  while (next < dims && old < kept) {
    int old_end = old, new_end = next;
    int64_t old_product = from[old_end++], new_product = size[new_end++];
    while (old_product != new_product)
      if (new_product < old_product) new_product *= size[new_end++];
      else old_product *= from[old_end++];
    for (int d = old; d < old_end - 1; d++)
      if (step[d] != from[d + 1] * step[d + 1]) return false;
    int64_t unit = step[old_end - 1];
    for (int d = new_end - 1; d >= next; d--) {
      stride[d] = unit;
      unit *= size[d];
    }
    old = old_end;
    next = new_end;
  }
  for (; next < dims; next++) stride[next] = 1;
  return true;
}

eg_tensor *eg_view_shape(const eg_tensor *t, int dims, const int64_t *size) {
  int64_t count, stride[EG_MAX_DIMS];
  if (eg_check_live("view", "tensor", t)) return NULL;
  if (!count_elements("view", dims, size, eg_element_size(t->dtype), &count)) return NULL;
  if (count != t->count) {
    eg_fail(EG_ESHAPE, "view: shape %s has %lld elements, the tensor %s has %lld", eg_describe_sizes(dims, size),
            (long long)count, eg_describe_sizes(t->dims, t->size), (long long)t->count);
    return NULL;
  }
  if (t->contiguous || count == 0) eg_row_major(dims, size, stride);
  else if (!view_strides(t, dims, size, stride)) {
    eg_fail(EG_EINVAL, "view: %s cannot be seen as %s without a copy; use :reshape()", eg_describe(t),
            eg_describe_sizes(dims, size));
    return NULL;
  }
  return eg_view(t, dims, size, stride, 0);
}

/* ---- questions ---- */

int eg_same_shape(const eg_tensor *a, const eg_tensor *b) {
  if (a->dims != b->dims) return 0;
  for (int d = 0; d < a->dims; d++)
    if (a->size[d] != b->size[d]) return 0;
  return 1;
}

int64_t eg_storage_users(const eg_tensor *t) { return t->storage->users; }
uint32_t eg_storage_version(const eg_tensor *t) { return t->storage->version; }
void eg_storage_touch(eg_tensor *t) { t->storage->version++; }

static char *end_of(const eg_tensor *t) {
  int64_t last = t->count > 0;
  for (int d = 0; d < t->dims && t->count > 0; d++) last += (t->size[d] - 1) * t->stride[d];
  return (char *)t->data + last * (int64_t)eg_element_size(t->dtype);
}

bool eg_overlap(const eg_tensor *a, const eg_tensor *b) {
  return (char *)a->data < end_of(b) && (char *)b->data < end_of(a);
}

/* Taken from the smallest stride up, each dimension must step over all that the ones before it reach. */
eg_status eg_check_distinct(const char *op, const char *name, const eg_tensor *t) {
  EG_TRY(eg_check_live(op, name, t));
  if (t->contiguous) return EG_OK;
  int64_t reach = 0;
  bool taken[EG_MAX_DIMS] = {false};
  for (int turn = 0; turn < t->dims; turn++) {
    int next = -1;
    for (int d = 0; d < t->dims; d++)
      if (!taken[d] && (next < 0 || t->stride[d] < t->stride[next])) next = d;
    taken[next] = true;
    if (t->size[next] == 1) continue;
    if (t->stride[next] <= reach)
      return eg_fail(EG_EINVAL, "%s: elements of %s share memory (an expanded view); call :clone() first: %s", op, name,
                     eg_describe(t));
    reach += (t->size[next] - 1) * t->stride[next];
  }
  return EG_OK;
}
