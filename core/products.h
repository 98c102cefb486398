/* products.h - products of matrices small enough for the caches, inside a kernel: over vectors.h, for the kernel halves of the
 * files that walk over samples (attention.c, attention_last.c, lstm.c). Such a file fuses products with sums
 * (#pragma GCC optimize("fp-contract=fast")). */

#include "vectors.h"

/* The columns behind the last whole vector, when c is added to: the vector that ends with the last column is made beside c, and
 * what is new of it added. */
static inline void K(product_tail)(int64_t m, int64_t n, int64_t k, real *c, int64_t c_pitch, const real *a,
                                   int64_t a_row, int64_t a_step, const real *b, int64_t b_pitch, int64_t done) {
  real whole[ROWS * K(lanes)] __attribute__((aligned(64)));
  for (int64_t r = 0; r < m; r += ROWS) {
    int64_t rows = EG_MIN(ROWS, m - r);
    K(multiply_rows)
    (1, rows, whole, K(lanes), a + r * a_row, a_row, a_step, b + n - K(lanes), b_pitch, k, NULL, false);
    for (int64_t i = 0; i < rows; i++)
      for (int64_t j = done; j < n; j++) c[(r + i) * c_pitch + j] += whole[i * K(lanes) + j - n + K(lanes)];
  }
}

/* Fewer columns than a vector has. */
static void K(product_narrow)(int64_t m, int64_t n, int64_t k, real *c, int64_t c_pitch, const real *a, int64_t a_row,
                              int64_t a_step, const real *b, int64_t b_pitch, bool add) {
  for (int64_t r = 0; r < m; r++) {
    real sum[K(lanes)] = {0};
    for (int64_t j = 0; add && j < n; j++) sum[j] = c[r * c_pitch + j];
    for (int64_t i = 0; i < k; i++)
      for (int64_t j = 0; j < n; j++) sum[j] += a[r * a_row + i * a_step] * b[i * b_pitch + j];
    memcpy(c + r * c_pitch, sum, (size_t)n * sizeof(real));
  }
}

/* c (m, n) = a (m, k) b (k, n), or c += the same with `add`: rows of c and b lie in one piece each, c_pitch and b_pitch apart; element
 * (r, i) of a lies at r a_row + i a_step. The last columns are made again by the vector that ends with them, with the same bits. */
static void K(product)(int64_t m, int64_t n, int64_t k, real *c, int64_t c_pitch, const real *a, int64_t a_row,
                       int64_t a_step, const real *b, int64_t b_pitch, bool add) {
  int64_t j = 0;
  if (n < K(lanes)) {
    K(product_narrow)(m, n, k, c, c_pitch, a, a_row, a_step, b, b_pitch, add);
    return;
  }
  for (; j + 2 * K(lanes) <= n; j += 2 * K(lanes))
    K(multiply_rows)(2, m, c + j, c_pitch, a, a_row, a_step, b + j, b_pitch, k, NULL, add);
  for (; j + K(lanes) <= n; j += K(lanes))
    K(multiply_rows)(1, m, c + j, c_pitch, a, a_row, a_step, b + j, b_pitch, k, NULL, add);
  if (j < n && add) K(product_tail)(m, n, k, c, c_pitch, a, a_row, a_step, b, b_pitch, j);
  else if (j < n) {
    j = n - K(lanes);
    K(multiply_rows)(1, m, c + j, c_pitch, a, a_row, a_step, b + j, b_pitch, k, NULL, false);
  }
}

/* to (width, pitch) = the transpose of from (rows, width), zeros from column `rows` to the pitch. */
static inline void K(turn)(real *to, int64_t pitch, const real *from, int64_t from_pitch, int64_t rows, int64_t width) {
  K(transpose)(to, pitch, from, from_pitch, rows, width);
  for (int64_t x = 0; x < width && rows < pitch; x++)
    memset(to + x * pitch + rows, 0, (size_t)(pitch - rows) * sizeof(real));
}
