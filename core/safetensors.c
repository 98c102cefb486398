/* safetensors.c - the checkpoint format: u64 length N, N bytes of JSON that place every tensor, then the data.
 *
 * The reader believes nothing: the JSON has no duplicate keys, the ranges tile the data without hole or overlap, and every
 * range is as long as its shape says, before the first tensor is read. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "file.h"

enum { PREFIX = 8, HEADER_MAX = 100000000 };

typedef struct entry {
  const char *name;
  eg_encoding encoding;
  int dims;
  int64_t size[EG_MAX_DIMS];
  int64_t begin, end; /* within the data */
} entry;

struct eg_safetensors {
  eg_reader reader;
  json_t *header; /* owns every name and string */
  int64_t start;  /* of the data in the file */
  int64_t count, pairs;
  entry *entries;
  const char **keys, **values;
};

static const struct dtype {
  const char *name;
  eg_encoding encoding;
} dtypes[] = {
    {"F64", {EG_KIND_FLOAT, 8, false}},   {"F32", {EG_KIND_FLOAT, 4, false}}, {"F16", {EG_KIND_FLOAT, 2, false}},
    {"BF16", {EG_KIND_BFLOAT, 2, false}}, {"I64", {EG_KIND_INT, 8, false}},   {"I32", {EG_KIND_INT, 4, false}},
    {"I16", {EG_KIND_INT, 2, false}},     {"I8", {EG_KIND_INT, 1, false}},    {"U32", {EG_KIND_UINT, 4, false}},
    {"U16", {EG_KIND_UINT, 2, false}},    {"U8", {EG_KIND_UINT, 1, false}},   {"BOOL", {EG_KIND_BOOL, 1, false}},
};
enum { DTYPES = sizeof dtypes / sizeof *dtypes };

/* ---- reading: the header ---- */

static eg_status parse_dtype(const char *path, const char *name, const json_t *value, eg_encoding *encoding) {
  const char *text = json_string_value(value);
  for (int i = 0; text && i < DTYPES; i++)
    if (!strcmp(text, dtypes[i].name)) return *encoding = dtypes[i].encoding, EG_OK;
  return eg_fail(EG_EFORMAT,
                 "%s: tensor '%.80s' has %s%.20s, expected F64 F32 F16 BF16 I64 I32 I16 I8 U32 U16 U8 or BOOL", path,
                 name,
                 text    ? "dtype "
                 : value ? "a dtype that is no text"
                         : "no dtype",
                 text ? text : "");
}

/* A value as JSON, as far as it fits, for messages; in one thread-local buffer. */
static const char *shown(const json_t *value) {
  static _Thread_local char text[64];
  if (!value) return "nothing";
  size_t length = json_dumpb(value, text, sizeof text - 1, JSON_COMPACT | JSON_ENCODE_ANY);
  text[EG_MIN(length, sizeof text - 1)] = '\0';
  if (length >= sizeof text) memcpy(text + sizeof text - 4, "...", 4);
  return text;
}

/* A list of whole numbers from 0; returns how many, -1 when it is anything else or longer than most. */
static int parse_numbers(const json_t *list, int most, int64_t *out) {
  size_t count = json_array_size(list);
  if (!json_is_array(list) || count > (size_t)most) return -1;
  for (size_t i = 0; i < count; i++) {
    const json_t *item = json_array_get(list, i);
    if (!json_is_integer(item) || json_integer_value(item) < 0) return -1;
    out[i] = json_integer_value(item);
  }
  return (int)count;
}

static eg_status check_fields(const char *path, const char *name, const json_t *value) {
  const char *key;
  json_t *field;
  json_object_foreach((json_t *)value, key, field) {
    if (!strcmp(key, "dtype") || !strcmp(key, "shape") || !strcmp(key, "data_offsets")) continue;
    return eg_fail(EG_EFORMAT, "%s: tensor '%.80s' has an unknown field '%.40s', expected dtype, shape, data_offsets",
                   path, name, key);
  }
  return EG_OK;
}

