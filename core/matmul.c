/* matmul.c - products of matrices. The output is cut into tiles by its shape (never along the summed dimension, never by the
 * number of threads). A tile is one single-threaded call of OpenBLAS; or, where the product has a side of middle size, as
 * layers of networks have, one pass over panels of ours, which copies less before it multiplies. */
#ifdef REAL

#include "vectors.h"

/* Rows of one block of dot products: as many sums as there are registers for. */
#undef DOT_ROWS
#define DOT_ROWS (VECTOR == 64 ? 5 : 2)

/* panel[i][column] of `count` rows of b, `width` columns wide, of which the last may be missing and are zero. */
static void K(pack)(real *panel, int64_t width, const real *b, int64_t row, int64_t column, int64_t count,
                    int64_t columns) {
  if (columns < width) memset(panel, 0, (size_t)(count * width) * sizeof(real));
  if (column != 1) K(transpose)(panel, width, b, column, columns, count);
  else if (columns < width)
    for (int64_t i = 0; i < count; i++) memcpy(panel + i * width, b + i * row, (size_t)columns * sizeof(real));
  else if (width == K(lanes))
    for (int64_t i = 0; i < count; i++) memcpy(panel + i * K(lanes), b + i * row, K(lanes) * sizeof(real));
  else
    for (int64_t i = 0; i < count; i++) memcpy(panel + i * 2 * K(lanes), b + i * row, 2 * K(lanes) * sizeof(real));
}

/* group[i][r] = a[i][r] for rows that lie beside each other */
static void K(pack_rows)(real *group, const real *a, int64_t step, int64_t count, int64_t rows) {
  if (rows == ROWS)
    for (int64_t i = 0; i < count; i++) memcpy(group + i * ROWS, a + i * step, ROWS * sizeof(real));
  else
    for (int64_t i = 0; i < count; i++)
      for (int64_t r = 0; r < rows; r++) group[i * ROWS + r] = a[i * step + r];
}

/* At most ROWS rows over one panel. Rows of a that lie beside each other come ROWS apart in `group`. */
static ALWAYS_INLINE void K(multiply_panel)(int vectors, const panels *p, int64_t rows, real *c, int64_t c_pitch,
                                            const real *a, const real *panel, int64_t count, const real *start,
                                            bool add) {
  int64_t width = vectors * K(lanes);
  if (p->a_row == 1) K(multiply_rows)(vectors, rows, c, c_pitch, a, 1, ROWS, panel, width, count, start, add);
  else K(multiply_rows)(vectors, rows, c, c_pitch, a, p->a_row, 1, panel, width, count, start, add);
}

/* The same for fewer columns than the panel has, through whole vectors. */
static void K(multiply_edge)(const panels *p, int64_t rows, int64_t columns, real *c, const real *a, const real *panel,
                             int64_t count, const real *start, bool add) {
  int64_t width = columns > K(lanes) ? 2 * K(lanes) : K(lanes);
  size_t bytes = (size_t)columns * sizeof(real);
  real whole[ROWS * 2 * K(lanes)] __attribute__((aligned(64)));
  for (int64_t r = 0; add && r < rows; r++) memcpy(whole + r * width, c + r * p->c_pitch, bytes);
  if (width > K(lanes)) K(multiply_panel)(2, p, rows, whole, width, a, panel, count, start, add);
  else K(multiply_panel)(1, p, rows, whole, width, a, panel, count, start, add);
  for (int64_t r = 0; r < rows; r++) memcpy(c + r * p->c_pitch, whole + r * width, bytes);
}

/* c = a b (+ bias). A block of b is packed into panels, which stay in the second cache while all rows of a go over them; a few
 * rows of a stay in the first cache while they go over all panels, and write their part of c from left to right. */
