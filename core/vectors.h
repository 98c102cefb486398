/* vectors.h - vectors of real, their transposition, and the product under every matrix product and convolution of ours: for
 * the kernel halves of matmul.c, conv.c and winograd.c. */

/* Rows of two vectors that one product sums: enough to hide the latency of a sum, few enough for a register each. */
#undef ROWS
#define ROWS (VECTOR == 64 ? 8 : 6)

/* Products that are summed in one go: few enough for a small error, many enough that its sum is seldom taken up again. */
#undef SUMMED
#define SUMMED 64

typedef real K(vector) __attribute__((vector_size(VECTOR), aligned(sizeof(real)), may_alias));
enum { K(lanes) = VECTOR / sizeof(real) };
#if REAL_IS_FLOAT
typedef int32_t K(indices) __attribute__((vector_size(VECTOR)));
#else
typedef int64_t K(indices) __attribute__((vector_size(VECTOR)));
#endif

/* Transposes a square of vectors: each round interleaves the first half of the vectors with the second. */
static ALWAYS_INLINE void K(transpose_square)(real *to, int64_t to_pitch, const real *from, int64_t from_pitch) {
  K(vector) x[K(lanes)], y[K(lanes)];
  K(indices) low = {0}, high = {0};
  for (int i = 0; i < K(lanes); i++) {
    low[i] = i / 2 + i % 2 * K(lanes);
    high[i] = low[i] + K(lanes) / 2;
  }
#pragma GCC unroll 16
  for (int i = 0; i < K(lanes); i++) x[i] = *(const K(vector) *)(from + i * from_pitch);
#pragma GCC unroll 4
  for (int round = 1; round < K(lanes); round *= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < K(lanes) / 2; i++) {
      y[2 * i] = __builtin_shuffle(x[i], x[i + K(lanes) / 2], low);
      y[2 * i + 1] = __builtin_shuffle(x[i], x[i + K(lanes) / 2], high);
    }
#pragma GCC unroll 16
    for (int i = 0; i < K(lanes); i++) x[i] = y[i];
  }
#pragma GCC unroll 16
  for (int i = 0; i < K(lanes); i++) *(K(vector) *)(to + i * to_pitch) = x[i];
}

/* x <= 0 ? 0 : x, so that NaN stays */
static ALWAYS_INLINE K(vector) K(rectified)(K(vector) x) {
  return (K(vector))((K(indices))x & ~(K(indices))(x <= (K(vector)){0}));
}

static ALWAYS_INLINE void K(transpose_at)(real *to, int64_t to_pitch, const real *from, int64_t from_pitch, int64_t x,
                                          int64_t y) {
  K(transpose_square)(to + x * to_pitch + y, to_pitch, from + y * from_pitch + x, from_pitch);
}

/* to[x][y] = from[y][x]. The last square of a side that is no multiple of the lanes lies over the one before. Goes along the
 * longer side first, so that few lines of memory are open at a time. */
static void K(transpose)(real *to, int64_t to_pitch, const real *from, int64_t from_pitch, int64_t rows,
                         int64_t width) {
  int64_t last_x = width - K(lanes), last_y = rows - K(lanes);
  if (last_x < 0 || last_y < 0)
    for (int64_t y = 0; y < rows; y++)
      for (int64_t x = 0; x < width; x++) to[x * to_pitch + y] = from[y * from_pitch + x];
  else if (width > rows)
    for (int64_t y = 0; y < rows; y += K(lanes))
      for (int64_t x = 0; x < width; x += K(lanes))
        K(transpose_at)(to, to_pitch, from, from_pitch, EG_MIN(x, last_x), EG_MIN(y, last_y));
  else
    for (int64_t x = 0; x < width; x += K(lanes))
      for (int64_t y = 0; y < rows; y += K(lanes))
        K(transpose_at)(to, to_pitch, from, from_pitch, EG_MIN(x, last_x), EG_MIN(y, last_y));
}

/* c[r] (+)= start + sum over i of a[r * a_row + i * a_step] b[i], for rows of one or two vectors that stay in registers: rows of
 * c lie c_pitch apart, those of b b_pitch. Without `start` it is zero; with `add` the sum is made apart, then added to c. */
static ALWAYS_INLINE void K(multiply)(int rows, int vectors, real *c, int64_t c_pitch, const real *a, int64_t a_row,
                                      int64_t a_step, const real *b, int64_t b_pitch, int64_t count, const real *start,
                                      bool add) {
  const bool beside = __builtin_constant_p(a_row) && a_row == 1; /* then one address register serves all rows */
  K(vector) sum[ROWS][2];
  const real *from[ROWS];
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++) {
    const K(vector) *begin = (const K(vector) *)start;
    from[r] = a + r * a_row;
    sum[r][0] = sum[r][1] = (K(vector)){0};
    if (!add && begin) sum[r][0] = begin[0], sum[r][1] = begin[vectors - 1];
  }
  for (int64_t i = 0; i < count; i++, b += b_pitch) {
    K(vector) first = ((const K(vector) *)b)[0], second = ((const K(vector) *)b)[vectors - 1];
    int64_t at = i * a_step;
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
      real x = beside ? a[at + r] : from[r][at];
      sum[r][0] += x * first;
      if (vectors == 2) sum[r][1] += x * second;
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++) {
    K(vector) *to = (K(vector) *)(c + r * c_pitch);
    if (add) sum[r][0] += to[0], sum[r][1] += to[vectors - 1];
    to[0] = sum[r][0];
    if (vectors == 2) to[1] = sum[r][1];
  }
}

/* The same for any number of rows. */
static ALWAYS_INLINE void K(multiply_block)(int vectors, int64_t rows, real *c, int64_t c_pitch, const real *a,
                                            int64_t a_row, int64_t a_step, const real *b, int64_t b_pitch,
                                            int64_t count, const real *start, bool add) {
  int64_t r = 0;
  for (; r + ROWS <= rows; r += ROWS)
    K(multiply)(ROWS, vectors, c + r * c_pitch, c_pitch, a + r * a_row, a_row, a_step, b, b_pitch, count, start, add);
  for (; r + ROWS / 2 <= rows; r += ROWS / 2) K(multiply)
  (ROWS / 2, vectors, c + r * c_pitch, c_pitch, a + r * a_row, a_row, a_step, b, b_pitch, count, start, add);
  for (; r < rows; r++)
    K(multiply)(1, vectors, c + r * c_pitch, c_pitch, a + r * a_row, a_row, a_step, b, b_pitch, count, start, add);
}

/* The same for a sum of any length, in blocks. In one go the rounding error of a sum grows with its length, where what is summed is
 * alike (padding, blank pixels), else with the root of it; in blocks with that of a block, and with their number. */
static ALWAYS_INLINE void K(multiply_rows)(int vectors, int64_t rows, real *c, int64_t c_pitch, const real *a,
                                           int64_t a_row, int64_t a_step, const real *b, int64_t b_pitch, int64_t count,
                                           const real *start, bool add) {
  for (int64_t i = 0; i == 0 || i < count; i += SUMMED) K(multiply_block)
  (vectors, rows, c, c_pitch, a + i * a_step, a_row, a_step, b + i * b_pitch, b_pitch, EG_MIN(SUMMED, count - i), start,
   add || i > 0);
}
