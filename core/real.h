/* real.h - compiles a file's kernels over float and over double, for each instruction set.
 *
 * A kernel file has two halves. The first, under `#ifdef REAL`, holds the kernels, written once over the type `real`, with
 * names made by K(name). The second is the ordinary file: it sets EG_KERNELS to its own name, includes this header, and
 * from then on EG_REAL(dtype, name) chooses the kernel for a dtype and the instruction set in use. T(name) is the name of
 * what the ordinary half has for each type alone, name_f32 and name_f64.
 *
 *     #ifdef REAL
 *     static void K(scale)(real *x, int64_t n, real by) { for (int64_t i = 0; i < n; i++) x[i] *= by; }
 *     #else
 *     #include "internal.h"
 *     #define EG_KERNELS "scale.c"
 *     #include "real.h"
 *     eg_status eg_scale(eg_tensor *t, double by) { ... EG_REAL_CALL(t->dtype, scale, t->data, t->count, by); ... }
 *     #endif
 */
#ifndef SET
/* Chooses between kernels of one C type (void pointers for data). */
#define EG_REAL(dtype, name) ((dtype) == EG_FLOAT32 ? EG_OF_SET(name##_f32) : EG_OF_SET(name##_f64))
/* The two types' kernels have different pointer types, so this works where it is called: all calls are compiled. */
#define EG_REAL_CALL(dtype, name, ...)                                                                                 \
  ((dtype) == EG_FLOAT32 ? EG_OF_SET(name##_f32)(__VA_ARGS__) : EG_OF_SET(name##_f64)(__VA_ARGS__))
#undef T
#define T(name) EG_JOIN(name, REAL_SUFFIX)
#define K(name) S(T(name))
#define EG_KERNELS_OF_A_SET "real.h"
#include "instructions.h"
#else

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
#endif