static void K(multiply_panels)(const panels *p) {
  enum { WIDTH = 2 * K(lanes), COLUMNS = BLOCK / DEPTH / sizeof(real) };
  real *block = p->memory, bias[COLUMNS] __attribute__((aligned(64))), group[DEPTH * ROWS];
  for (int64_t j = 0; j < p->n; j += COLUMNS) {
    int64_t columns = EG_MIN(COLUMNS, p->n - j);
    for (int64_t x = 0; p->bias && x < COLUMNS; x++)
      bias[x] = x < columns ? ((const real *)p->bias)[(j + x) * p->bias_step] : 0;
    for (int64_t i = 0; i < p->k; i += DEPTH) {
      int64_t count = EG_MIN(DEPTH, p->k - i);
      const real *b = (const real *)p->b + i * p->b_row + j * p->b_column;
      for (int64_t x = 0; x < columns; x += WIDTH) K(pack)
      (block + x * DEPTH, columns - x > K(lanes) ? WIDTH : K(lanes), b + x * p->b_column, p->b_row, p->b_column, count,
       EG_MIN(WIDTH, columns - x));
      for (int64_t r = 0; r < p->m; r += ROWS) {
        if (eg_interrupt_pending()) return;
        int64_t rows = EG_MIN(ROWS, p->m - r);
        const real *a = (const real *)p->a + r * p->a_row + i * p->a_step;
        real *c = (real *)p->c + r * p->c_pitch + j;
        if (p->a_row == 1) {
          K(pack_rows)(group, a, p->a_step, count, rows);
          a = group;
        }
        for (int64_t x = 0; x < columns; x += WIDTH) {
          const real *panel = block + x * DEPTH, *start = p->bias ? bias + x : NULL;
          if (columns - x >= WIDTH) K(multiply_panel)(2, p, rows, c + x, p->c_pitch, a, panel, count, start, i > 0);
          else K(multiply_edge)(p, rows, columns - x, c + x, a, panel, count, start, i > 0);
        }
      }
    }
  }
}

/* ---- few rows: b is read once, as it lies ---- */

/* The sum of a vector's elements, by halves. */
static ALWAYS_INLINE real K(total)(K(vector) x) {
#pragma GCC unroll 4
  for (int half = K(lanes) / 2; half > 0; half /= 2) {
    K(indices) other;
    for (int l = 0; l < K(lanes); l++) other[l] = l ^ half;
    x += __builtin_shuffle(x, other);
  }
  return x[0];
}

static ALWAYS_INLINE K(vector) K(masked)(const real *at, K(indices) mask) {
  K(vector) x = *(const K(vector) *)at;
  return (K(vector))((K(indices))x & mask);
}

/* One vector of each row of a and of b is multiplied and added to its sum; elements outside `mask` count as 0. */
static ALWAYS_INLINE void K(dot_step)(int rows, int columns, K(vector) sum[][DOT_COLUMNS], const panels *p,
                                      const real *a, const real *b, K(indices) mask) {
  K(vector) y[DOT_COLUMNS];
#pragma GCC unroll 4
  for (int j = 0; j < columns; j++) y[j] = K(masked)(b + j * p->b_column, mask);
#pragma GCC unroll 8
  for (int r = 0; r < rows; r++) {
    K(vector) x = K(masked)(a + r * p->a_row, mask);
#pragma GCC unroll 4
    for (int j = 0; j < columns; j++) sum[r][j] += x * y[j];
  }
}

/* c[r][j] = bias[j] + sum over i of a[r][i] b[j][i], for rows of a and b whose elements lie beside each other. The last vector lies
 * over the one before, with a mask that leaves what is not yet counted. */
static ALWAYS_INLINE void K(dot_block)(int rows, int columns, const panels *p, real *c, const real *a, const real *b,
                                       const real *bias) {
  const K(indices) zero = {0}, all = ~zero;
  K(vector) sum[DOT_ROWS][DOT_COLUMNS];
#pragma GCC unroll 8
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
    for (int j = 0; j < columns; j++) sum[r][j] = (K(vector)){0};
  int64_t i = 0;
  for (; i + K(lanes) <= p->k; i += K(lanes)) K(dot_step)(rows, columns, sum, p, a + i, b + i, all);
  if (i < p->k) {
    int64_t last = p->k - K(lanes);
    K(indices) mask = zero;
    for (int l = (int)(i - last); l < K(lanes); l++) mask[l] = -1;
    K(dot_step)(rows, columns, sum, p, a + last, b + last, mask);
  }
#pragma GCC unroll 8
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
    for (int j = 0; j < columns; j++) c[r * p->c_pitch + j] = K(total)(sum[r][j]) + (bias ? bias[j * p->bias_step] : 0);
}