static eg_status parse_entry(const char *path, const char *name, const json_t *value, entry *e) {
  int64_t range[2], bytes;
  if (!json_is_object(value))
    return eg_fail(EG_EFORMAT, "%s: tensor '%.80s' is not described by an object", path, name);
  e->name = name;
  EG_TRY(parse_dtype(path, name, json_object_get(value, "dtype"), &e->encoding));
  e->dims = parse_numbers(json_object_get(value, "shape"), EG_MAX_DIMS, e->size);
  if (e->dims < 0)
    return eg_fail(EG_EFORMAT, "%s: tensor '%.80s' has a shape that is not a list of at most %d whole numbers: %s",
                   path, name, EG_MAX_DIMS, shown(json_object_get(value, "shape")));
  if (parse_numbers(json_object_get(value, "data_offsets"), 2, range) != 2 || range[0] > range[1])
    return eg_fail(EG_EFORMAT, "%s: tensor '%.80s' has data_offsets that are not [begin, end]: %s", path, name,
                   shown(json_object_get(value, "data_offsets")));
  EG_TRY(check_fields(path, name, value));
  e->begin = range[0];
  e->end = range[1];
  bool fits = true, empty = false;
  bytes = e->encoding.bytes;
  for (int d = 0; d < e->dims; d++) {
    empty = empty || e->size[d] == 0;
    fits = fits && eg_multiply(bytes, e->size[d], &bytes);
  }
  if (empty) fits = true, bytes = 0;
  if (!fits || bytes != e->end - e->begin)
    return eg_fail(EG_EFORMAT, "%s: tensor '%.80s' of shape %s and dtype %s has %s bytes, expected %s", path, name,
                   eg_describe_sizes(e->dims, e->size), json_string_value(json_object_get(value, "dtype")),
                   eg_commas(e->end - e->begin), fits ? eg_commas(bytes) : "more than fit into a file");
  return EG_OK;
}

static eg_status parse_metadata(eg_safetensors *file, json_t *metadata) {
  const char *key;
  json_t *value;
  if (!json_is_object(metadata)) return eg_fail(EG_EFORMAT, "%s: __metadata__ is not an object", file->reader.path);
  size_t count = json_object_size(metadata);
  file->keys = eg_malloc(count * sizeof *file->keys);
  file->values = eg_malloc(count * sizeof *file->values);
  if (!file->keys || !file->values) return EG_ENOMEM;
  json_object_foreach(metadata, key, value) {
    if (!json_is_string(value))
      return eg_fail(EG_EFORMAT, "%s: __metadata__ '%.80s' is not a string", file->reader.path, key);
    file->keys[file->pairs] = key;
    file->values[file->pairs++] = json_string_value(value);
  }
  return EG_OK;
}

static int by_place(const void *a, const void *b) {
  const entry *x = a, *y = b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  if (x->end != y->end) return x->end < y->end ? -1 : 1;
  return strcmp(x->name, y->name); /* empty tensors may share a place */
}

/* The sorted ranges follow one another from 0 to the end of the file. */
static eg_status check_tiling(const eg_safetensors *file) {
  const char *path = file->reader.path;
  int64_t expected = 0, data = file->reader.size - file->start;
  for (int64_t i = 0; i < file->count; expected = file->entries[i++].end) {
    const entry *e = &file->entries[i];
    if (e->begin != expected)
      return eg_fail(EG_EFORMAT, "%s: tensor '%.80s' begins at byte %s, expected %s: %s", path, e->name,
                     eg_commas(e->begin), eg_commas(expected),
                     e->begin < expected ? "it overlaps another" : "there is a hole before it");
    if (e->end > data)
      return eg_fail(EG_EFORMAT,
                     "%s: tensor '%.80s' ends at byte %s of the data, of which there are %s: the file is truncated",
                     path, e->name, eg_commas(e->end), eg_commas(data));
  }
  if (expected != data)
    return eg_fail(EG_EFORMAT, "%s: goes on for %s bytes after its last tensor", path, eg_commas(data - expected));
  return EG_OK;
}

static eg_status parse_header(eg_safetensors *file, const char *text, size_t length) {
  json_error_t error;
  const char *path = file->reader.path, *name;
  json_t *value;
  if (text[0] != '{') return eg_fail(EG_EFORMAT, "%s: its header does not begin with {: not a safetensors file", path);
  file->header = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
  if (!file->header)
    return eg_fail(EG_EFORMAT, "%s: its header is damaged at byte %d: %s", path, PREFIX + error.position, error.text);
  file->entries = eg_malloc(json_object_size(file->header) * sizeof *file->entries);
  if (!file->entries) return EG_ENOMEM;
  json_object_foreach(file->header, name, value) {
    if (!strcmp(name, "__metadata__")) EG_TRY(parse_metadata(file, value));
    else EG_TRY(parse_entry(path, name, value, &file->entries[file->count++]));
  }
  qsort(file->entries, (size_t)file->count, sizeof *file->entries, by_place);
  return check_tiling(file);
}

