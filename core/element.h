/* element.h - compiles a file's kernels over the C type of each dtype, for each instruction set: real.h's sibling for kernels
 * that take integers too.
 *
 * The file's half under `#ifdef ELEMENT` is written over the type `element`, with names made by E(name); T(name) is the name
 * of what the ordinary half has for each type alone. `wide` is the type in which integers wrap around instead of
 * overflowing; ELEMENT_REAL is 1 for float and double; ELEMENT_NAN(x) tells NaN. The ordinary half sets EG_ELEMENTS to the
 * file's own name, includes this header, and chooses with EG_ELEMENT(dtype, name), for which the kernels must have one C
 * type (void pointers for data). */
#ifndef SET
#define EG_ELEMENT(dtype, name)                                                                                        \
  ((dtype) == EG_FLOAT32   ? EG_OF_SET(name##_float32)                                                                 \
   : (dtype) == EG_FLOAT64 ? EG_OF_SET(name##_float64)                                                                 \
   : (dtype) == EG_INT64   ? EG_OF_SET(name##_int64)                                                                   \
                           : EG_OF_SET(name##_uint8))
#undef T
#define T(name) EG_JOIN(name, ELEMENT_SUFFIX)
#define E(name) S(T(name))
#define EG_KERNELS_OF_A_SET "element.h"
#include "instructions.h"
#else

#define ELEMENT
#define ELEMENT_REAL 1
#define ELEMENT_NAN(x) ((x) != (x))
#define ELEMENT_SUFFIX _float32
#define element float
#define wide float
#include EG_ELEMENTS
#undef ELEMENT_SUFFIX
#undef element
#undef wide

#define ELEMENT_SUFFIX _float64
#define element double
#define wide double
#include EG_ELEMENTS
#undef ELEMENT_REAL
#undef ELEMENT_NAN
#undef ELEMENT_SUFFIX
#undef element
#undef wide

#define ELEMENT_REAL 0
#define ELEMENT_NAN(x) 0
#define ELEMENT_SUFFIX _int64
#define element int64_t
#define wide uint64_t
#include EG_ELEMENTS
#undef ELEMENT_SUFFIX
#undef element
#undef wide

#define ELEMENT_SUFFIX _uint8
#define element uint8_t
#define wide unsigned
#include EG_ELEMENTS
#undef ELEMENT
#undef ELEMENT_REAL
#undef ELEMENT_NAN
#undef ELEMENT_SUFFIX
#undef element
#undef wide
#endif