static ALWAYS_INLINE void K(dot_columns)(int columns, const panels *p, int64_t j) {
  const real *b = (const real *)p->b + j * p->b_column, *bias = p->bias;
  if (bias) bias += j * p->bias_step;
  int64_t r = 0;
#define DOTS(rows)                                                                                                     \
  K(dot_block)(rows, columns, p, (real *)p->c + r * p->c_pitch + j, (const real *)p->a + r * p->a_row, b, bias)
  for (; r + DOT_ROWS <= p->m; r += DOT_ROWS) DOTS(DOT_ROWS);
  for (; r + 2 <= p->m; r += 2) DOTS(2);
  for (; r < p->m; r++) DOTS(1);
#undef DOTS
}

/* b by columns that lie in one piece each, as the weight of a layer does. */
static void K(multiply_dots)(const panels *p) {
  int64_t j = 0;
  for (; j + DOT_COLUMNS <= p->n; j += DOT_COLUMNS) K(dot_columns)(DOT_COLUMNS, p, j);
  for (; j < p->n; j++) K(dot_columns)(1, p, j);
}

/* b by rows that lie in one piece each. The last columns lie over the ones before, and get the same bits again. */
static void K(multiply_lines)(const panels *p) {
  int vectors = p->n >= 2 * K(lanes) ? 2 : 1;
  int64_t width = vectors * K(lanes);
  real bias[2 * K(lanes)];
  for (int64_t x = 0; x < p->n; x += width) {
    int64_t j = EG_MIN(x, p->n - width);
    for (int64_t l = 0; p->bias && l < width; l++) bias[l] = ((const real *)p->bias)[(j + l) * p->bias_step];
    const real *start = p->bias ? bias : NULL;
    if (vectors == 2) K(multiply_rows)
    (2, p->m, (real *)p->c + j, p->c_pitch, p->a, p->a_row, p->a_step, (const real *)p->b + j, p->b_row, p->k, start,
     false);
    else K(multiply_rows)(1, p->m, (real *)p->c + j, p->c_pitch, p->a, p->a_row, p->a_step, (const real *)p->b + j,
                          p->b_row, p->k, start, false);
  }
}

/* Negative elements of a tile become 0. */
static void K(rectify)(void *tile, int64_t rows, int64_t columns, int64_t pitch) {
  for (int64_t r = 0; r < rows; r++) {
    real *x = (real *)tile + r * pitch;
    for (int64_t i = 0; i < columns; i++) x[i] = x[i] <= 0 ? 0 : x[i];
  }
}

#else
#include <cblas.h>
#include <limits.h>

#include "internal.h"

/* Products are to be fused with sums. */
#pragma GCC optimize("fp-contract=fast")

enum { DEPTH = 256, BLOCK = 1 << 18 }; /* rows and bytes of a block of panels */

enum { DOT_COLUMNS = 4 };

/* One tile: c (m, n) = a (m, k) b (k, n), of any strides of a and b one of which is 1. */
typedef struct {
  int64_t m, n, k, a_row, a_step, b_row, b_column, c_pitch, bias_step;
  const void *a, *b, *bias;
  void *c, *memory; /* a block of panels, which this thread alone uses */
} panels;

#define EG_KERNELS "matmul.c"
#include "real.h"

/* A matrix, or a batch of them, as BLAS reads it. */
typedef struct {
  const eg_tensor *tensor; /* the operand or its copy */
  eg_tensor *copy;         /* made when BLAS cannot read the operand's strides; NULL otherwise */
  CBLAS_TRANSPOSE transpose;
  int leading;                 /* elements between neighbouring rows (columns when transposed) */
  int64_t row, column;         /* strides of the matrix */
  int64_t stride[EG_MAX_DIMS]; /* strides of the batch dimensions, 0 where broadcast */
} operand;

