/* file.c - files read with distrust and written whole: the floor that the file formats stand on. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 1 << 20 };

const char *eg_commas(int64_t number) {
  static _Thread_local char text[4][32];
  static _Thread_local unsigned turn;
  char digits[24], *out = text[turn++ % 4], *at = out;
  int length = snprintf(digits, sizeof digits, "%" PRId64, number);
  for (int i = 0; i < length; i++) {
    *at++ = digits[i];
    if (digits[i] != '-' && i + 1 < length && (length - i - 1) % 3 == 0) *at++ = ',';
  }
  *at = '\0';
  return out;
}

eg_status eg_fail_errno(const char *path, const char *what) {
  return eg_fail(EG_EIO, "%s: %s: %s", path, what, strerror(errno));
}

static eg_status check_path(const char *path) {
  if (!path || !*path) return eg_fail(EG_EINVAL, "file: the path is empty");
  if (strlen(path) >= PATH_MAX)
    return eg_fail(EG_EINVAL, "%.60s...: the path is longer than %d bytes", path, PATH_MAX - 1);
  return EG_OK;
}

/* ---- reading ---- */

eg_status eg_reader_open(eg_reader *reader, const char *path) {
  struct stat about;
  EG_TRY(check_path(path));
  strcpy(reader->path, path);
  reader->descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (reader->descriptor < 0) return eg_fail_errno(path, "cannot open");
  eg_status status = EG_OK;
  if (fstat(reader->descriptor, &about)) status = eg_fail_errno(path, "cannot open");
  else if (S_ISDIR(about.st_mode)) status = eg_fail(EG_EIO, "%s: is a folder, expected a file", path);
  else if (!S_ISREG(about.st_mode)) status = eg_fail(EG_EIO, "%s: is a device or pipe, expected a file", path);
  reader->size = about.st_size;
  if (status) close(reader->descriptor);
  return status;
}

