/* nest.c - walking several strided tensors in step. */
#include "nest.h"

typedef struct {
  int operands, dims; /* dims >= 1 */
  int64_t size[EG_MAX_DIMS], stride[EG_OPERANDS][EG_MAX_DIMS];
  char *data[EG_OPERANDS];
  size_t element[EG_OPERANDS];
  int64_t count, tile; /* elements in all, elements of a tile */
  eg_row row;
  const void *argument;
} nest;

/* ---- the order of the loops ---- */

static void move_dimension(nest *n, int to, int from) {
  n->size[to] = n->size[from];
  for (int k = 0; k < n->operands; k++) n->stride[k][to] = n->stride[k][from];
}

static void swap_dimensions(nest *n, int d, int e) {
  int64_t size = n->size[d], stride[EG_OPERANDS];
  for (int k = 0; k < n->operands; k++) stride[k] = n->stride[k][d];
  move_dimension(n, d, e);
  n->size[e] = size;
  for (int k = 0; k < n->operands; k++) n->stride[k][e] = stride[k];
}

static void drop_ones(nest *n) {
  int kept = 0;
  for (int d = 0; d < n->dims; d++)
    if (n->size[d] != 1) move_dimension(n, kept++, d);
  n->dims = kept;
}

/* The densest dimension of operand 0 becomes the innermost (insertion sort by its strides). */
static void sort_dimensions(nest *n) {
  for (int d = 1; d < n->dims; d++)
    for (int e = d; e > 0 && n->stride[0][e - 1] < n->stride[0][e]; e--) swap_dimensions(n, e - 1, e);
}

static void merge_dimensions(nest *n) {
  int kept = 0;
  for (int d = 1; d < n->dims; d++) {
    bool fits = true;
    for (int k = 0; k < n->operands; k++) fits = fits && n->stride[k][kept] == n->stride[k][d] * n->size[d];
    if (fits) {
      n->size[d] *= n->size[kept];
      move_dimension(n, kept, d);
    } else {
      move_dimension(n, ++kept, d);
    }
  }
  n->dims = n->dims > 0 ? kept + 1 : 0;
  if (n->dims == 0) {
    n->dims = 1;
    n->size[0] = 1;
    for (int k = 0; k < n->operands; k++) n->stride[k][0] = 1;
  }
}

/* ---- the loops ---- */

/* Elements [first, last) in the order of the loops, row by row. */
static void run_range(const nest *n, int64_t first, int64_t last) {
  int inner = n->dims - 1;
  int64_t at[EG_MAX_DIMS], stride[EG_OPERANDS], rest = first;
  char *data[EG_OPERANDS];
  for (int d = inner; d >= 0; d--) {
    at[d] = rest % n->size[d];
    rest /= n->size[d];
  }
  for (int k = 0; k < n->operands; k++) stride[k] = n->stride[k][inner];
  while (first < last) {
    for (int k = 0; k < n->operands; k++) {
      int64_t offset = 0;
      for (int d = 0; d <= inner; d++) offset += at[d] * n->stride[k][d];
      data[k] = n->data[k] + offset * (int64_t)n->element[k];
    }
    int64_t length = EG_MIN(n->size[inner] - at[inner], last - first);
    n->row(length, data, stride, n->argument);
    first += length;
    at[inner] = 0;
    for (int d = inner - 1; d >= 0 && ++at[d] == n->size[d]; d--) at[d] = 0;
  }
}

static void run_tile(void *context, int64_t tile) {
  const nest *n = context;
  run_range(n, tile * n->tile, EG_MIN((tile + 1) * n->tile, n->count));
}

/* ---- operands ---- */

static eg_status add_operand(nest *n, const char *op, const eg_tensor *t) {
  if (!eg_broadcast_strides(t, n->dims, n->size, n->stride[n->operands]))
    return eg_fail(EG_ESHAPE, "%s: shape %s does not broadcast to %s", op, eg_describe_sizes(t->dims, t->size),
                   eg_describe_sizes(n->dims, n->size));
  n->data[n->operands] = t->data;
  n->element[n->operands++] = eg_element_size(t->dtype);
  return EG_OK;
}

static eg_status open_nest(nest *n, const char *op, eg_row row, const void *argument, int operands,
                           const eg_tensor *const *operand) {
  n->dims = operand[0]->dims;
  n->operands = 0;
  n->count = operand[0]->count;
  n->row = row;
  n->argument = argument;
  memcpy(n->size, operand[0]->size, sizeof n->size);
  for (int k = 0; k < operands; k++) EG_TRY(add_operand(n, op, operand[k]));
  drop_ones(n);
  return EG_OK;
}

/* True when operand k lies over operand 0 element by element, so that each is read before it is written. */
static bool in_step(const nest *n, int k) {
  if (n->data[k] != n->data[0] || n->element[k] != n->element[0]) return false;
  for (int d = 0; d < n->dims; d++)
    if (n->stride[k][d] != n->stride[0][d]) return false;
  return true;
}

/* Copies the operands that overlap the output out of step. */
static eg_status separate(nest *n, const eg_tensor *const *operand, eg_tensor **copy) {
  for (int k = 1; k < n->operands; k++) {
    if (!eg_overlap(operand[0], operand[k]) || in_step(n, k)) continue;
    copy[k] = eg_new_like(operand[k], -1);
    if (!copy[k]) return EG_ENOMEM;
    EG_TRY(eg_copy(copy[k], operand[k]));
  }
  return EG_OK;
}

eg_status eg_nest(const char *op, eg_row row, const void *argument, const eg_tensor *out, const eg_tensor *a,
                  const eg_tensor *b, const eg_tensor *c) {
  const eg_tensor *operand[EG_OPERANDS] = {out, a, b, c};
  eg_tensor *copy[EG_OPERANDS] = {NULL};
  int operands = 1;
  nest n;
  while (operands < EG_OPERANDS && operand[operands]) operands++;
  EG_TRY(open_nest(&n, op, row, argument, operands, operand));
  EG_TRY(eg_check_distinct(op, "output", out));
  if (n.count == 0) return EG_OK;
  eg_status status = separate(&n, operand, copy);
  if (!status) {
    for (int k = 1; k < operands; k++)
      if (copy[k]) operand[k] = copy[k];
    open_nest(&n, op, row, argument, operands, operand);
    sort_dimensions(&n);
    merge_dimensions(&n);
    n.tile = n.count < 4 * EG_TILE ? n.count : EG_TILE;
    eg_parallel(eg_tiles(n.count, n.tile), run_tile, &n);
  }
  for (int k = 1; k < operands; k++) eg_free(copy[k]);
  return status;
}

eg_status eg_nest_in_order(const char *op, eg_row row, const void *argument, const eg_tensor *first, const eg_tensor *a,
                           const eg_tensor *b, const eg_tensor *c) {
  const eg_tensor *operand[EG_OPERANDS] = {first, a, b, c};
  int operands = 1;
  nest n;
  while (operands < EG_OPERANDS && operand[operands]) operands++;
  EG_TRY(open_nest(&n, op, row, argument, operands, operand));
  if (n.count == 0) return EG_OK;
  merge_dimensions(&n);
  run_range(&n, 0, n.count);
  return EG_OK;
}