typedef struct {
  int dtype;
  size_t element;
  operand a, b;
  const eg_tensor *bias; /* (n) or NULL */
  char *out;
  int64_t m, n, k;                                    /* out (m, n) = a (m, k) b (k, n) */
  int64_t batch, batch_dims, batch_size[EG_MAX_DIMS]; /* number of matrices; the leading dimensions */
  int64_t rows, columns, across, parts;               /* a tile; tiles beside each other; tiles of a matrix */
  int64_t group;                                      /* matrices in a tile, when parts is 1 */
  bool relu;                                          /* negative elements become 0 */
  char *memory;                                       /* a block of panels for each thread */
  void (*kernel)(const panels *);                     /* what makes a tile; NULL: BLAS */
} product;

/* ---- operands ---- */

/* True when BLAS can read the matrix in t's last two dimensions; then how. */
static bool readable(operand *x, const eg_tensor *t) {
  int64_t rows = t->size[t->dims - 2], columns = t->size[t->dims - 1];
  int64_t row = t->stride[t->dims - 2], column = t->stride[t->dims - 1];
  x->tensor = t;
  x->row = row;
  x->column = column;
  if ((column == 1 || columns == 1) && (row >= columns || rows == 1)) {
    x->transpose = CblasNoTrans;
    x->leading = (int)EG_MAX(1, rows == 1 ? columns : row);
    return EG_MAX(row, columns) <= INT_MAX;
  }
  if ((row == 1 || rows == 1) && (column >= rows || columns == 1)) {
    x->transpose = CblasTrans;
    x->leading = (int)EG_MAX(1, columns == 1 ? rows : column);
    return EG_MAX(column, rows) <= INT_MAX;
  }
  return false;
}

static eg_status open_operand(operand *x, const eg_tensor *t, const product *p) {
  eg_tensor matrices;
  x->copy = NULL;
  if (!readable(x, t)) {
    x->copy = eg_new_like(t, -1);
    if (!x->copy) return EG_ENOMEM;
    EG_TRY(eg_copy(x->copy, t));
    readable(x, x->copy);
  }
  matrices = *x->tensor;
  matrices.dims -= 2;
  eg_broadcast_strides(&matrices, (int)p->batch_dims, p->batch_size, x->stride);
  return EG_OK;
}

static void close_operand(operand *x) { eg_free(x->copy); }

/* The first element of the item-th matrix, then moved by an offset within it. */
static const char *matrix(const product *p, const operand *x, int64_t item, int64_t offset) {
  for (int64_t d = p->batch_dims - 1; d >= 0; d--) {
    offset += item % p->batch_size[d] * x->stride[d];
    item /= p->batch_size[d];
  }
  return (const char *)x->tensor->data + (size_t)offset * p->element;
}

/* ---- tiles ---- */

enum { PANEL_ROWS = 16, PANEL_DEPTH = 8 };

/* Length of the pieces of a side: at least some, whole vectors. */
static int64_t piece(int64_t side, int64_t least, int64_t pieces) {
  int64_t length = EG_MAX(eg_tiles(side, pieces), least);
  return EG_MAX(1, EG_MIN(side, (length + 31) / 32 * 32));
}

/* Panels pay where the matrix that is packed is used by enough rows, vectors are full, and each step of a product has work. With
 * few rows or columns b is read as it lies. The rest is left to BLAS. */
static void choose_kernel(product *p) {
  int64_t lanes = eg_vector_bytes() / (int64_t)p->element;
  bool strides = (p->a.row == 1 || p->a.column == 1) && (p->b.row == 1 || p->b.column == 1);
  bool few = p->m < PANEL_ROWS, narrow = p->n < lanes, dots = p->a.column == 1 && p->b.row == 1 && p->k >= lanes;
  p->kernel = NULL;
  if (!strides || p->m < 2 || p->n < 2) return;
  if (!few && !narrow && p->k >= PANEL_DEPTH) p->kernel = EG_REAL(p->dtype, multiply_panels);
  else if ((few || narrow) && dots) p->kernel = EG_REAL(p->dtype, multiply_dots);
  else if (few && !narrow && p->b.column == 1) p->kernel = EG_REAL(p->dtype, multiply_lines);
}

