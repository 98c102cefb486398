/* crc32c.c - CRC-32C (Castagnoli's polynomial, reflected 0x82F63B78), and TensorBoard's masked form of it.
 *
 * Three ways to the same 32 bits, by the instruction set in use: tables, eight bytes at a time; the processor's own
 * instruction; and, for long texts, carry-less multiplication, as "Fast CRC Computation Using PCLMULQDQ" (Intel, 2009)
 * tells: a sum is a polynomial's remainder, so that a block may be multiplied by x^n mod P and added to the block that
 * lies n bits behind it. */
#ifdef __x86_64__
#include <immintrin.h>
#endif
#include <pthread.h>

#include "file.h"

static uint32_t table[8][256]; /* [k][b]: the byte b with k bytes of zeros behind it */

/* Polynomials stand with x^31 in the lowest bit. */
static uint32_t times_x(uint32_t value) { return value >> 1 ^ (value & 1 ? 0x82f63b78u : 0); }

static void fill_table(void) {
  for (uint32_t i = 0; i < 256; i++) {
    table[0][i] = i;
    for (int bit = 0; bit < 8; bit++) table[0][i] = times_x(table[0][i]);
  }
  for (int k = 1; k < 8; k++)
    for (int i = 0; i < 256; i++) table[k][i] = table[k - 1][i] >> 8 ^ table[0][table[k - 1][i] & 255];
}

static uint32_t by_table(uint32_t value, const uint8_t *at, size_t length) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, fill_table);
  const uint8_t *end = at + length;
  for (; end - at >= 8; at += 8) {
    uint64_t word;
    memcpy(&word, at, 8);
    word ^= value;
    value = 0;
    for (int k = 0; k < 8; k++) value ^= table[7 - k][word >> (8 * k) & 255];
  }
  while (at < end) value = value >> 8 ^ table[0][(value ^ *at++) & 255];
  return value;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t value, const uint8_t *at, size_t length) {
  const uint8_t *end = at + length;
  uint64_t wide = value, word;
  for (; end - at >= 8; at += 8) {
    memcpy(&word, at, 8);
    wide = _mm_crc32_u64(wide, word);
  }
  value = (uint32_t)wide;
  while (at < end) value = _mm_crc32_u8(value, *at++);
  return value;
}

#define FOLDING __attribute__((target("sse4.2,avx512f,vpclmulqdq")))
enum { BLOCK = 64, BLOCKS = 4 };

static int64_t near[2], far[2]; /* what multiplies the words of a lane by x^n: n is a block, and all of them */

/* x^n mod P in the upper half of a word. The product of two reflected words lies one bit lower, so n is one less. */
static int64_t power(int n) {
  uint32_t value = 0x80000000u; /* x^0 */
  while (--n > 0) value = times_x(value);
  return (int64_t)((uint64_t)value << 32);
}

/* The low word of a lane is the one that lies 64 bits further ahead. */
static void fill_powers(void) {
  for (int i = 0; i < 2; i++) {
    near[i] = power(8 * BLOCK + 64 * (1 - i));
    far[i] = power(8 * BLOCK * BLOCKS + 64 * (1 - i));
  }
}

FOLDING static __m512i lanes(const int64_t words[2]) {
  return _mm512_broadcast_i32x4(_mm_set_epi64x(words[1], words[0]));
}

FOLDING static __m512i fold(__m512i block, __m512i by, __m512i behind) {
  __m512i low = _mm512_clmulepi64_epi128(block, by, 0x00), high = _mm512_clmulepi64_epi128(block, by, 0x11);
  return _mm512_xor_si512(_mm512_xor_si512(low, high), behind);
}

/* Four blocks run side by side through the text; in the end one is left, whose sum is the text's. */
FOLDING static uint32_t by_folding(uint32_t value, const uint8_t *at, size_t length) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, fill_powers);
  __m512i block[BLOCKS], by = lanes(far), by_one = lanes(near);
  uint8_t left[BLOCK];
  for (int i = 0; i < BLOCKS; i++, at += BLOCK) block[i] = _mm512_loadu_si512(at);
  block[0] = _mm512_xor_si512(block[0], _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)value)));
  for (length -= BLOCKS * BLOCK; length >= BLOCKS * BLOCK; length -= BLOCKS * BLOCK)
    for (int i = 0; i < BLOCKS; i++, at += BLOCK) block[i] = fold(block[i], by, _mm512_loadu_si512(at));
  for (int i = 1; i < BLOCKS; i++) block[0] = fold(block[0], by_one, block[i]);
  _mm512_storeu_si512(left, block[0]);
  return by_instruction(by_instruction(0, left, BLOCK), at, length);
}
#endif

uint32_t eg_crc32c_more(uint32_t sum, const void *bytes, size_t length) {
#ifdef __x86_64__
  if (eg_set == EG_AVX512 && length >= 2 * BLOCKS * BLOCK && __builtin_cpu_supports("vpclmulqdq"))
    return ~by_folding(~sum, bytes, length);
  if (eg_set != EG_PORTABLE) return ~by_instruction(~sum, bytes, length); /* all that has AVX2 has SSE 4.2 */
#endif
  return ~by_table(~sum, bytes, length);
}

uint32_t eg_crc32c(const void *bytes, size_t length) { return eg_crc32c_more(0, bytes, length); }

static eg_status add(void *sum, const void *bytes, size_t length) {
  *(uint32_t *)sum = eg_crc32c_more(*(uint32_t *)sum, bytes, length);
  return EG_OK;
}

eg_status eg_crc32c_tensor(uint32_t *sum, const eg_tensor *t) {
  EG_TRY(eg_check_live("crc32c", "tensor", t));
  return eg_each_bytes(t, add, sum);
}

uint32_t eg_crc32c_masked(const void *bytes, size_t length) {
  uint32_t value = eg_crc32c(bytes, length);
  return (value >> 15 | value << 17) + 0xa282ead8u;
}
