/* embedding.c - rows of a table by number; and back: for the numbers that occur, the sum of what came to each.
 *
 * A batch touches a few rows of a large table, so the gradient is a list of rows and their sums. Each sum begins with 0 and adds
 * in the order of the positions: the same bits as adding them one by one into a table of zeros, on any number of threads. */

#ifdef REAL

static void K(copy)(const lookup *k, int64_t first, int64_t last) {
  const real *table = k->table;
  real *out = k->out;
  for (int64_t i = first; i < last; i++) {
    if (k->index[i] == k->blank) memset(out + i * k->width, 0, (size_t)k->width * sizeof(real));
    else memcpy(out + i * k->width, table + (k->index[i] - 1) * k->pitch, (size_t)k->width * sizeof(real));
  }
}

/* sum = the rows of grad at some positions, from column `first` on */
static void K(sum_rows)(real *restrict sum, const lookup *k, const int64_t *position, int64_t count, int64_t first,
                        int64_t width) {
  memset(sum, 0, (size_t)width * sizeof(real));
  for (int64_t i = 0; i < count; i++) {
    const real *restrict row = (const real *)k->grad + position[i] * k->width + first;
    for (int64_t j = 0; j < width; j++) sum[j] += row[j];
  }
}

static void K(sum_groups)(const lookup *k, int64_t first, int64_t last) {
  for (int64_t i = first; i < last; i++) K(sum_rows)
  ((real *)k->out + i * k->width, k, k->position + k->begin[i], k->begin[i + 1] - k->begin[i], 0, k->width);
}

/* Some columns of the table: out += the square (or absolute value) of each group's sum, one group after the other. */
static void K(square_groups)(const lookup *k, int64_t first, int64_t width) {
  real sum[COLUMNS];
  for (int64_t i = 0; i < k->groups; i++) {
    const int64_t *position = k->position + k->begin[i];
    K(sum_rows)(sum, k, position, k->begin[i + 1] - k->begin[i], first, width);
    real *out = (real *)k->out + (k->index[*position] - 1) * k->width + first;
    for (int64_t j = 0; j < width; j++) out[j] += k->absolute ? (sum[j] < 0 ? -sum[j] : sum[j]) : sum[j] * sum[j];
  }
}

#else
#include <stdlib.h>

#include "internal.h"

enum { COLUMNS = 64 };

/* One call. Positions are those of the index, counted from 0; group i has those in position[begin[i] .. begin[i + 1] - 1]. */
typedef struct lookup {
  const int64_t *index;
  int64_t count, width, pitch; /* positions; elements of a row; elements between rows of the table */
  int64_t blank;               /* the number that has no row; 0: none */
  const void *table, *grad;
  void *out;
  int64_t *position, *begin, groups, block; /* block: rows in a tile */
  int dtype;
  bool absolute;
  eg_tensor *copies[3];
} lookup;

#define EG_KERNELS "embedding.c"
#include "real.h"

/* ---- checks and memory ---- */

static void close_lookup(lookup *k) {
  for (int i = 0; i < 3; i++) eg_free(k->copies[i]);
}

/* Every number must lie in 1 .. rows. */
static eg_status open_index(lookup *k, const char *op, const eg_tensor *index, int64_t rows) {
  *k = (lookup){.count = 0};
  EG_TRY(eg_check_live(op, "index", index));
  if (index->dtype != EG_INT64)
    return eg_fail(EG_EDTYPE, "%s: the index is %s, expected int64; convert it with :to(\"int64\")", op,
                   eg_describe(index));
  const void *data;
  eg_status status = eg_elements(index, &k->copies[0], &data);
  k->index = data;
  k->count = index->count;
  for (int64_t i = 0; i < k->count && !status; i++)
    if (k->index[i] < 1 || k->index[i] > rows)
      status = eg_fail(EG_EINDEX, "%s: index %lld at position %lld is out of range 1..%lld (indices count from 1)", op,
                       (long long)k->index[i], (long long)i + 1, (long long)rows);
  if (status) close_lookup(k);
  return status;
}

/* `rows` has the shape of the index and the width of the table behind it. */
static eg_status check_rows(const char *op, const char *name, const eg_tensor *rows, const eg_tensor *index,
                            const eg_tensor *table) {
  int64_t size[EG_MAX_DIMS];
  EG_TRY(eg_check_live(op, "index", index));
  if (index->dims == EG_MAX_DIMS)
    return eg_fail(EG_ESHAPE, "%s: the index has %d dimensions, at most %d fit", op, index->dims, EG_MAX_DIMS - 1);
  memcpy(size, index->size, sizeof size);
  size[index->dims] = table->size[1];
  EG_TRY(eg_check_dtype(op, name, rows, table->dtype));
  return eg_check_shape(op, name, rows, index->dims + 1, size);
}