/* Each tile packs the other operand anew (BLAS) or b (panels), so pieces are not much shorter than the other side is long. */
static void cut(product *p) {
  p->memory = NULL;
  const double tile_work = 4e6; /* multiplications and additions that pay for waking a thread */
  double work = 2.0 * (double)p->m * (double)p->n * (double)p->k;
  int64_t pieces = work >= 2 * tile_work ? (int64_t)EG_MIN(work / tile_work, 16.0) : 1;
  int64_t least_rows = EG_MAX(64, EG_MIN(p->n / 2, 256)), least_columns = EG_MAX(64, EG_MIN(p->m / 2, 256));
  choose_kernel(p);
  if (p->kernel) least_columns = 64;
  bool by_rows = p->kernel ? p->n < 128 && p->m >= 128 : p->m >= p->n;
  p->rows = by_rows ? piece(p->m, least_rows, pieces) : EG_MAX(1, p->m);
  p->columns = by_rows ? EG_MAX(1, p->n) : piece(p->n, least_columns, pieces);
  /* A last tile narrower than a vector would reach into the one before. */
  while (!by_rows && p->n > p->columns && p->n % p->columns && p->n % p->columns < 16) p->columns += 32;
  p->across = eg_tiles(p->n, p->columns);
  p->parts = eg_tiles(p->m, p->rows) * p->across;
  p->group = p->parts > 1 ? 1 : EG_MAX(1, (int64_t)EG_MIN(tile_work / EG_MAX(work, 1), 1e9));
}

static void spread_bias(const product *p, char *out, int64_t rows, int64_t column, int64_t columns) {
  const char *bias = (const char *)p->bias->data + (size_t)(column * p->bias->stride[0]) * p->element;
  size_t pitch = (size_t)p->n * p->element, step = (size_t)p->bias->stride[0] * p->element;
  for (int64_t j = 0; j < columns; j++) memcpy(out + (size_t)j * p->element, bias + (size_t)j * step, p->element);
  for (int64_t i = 1; i < rows; i++) memcpy(out + (size_t)i * pitch, out, (size_t)columns * p->element);
}

/* y = y + matrix x, for the rows x columns matrix that lies in memory, turned where asked. */
static void multiply_vector(const product *p, CBLAS_TRANSPOSE turn, int rows, int columns, const operand *by,
                            const void *a, const void *x, int64_t step, void *y) {
  int by_x = (int)EG_MAX(step, 1);
  if (p->dtype == EG_FLOAT32) cblas_sgemv(CblasRowMajor, turn, rows, columns, 1, a, by->leading, x, by_x, 1, y, 1);
  else cblas_dgemv(CblasRowMajor, turn, rows, columns, 1, a, by->leading, x, by_x, 1, y, 1);
}

static void multiply(const product *p, int64_t item, int64_t row, int64_t column) {
  int m = (int)EG_MIN(p->rows, p->m - row), n = (int)EG_MIN(p->columns, p->n - column), k = (int)p->k;
  void *out = p->out + (size_t)((item * p->m + row) * p->n + column) * p->element;
  const void *a = matrix(p, &p->a, item, row * p->a.row), *b = matrix(p, &p->b, item, column * p->b.column);
  bool a_turned = p->a.transpose == CblasTrans, b_turned = p->b.transpose == CblasTrans;
  bool vector = k > 0 && (p->n == 1 || p->m == 1) && EG_MAX(p->a.column, p->b.row) <= INT_MAX;
  if (p->bias) spread_bias(p, out, m, column, n);
  else if (vector) memset(out, 0, (size_t)(m * n) * p->element);
  if (vector && p->n == 1)
    multiply_vector(p, p->a.transpose, a_turned ? k : m, a_turned ? m : k, &p->a, a, b, p->b.row, out);
  else if (vector)
    multiply_vector(p, b_turned ? CblasNoTrans : CblasTrans, b_turned ? n : k, b_turned ? k : n, &p->b, b, a,
                    p->a.column, out);
  else if (p->dtype == EG_FLOAT32)
    cblas_sgemm(CblasRowMajor, p->a.transpose, p->b.transpose, m, n, k, 1, a, p->a.leading, b, p->b.leading,
                p->bias ? 1 : 0, out, (int)p->n);
  else
    cblas_dgemm(CblasRowMajor, p->a.transpose, p->b.transpose, m, n, k, 1, a, p->a.leading, b, p->b.leading,
                p->bias ? 1 : 0, out, (int)p->n);
}

