/* sha256.c - SHA-256 (FIPS 180-4) of bytes, tensors and files: content hashes and checks of downloads. */
#include <stdio.h>

#include "unpack.h"

static const uint32_t round_constant[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate(uint32_t x, int by) { return x >> by | x << (32 - by); }

static void mix(uint32_t state[8], const uint8_t *block) {
  uint32_t w[64];
  for (int i = 0; i < 16; i++)
    w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 |
           block[4 * i + 3];
  for (int i = 16; i < 64; i++) {
    uint32_t x = w[i - 15], y = w[i - 2];
    w[i] = w[i - 16] + (rotate(x, 7) ^ rotate(x, 18) ^ x >> 3) + w[i - 7] + (rotate(y, 17) ^ rotate(y, 19) ^ y >> 10);
  }
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6],
           h = state[7];
#pragma GCC unroll 8
  for (int i = 0; i < 64; i++) {
    uint32_t first =
        h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + round_constant[i] + w[i];
    uint32_t second = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + first;
    d = c, c = b, b = a, a = first + second;
  }
  state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e, state[5] += f, state[6] += g,
      state[7] += h;
}

void eg_sha256_begin(eg_sha256 *h) {
  static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  memcpy(h->state, initial, sizeof initial);
  h->length = 0;
}

void eg_sha256_bytes(eg_sha256 *h, const void *bytes, size_t length) {
  const uint8_t *in = bytes;
  size_t held = h->length % 64;
  h->length += length;
  if (held > 0) {
    size_t take = EG_MIN(length, 64 - held);
    if (take > 0) memcpy(h->block + held, in, take);
    if (held + take < 64) return;
    mix(h->state, h->block);
    in += take, length -= take;
  }
  for (; length >= 64; in += 64, length -= 64) mix(h->state, in);
  if (length > 0) memcpy(h->block, in, length);
}

static eg_status hash_sink(void *h, const void *bytes, size_t length) {
  return eg_sha256_bytes(h, bytes, length), EG_OK;
}

eg_status eg_sha256_tensor(eg_sha256 *h, const eg_tensor *t) {
  EG_TRY(eg_check_live("sha256", "tensor", t));
  return eg_each_bytes(t, hash_sink, h);
}

void eg_sha256_end(eg_sha256 *h, char hex[65]) {
  uint8_t tail[72] = {0x80};
  uint64_t bits = h->length * 8;
  size_t padding = 64 - (h->length + 8) % 64;
  for (int i = 0; i < 8; i++) tail[padding + (size_t)i] = (uint8_t)(bits >> (56 - 8 * i));
  eg_sha256_bytes(h, tail, padding + 8);
  for (int i = 0; i < 8; i++) snprintf(hex + 8 * i, 9, "%08x", h->state[i]);
}

eg_status eg_sha256_file(const char *path, char hex[65]) {
  eg_reader reader;
  eg_sha256 h;
  uint8_t chunk[1 << 16];
  eg_status status = EG_OK;
  EG_TRY(eg_reader_open(&reader, path));
  eg_sha256_begin(&h);
  for (int64_t at = 0; at < reader.size && !status; at += (int64_t)sizeof chunk) {
    size_t length = EG_MIN(sizeof chunk, (size_t)(reader.size - at));
    status = eg_reader_bytes(&reader, at, chunk, length);
    if (!status) eg_sha256_bytes(&h, chunk, length);
  }
  eg_reader_close(&reader);
  if (!status) eg_sha256_end(&h, hex);
  return status;
}

eg_status eg_sha256_unpacked(const char *path, char hex[65]) {
  eg_unpacker file;
  eg_sha256 h;
  uint8_t chunk[1 << 16];
  eg_status status = EG_OK;
  EG_TRY(eg_unpacker_open(&file, path));
  eg_sha256_begin(&h);
  for (size_t got = 1; got > 0 && !status;) {
    status = eg_unpacker_read(&file, chunk, sizeof chunk, &got);
    if (!status) eg_sha256_bytes(&h, chunk, got);
  }
  eg_unpacker_close(&file);
  if (!status) eg_sha256_end(&h, hex);
  return status;
}