static eg_status check_table(const char *op, const eg_tensor *table) {
  EG_TRY(eg_check_real(op, "table", table));
  return eg_check_dims(op, "table", table, 2);
}

static eg_status run_tiles(lookup *k, int64_t rows, eg_tile_work work) {
  k->block = EG_MAX(1, EG_TILE / EG_MAX(k->width, 1));
  return eg_parallel_over(k->count * k->width, eg_tiles(rows, k->block), work, k);
}

/* ---- rows by number ---- */

static void copy_tile(void *context, int64_t tile) {
  const lookup *k = context;
  EG_REAL(k->dtype, copy)(k, tile * k->block, EG_MIN((tile + 1) * k->block, k->count));
}

eg_status eg_embedding(eg_tensor *out, const eg_tensor *table, const eg_tensor *index, int64_t blank) {
  static const char *op = "embedding";
  lookup k;
  EG_TRY(check_table(op, table));
  EG_TRY(check_rows(op, "output", out, index, table));
  EG_TRY(eg_check_contiguous(op, "output", out));
  if (eg_overlap(out, table)) return eg_fail(EG_EINVAL, "%s: the output shares memory with the table", op);
  EG_TRY(open_index(&k, op, index, table->size[0]));
  bool dense = table->stride[1] == 1 || table->size[1] <= 1;
  eg_status status = dense ? EG_OK : eg_elements(table, &k.copies[1], &k.table);
  if (dense) k.table = table->data;
  k.out = out->data, k.dtype = table->dtype, k.blank = blank;
  k.width = table->size[1], k.pitch = dense ? table->stride[0] : k.width;
  if (!status) status = run_tiles(&k, k.count, copy_tile);
  close_lookup(&k);
  return status;
}

/* ---- the gradient: which rows, and their sums ---- */

/* One bit a row of the table; bit i % 64 of word i / 64. */
static uint64_t *mark_used(const lookup *k, int64_t rows, size_t *bytes) {
  *bytes = (size_t)(rows / 64 + 1) * sizeof(uint64_t);
  uint64_t *used = eg_block_new(*bytes);
  if (!used) return NULL;
  memset(used, 0, *bytes);
  for (int64_t i = 0; i < k->count; i++)
    if (k->index[i] != k->blank) used[(k->index[i] - 1) / 64] |= UINT64_C(1) << (k->index[i] - 1) % 64;
  return used;
}

eg_status eg_embedding_used(int64_t *used, const eg_tensor *index, int64_t rows, int64_t blank) {
  lookup k;
  size_t bytes;
  EG_TRY(open_index(&k, "embedding backward", index, rows));
  k.blank = blank;
  uint64_t *bits = mark_used(&k, rows, &bytes);
  *used = 0;
  for (int64_t i = 0; bits && i <= rows / 64; i++) *used += __builtin_popcountll(bits[i]);
  eg_block_free(bits, bytes);
  close_lookup(&k);
  return bits ? EG_OK : EG_ENOMEM;
}

/* Groups the positions by row: a group is the rank of its row among the used ones. Writes their numbers to `used`; false when there
 * are more or fewer than `groups`. */
static bool group_by_row(lookup *k, const uint64_t *bits, int64_t words, int64_t *used, int64_t *rank) {
  int64_t found = 0;
  for (int64_t w = 0; w < words; w++) {
    rank[w] = found;
    found += __builtin_popcountll(bits[w]);
  }
  if (found != k->groups) return false;
  for (int64_t w = 0; w < words; w++)
    for (uint64_t rest = bits[w]; rest; rest &= rest - 1) *used++ = w * 64 + __builtin_ctzll(rest) + 1;
  memset(k->begin, 0, (size_t)(k->groups + 2) * sizeof(int64_t));
  for (int pass = 0; pass < 2;
       pass++) { /* counts, two places ahead; then positions, which move begins to their places */
    for (int64_t i = 0; i < k->count; i++) {
      int64_t row = k->index[i] - 1, word = row / 64;
      if (k->index[i] == k->blank) continue;
      int64_t group = rank[word] + __builtin_popcountll(bits[word] & ((UINT64_C(1) << row % 64) - 1));
      if (pass == 0) k->begin[group + 2]++;
      else k->position[k->begin[group + 1]++] = i;
    }
    for (int64_t g = 0; pass == 0 && g < k->groups; g++) k->begin[g + 2] += k->begin[g + 1];
  }
  return true;
}

static void sum_tile(void *context, int64_t tile) {
  const lookup *k = context;
  EG_REAL(k->dtype, sum_groups)(k, tile * k->block, EG_MIN((tile + 1) * k->block, k->groups));
}

