/* unpack.h - reads a file's bytes, or, where it is gzip, what they unpack to. */
#ifndef ENGRAM_UNPACK_H
#define ENGRAM_UNPACK_H
#include <zlib.h>

#include "file.h"

typedef struct eg_unpacker {
  eg_reader reader;
  z_stream stream;
  int64_t taken, made; /* bytes taken from the file, bytes handed out */
  bool packed, ended;
  uint8_t in[1 << 16];
} eg_unpacker;

eg_status eg_unpacker_open(eg_unpacker *u, const char *path);
/* Up to length bytes; *got is less only where they end. Damaged gzip, and junk after it, are EG_EFORMAT. */
eg_status eg_unpacker_read(eg_unpacker *u, void *out, size_t length, size_t *got);
void eg_unpacker_close(eg_unpacker *u);

#endif
