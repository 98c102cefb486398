/* idx.c - the IDX format of MNIST, plain or gzip: 0 0 TYPE DIMS, then big-endian sizes, then elements in row-major order. */
#include "unpack.h"

typedef struct idx_file {
  eg_unpacker file;
  const char *path;
  int64_t total; /* bytes that header and elements need */
} idx_file;

static const eg_encoding encodings[] = {
    [0x08] = {EG_KIND_UINT, 1, true}, [0x09] = {EG_KIND_INT, 1, true},   [0x0B] = {EG_KIND_INT, 2, true},
    [0x0C] = {EG_KIND_INT, 4, true},  [0x0D] = {EG_KIND_FLOAT, 4, true}, [0x0E] = {EG_KIND_FLOAT, 8, true},
};

/* Exactly length bytes; a file that ends first is an error. */
static eg_status take(idx_file *idx, void *out, size_t length) {
  size_t got;
  EG_TRY(eg_unpacker_read(&idx->file, out, length, &got));
  if (got < length)
    return eg_fail(EG_EFORMAT, "%s: ends after %s of %s bytes: the file is truncated; fetch it again", idx->path,
                   eg_commas(idx->file.made), eg_commas(idx->total));
  return EG_OK;
}

/* Reads the header and holds its claims against the file's size, before anything is allocated for them. */
static eg_status take_header(idx_file *idx, eg_encoding *encoding, int *dims, int64_t *size) {
  int64_t file_size = idx->file.reader.size;
  uint8_t magic[4], sizes[4 * EG_MAX_DIMS];
  if (file_size == 0) return eg_fail(EG_EFORMAT, "%s: the file is empty, expected an IDX file", idx->path);
  idx->total = sizeof magic;
  EG_TRY(take(idx, magic, sizeof magic));
  if (magic[0] || magic[1] || magic[2] >= sizeof encodings / sizeof *encodings || !encodings[magic[2]].kind)
    return eg_fail(EG_EFORMAT,
                   "%s: begins with %02x %02x %02x %02x, expected 00 00, a type (08 09 0b 0c 0d 0e), dimensions: "
                   "not an IDX file",
                   idx->path, magic[0], magic[1], magic[2], magic[3]);
  if (magic[3] < 1 || magic[3] > EG_MAX_DIMS)
    return eg_fail(EG_EFORMAT, "%s: has %d dimensions, expected 1 to %d", idx->path, magic[3], EG_MAX_DIMS);
  *encoding = encodings[magic[2]];
  *dims = magic[3];
  idx->total += 4 * *dims;
  EG_TRY(take(idx, sizes, 4 * (size_t)*dims));
  int64_t bytes = encoding->bytes;
  bool fits = true;
  for (int d = 0; d < *dims; d++) {
    const uint8_t *p = sizes + 4 * d;
    size[d] = (int64_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
    fits = fits && eg_multiply(bytes, size[d], &bytes);
  }
  /* deflate packs no byte more than 1,032-fold */
  bool plain = !idx->file.packed;
  if (!fits || __builtin_add_overflow(idx->total, bytes, &idx->total) || (!plain && idx->total / 1032 > file_size))
    return eg_fail(EG_EFORMAT, "%s: claims shape %s, which a file of %s bytes cannot hold", idx->path,
                   eg_describe_sizes(*dims, size), eg_commas(file_size));
  if (plain && file_size < idx->total)
    return eg_fail(EG_EFORMAT, "%s: ends after %s of %s bytes: the file is truncated; fetch it again", idx->path,
                   eg_commas(file_size), eg_commas(idx->total));
  return EG_OK;
}

static eg_status take_elements(idx_file *idx, eg_tensor *out, eg_encoding encoding) {
  char *chunk, *to = out->data;
  size_t length = 1 << 20;
  int64_t fit = (int64_t)length / encoding.bytes, element = (int64_t)eg_element_size(out->dtype);
  if (!(chunk = eg_block_new(length))) return EG_ENOMEM;
  eg_status status = EG_OK;
  for (int64_t i = 0; i < out->count && !status; i += fit) {
    int64_t n = EG_MIN(fit, out->count - i);
    status = take(idx, chunk, (size_t)(n * encoding.bytes));
    if (!status) eg_decode(to + i * element, chunk, n, encoding);
  }
  /* One byte further: nothing may follow, and only here does zlib compare the checksum. */
  size_t more = 0;
  if (!status) status = eg_unpacker_read(&idx->file, chunk, 1, &more);
  if (more > 0)
    status = eg_fail(EG_EFORMAT, "%s: goes on after the %s bytes of its shape %s", idx->path, eg_commas(idx->total),
                     eg_describe_sizes(out->dims, out->size));
  eg_block_free(chunk, length);
  return status;
}

eg_tensor *eg_idx_read(const char *path) {
  idx_file idx = {.path = path};
  eg_encoding encoding;
  int dims = 0;
  int64_t size[EG_MAX_DIMS];
  if (eg_unpacker_open(&idx.file, path)) return NULL;
  eg_tensor *out = NULL;
  if (!take_header(&idx, &encoding, &dims, size)) out = eg_new(eg_encoding_dtype(encoding), dims, size);
  if (out && take_elements(&idx, out, encoding)) {
    eg_free(out);
    out = NULL;
  }
  eg_unpacker_close(&idx.file);
  return out;
}
