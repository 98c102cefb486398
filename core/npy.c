/* npy.c - NumPy's .npy: \x93NUMPY, a version, a Python dict that tells dtype, order and shape, then the elements. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "file.h"

enum { HEADER_MAX = 65536, PREFIX_MAX = 12 };

typedef struct npy_header {
  eg_encoding encoding;
  bool fortran;
  int dims;
  int64_t size[EG_MAX_DIMS];
  bool has_descr, has_order, has_shape;
} npy_header;

/* ---- the dict: a cursor over NUL-ended text; each function moves it and tells whether it found what it seeks ---- */

static bool skip(const char **at, char wanted) {
  while (isspace((unsigned char)**at)) ++*at;
  if (**at != wanted) return false;
  ++*at;
  return true;
}

static bool word(const char **at, const char *wanted) {
  while (isspace((unsigned char)**at)) ++*at;
  size_t length = strlen(wanted);
  if (strncmp(*at, wanted, length) != 0) return false;
  *at += length;
  return true;
}

/* A string without escapes, in either kind of quotes. */
static bool quoted(const char **at, char *out, size_t room) {
  char quote = skip(at, '\'') ? '\'' : skip(at, '"') ? '"' : '\0';
  size_t length = 0;
  if (!quote) return false;
  while (**at && **at != quote && length + 1 < room) out[length++] = *(*at)++;
  out[length] = '\0';
  return skip(at, quote);
}

static bool tuple(const char **at, npy_header *h) {
  if (!skip(at, '(')) return false;
  for (h->dims = 0; !skip(at, ')'); h->dims++) {
    if (h->dims == EG_MAX_DIMS || !isdigit((unsigned char)**at)) return false;
    int64_t n = 0;
    for (; isdigit((unsigned char)**at); ++*at)
      if (!eg_multiply(n, 10, &n) || __builtin_add_overflow(n, **at - '0', &n)) return false;
    h->size[h->dims] = n;
    skip(at, 'L'); /* a long of Python 2 */
    if (!skip(at, ',') && **at != ')') return false;
  }
  return true;
}

/* "<f4": byte order, kind, bytes. */
static eg_encoding parse_descr(const char *text) {
  static const struct {
    char letter;
    eg_kind kind;
    const char *bytes;
  } kinds[] = {
      {'f', EG_KIND_FLOAT, "48"}, {'i', EG_KIND_INT, "1248"}, {'u', EG_KIND_UINT, "124"}, {'b', EG_KIND_BOOL, "1"}};
  if (!strchr("<>|=", text[0]) || strlen(text) != 3) return (eg_encoding){EG_KIND_NONE, 0, false};
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (text[1] == kinds[i].letter && strchr(kinds[i].bytes, text[2]))
      return (eg_encoding){kinds[i].kind, text[2] - '0', text[0] == '>'};
  return (eg_encoding){EG_KIND_NONE, 0, false};
}

static eg_status parse_dict(const char *path, const char *text, int64_t length, npy_header *h) {
  const char *at = text;
  char key[32], descr[64];
  bool good = skip(&at, '{');
  while (good && !skip(&at, '}')) {
    good = quoted(&at, key, sizeof key) && skip(&at, ':');
    if (!good) break;
    if (!strcmp(key, "descr") && !h->has_descr) {
      if (skip(&at, '[')) return eg_fail(EG_EFORMAT, "%s: holds records, expected one plain dtype such as '<f4'", path);
      good = h->has_descr = quoted(&at, descr, sizeof descr);
      if (good) h->encoding = parse_descr(descr);
    } else if (!strcmp(key, "fortran_order") && !h->has_order) {
      h->fortran = word(&at, "True");
      good = h->has_order = h->fortran || word(&at, "False");
    } else if (!strcmp(key, "shape") && !h->has_shape) good = h->has_shape = tuple(&at, h);
    else good = false;
    good = good && (skip(&at, ',') || *at == '}');
  }
  while (good && isspace((unsigned char)*at)) at++;
  if (!good || at - text != length || !h->has_descr || !h->has_order || !h->has_shape)
    return eg_fail(EG_EFORMAT,
                   "%s: its header is not understood at byte %d of '%.120s', expected {'descr': '<f4', "
                   "'fortran_order': False, 'shape': (2, 3)} with at most %d sizes",
                   path, (int)(at - text), text, EG_MAX_DIMS);
  if (h->encoding.kind == EG_KIND_NONE)
    return eg_fail(EG_EFORMAT, "%s: holds dtype '%s', expected one of f4 f8 i1 i2 i4 i8 u1 u2 u4 b1", path, descr);
  return EG_OK;
}

/* ---- reading ---- */

