/* internal.h - what the core's files share and nobody else sees: error reporting, checks, scratch memory, tiles. */
#ifndef ENGRAM_INTERNAL_H
#define ENGRAM_INTERNAL_H
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "engram.h"

#define EG_MIN(a, b) ((a) < (b) ? (a) : (b))
#define EG_MAX(a, b) ((a) > (b) ? (a) : (b))
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define EG_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* ---- errors (error.c) ---- */

/* Leaves the message and returns status, so that a check reads: return eg_fail(EG_ESHAPE, "conv2d: ..."). */
eg_status eg_fail(eg_status status, const char *format, ...) EG_PRINTF(2, 3);

/* "(2, 3) float32" of a tensor in one of a few rotating thread-local buffers, for messages. */
const char *eg_describe(const eg_tensor *t);
/* "(2, 3)" of a list of sizes, likewise. */
const char *eg_describe_sizes(int dims, const int64_t *size);
const char *eg_dtype_name(int dtype);

/* True when the user interrupted and nobody said that it polls the flag itself. */
bool eg_interrupt_pending(void);

/* ---- checks: each leaves a message that begins with the operation's name ---- */

/* Fails with EG_ERELEASED when t is NULL. `name` is the argument's name. */
eg_status eg_check_live(const char *op, const char *name, const eg_tensor *t);
eg_status eg_check_real(const char *op, const char *name, const eg_tensor *t);
eg_status eg_check_dtype(const char *op, const char *name, const eg_tensor *t, int dtype);
eg_status eg_check_dims(const char *op, const char *name, const eg_tensor *t, int dims);
eg_status eg_check_contiguous(const char *op, const char *name, const eg_tensor *t);
eg_status eg_check_same_shape(const char *op, const char *a_name, const eg_tensor *a, const char *b_name,
                              const eg_tensor *b);
eg_status eg_check_same_dtype(const char *op, const char *a_name, const eg_tensor *a, const char *b_name,
                              const eg_tensor *b);
/* An output's shape against the one wanted. */
eg_status eg_check_shape(const char *op, const char *name, const eg_tensor *t, int dims, const int64_t *size);

/* Returns the status of a failed check from the calling function. */
#define EG_TRY(expression)                                                                                             \
  do {                                                                                                                 \
    eg_status eg_try_status = (expression);                                                                            \
    if (eg_try_status != EG_OK) return eg_try_status;                                                                  \
  } while (0)

/* ---- shapes (tensor.c) ---- */

/* The broadcast shape of two lists of sizes; false when they do not fit. */
bool eg_broadcast_sizes(int a_dims, const int64_t *a, int b_dims, const int64_t *b, int *dims, int64_t *size);
/* The strides with which t is read as if it had the given (broadcast) shape; false when it cannot be. */
bool eg_broadcast_strides(const eg_tensor *t, int dims, const int64_t *size, int64_t *stride);
/* Row-major strides. */
void eg_row_major(int dims, const int64_t *size, int64_t *stride);
/* Checks all but the output of a convolution (conv.c) and finds its size[4]. */
eg_status eg_conv2d_check(const char *op, const eg_tensor *in, const eg_tensor *weight, const eg_conv *how,
                          int64_t *size);
/* True when the memory between the first and the last element of each has a byte in common. */
bool eg_overlap(const eg_tensor *a, const eg_tensor *b);
/* Fails when elements of t share memory (an expanded view), so that it cannot be written. */
eg_status eg_check_distinct(const char *op, const char *name, const eg_tensor *t);
/* The elements of t in row-major order, in a copy (to be freed, NULL at first) where they do not lie so (copy.c). */
eg_status eg_elements(const eg_tensor *t, eg_tensor **copy, const void **data);
/* a * b without overflow; false when it does not fit into int64. */
static inline bool eg_multiply(int64_t a, int64_t b, int64_t *out) { return !__builtin_mul_overflow(a, b, out); }

/* ---- memory (storage.c): every byte of the core comes from here, so that failure can be rehearsed ---- */

/* 64-byte aligned block; NULL with EG_ENOMEM's message. Free with eg_block_free(block, bytes). */
void *eg_block_new(size_t bytes);
void eg_block_free(void *block, size_t bytes);
/* malloc for headers and tables; count in no statistics, but fail when told to. */
void *eg_malloc(size_t bytes);

/* ---- checksums (crc32c.c) ---- */

uint32_t eg_crc32c(const void *bytes, size_t length);
uint32_t eg_crc32c_masked(const void *bytes, size_t length); /* as TensorBoard's records have it */

/* ---- instruction sets (instructions.c, instructions.h), from the narrowest to the widest ---- */

enum { EG_PORTABLE, EG_AVX2, EG_AVX512, EG_SETS };
extern int eg_set;         /* the set in use */
int eg_vector_bytes(void); /* of its registers */

/* ---- threads (parallel.c) ---- */

/* Calls work(context, tile) for every tile 0..tiles-1, on as many threads as are set, in any order. The caller cuts
 * its work by shape alone, each tile writes its own output, so that results do not depend on the threads. At an
 * interrupt (unless it is trapped) tiles that have not begun are left out, and work may end early: EG_EINTR, to be handed on. */
typedef void (*eg_tile_work)(void *context, int64_t tile);
eg_status eg_parallel(int64_t tiles, eg_tile_work work, void *context);
/* The same for what may change a tensor in place: nothing is left out. */
void eg_parallel_whole(int64_t tiles, eg_tile_work work, void *context);
/* Number of the calling thread within eg_parallel: 0 .. eg_threads_get() - 1. */
int eg_thread_number(void);
/* The tile size of element-wise loops, and the elements of cheap work that pay for waking a thread. */
enum { EG_TILE = 16384, EG_WORTH = 8 * EG_TILE };
static inline int64_t eg_tiles(int64_t count, int64_t tile) { return (count + tile - 1) / tile; }
/* eg_parallel when `elements` of simple work are worth waking a thread, else the same tiles one after the other. */
static inline eg_status eg_parallel_over(int64_t elements, int64_t tiles, eg_tile_work work, void *context) {
  if (elements >= EG_WORTH) return eg_parallel(tiles, work, context);
  for (int64_t tile = 0; tile < tiles; tile++) work(context, tile);
  return EG_OK;
}
static inline void eg_parallel_whole_over(int64_t elements, int64_t tiles, eg_tile_work work, void *context) {
  if (elements >= EG_WORTH) eg_parallel_whole(tiles, work, context);
  else
    for (int64_t tile = 0; tile < tiles; tile++) work(context, tile);
}

/* Random blocks for kernels (random.c): out[4] for block `index` counted from the stream's present counter. */
void eg_rng_block(const eg_rng *rng, uint64_t index, uint32_t out[4]);
/* The same for `count` blocks from `first` on, at the speed of vectors. */
void eg_rng_blocks(const eg_rng *rng, uint64_t first, int64_t count, uint32_t *out);
void eg_rng_advance(eg_rng *rng, uint64_t blocks);

#endif
