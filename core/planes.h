/* planes.h - vectors of real, and planes of pixels turned into lanes of channels and back: for the kernel halves of conv.c and
 * winograd.c. */

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

/* to[x][y] = from[y][x]. The last square of a side that is no multiple of the lanes lies over the one before. */
static void K(transpose)(real *to, int64_t to_pitch, const real *from, int64_t from_pitch, int64_t rows,
                         int64_t width) {
  if (rows < K(lanes) || width < K(lanes)) {
    for (int64_t y = 0; y < rows; y++)
      for (int64_t x = 0; x < width; x++) to[x * to_pitch + y] = from[y * from_pitch + x];
    return;
  }
  for (int64_t x = 0; x < width; x += K(lanes))
    for (int64_t y = 0; y < rows; y += K(lanes)) {
      int64_t at_x = EG_MIN(x, width - K(lanes)), at_y = EG_MIN(y, rows - K(lanes));
      K(transpose_square)(to + at_x * to_pitch + at_y, to_pitch, from + at_y * from_pitch + at_x, from_pitch);
    }
}
