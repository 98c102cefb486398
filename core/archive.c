/* archive.c - the files in a tar (plain or gzip) or zip archive, one after the other. Nothing is written anywhere. */
#include <stdio.h>
#include <stdlib.h>

#include "unpack.h"

struct eg_archive {
  eg_unpacker file; /* of a tar; of a zip only its reader is used */
  bool zip;
  uint8_t *directory; /* of a zip: its central directory, read as a whole */
  size_t directory_size, at;
  int64_t left, padding; /* of a tar: bytes of the present file that were not read, and of filling behind them */
  int64_t packed, place; /* of a zip's present file: bytes in the archive, and where its header is */
  int method;
  uint32_t checksum; /* of a zip's present file */
  int64_t size;
  char name[512];
};

static const int64_t largest = (int64_t)1 << 30;

static eg_status damaged(const eg_archive *a, const char *what) {
  return eg_fail(EG_EFORMAT, "%s: is no whole archive: %s; fetch it again", a->file.reader.path, what);
}

/* ---- tar: blocks of 512 bytes, a header and the file's content --------------------------------------------------------- */

static eg_status skip(eg_archive *a, int64_t bytes) {
  char chunk[1 << 14];
  size_t got;
  for (; bytes > 0; bytes -= (int64_t)got) {
    EG_TRY(eg_unpacker_read(&a->file, chunk, (size_t)EG_MIN(bytes, (int64_t)sizeof chunk), &got));
    if (got == 0) return damaged(a, "it ends within a file");
  }
  return EG_OK;
}

/* An octal number of a header; -1 where it is none. */
static int64_t octal(const uint8_t *p, size_t length) {
  int64_t value = 0;
  size_t i = 0;
  while (i < length && p[i] == ' ') i++;
  for (; i < length && p[i] >= '0' && p[i] <= '7'; i++) value = value * 8 + p[i] - '0';
  return i < length && p[i] != 0 && p[i] != ' ' ? -1 : value;
}

/* The sum of a header's bytes, its own field counted as spaces. */
static int64_t checksum(const uint8_t header[512]) {
  int64_t sum = 0;
  for (int i = 0; i < 512; i++) sum += i >= 148 && i < 156 ? ' ' : header[i];
  return sum;
}

/* What lies behind the last file is read too, so that damage is found there, and by the checksum of a gzip file. */
static eg_status end_of_tar(eg_archive *a) {
  char chunk[1 << 14];
  size_t got = sizeof chunk;
  while (got > 0) EG_TRY(eg_unpacker_read(&a->file, chunk, sizeof chunk, &got));
  return EG_OK;
}

static eg_status next_of_tar(eg_archive *a, int *more) {
  uint8_t header[512];
  size_t got;
  do {
    EG_TRY(skip(a, a->left + a->padding));
    a->left = a->padding = 0;
    EG_TRY(eg_unpacker_read(&a->file, header, sizeof header, &got));
    *more = got == sizeof header && header[0] != 0;
    if (!*more) return got == 0 || got == sizeof header ? end_of_tar(a) : damaged(a, "it ends within a header");
    if (octal(header + 148, 8) != checksum(header)) return damaged(a, "the checksum of a header is wrong");
    a->size = a->left = octal(header + 124, 12);
    if (a->size < 0) return damaged(a, "the size of a file is no number");
    a->padding = (512 - a->size % 512) % 512;
    bool has_prefix = memcmp(header + 257, "ustar", 5) == 0 && header[345];
    snprintf(a->name, sizeof a->name, "%.155s%s%.100s", has_prefix ? (char *)header + 345 : "", has_prefix ? "/" : "",
             (char *)header);
  } while (header[156] != '0' && header[156] != 0); /* folders, links and extensions are passed over */
  return EG_OK;
}

/* ---- zip: a directory at the end tells where the files are -------------------------------------------------------------- */

static uint32_t little(const uint8_t *p, int bytes) {
  uint32_t value = 0;
  for (int i = bytes - 1; i >= 0; i--) value = value << 8 | p[i];
  return value;
}

static eg_status read_directory(eg_archive *a) {
  int64_t size = a->file.reader.size, tail = EG_MIN(size, (int64_t)(1 << 16) + 22);
  uint8_t *end = eg_malloc((size_t)tail);
  if (!end) return EG_ENOMEM;
  eg_status status = eg_reader_bytes(&a->file.reader, size - tail, end, (size_t)tail);
  int64_t i = tail - 22;
  while (!status && i >= 0 && memcmp(end + i, "PK\5\6", 4) != 0) i--;
  int64_t begin = 0;
  if (!status && i >= 0) {
    a->directory_size = little(end + i + 12, 4);
    begin = little(end + i + 16, 4);
  }
  free(end);
  if (status) return status;
  if (i < 0) return damaged(a, "its directory is missing");
  if (begin + (int64_t)a->directory_size > size) return damaged(a, "its directory lies outside the file");
  if (!(a->directory = eg_malloc(a->directory_size + 1))) return EG_ENOMEM;
  return eg_reader_bytes(&a->file.reader, begin, a->directory, a->directory_size);
}

