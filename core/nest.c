/* nest.c - walking several strided tensors in step. */
#include "nest.h"

typedef struct {
  int operands, dims; /* dims >= 1; the last dimension is a row */
  int64_t size[EG_MAX_DIMS], stride[EG_OPERANDS][EG_MAX_DIMS];
  char *data[EG_OPERANDS];
  size_t element[EG_OPERANDS];
  int64_t count, rows, length;             /* elements in all, rows, elements of a row */
  int64_t tile_rows, tile_columns, across; /* a tile; tiles beside each other */
  int64_t strip; /* columns taken at a time: all, or few when an operand is dense across the rows */
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

enum { STRIP = 16, TURNED_COLUMNS = 64 }; /* measured; short strips, since far strides may share few cache lines */

/* True when an operand steps far along the rows but lies dense in the dimension before: its cache lines serve many rows. */
static bool is_turned(const nest *n) {
  bool turned = false;
  for (int k = 0; k < n->operands && n->dims > 1; k++)
    turned = turned || (n->stride[k][n->dims - 1] >= 16 && n->stride[k][n->dims - 2] == 1);
  return turned;
}

static void cut(nest *n) {
  bool turned = is_turned(n), small = n->count < EG_WORTH;
  n->length = n->size[n->dims - 1];
  n->rows = n->count / n->length;
  n->strip = turned ? STRIP : n->length;
  n->tile_columns = small ? n->length : EG_MIN(n->length, turned ? TURNED_COLUMNS : EG_TILE);
  n->tile_rows = small ? n->rows : EG_MAX(1, EG_TILE / n->tile_columns);
  n->across = eg_tiles(n->length, n->tile_columns);
}

/* Neighbouring rows: `rows` of them, each `columns` long, strip by strip. */
static void run_sheet(const nest *n, char *const *corner, int64_t rows, int64_t columns) {
  int inner = n->dims - 1;
  int64_t stride[EG_OPERANDS], step[EG_OPERANDS];
  char *data[EG_OPERANDS];
  for (int k = 0; k < n->operands; k++) {
    stride[k] = n->stride[k][inner];
    step[k] = inner > 0 ? n->stride[k][inner - 1] * (int64_t)n->element[k] : 0;
  }
  for (int64_t column = 0; column < columns; column += n->strip) {
    int64_t length = EG_MIN(n->strip, columns - column);
    for (int k = 0; k < n->operands; k++) data[k] = corner[k] + column * stride[k] * (int64_t)n->element[k];
    for (int64_t row = 0; row < rows; row++) {
      n->row(length, data, stride, n->argument);
      for (int k = 0; k < n->operands; k++) data[k] += step[k];
    }
  }
}

/* The rows [row, last) from `column` on, sheet by sheet: a sheet ends where the dimension before the last one does. */
static void run_rows(const nest *n, int64_t row, int64_t last, int64_t column, int64_t columns) {
  int64_t height = n->dims > 1 ? n->size[n->dims - 2] : 1;
  char *corner[EG_OPERANDS];
  while (row < last) {
    int64_t rows = EG_MIN(height - row % height, last - row);
    for (int k = 0; k < n->operands; k++) {
      int64_t offset = column * n->stride[k][n->dims - 1], rest = row;
      for (int d = n->dims - 2; d >= 0; d--) {
        offset += rest % n->size[d] * n->stride[k][d];
        rest /= n->size[d];
      }
      corner[k] = n->data[k] + offset * (int64_t)n->element[k];
    }
    run_sheet(n, corner, rows, columns);
    row += rows;
  }
}

static void run_tile(void *context, int64_t tile) {
  const nest *n = context;
  int64_t row = tile / n->across * n->tile_rows, column = tile % n->across * n->tile_columns;
  run_rows(n, row, EG_MIN(row + n->tile_rows, n->rows), column, EG_MIN(n->tile_columns, n->length - column));
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
    cut(&n);
    eg_parallel_whole(eg_tiles(n.rows, n.tile_rows) * n.across, run_tile, &n); /* out may be a tensor that is in use */
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
  n.length = n.strip = n.size[n.dims - 1];
  run_rows(&n, 0, n.count / n.length, 0, n.length);
  return EG_OK;
}
