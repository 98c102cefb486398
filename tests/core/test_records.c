/* Records: tabs and commas, quotes, line ends, encodings; and archives. */
#include <zlib.h>

#include "hostile.h"

/* All records of some bytes, fields parted by | and records by /; NULL on failure. */
static const char *read_as(const void *bytes, size_t length, int separator, int quotes, int latin) {
  static char out[4096];
  size_t used = 0, size;
  eg_records *r = eg_records_open(put_file("records", bytes, length), separator, quotes, latin);
  assert_non_null(r);
  int64_t fields;
  eg_status status;
  out[0] = 0;
  while (!(status = eg_records_next(r, &fields)) && fields > 0) {
    for (int64_t i = 0; i < fields; i++) {
      const char *field = eg_records_field(r, i, &size);
      used += (size_t)sprintf(out + used, "%.*s%s", (int)size, field, i + 1 < fields ? "|" : "/");
    }
    assert_null(eg_records_field(r, fields, &size));
  }
  eg_records_close(r);
  return status ? NULL : out;
}

static const char *tsv(const char *text) { return read_as(text, strlen(text), '\t', 0, 0); }
static const char *csv(const char *text) { return read_as(text, strlen(text), ',', 1, 0); }

static void lines_and_tabs(void **state) {
  assert_string_equal(tsv(""), "");
  assert_string_equal(tsv("a\tb\nc\td"), "a|b/c|d/");
  assert_string_equal(tsv("a\tb\r\nc\td\r\n"), "a|b/c|d/");
  assert_string_equal(tsv("\xEF\xBB\xBF"
                          "a\t\"b\" x\n"),
                      "a|\"b\" x/");
  assert_string_equal(tsv("\t\n"), "|/");
  assert_string_equal(tsv("a\n\n\n"), "a/");
  assert_string_equal(tsv("a\r"), "a/");
  assert_null(tsv("a\n\nb\n"));
  assert_message("records:2: an empty line");
  assert_null(tsv("a\tb\nc\rd\te\n"));
  assert_message("records:2: a CR without an LF");
}

static void quotes(void **state) {
  assert_string_equal(csv("a,\"b,c\"\n\"d\"\"e\",\"f\ng\"\r\n"), "a|b,c/d\"e|f\ng/");
  assert_string_equal(csv("\"\",x\n"), "|x/");
  assert_string_equal(csv("\"a\rb\",c\n"), "a\rb|c/");
  assert_null(csv("a,b\nc, \"d, e\"\n"));
  assert_message("records:2: a quote within a field that does not begin with one");
  assert_null(csv("x,y\na,\"b\nc\nd"));
  assert_message("records:2: a quote opens a field here");
  assert_null(csv("a\n\"b\"c\n"));
  assert_message("records:2: text behind a closing quote");
}

static void encodings(void **state) {
  assert_string_equal(tsv("é\t€\n"), "é|€/");
  assert_null(tsv("a\tb\nc\td\xE9\n"));
  assert_message("records:2: byte e9 of field 2, at position 2, is no UTF-8");
  assert_string_equal(read_as("Sepp\xE4l\xE4\n", 8, '@', 0, 1), "Seppälä/");
  assert_null(read_as("a\tb\nc\0d\te\n", 10, '\t', 0, 0));
  assert_message("records:2: a NUL byte");
  assert_null(read_as("\xFF\xFE"
                      "a\0",
                      4, '\t', 0, 0));
}

/* A line of 10 MB, and CR LF at every place relative to the buffer. */
static void long_lines(void **state) {
  size_t length = 10 << 20, size;
  char *bytes = malloc(length + 16);
  for (size_t shift = 0; shift < 3; shift++) {
    memset(bytes, 'x', length + 16);
    bytes[1] = '\t';
    size_t end = shift ? (1 << 16) - 2 + shift : length;
    memcpy(bytes + end, "\r\na\tb\n", 6);
    eg_records *r = eg_records_open(put_file("long", bytes, end + 6), '\t', 0, 0);
    int64_t fields;
    assert_int_equal(eg_records_next(r, &fields), EG_OK);
    assert_int_equal(fields, 2);
    eg_records_field(r, 1, &size);
    assert_int_equal(size, end - 2);
    assert_int_equal(eg_records_next(r, &fields), EG_OK);
    assert_int_equal(eg_records_line(r), 2);
    assert_string_equal(eg_records_field(r, 1, &size), "b");
    eg_records_close(r);
  }
  free(bytes);
}

static void packed_and_damaged(void **state) {
  const char *path = in_folder("packed.gz");
  gzFile file = gzopen(path, "wb");
  for (int i = 0; i < 20000; i++) gzprintf(file, "%d\ttext number %d\n", i, i);
  gzclose(file);
  eg_records *r = eg_records_open(path, '\t', 0, 0);
  int64_t fields, count = 0;
  while (!eg_records_next(r, &fields) && fields == 2) count++;
  assert_int_equal(count, 20000);
  eg_records_close(r);
  assert_int_equal(truncate(path, eg_file_size(path) / 2), 0);
  r = eg_records_open(path, '\t', 0, 0);
  eg_status status;
  while (!(status = eg_records_next(r, &fields)) && fields > 0) {
  }
  assert_int_equal(status, EG_EFORMAT);
  assert_message("cannot be unpacked");
  eg_records_close(r);
  assert_null(eg_records_open(in_folder("nothing"), '\t', 0, 0));
}