static eg_status sum_used(lookup *k, eg_tensor *used, int64_t rows) {
  size_t bits_bytes, words = (size_t)(rows / 64 + 1), bytes;
  uint64_t *bits = mark_used(k, rows, &bits_bytes);
  bytes = (words + (size_t)(k->count + k->groups + 2)) * sizeof(int64_t);
  int64_t *memory = eg_block_new(bytes);
  eg_status status = bits && memory ? EG_OK : EG_ENOMEM;
  if (!status) {
    k->position = memory + words, k->begin = k->position + k->count;
    if (group_by_row(k, bits, (int64_t)words, used->data, memory)) status = run_tiles(k, k->groups, sum_tile);
    else status = eg_fail(EG_ESHAPE, "embedding backward: the index has not %lld different rows", (long long)k->groups);
  }
  eg_block_free(bits, bits_bytes);
  eg_block_free(memory, bytes);
  return status;
}

eg_status eg_embedding_rows(eg_tensor *used, eg_tensor *sums, const eg_tensor *grad, const eg_tensor *index,
                            int64_t rows, int64_t blank) {
  static const char *op = "embedding backward";
  lookup k;
  EG_TRY(eg_check_real(op, "sums", sums));
  EG_TRY(eg_check_dims(op, "sums", sums, 2));
  EG_TRY(eg_check_contiguous(op, "sums", sums));
  EG_TRY(eg_check_dtype(op, "used", used, EG_INT64));
  EG_TRY(eg_check_shape(op, "used", used, 1, sums->size));
  EG_TRY(eg_check_contiguous(op, "used", used));
  EG_TRY(check_rows(op, "gradient", grad, index, sums));
  EG_TRY(open_index(&k, op, index, rows));
  k.groups = sums->size[0], k.width = sums->size[1], k.blank = blank;
  k.out = sums->data, k.dtype = sums->dtype;
  eg_status status = eg_elements(grad, &k.copies[1], &k.grad);
  if (!status) status = sum_used(&k, used, rows);
  close_lookup(&k);
  return status;
}

/* ---- squares of each sample's gradient ---- */

typedef struct place {
  int64_t sample, row, position;
} place;

static int by_sample_and_row(const void *a, const void *b) {
  const place *x = a, *y = b;
  if (x->sample != y->sample) return x->sample < y->sample ? -1 : 1;
  if (x->row != y->row) return x->row < y->row ? -1 : 1;
  return x->position < y->position ? -1 : 1;
}

/* A group is a row within a sample. */
static void group_by_sample(lookup *k, int64_t per_sample, place *places) {
  int64_t n = 0;
  for (int64_t i = 0; i < k->count; i++)
    if (k->index[i] != k->blank) places[n++] = (place){i / per_sample, k->index[i], i};
  qsort(places, (size_t)n, sizeof *places, by_sample_and_row);
  for (int64_t i = 0; i < n; i++) {
    bool same = i > 0 && places[i].sample == places[i - 1].sample && places[i].row == places[i - 1].row;
    if (!same) k->begin[k->groups++] = i;
    k->position[i] = places[i].position;
  }
  k->begin[k->groups] = n;
}

static void square_tile(void *context, int64_t tile) {
  const lookup *k = context;
  EG_REAL(k->dtype, square_groups)(k, tile * COLUMNS, EG_MIN(COLUMNS, k->width - tile * COLUMNS));
}

eg_status eg_fisher_embedding(eg_tensor *out, const eg_tensor *grad, const eg_tensor *index, int64_t blank,
                              int absolute) {
  static const char *op = "fisher_embedding";
  lookup k;
  EG_TRY(check_table(op, out));
  EG_TRY(eg_check_contiguous(op, "output", out));
  EG_TRY(check_rows(op, "gradient", grad, index, out));
  if (index->dims == 0) return eg_fail(EG_ESHAPE, "%s: the index has no dimension of samples", op);
  EG_TRY(open_index(&k, op, index, out->size[0]));
  size_t bytes = (size_t)k.count * (sizeof(place) + sizeof(int64_t)) + (size_t)(k.count + 1) * sizeof(int64_t);
  void *memory = eg_block_new(bytes);
  eg_status status = memory ? eg_elements(grad, &k.copies[1], &k.grad) : EG_ENOMEM;
  if (!status) {
    k.position = (int64_t *)((place *)memory + k.count), k.begin = k.position + k.count;
    k.width = out->size[1], k.out = out->data, k.dtype = out->dtype, k.blank = blank, k.absolute = absolute;
    group_by_sample(&k, EG_MAX(1, k.count / EG_MAX(index->size[0], 1)), memory);
    status = eg_parallel_over(k.count * k.width, eg_tiles(k.width, COLUMNS), square_tile, &k);
  }
  eg_block_free(memory, bytes);
  close_lookup(&k);
  return status;
}
#endif
