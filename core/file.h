/* file.h - what the file formats share: files opened with distrust, files that appear whole or not at all, and the
 * encodings of elements on disk. */
#ifndef ENGRAM_FILE_H
#define ENGRAM_FILE_H
#include <limits.h>

#include "internal.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the file formats copy little-endian elements straight from memory"
#endif

/* "47,040,016": a number in one of a few rotating thread-local buffers, for messages. */
const char *eg_commas(int64_t number);
/* Fails with EG_EIO, "PATH: WHAT: the reason in errno". */
eg_status eg_fail_errno(const char *path, const char *what);

/* ---- faults (fault.c): see eg_fault_set in engram.h ---- */

extern bool eg_fault_armed;
/* Counts the operation; true when the fault strikes in this one. */
bool eg_fault_is_due(const char *operation, const char *path);
/* Raises the signal and returns 0, or sets errno and returns -1. */
int eg_fault_strike(void);
/* Stands before a call, `eg_fault("sync", path) || fsync(d)`: -1 with errno when a test wants it to fail, else 0. */
static inline int eg_fault(const char *operation, const char *path) {
  return eg_fault_armed && eg_fault_is_due(operation, path) ? eg_fault_strike() : 0;
}

/* ---- reading ---- */

typedef struct eg_reader {
  int descriptor;
  int64_t size;
  char path[PATH_MAX];
} eg_reader;
/* Only regular files open: no folders, and no pipes to wait for. */
eg_status eg_reader_open(eg_reader *reader, const char *path);
/* Exactly length bytes from offset; fails with EG_EFORMAT where the file ends first. */
eg_status eg_reader_bytes(eg_reader *reader, int64_t offset, void *out, size_t length);
void eg_reader_close(eg_reader *reader);

/* ---- writing: a temporary file beside `path` takes its name when all is on disk ---- */

typedef struct eg_writer {
  int descriptor;
  char path[PATH_MAX], temporary[PATH_MAX]; /* temporary is empty for a device or pipe, which is written as it stands */
} eg_writer;
eg_status eg_writer_open(eg_writer *writer, const char *path);
eg_status eg_writer_bytes(eg_writer *writer, const void *bytes, size_t length);
/* The elements in row-major order, whatever the strides. */
eg_status eg_writer_tensor(eg_writer *writer, const eg_tensor *t);
/* With EG_OK: syncs and renames. With a failure: removes the temporary file. Returns what became of it. */
eg_status eg_writer_close(eg_writer *writer, eg_status so_far);
/* Makes the name of a new file or folder durable, where the file system can. */
void eg_sync_name(const char *path);

/* ---- elements ---- */

typedef enum eg_kind {
  EG_KIND_NONE = 0,
  EG_KIND_FLOAT,
  EG_KIND_BFLOAT,
  EG_KIND_INT,
  EG_KIND_UINT,
  EG_KIND_BOOL
} eg_kind;
typedef struct eg_encoding {
  eg_kind kind;
  int bytes; /* of one element */
  bool big_endian;
} eg_encoding;
/* The dtype that holds every value of the encoding; -1 when there is none. */
int eg_encoding_dtype(eg_encoding encoding);
/* count elements at `in` become elements of eg_encoding_dtype at `out`. */
void eg_decode(void *out, const void *in, int64_t count, eg_encoding encoding);
/* Elements from offset into the contiguous tensor out, whose dtype is the encoding's. */
eg_status eg_reader_elements(eg_reader *reader, int64_t offset, eg_tensor *out, eg_encoding encoding);

/* Calls sink with the elements of t in row-major order, some at a time, until it fails. */
typedef eg_status (*eg_sink)(void *context, const void *bytes, size_t length);
eg_status eg_each_bytes(const eg_tensor *t, eg_sink sink, void *context);

#endif