static void multiply_by_kernel(const product *p, int64_t item, int64_t row, int64_t column) {
  panels q = {.m = EG_MIN(p->rows, p->m - row), .n = EG_MIN(p->columns, p->n - column), .k = p->k};
  q.memory = p->memory + (size_t)eg_thread_number() * BLOCK;
  q.a = matrix(p, &p->a, item, row * p->a.row);
  q.b = matrix(p, &p->b, item, column * p->b.column);
  q.c = p->out + (size_t)((item * p->m + row) * p->n + column) * p->element;
  q.a_row = p->a.row, q.a_step = p->a.column;
  q.b_row = p->b.row, q.b_column = p->b.column;
  q.c_pitch = p->n;
  if (p->bias) {
    q.bias_step = p->bias->stride[0];
    q.bias = (const char *)p->bias->data + (size_t)(column * q.bias_step) * p->element;
  }
  p->kernel(&q);
}

static void tile_of_matrix(const product *p, int64_t item, int64_t row, int64_t column) {
  (p->kernel ? multiply_by_kernel : multiply)(p, item, row, column);
  int64_t rows = EG_MIN(p->rows, p->m - row), columns = EG_MIN(p->columns, p->n - column);
  void *out = p->out + (size_t)((item * p->m + row) * p->n + column) * p->element;
  if (p->relu) EG_REAL(p->dtype, rectify)(out, rows, columns, p->n);
}

static void run_tile(void *context, int64_t tile) {
  const product *p = context;
  int64_t first = tile / p->parts * p->group, last = EG_MIN(first + p->group, p->batch), part = tile % p->parts;
  for (int64_t item = first; item < last; item++)
    tile_of_matrix(p, item, part / p->across * p->rows, part % p->across * p->columns);
}

static eg_status run(product *p, eg_tensor *out, const eg_tensor *a, const eg_tensor *b, const char *op) {
  if (EG_MAX(EG_MAX(p->m, p->n), p->k) > INT_MAX)
    return eg_fail(EG_ESHAPE, "%s: a size above %d is not supported: %s x %s", op, INT_MAX,
                   eg_describe_sizes(a->dims, a->size), eg_describe_sizes(b->dims, b->size));
  if (out->count == 0) return EG_OK;
  p->dtype = out->dtype;
  p->element = eg_element_size(out->dtype);
  p->out = out->data;
  eg_status status = open_operand(&p->a, a, p);
  if (!status) status = open_operand(&p->b, b, p);
  else p->b.copy = NULL;
  if (!status) {
    cut(p);
    bool packs = p->kernel == EG_REAL(p->dtype, multiply_panels);
    size_t bytes = packs ? (size_t)eg_threads_get() * BLOCK : 0;
    if (packs && !(p->memory = eg_block_new(bytes))) status = EG_ENOMEM;
    else status = eg_parallel(eg_tiles(p->batch, p->group) * p->parts, run_tile, p);
    eg_block_free(p->memory, bytes);
  }
  close_operand(&p->a);
  close_operand(&p->b);
  return status;
}

/* ---- the public functions ---- */

static eg_status check_operands(const char *op, const eg_tensor *out, const eg_tensor *a, const char *a_name,
                                const eg_tensor *b, const char *b_name) {
  EG_TRY(eg_check_real(op, a_name, a));
  EG_TRY(eg_check_real(op, b_name, b));
  EG_TRY(eg_check_same_dtype(op, a_name, a, b_name, b));
  EG_TRY(eg_check_dtype(op, "output", out, a->dtype));
  EG_TRY(eg_check_contiguous(op, "output", out));
  if (eg_overlap(out, a) || eg_overlap(out, b))
    return eg_fail(EG_EINVAL, "%s: the output shares memory with an operand", op);
  return EG_OK;
}