static eg_status read_header(eg_safetensors *file) {
  uint64_t length;
  const char *path = file->reader.path;
  if (file->reader.size < PREFIX)
    return eg_fail(EG_EFORMAT, "%s: has %s bytes, too few for a safetensors file", path, eg_commas(file->reader.size));
  EG_TRY(eg_reader_bytes(&file->reader, 0, &length, sizeof length));
  if (length > HEADER_MAX || length < 2)
    return eg_fail(EG_EFORMAT, "%s: claims a header of %llu bytes, expected 2 to %s: not a safetensors file", path,
                   (unsigned long long)length, eg_commas(HEADER_MAX));
  file->start = PREFIX + (int64_t)length;
  if (file->reader.size < file->start)
    return eg_fail(EG_EFORMAT, "%s: ends after %s bytes, within its header of %s: the file is truncated", path,
                   eg_commas(file->reader.size), eg_commas((int64_t)length));
  char *text = eg_malloc(length);
  if (!text) return EG_ENOMEM;
  eg_status status = eg_reader_bytes(&file->reader, PREFIX, text, length);
  if (!status) status = parse_header(file, text, length);
  free(text);
  return status;
}

/* ---- reading: the public face ---- */

eg_safetensors *eg_safetensors_open(const char *path) {
  eg_safetensors *file = eg_malloc(sizeof *file);
  if (!file) return NULL;
  memset(file, 0, sizeof *file);
  if (eg_reader_open(&file->reader, path)) return free(file), NULL;
  if (!read_header(file)) return file;
  eg_safetensors_close(file);
  return NULL;
}

void eg_safetensors_close(eg_safetensors *file) {
  if (!file) return;
  eg_reader_close(&file->reader);
  json_decref(file->header);
  free(file->entries);
  free(file->keys);
  free(file->values);
  free(file);
}

int64_t eg_safetensors_count(const eg_safetensors *file) { return file->count; }
int64_t eg_safetensors_metadata_count(const eg_safetensors *file) { return file->pairs; }

const char *eg_safetensors_name(const eg_safetensors *file, int64_t i) {
  return i >= 0 && i < file->count ? file->entries[i].name : NULL;
}

const char *eg_safetensors_metadata_key(const eg_safetensors *file, int64_t i) {
  return i >= 0 && i < file->pairs ? file->keys[i] : NULL;
}

const char *eg_safetensors_metadata_value(const eg_safetensors *file, int64_t i) {
  return i >= 0 && i < file->pairs ? file->values[i] : NULL;
}

static eg_status check_bools(const char *path, const char *name, const eg_tensor *t) {
  const uint8_t *at = t->data;
  for (int64_t i = 0; i < t->count; i++)
    if (at[i] > 1)
      return eg_fail(EG_EFORMAT, "%s: tensor '%.80s' of dtype BOOL has a byte of %d at element %s, expected 0 or 1",
                     path, name, at[i], eg_commas(i + 1));
  return EG_OK;
}

eg_tensor *eg_safetensors_read(eg_safetensors *file, int64_t i) {
  if (i < 0 || i >= file->count) {
    eg_fail(EG_EINDEX, "%s: has %lld tensors, there is no number %lld", file->reader.path, (long long)file->count,
            (long long)i + 1);
    return NULL;
  }
  const entry *e = &file->entries[i];
  bool is_bool = e->encoding.kind == EG_KIND_BOOL;
  eg_encoding as_it_is = is_bool ? (eg_encoding){EG_KIND_UINT, 1, false} : e->encoding;
  eg_tensor *out = eg_new(eg_encoding_dtype(as_it_is), e->dims, e->size);
  if (!out) return NULL;
  eg_status status = eg_reader_elements(&file->reader, file->start + e->begin, out, as_it_is);
  if (!status && is_bool) status = check_bools(file->reader.path, e->name, out);
  if (!status) return out;
  eg_free(out);
  return NULL;
}

/* ---- writing ---- */

typedef struct item {
  const char *name;
  eg_tensor *tensor;
  int64_t place; /* in the list given */
} item;

/* Wide elements first, so that every tensor begins at a multiple of its element; else as given. */
static int by_alignment(const void *a, const void *b) {
  const item *x = a, *y = b;
  size_t x_bytes = eg_element_size(x->tensor->dtype), y_bytes = eg_element_size(y->tensor->dtype);
  if (x_bytes != y_bytes) return x_bytes > y_bytes ? -1 : 1;
  return x->place < y->place ? -1 : 1;
}