static eg_status next_of_zip(eg_archive *a, int *more) {
  *more = a->at < a->directory_size;
  if (!*more) return EG_OK;
  const uint8_t *p = a->directory + a->at;
  if (a->directory_size - a->at < 46 || memcmp(p, "PK\1\2", 4) != 0) return damaged(a, "its directory is damaged");
  size_t name = little(p + 28, 2), entry = 46 + name + little(p + 30, 2) + little(p + 32, 2);
  if (a->directory_size - a->at < entry || name >= sizeof a->name) return damaged(a, "its directory is damaged");
  a->method = (int)little(p + 10, 2);
  a->checksum = little(p + 16, 4);
  a->packed = little(p + 20, 4);
  a->size = little(p + 24, 4);
  a->place = little(p + 42, 4);
  if (little(p + 8, 2) & 1) a->method = -1; /* encrypted */
  memcpy(a->name, p + 46, name);
  a->name[name] = 0;
  a->at += entry;
  bool fits = a->packed <= a->file.reader.size && a->size / 1032 <= a->packed; /* deflate packs no tighter */
  return fits ? EG_OK : damaged(a, "it claims a file that it cannot hold");
}

static eg_status inflate_raw(const eg_archive *a, const void *from, void *out) {
  z_stream z = {.next_in = (Bytef *)from, .avail_in = (uInt)a->packed, .next_out = out, .avail_out = (uInt)a->size};
  if (inflateInit2(&z, -MAX_WBITS) != Z_OK) return eg_fail(EG_ENOMEM, "%s: out of memory", a->file.reader.path);
  int outcome = inflate(&z, Z_FINISH);
  bool whole = outcome == Z_STREAM_END && z.avail_out == 0;
  inflateEnd(&z);
  return whole ? EG_OK : damaged(a, "a file in it cannot be unpacked");
}

static eg_status unpack_of_zip(eg_archive *a, char *out) {
  uint8_t header[30];
  int64_t size = a->file.reader.size;
  if (a->method != 0 && a->method != 8)
    return eg_fail(EG_EFORMAT, "%s: %s is packed in a way that is not known here (method %d)", a->file.reader.path,
                   a->name, a->method);
  if (a->place + 30 + a->packed > size) return damaged(a, "a file lies outside it");
  EG_TRY(eg_reader_bytes(&a->file.reader, a->place, header, sizeof header));
  if (memcmp(header, "PK\3\4", 4) != 0) return damaged(a, "a header is wrong");
  int64_t begin = a->place + 30 + little(header + 26, 2) + little(header + 28, 2);
  if (begin + a->packed > size || (a->method == 0 && a->packed != a->size)) return damaged(a, "a file lies outside it");
  if (a->method == 0) return eg_reader_bytes(&a->file.reader, begin, out, (size_t)a->size);
  void *packed = eg_malloc((size_t)a->packed + 1);
  if (!packed) return EG_ENOMEM;
  eg_status status = eg_reader_bytes(&a->file.reader, begin, packed, (size_t)a->packed);
  if (!status) status = inflate_raw(a, packed, out);
  free(packed);
  return status;
}

static eg_status read_of_zip(eg_archive *a, char *out) {
  EG_TRY(unpack_of_zip(a, out));
  return crc32(0, (const Bytef *)out, (uInt)a->size) == a->checksum ? EG_OK
                                                                    : damaged(a, "the checksum of a file is wrong");
}

/* ---- both -------------------------------------------------------------------------------------------------------- */

eg_archive *eg_archive_open(const char *path) {
  eg_archive *a = eg_malloc(sizeof *a);
  if (!a) return NULL;
  memset(a, 0, sizeof *a);
  if (eg_unpacker_open(&a->file, path)) {
    free(a);
    return NULL;
  }
  uint8_t magic[4] = {0};
  eg_status status = a->file.reader.size >= 22 ? eg_reader_bytes(&a->file.reader, 0, magic, 4) : EG_OK;
  a->zip = memcmp(magic, "PK\3\4", 4) == 0;
  if (!status && a->zip) status = read_directory(a);
  if (!status) return a;
  eg_archive_close(a);
  return NULL;
}

void eg_archive_close(eg_archive *a) {
  if (!a) return;
  eg_unpacker_close(&a->file);
  free(a->directory);
  free(a);
}

eg_status eg_archive_next(eg_archive *a, const char **name, int64_t *size) {
  int more = 0;
  *name = NULL;
  EG_TRY((a->zip ? next_of_zip : next_of_tar)(a, &more));
  if (!more) return EG_OK;
  *name = a->name;
  *size = a->size;
  return a->size <= largest ? EG_OK : damaged(a, "it claims a file of more than 1 GiB");
}

eg_status eg_archive_read(eg_archive *a, char *out) {
  if (a->zip) return read_of_zip(a, out);
  size_t got;
  EG_TRY(eg_unpacker_read(&a->file, out, (size_t)a->left, &got));
  if (got < (size_t)a->left) return damaged(a, "it ends within a file");
  a->left = 0;
  return EG_OK;
}
