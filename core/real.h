/* real.h - compiles a file's kernels twice, over float and over double.
 *
 * A kernel file has two halves. The first, under `#ifdef REAL`, holds the kernels, written once over the type `real`, with
 * names made by K(name). The second is the ordinary file: it sets EG_KERNELS to its own name, includes this header, and
 * from then on has name_f32 and name_f64, between which EG_REAL(dtype, name) chooses.
 *
 *     #ifdef REAL
 *     static void K(scale)(real *x, int64_t n, real by) { for (int64_t i = 0; i < n; i++) x[i] *= by; }
 *     #else
 *     #include "internal.h"
 *     #define EG_KERNELS "scale.c"
 *     #include "real.h"
 *     eg_status eg_scale(eg_tensor *t, double by) { ... EG_REAL(t->dtype, scale)(t->data, t->count, by); ... }
 *     #endif
 */
#define EG_JOIN_(a, b) a##b
#define EG_JOIN(a, b) EG_JOIN_(a, b)
#define K(name) EG_JOIN(name, REAL_SUFFIX)
/* The two variants have different pointer types, so this works where it is called: both calls are compiled. */
#define EG_REAL_CALL(dtype, name, ...)                                                                                 \
  ((dtype) == EG_FLOAT32 ? EG_JOIN(name, _f32)(__VA_ARGS__) : EG_JOIN(name, _f64)(__VA_ARGS__))
/* Chooses between two kernels of one C type (void pointers for data). */
#define EG_REAL(dtype, name) ((dtype) == EG_FLOAT32 ? EG_JOIN(name, _f32) : EG_JOIN(name, _f64))

#define REAL float
#define real float
#define REAL_SUFFIX _f32
#define REAL_IS_FLOAT 1
#include EG_KERNELS
#undef REAL
#undef real
#undef REAL_SUFFIX
#undef REAL_IS_FLOAT

#define REAL double
#define real double
#define REAL_SUFFIX _f64
#define REAL_IS_FLOAT 0
#include EG_KERNELS
#undef REAL
#undef real
#undef REAL_SUFFIX
#undef REAL_IS_FLOAT
