/* instructions.c - which instruction set the kernels use: the widest that the processor has, unless another is asked for.
 * Results have the same bits within one set. */
#include <stdio.h>

#include "internal.h"

int eg_set;

static const struct {
  const char *name;
  int vector;
} sets[EG_SETS] = {{"portable", 16}, {"avx2", 32}, {"avx512", 64}};

static bool available(int set) {
#ifdef __x86_64__
  if (set == EG_AVX512)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && available(EG_AVX2);
  if (set == EG_AVX2)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
#endif
  return set == EG_PORTABLE;
}

int eg_vector_bytes(void) { return sets[eg_set].vector; }

const char *eg_instructions(void) { return sets[eg_set].name; }

/* The names of the sets that this processor has, for messages. */
static const char *available_names(void) {
  static _Thread_local char text[64];
  size_t length = 0;
  for (int i = 0; i < EG_SETS; i++)
    if (available(i))
      length += (size_t)snprintf(text + length, sizeof text - length, "%s%s", i ? ", " : "", sets[i].name);
  return text;
}

eg_status eg_instructions_set(const char *name) {
  for (int i = 0; i < EG_SETS; i++)
    if (strcmp(name, sets[i].name) == 0 && available(i)) {
      eg_set = i;
      return EG_OK;
    }
  return eg_fail(EG_EINVAL, "instructions: '%s' is not one of this processor's instruction sets: %s", name,
                 available_names());
}

const char *eg_build(void) {
  static char text[64];
  snprintf(text, sizeof text, "gcc %s, %s", __VERSION__, eg_instructions());
  return text;
}

__attribute__((constructor)) static void choose(void) {
#ifdef __x86_64__
  __builtin_cpu_init();
#endif
  for (int i = 0; i < EG_SETS; i++)
    if (available(i)) eg_set = i;
}
