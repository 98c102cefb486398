/* nest.c - walking several strided tensors in step. */
#include "nest.h"

typedef struct {
  int operands, dims; /* dims >= 1 */
  int64_t size[EG_MAX_DIMS], stride[EG_OPERANDS][EG_MAX_DIMS];
  char *data[EG_OPERANDS];
  size_t element[EG_OPERANDS];
  int64_t rows, row, tile_rows; /* rows in all, elements in one, rows of a tile */
  int64_t piece;                /* elements of a tile when there is one row only */
  eg_row work;
  const void *argument;
} nest;

static bool mergeable(const nest *n, int d) {
  for (int k = 0; k < n->operands; k++)
    if (n->stride[k][d] != n->stride[k][d + 1] * n->size[d + 1]) return false;
  return true;
}

/* Drops dimensions of size 1 and merges neighbours, so that contiguous operands become one row. */
static void simplify(nest *n) {
  int kept = 0;
  for (int d = 0; d < n->dims; d++) {
    if (n->size[d] == 1) continue;
    n->size[kept] = n->size[d];
    for (int k = 0; k < n->operands; k++) n->stride[k][kept] = n->stride[k][d];
    kept++;
  }
  n->dims = kept;
  for (int d = n->dims - 2; d >= 0; d--) {
    if (!mergeable(n, d)) continue;
    n->size[d] *= n->size[d + 1];
    for (int k = 0; k < n->operands; k++) n->stride[k][d] = n->stride[k][d + 1];
    for (int e = d + 1; e < n->dims - 1; e++) {
      n->size[e] = n->size[e + 1];
      for (int k = 0; k < n->operands; k++) n->stride[k][e] = n->stride[k][e + 1];
    }
    n->dims--;
  }
  if (n->dims == 0) {
    n->dims = 1;
    n->size[0] = 1;
    for (int k = 0; k < n->operands; k++) n->stride[k][0] = 1;
  }
}

/* Rows run along the dimension in which operand 0 is dense, when that is not the last one (a transposed output). */
static void longest_stride_last(nest *n) {
  int last = n->dims - 1;
  for (int d = 0; d < last; d++) {
    if (n->stride[0][d] != 1 || n->stride[0][last] == 1) continue;
    int64_t size = n->size[d];
    n->size[d] = n->size[last];
    n->size[last] = size;
    for (int k = 0; k < n->operands; k++) {
      int64_t stride = n->stride[k][d];
      n->stride[k][d] = n->stride[k][last];
      n->stride[k][last] = stride;
    }
  }
}

static void run_piece(const nest *n, int64_t tile) {
  char *data[EG_OPERANDS];
  int64_t stride[EG_OPERANDS], first = tile * n->piece;
  for (int k = 0; k < n->operands; k++) {
    stride[k] = n->stride[k][0];
    data[k] = n->data[k] + (size_t)(first * stride[k]) * n->element[k];
  }
  n->work(EG_MIN(n->piece, n->row - first), data, stride, n->argument);
}

static void run_rows(const nest *n, int64_t tile) {
  int64_t at[EG_MAX_DIMS] = {0}, first = tile * n->tile_rows, last = EG_MIN(first + n->tile_rows, n->rows);
  int64_t rest = first, stride[EG_OPERANDS];
  for (int d = n->dims - 2; d >= 0; d--) {
    at[d] = rest % n->size[d];
    rest /= n->size[d];
  }
  for (int k = 0; k < n->operands; k++) stride[k] = n->stride[k][n->dims - 1];
  for (int64_t row = first; row < last; row++) {
    char *data[EG_OPERANDS];
    for (int k = 0; k < n->operands; k++) {
      int64_t offset = 0;
      for (int d = 0; d < n->dims - 1; d++) offset += at[d] * n->stride[k][d];
      data[k] = n->data[k] + (size_t)offset * n->element[k];
    }
    n->work(n->row, data, stride, n->argument);
    for (int d = n->dims - 2; d >= 0 && ++at[d] == n->size[d]; d--) at[d] = 0;
  }
}

static void run_tile(void *context, int64_t tile) {
  const nest *n = context;
  if (n->dims == 1) run_piece(n, tile);
  else run_rows(n, tile);
}

static eg_status run(nest *n) {
  enum { SERIAL = 4 * EG_TILE }; /* less is not worth waking a thread */
  n->row = n->size[n->dims - 1];
  n->rows = 1;
  for (int d = 0; d < n->dims - 1; d++) n->rows *= n->size[d];
  bool serial = n->rows * n->row <= SERIAL;
  n->piece = serial ? n->row : EG_TILE;
  n->tile_rows = serial ? n->rows : EG_MAX(1, EG_TILE / n->row);
  int64_t tiles = n->dims == 1 ? eg_tiles(n->row, n->piece) : eg_tiles(n->rows, n->tile_rows);
  eg_parallel(tiles, run_tile, n);
  return EG_OK;
}

eg_status eg_nest(const char *op, eg_row row, const void *argument, const eg_tensor *operand0, const eg_tensor *operand1,
                  const eg_tensor *operand2, const eg_tensor *operand3) {
  const eg_tensor *operands[EG_OPERANDS] = {operand0, operand1, operand2, operand3};
  nest n = {.dims = operand0->dims, .work = row, .argument = argument};
  memcpy(n.size, operand0->size, sizeof n.size);
  for (int k = 0; k < EG_OPERANDS && operands[k]; k++) {
    if (!eg_broadcast_strides(operands[k], n.dims, n.size, n.stride[k]))
      return eg_fail(EG_ESHAPE, "%s: shape %s does not broadcast to %s", op,
                     eg_describe_sizes(operands[k]->dims, operands[k]->size), eg_describe_sizes(n.dims, n.size));
    n.data[k] = operands[k]->data;
    n.element[k] = eg_element_size(operands[k]->dtype);
    n.operands = k + 1;
  }
  if (operand0->count == 0) return EG_OK;
  simplify(&n);
  longest_stride_last(&n);
  return run(&n);
}