/* ---- archives ---- */

/* The names and contents of an archive, "name=content;"; NULL on failure. */
static const char *list_of(const char *path) {
  static char out[4096];
  size_t used = 0;
  const char *name;
  int64_t size;
  eg_archive *a = eg_archive_open(path);
  if (!a) return NULL;
  eg_status status;
  out[0] = 0;
  while (!(status = eg_archive_next(a, &name, &size)) && name) {
    char *bytes = malloc((size_t)size + 1);
    status = eg_archive_read(a, bytes);
    if (!status && used + (size_t)size + 600 < sizeof out)
      used += (size_t)sprintf(out + used, "%s=%.*s;", name, (int)size, bytes);
    free(bytes);
    if (status) break;
  }
  eg_archive_close(a);
  return status ? NULL : out;
}

static size_t tar_member(char *at, const char *name, const char *content) {
  size_t length = strlen(content);
  memset(at, 0, 1024);
  strcpy(at, name);
  sprintf(at + 124, "%011o", (unsigned)length);
  at[156] = '0';
  memset(at + 148, ' ', 8);
  unsigned sum = 0;
  for (int i = 0; i < 512; i++) sum += (uint8_t)at[i];
  sprintf(at + 148, "%06o", sum);
  memcpy(at + 512, content, length);
  return 512 + (length + 511) / 512 * 512;
}

static void tar_archives(void **state) {
  static char bytes[8192];
  size_t length = tar_member(bytes, "a/1.txt", "one");
  length += tar_member(bytes + length, "a/2.txt", "");
  length += tar_member(bytes + length, "b/3.txt", "three");
  const char *path = put_file("t.tar", bytes, length + 1024);
  assert_string_equal(list_of(path), "a/1.txt=one;a/2.txt=;b/3.txt=three;");
  gzFile file = gzopen(in_folder("t.tar.gz"), "wb");
  gzwrite(file, bytes, (unsigned)length + 1024);
  gzclose(file);
  assert_string_equal(list_of(in_folder("t.tar.gz")), "a/1.txt=one;a/2.txt=;b/3.txt=three;");
  assert_null(list_of(put_file("t.tar", bytes, 514)));
  assert_message("ends within a file");
  bytes[0] = 'x';
  assert_null(list_of(put_file("t.tar", bytes, length)));
  assert_message("checksum");
}

/* A zip of one file, stored or packed; its length. */
static size_t make_zip(uint8_t *zip, bool packed) {
  const char *name = "d/s.txt", *content = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab";
  uint8_t body[128];
  z_stream z = {.next_in = (Bytef *)content, .avail_in = 46, .next_out = body, .avail_out = sizeof body};
  assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
  size_t size = packed ? z.total_out : 46;
  deflateEnd(&z);
  if (!packed) memcpy(body, content, 46);
  memset(zip, 0, 512);
  memcpy(zip, "PK\3\4", 4);
  zip[26] = 7;
  memcpy(zip + 30, name, 7);
  memcpy(zip + 37, body, size);
  uint8_t *directory = zip + 37 + size;
  memcpy(directory, "PK\1\2", 4);
  directory[10] = packed ? 8 : 0;
  uint32_t sum = (uint32_t)crc32(0, (const Bytef *)content, 46);
  for (int i = 0; i < 4; i++) directory[16 + i] = (uint8_t)(sum >> 8 * i);
  directory[20] = (uint8_t)size;
  directory[24] = 46;
  directory[28] = 7;
  memcpy(directory + 46, name, 7);
  uint8_t *end = directory + 53;
  memcpy(end, "PK\5\6", 4);
  end[8] = end[10] = 1;
  end[12] = 53;
  end[16] = (uint8_t)(directory - zip);
  return (size_t)(end + 22 - zip);
}

static void zip_archives(void **state) {
  static uint8_t zip[512];
  for (int packed = 0; packed < 2; packed++) {
    size_t length = make_zip(zip, packed);
    assert_string_equal(list_of(put_file("s.zip", zip, length)),
                        "d/s.txt=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab;");
    for (size_t cut = 0; cut < length; cut++) assert_null(list_of(put_file("s.zip", zip, cut)) && cut > 22 ? "" : NULL);
    for (size_t i = 0; i < length; i++) { /* whatever a byte becomes, nothing but an answer or an error comes of it */
      for (int bit = 0; bit < 8; bit++) {
        zip[i] ^= (uint8_t)(1 << bit);
        const char *found = list_of(put_file("s.zip", zip, length));
        if (!packed && i >= 37 && i < 83) assert_null(found); /* a byte of the file: its checksum tells */
        zip[i] ^= (uint8_t)(1 << bit);
      }
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lines_and_tabs),     cmocka_unit_test(quotes),
      cmocka_unit_test(encodings),          cmocka_unit_test(long_lines),
      cmocka_unit_test(packed_and_damaged), cmocka_unit_test(tar_archives),
      cmocka_unit_test(zip_archives),
  };
  return cmocka_run_group_tests(tests, NULL, remove_folder);
}
