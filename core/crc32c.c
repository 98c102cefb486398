/* crc32c.c - CRC-32C (Castagnoli's polynomial, reflected 0x82F63B78), and TensorBoard's masked form of it. */
#include <pthread.h>

#include "internal.h"

static uint32_t table[256];

static void fill_table(void) {
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; bit++) value = value >> 1 ^ (value & 1 ? 0x82f63b78u : 0);
    table[i] = value;
  }
}

uint32_t eg_crc32c(const void *bytes, size_t length) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, fill_table);
  uint32_t value = 0xffffffffu;
  for (const uint8_t *at = bytes, *end = at + length; at < end; at++) value = value >> 8 ^ table[(value ^ *at) & 255];
  return value ^ 0xffffffffu;
}

uint32_t eg_crc32c_masked(const void *bytes, size_t length) {
  uint32_t value = eg_crc32c(bytes, length);
  return (value >> 15 | value << 17) + 0xa282ead8u;
}