/* Reads the header into *h and the offset of the elements into *start; all of it fits the file. */
static eg_status read_header(eg_reader *reader, npy_header *h, int64_t *start) {
  uint8_t prefix[PREFIX_MAX] = {0};
  eg_status status = eg_reader_bytes(reader, 0, prefix, EG_MIN((size_t)reader->size, sizeof prefix));
  if (status) return status;
  if (memcmp(prefix, "\x93NUMPY", 6) != 0)
    return eg_fail(EG_EFORMAT, "%s: does not begin with \\x93NUMPY: not a .npy file", reader->path);
  if (prefix[6] < 1 || prefix[6] > 3)
    return eg_fail(EG_EFORMAT, "%s: has version %d.%d, expected 1.0, 2.0 or 3.0", reader->path, prefix[6], prefix[7]);
  int width = prefix[6] == 1 ? 2 : 4;
  int64_t length = prefix[8] | prefix[9] << 8;
  if (width == 4) length |= (int64_t)prefix[10] << 16 | (int64_t)prefix[11] << 24;
  *start = 8 + width + length;
  if (length > HEADER_MAX)
    return eg_fail(EG_EFORMAT, "%s: claims a header of %s bytes, at most %s are read", reader->path, eg_commas(length),
                   eg_commas(HEADER_MAX));
  char *text = eg_malloc((size_t)length + 1);
  if (!text) return EG_ENOMEM;
  status = eg_reader_bytes(reader, 8 + width, text, (size_t)length);
  text[length] = '\0';
  if (!status) status = parse_dict(reader->path, text, length, h);
  free(text);
  EG_TRY(status);
  int64_t end = h->encoding.bytes;
  bool fits = true;
  for (int d = 0; d < h->dims; d++) fits = fits && eg_multiply(end, h->size[d], &end);
  if (!fits || __builtin_add_overflow(end, *start, &end))
    return eg_fail(EG_EFORMAT, "%s: claims shape %s, which no file can hold", reader->path,
                   eg_describe_sizes(h->dims, h->size));
  if (reader->size < end)
    return eg_fail(EG_EFORMAT, "%s: ends after %s of %s bytes: the file is truncated", reader->path,
                   eg_commas(reader->size), eg_commas(end));
  if (reader->size > end)
    return eg_fail(EG_EFORMAT, "%s: goes on after the %s bytes of its shape %s", reader->path, eg_commas(end),
                   eg_describe_sizes(h->dims, h->size));
  return EG_OK;
}

/* From Fortran's order, where the first index runs fastest, to ours. */
static eg_tensor *to_row_major(const eg_tensor *in) {
  eg_tensor *out = eg_new_like(in, -1);
  int64_t at[EG_MAX_DIMS] = {0}, offset = 0;
  size_t element = eg_element_size(in->dtype);
  for (int64_t i = 0; out && i < in->count; i++) {
    memcpy((char *)out->data + (size_t)offset * element, (const char *)in->data + (size_t)i * element, element);
    for (int d = 0; d < in->dims; d++) {
      offset += out->stride[d];
      if (++at[d] < in->size[d]) break;
      offset -= at[d] * out->stride[d];
      at[d] = 0;
    }
  }
  return out;
}

eg_tensor *eg_npy_read(const char *path) {
  eg_reader reader;
  npy_header h = {.dims = 0};
  int64_t start = 0;
  eg_tensor *out = NULL;
  if (eg_reader_open(&reader, path)) return NULL;
  if (!read_header(&reader, &h, &start)) out = eg_new(eg_encoding_dtype(h.encoding), h.dims, h.size);
  bool failed = out && eg_reader_elements(&reader, start, out, h.encoding);
  eg_reader_close(&reader);
  if (out && (failed || (h.fortran && h.dims > 1))) {
    eg_tensor *turned = failed ? NULL : to_row_major(out);
    eg_free(out);
    return turned;
  }
  return out;
}

/* ---- writing ---- */

eg_status eg_npy_write(const char *path, const eg_tensor *t) {
  static const char *const descr[] = {"<f4", "<f8", "<i8", "|u1"};
  char header[512] = "\x93NUMPY\x01";
  eg_writer writer;
  EG_TRY(eg_check_live("npy_write", "tensor", t));
  char *text = header + 10;
  size_t room = sizeof header - 10, length;
  length = (size_t)snprintf(text, room, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr[t->dtype]);
  for (int d = 0; d < t->dims; d++)
    length += (size_t)snprintf(text + length, room - length, "%s%" PRId64 "%s", d ? " " : "", t->size[d],
                               d + 1 < t->dims || t->dims == 1 ? "," : "");
  length += (size_t)snprintf(text + length, room - length, "), }");
  while ((10 + length + 1) % 64 != 0) text[length++] = ' '; /* elements begin at a multiple of 64 */
  text[length++] = '\n';
  header[8] = (char)(length & 255);
  header[9] = (char)(length >> 8);
  EG_TRY(eg_writer_open(&writer, path));
  eg_status status = eg_writer_bytes(&writer, header, 10 + length);
  if (!status) status = eg_writer_tensor(&writer, t);
  return eg_writer_close(&writer, status);
}