/* The shape of a product, whose matrices and batch dimensions p takes. */
static eg_status product_shape(product *p, const eg_tensor *a, const eg_tensor *b, int *dims, int64_t *size) {
  EG_TRY(eg_check_live("matmul", "first operand", a));
  EG_TRY(eg_check_live("matmul", "second operand", b));
  if (a->dims < 2 || b->dims < 2)
    return eg_fail(EG_ESHAPE, "matmul: expected two dimensions or more: %s x %s", eg_describe_sizes(a->dims, a->size),
                   eg_describe_sizes(b->dims, b->size));
  p->m = a->size[a->dims - 2];
  p->k = a->size[a->dims - 1];
  p->n = b->size[b->dims - 1];
  if (p->k != b->size[b->dims - 2])
    return eg_fail(EG_ESHAPE, "matmul: inner sizes differ: %s x %s", eg_describe_sizes(a->dims, a->size),
                   eg_describe_sizes(b->dims, b->size));
  if (!eg_broadcast_sizes(a->dims - 2, a->size, b->dims - 2, b->size, dims, size))
    return eg_fail(EG_ESHAPE, "matmul: leading sizes do not broadcast: %s x %s", eg_describe_sizes(a->dims, a->size),
                   eg_describe_sizes(b->dims, b->size));
  p->batch_dims = *dims;
  p->batch = 1;
  for (int d = 0; d < *dims; d++) p->batch *= p->batch_size[d] = size[d];
  size[(*dims)++] = p->m;
  size[(*dims)++] = p->n;
  return EG_OK;
}

eg_tensor *eg_matmul_new(const eg_tensor *a, const eg_tensor *b) {
  product p;
  int dims;
  int64_t size[EG_MAX_DIMS];
  return product_shape(&p, a, b, &dims, size) ? NULL : eg_new(a->dtype, dims, size);
}

eg_status eg_matmul(eg_tensor *out, const eg_tensor *a, const eg_tensor *b) {
  product p = {.bias = NULL};
  int dims;
  int64_t size[EG_MAX_DIMS];
  EG_TRY(check_operands("matmul", out, a, "first operand", b, "second operand"));
  EG_TRY(product_shape(&p, a, b, &dims, size));
  EG_TRY(eg_check_shape("matmul", "output", out, dims, size));
  return run(&p, out, a, b, "matmul");
}

static eg_status linear(eg_tensor *out, const eg_tensor *x, const eg_tensor *weight, const eg_tensor *bias, bool relu) {
  static const char *op = "linear";
  product p = {.batch = 1, .bias = bias, .relu = relu};
  EG_TRY(check_operands(op, out, x, "input", weight, "weight"));
  EG_TRY(eg_check_dims(op, "input", x, 2));
  EG_TRY(eg_check_dims(op, "weight", weight, 2));
  p.m = x->size[0];
  p.k = x->size[1];
  p.n = weight->size[0];
  if (p.k != weight->size[1])
    return eg_fail(EG_ESHAPE, "%s: input has %lld features, the weight wants %lld: input %s, weight %s", op,
                   (long long)p.k, (long long)weight->size[1], eg_describe_sizes(2, x->size),
                   eg_describe_sizes(2, weight->size));
  if (bias) {
    EG_TRY(eg_check_dtype(op, "bias", bias, x->dtype));
    EG_TRY(eg_check_shape(op, "bias", bias, 1, &p.n));
    if (eg_overlap(out, bias)) return eg_fail(EG_EINVAL, "%s: the output shares memory with the bias", op);
  }
  EG_TRY(eg_check_shape(op, "output", out, 2, (const int64_t[]){p.m, p.n}));
  eg_tensor transposed = *weight;
  transposed.size[0] = p.k;
  transposed.size[1] = p.n;
  transposed.stride[0] = weight->stride[1];
  transposed.stride[1] = weight->stride[0];
  transposed.contiguous = 0;
  return run(&p, out, x, &transposed, op);
}
eg_tensor *eg_linear_new(const eg_tensor *x, const eg_tensor *weight) {
  if (eg_check_dims("linear", "input", x, 2) || eg_check_dims("linear", "weight", weight, 2)) return NULL;
  return eg_new(x->dtype, 2, (const int64_t[]){x->size[0], weight->size[0]});
}

eg_status eg_linear(eg_tensor *out, const eg_tensor *x, const eg_tensor *weight, const eg_tensor *bias) {
  return linear(out, x, weight, bias, false);
}

eg_status eg_linear_relu(eg_tensor *out, const eg_tensor *x, const eg_tensor *weight, const eg_tensor *bias) {
  return linear(out, x, weight, bias, true);
}
#endif
