/* exponential.h - exp, tanh and erfc of float without branches or calls, so that the compiler puts them into vectors; of
 * double from the C library. eg_exp(x), eg_tanh(x) and eg_erfc(x) choose by type. */
#ifndef ENGRAM_EXPONENTIAL_H
#define ENGRAM_EXPONENTIAL_H
#include <math.h>
#include <stdint.h>
#include <string.h>

/* 2^n for -126 <= n <= 127, else anything */
static inline float eg_power_of_two(int32_t n) {
  float x;
  uint32_t bits = (uint32_t)(n + 127) << 23;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* exp(x) = 2^n exp(r), |r| <= log(2) / 2; error below 1.1 units in the last place. NaN, infinities and subnormal results
 * as in the C library. */
static inline float eg_exp_float(float x) {
  const float shift = 12582912.0f; /* 1.5 * 2^23: adding it rounds to a whole number, which its low bits then hold */
  float bounded = x < -104.0f ? -104.0f : x > 89.0f ? 89.0f : x;
  float shifted = bounded * 1.44269504f + shift, whole = shifted - shift;
  int32_t bits;
  memcpy(&bits, &shifted, sizeof bits);
  int32_t n = bits - 0x4b400000;
  float r =
      (bounded - whole * 0.693145752f) - whole * 1.42860677e-6f; /* log(2) in two parts, the first times n exact */
  float p = 1.3888889e-3f + r * 1.9841270e-4f;
  p = 8.3333333e-3f + r * p;
  p = 4.1666667e-2f + r * p;
  p = 1.6666667e-1f + r * p;
  p = 0.5f + r * p;
  p = 1 + (r + r * r * p);
  int32_t half = n / 2; /* in two steps, since 2^n itself may be out of range */
  return p * eg_power_of_two(half) * eg_power_of_two(n - half);
}

/* An odd polynomial near 0, else 1 - 2 / (exp(2 |x|) + 1) with the sign of x; error below 2 units in the last place. */
static inline float eg_tanh_float(float x) {
  float size = fabsf(x), square = x * x;
  float p = -5.70498872745e-3f * square + 2.06390887954e-2f;
  p = p * square - 5.37397155531e-2f;
  p = p * square + 1.33314422036e-1f;
  p = p * square - 3.33332819422e-1f;
  float near = p * square * x + x, far = 1 - 2 / (eg_exp_float(2 * size) + 1);
  return size < 0.625f ? near : copysignf(far, x);
}

/* Chebyshev's form in t = 1 / (1 + |x| / 2) (Numerical Recipes, erfcc): relative error below 1.2e-7, and 1.2e-7 x^2 in the
 * far tail, where the exponent is large. */
static inline float eg_erfc_float(float x) {
  float size = fabsf(x), t = 1 / (1 + 0.5f * size);
  float p = -0.82215223f + t * 0.17087277f;
  p = 1.48851587f + t * p;
  p = -1.13520398f + t * p;
  p = 0.27886807f + t * p;
  p = -0.18628806f + t * p;
  p = 0.09678418f + t * p;
  p = 0.37409196f + t * p;
  p = 1.00002368f + t * p;
  float tail = t * eg_exp_float(t * p - 1.26551223f - size * size);
  return x < 0 ? 2 - tail : tail;
}

#define eg_exp(x) _Generic((x), float : eg_exp_float, double : exp)(x)
#define eg_tanh(x) _Generic((x), float : eg_tanh_float, double : tanh)(x)
#define eg_erfc(x) _Generic((x), float : eg_erfc_float, double : erfc)(x)

#endif