eg_status eg_reader_bytes(eg_reader *reader, int64_t offset, void *out, size_t length) {
  for (char *at = out; length > 0;) {
    if (eg_interrupt_pending()) return eg_fail(EG_EINTR, "interrupted");
    ssize_t got = pread(reader->descriptor, at, EG_MIN(length, (size_t)16 * CHUNK), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return eg_fail_errno(reader->path, "cannot read");
    if (got == 0)
      return eg_fail(EG_EFORMAT, "%s: ends after %s of %s bytes: the file is truncated", reader->path,
                     eg_commas(offset), eg_commas(offset + (int64_t)length));
    at += got, offset += got, length -= (size_t)got;
  }
  return EG_OK;
}

void eg_reader_close(eg_reader *reader) { close(reader->descriptor); }

/* ---- writing ---- */

/* Opens a new file in the folder of writer->path. Its name is short, so that it fits wherever the path itself does. */
static eg_status open_temporary(eg_writer *writer) {
  static atomic_uint turn;
  const char *slash = strrchr(writer->path, '/');
  int folder = slash ? (int)(slash - writer->path) + 1 : 0;
  for (int attempt = 0; attempt < 100; attempt++) {
    int length = snprintf(writer->temporary, sizeof writer->temporary, "%.*s.engram-%d-%u.part", folder, writer->path,
                          (int)getpid(), atomic_fetch_add(&turn, 1));
    if (length >= (int)sizeof writer->temporary) return eg_fail(EG_EINVAL, "%s: the path is too long", writer->path);
    writer->descriptor = -1;
    if (!eg_fault("open", writer->path))
      writer->descriptor = open(writer->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (writer->descriptor >= 0) return EG_OK;
    if (errno != EEXIST) break;
  }
  return eg_fail_errno(writer->path, "cannot write");
}

eg_status eg_writer_open(eg_writer *writer, const char *path) {
  struct stat about;
  EG_TRY(check_path(path));
  if (!realpath(path, writer->path)) strcpy(writer->path, path); /* a link stays a link: its target is replaced */
  bool exists = stat(writer->path, &about) == 0;
  if (exists && S_ISDIR(about.st_mode)) return eg_fail(EG_EIO, "%s: is a folder, expected a file", path);
  if (exists && !S_ISREG(about.st_mode)) {
    writer->temporary[0] = '\0';
    writer->descriptor = open(writer->path, O_WRONLY | O_CLOEXEC);
    return writer->descriptor < 0 ? eg_fail_errno(path, "cannot write") : EG_OK;
  }
  EG_TRY(open_temporary(writer));
  if (exists) (void)!fchmod(writer->descriptor, about.st_mode & 07777);
  return EG_OK;
}

/* A full disk and a kill leave the half of a write. */
static ssize_t write_some(eg_writer *writer, const char *bytes, size_t length) {
  if (!eg_fault_armed || !eg_fault_is_due("write", writer->path)) return write(writer->descriptor, bytes, length);
  ssize_t half = write(writer->descriptor, bytes, length / 2);
  return eg_fault_strike() ? -1 : half;
}

eg_status eg_writer_bytes(eg_writer *writer, const void *bytes, size_t length) {
  for (const char *at = bytes; length > 0;) {
    ssize_t written = write_some(writer, at, EG_MIN(length, (size_t)16 * CHUNK));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return eg_fail_errno(writer->path, "cannot write");
    at += written, length -= (size_t)written;
  }
  return EG_OK;
}

static eg_status write_sink(void *writer, const void *bytes, size_t length) {
  return eg_writer_bytes(writer, bytes, length);
}

eg_status eg_writer_tensor(eg_writer *writer, const eg_tensor *t) { return eg_each_bytes(t, write_sink, writer); }

/* Makes the new name itself durable, where the file system can. */
void eg_sync_name(const char *path) {
  char folder[PATH_MAX];
  const char *slash = strrchr(path, '/');
  snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
  int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  (void)!fsync(descriptor);
  close(descriptor);
}

eg_status eg_writer_close(eg_writer *writer, eg_status so_far) {
  bool beside = writer->temporary[0] != '\0';
  if (!so_far && beside && (eg_fault("sync", writer->path) || fsync(writer->descriptor)))
    so_far = eg_fail_errno(writer->path, "cannot write");
  if ((close(writer->descriptor) || (!so_far && eg_fault("close", writer->path))) && !so_far)
    so_far = eg_fail_errno(writer->path, "cannot write");
  if (!so_far && beside && (eg_fault("rename", writer->path) || rename(writer->temporary, writer->path)))
    so_far = eg_fail_errno(writer->path, "cannot write");
  if (so_far && beside) unlink(writer->temporary);
  else if (beside) eg_sync_name(writer->path);
  return so_far;
}

eg_status eg_file_write(const char *path, const void *bytes, size_t length) {
  eg_writer writer;
  if (!bytes && length > 0) return eg_fail(EG_EINVAL, "write: there are no bytes to write");
  EG_TRY(eg_writer_open(&writer, path));
  return eg_writer_close(&writer, eg_writer_bytes(&writer, bytes, length));
}

eg_status eg_file_append(const char *path, const void *bytes, size_t length) {
  eg_writer writer;
  if (!bytes && length > 0) return eg_fail(EG_EINVAL, "write: there are no bytes to write");
  EG_TRY(check_path(path));
  strcpy(writer.path, path);
  writer.descriptor = eg_fault("open", path) ? -1 : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (writer.descriptor < 0) return eg_fail_errno(path, "cannot write");
  off_t end = lseek(writer.descriptor, 0, SEEK_END);
  eg_status status = eg_writer_bytes(&writer, bytes, length);
  if (status && end >= 0) (void)!ftruncate(writer.descriptor, end);
  bool closed = close(writer.descriptor) == 0; /* some file systems tell of a lost write no sooner */
  return !status && !closed ? eg_fail_errno(path, "cannot write") : status;
}

eg_status eg_file_sync(const char *path) {
  EG_TRY(check_path(path));
  int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return eg_fail_errno(path, "cannot be synced");
  int problem = eg_fault("sync", path) || fsync(descriptor) ? errno : 0;
  close(descriptor);
  errno = problem;
  if (problem && problem != EINVAL) return eg_fail_errno(path, "cannot be synced"); /* EINVAL: a device needs none */
  return EG_OK;
}

/* ---- elements ---- */

int eg_encoding_dtype(eg_encoding encoding) {
  switch (encoding.kind) {
    case EG_KIND_FLOAT: return encoding.bytes == 8 ? EG_FLOAT64 : EG_FLOAT32;
    case EG_KIND_BFLOAT: return EG_FLOAT32;
    case EG_KIND_INT: return EG_INT64;
    case EG_KIND_UINT: return encoding.bytes == 1 ? EG_UINT8 : encoding.bytes < 8 ? EG_INT64 : -1;
    case EG_KIND_BOOL: return EG_UINT8;
    default: return -1;
  }
}

static uint64_t load(const uint8_t *in, eg_encoding encoding) {
  uint64_t bits = 0;
  for (int i = 0; i < encoding.bytes; i++)
    bits |= (uint64_t)in[encoding.big_endian ? encoding.bytes - 1 - i : i] << (8 * i);
  return bits;
}

static float half(uint32_t bits) {
  uint32_t exponent = bits >> 10 & 31, fraction = bits & 1023;
  if (exponent == 31) {
    uint32_t special = (bits & 0x8000) << 16 | 0x7f800000 | fraction << 13;
    float value;
    memcpy(&value, &special, sizeof value);
    return value;
  }
  float magnitude = exponent ? ldexpf((float)(fraction + 1024), (int)exponent - 25) : ldexpf((float)fraction, -24);
  return bits & 0x8000 ? -magnitude : magnitude;
}

static void decode_one(void *out, int64_t i, uint64_t bits, eg_encoding encoding) {
  int unused = 64 - 8 * encoding.bytes;
  switch (encoding.kind) {
    case EG_KIND_FLOAT:
      if (encoding.bytes == 8) ((uint64_t *)out)[i] = bits;
      else if (encoding.bytes == 4) ((uint32_t *)out)[i] = (uint32_t)bits;
      else ((float *)out)[i] = half((uint32_t)bits);
      break;
    case EG_KIND_BFLOAT: ((uint32_t *)out)[i] = (uint32_t)bits << 16; break;
    case EG_KIND_INT: ((int64_t *)out)[i] = (int64_t)(bits << unused) >> unused; break; /* spreads the sign */
    case EG_KIND_UINT:
      if (encoding.bytes == 1) ((uint8_t *)out)[i] = (uint8_t)bits;
      else ((int64_t *)out)[i] = (int64_t)bits;
      break;
    default: ((uint8_t *)out)[i] = bits != 0;
  }
}

/* True when the bytes on disk are the bytes in memory. */
static bool is_native(eg_encoding encoding) {
  return encoding.kind != EG_KIND_BOOL && (!encoding.big_endian || encoding.bytes == 1) &&
         (size_t)encoding.bytes == eg_element_size(eg_encoding_dtype(encoding));
}

void eg_decode(void *out, const void *in, int64_t count, eg_encoding encoding) {
  const uint8_t *from = in;
  if (is_native(encoding)) memcpy(out, in, (size_t)count * (size_t)encoding.bytes);
  else
    for (int64_t i = 0; i < count; i++) decode_one(out, i, load(from + i * encoding.bytes, encoding), encoding);
}

eg_status eg_reader_elements(eg_reader *reader, int64_t offset, eg_tensor *out, eg_encoding encoding) {
  if (is_native(encoding)) return eg_reader_bytes(reader, offset, out->data, (size_t)(out->count * encoding.bytes));
  char *chunk = eg_block_new(CHUNK);
  if (!chunk) return EG_ENOMEM;
  eg_status status = EG_OK;
  int64_t fit = CHUNK / encoding.bytes, element = (int64_t)eg_element_size(out->dtype);
  for (int64_t i = 0; i < out->count && !status; i += fit) {
    int64_t n = EG_MIN(fit, out->count - i);
    status = eg_reader_bytes(reader, offset + i * encoding.bytes, chunk, (size_t)(n * encoding.bytes));
    if (!status) eg_decode((char *)out->data + i * element, chunk, n, encoding);
  }
  eg_block_free(chunk, CHUNK);
  return status;
}

/* Copies n elements from flat row-major position `first` of t, one by one along its strides. */
static void gather(char *out, const eg_tensor *t, int64_t first, int64_t n) {
  int64_t at[EG_MAX_DIMS], offset = 0;
  size_t element = eg_element_size(t->dtype);
  for (int d = t->dims - 1; d >= 0; d--) {
    at[d] = first % t->size[d];
    first /= t->size[d];
    offset += at[d] * t->stride[d];
  }
  for (int64_t i = 0; i < n; i++) {
    memcpy(out + (size_t)i * element, (const char *)t->data + offset * (int64_t)element, element);
    for (int d = t->dims - 1; d >= 0; d--) {
      offset += t->stride[d];
      if (++at[d] < t->size[d]) break;
      offset -= at[d] * t->stride[d];
      at[d] = 0;
    }
  }
}

eg_status eg_each_bytes(const eg_tensor *t, eg_sink sink, void *context) {
  size_t element = eg_element_size(t->dtype);
  if (t->contiguous) return sink(context, t->data, (size_t)t->count * element);
  char *chunk = eg_block_new(CHUNK);
  if (!chunk) return EG_ENOMEM;
  eg_status status = EG_OK;
  int64_t fit = CHUNK / (int64_t)element;
  for (int64_t i = 0; i < t->count && !status; i += fit) {
    int64_t n = EG_MIN(fit, t->count - i);
    gather(chunk, t, i, n);
    status = sink(context, chunk, (size_t)n * element);
  }
  eg_block_free(chunk, CHUNK);
  return status;
}
