/* instructions.h - compiles a file's kernels once for each instruction set; the processor chooses among them at run time.
 *
 * The file that EG_KERNELS_OF_A_SET names is included once a set, with S(name) giving names and VECTOR the bytes of a vector
 * register; EG_OF_SET(name) is the one of the set in use. A further set (NEON, say) is a paragraph here, a line in
 * EG_OF_SET and a line in the table of instructions.c. Mostly reached through real.h and element.h. */
#ifndef ENGRAM_INSTRUCTIONS_H
#define ENGRAM_INSTRUCTIONS_H
#define EG_JOIN_(a, b) a##b
#define EG_JOIN(a, b) EG_JOIN_(a, b)
#define S(name) EG_JOIN(name, SET)

#ifdef __x86_64__
#define EG_OF_SET(name) (eg_set == EG_AVX512 ? name##_avx512 : eg_set == EG_AVX2 ? name##_avx2 : name##_portable)
#else
#define EG_OF_SET(name) name##_portable
#endif
#endif

#define SET _portable
#define VECTOR 16
#include EG_KERNELS_OF_A_SET
#undef SET
#undef VECTOR

#ifdef __x86_64__
#pragma GCC push_options
#pragma GCC target("avx2,fma,bmi,bmi2,lzcnt,popcnt,f16c,movbe")
#define SET _avx2
#define VECTOR 32
#include EG_KERNELS_OF_A_SET
#undef SET
#undef VECTOR
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512f,avx512vl,avx512dq,avx512bw,avx512cd,avx2,fma,bmi,bmi2,lzcnt,popcnt,f16c,movbe")
#define SET _avx512
#define VECTOR 64
#include EG_KERNELS_OF_A_SET
#undef SET
#undef VECTOR
#pragma GCC pop_options
#endif
#undef EG_KERNELS_OF_A_SET