/* Adds key = value (whose reference is taken over) to the object; fails for bad UTF-8 and for a key that is there. */
static eg_status put(const char *path, json_t *object, const char *key, json_t *value) {
  eg_status status = EG_OK;
  if (!key) status = eg_fail(EG_EINVAL, "%s: a name is missing", path);
  else if (json_object_get(object, key)) status = eg_fail(EG_EINVAL, "%s: the name '%.80s' occurs twice", path, key);
  else if (!value) status = eg_fail(EG_EINVAL, "%s: what '%.80s' stands for is not UTF-8 text", path, key);
  else if (json_object_set(object, key, value))
    status = eg_fail(EG_EINVAL, "%s: the name '%.80s' is not UTF-8", path, key);
  json_decref(value);
  return status;
}

static json_t *describe(const eg_tensor *t, int64_t begin) {
  static const char *const names[] = {"F32", "F64", "I64", "U8"};
  int64_t end = begin + t->count * (int64_t)eg_element_size(t->dtype);
  json_t *shape = json_array();
  for (int d = 0; d < t->dims; d++) json_array_append_new(shape, json_integer(t->size[d]));
  return json_pack("{s:s, s:o, s:[I, I]}", "dtype", names[t->dtype], "shape", shape, "data_offsets", (json_int_t)begin,
                   (json_int_t)end);
}

static eg_status build_header(const char *path, json_t *header, int64_t count, const item *items, int64_t pairs,
                              const char *const *keys, const char *const *values) {
  json_t *metadata = pairs > 0 ? json_object() : NULL;
  if (metadata) json_object_set_new(header, "__metadata__", metadata);
  for (int64_t i = 0; i < pairs; i++) EG_TRY(put(path, metadata, keys[i], values[i] ? json_string(values[i]) : NULL));
  int64_t at = 0;
  for (int64_t i = 0; i < count; i++) {
    if (!strcmp(items[i].name, "__metadata__"))
      return eg_fail(EG_EINVAL, "%s: the name '__metadata__' belongs to the format, not to a tensor", path);
    EG_TRY(put(path, header, items[i].name, describe(items[i].tensor, at)));
    at += items[i].tensor->count * (int64_t)eg_element_size(items[i].tensor->dtype);
  }
  return EG_OK;
}

static eg_status write_all(const char *path, const char *text, int64_t count, const item *items) {
  static const char spaces[PREFIX] = "        ";
  eg_writer writer;
  /* At least one space: every file of as many tensors takes as many writes, whatever the digits in its header. */
  uint64_t length = strlen(text), padding = PREFIX - length % PREFIX, total = length + padding;
  if (total > HEADER_MAX)
    return eg_fail(EG_EINVAL, "%s: its header would have %s bytes, at most %s are allowed", path,
                   eg_commas((int64_t)total), eg_commas(HEADER_MAX));
  EG_TRY(eg_writer_open(&writer, path));
  eg_status status = eg_writer_bytes(&writer, &total, sizeof total);
  if (!status) status = eg_writer_bytes(&writer, text, length);
  if (!status) status = eg_writer_bytes(&writer, spaces, padding);
  for (int64_t i = 0; i < count && !status; i++) status = eg_writer_tensor(&writer, items[i].tensor);
  return eg_writer_close(&writer, status);
}

eg_status eg_safetensors_write(const char *path, int64_t count, const char *const *names, eg_tensor *const *tensors,
                               int64_t pairs, const char *const *keys, const char *const *values) {
  if (!path || count < 0 || pairs < 0) return eg_fail(EG_EINVAL, "safetensors: expected a path, tensors and pairs");
  for (int64_t i = 0; i < count; i++) {
    if (!names[i]) return eg_fail(EG_EINVAL, "%s: tensor %lld has no name", path, (long long)i + 1);
    EG_TRY(eg_check_live(path, names[i], tensors[i]));
  }
  item *items = eg_malloc((size_t)count * sizeof *items);
  if (!items) return EG_ENOMEM;
  for (int64_t i = 0; i < count; i++) items[i] = (item){names[i], tensors[i], i};
  qsort(items, (size_t)count, sizeof *items, by_alignment);
  json_t *header = json_object();
  eg_status status = build_header(path, header, count, items, pairs, keys, values);
  char *text = status ? NULL : json_dumps(header, JSON_COMPACT);
  if (!status) status = text ? write_all(path, text, count, items) : eg_fail(EG_ENOMEM, "%s: out of memory", path);
  free(text);
  json_decref(header);
  free(items);
  return status;
}
