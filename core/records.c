/* records.c - files of records: a line each, fields parted by a tab or a comma, with or without quotes (RFC 4180). */
#include <stdlib.h>

#include "unpack.h"
#include "utf8.h"

struct eg_records {
  eg_unpacker file;
  char *text;    /* the record's bytes, its fields one after the other, each ended by NUL */
  size_t *begin; /* where each field begins; one more for the end */
  size_t used, room;
  int64_t fields, fields_room;
  int64_t line, first_line; /* of the next byte; of the record */
  int64_t blank;            /* the first of the empty lines before it; 0: none */
  int separator;
  bool quotes, latin, ended;
  size_t at, got;
  uint8_t in[1 << 16];
};

static const size_t longest = (size_t)1 << 30;

/* The next byte, -1 at the end of the file, -2 on failure; peek leaves it there. */
static int peek(eg_records *r) {
  if (r->at < r->got) return r->in[r->at];
  if (r->ended) return -1;
  r->at = r->got = 0;
  if (eg_unpacker_read(&r->file, r->in, sizeof r->in, &r->got)) return -2;
  if (r->got == 0) r->ended = true;
  return r->got ? r->in[0] : -1;
}

static int take(eg_records *r) {
  int c = peek(r);
  if (c < 0) return c;
  r->at++;
  if (c == '\n') r->line++;
  return c;
}

static eg_status fail_at(const eg_records *r, int64_t line, const char *what) {
  return eg_fail(EG_EFORMAT, "%s:%lld: %s", r->file.reader.path, (long long)line, what);
}

/* ---- a record's bytes --------------------------------------------------------------------------------------------- */

static eg_status put(eg_records *r, int c) {
  if (r->used == r->room) {
    if (r->used >= longest) return fail_at(r, r->first_line, "a record of more than 1 GiB; is the file one of lines?");
    size_t room = EG_MAX(4096, r->room * 2);
    char *text = eg_malloc(room);
    if (!text) return EG_ENOMEM;
    if (r->used) memcpy(text, r->text, r->used);
    free(r->text);
    r->text = text;
    r->room = room;
  }
  r->text[r->used++] = (char)c;
  return EG_OK;
}

/* A byte of the file, as UTF-8. */
static eg_status put_byte(eg_records *r, int c) {
  if (c == 0) return fail_at(r, r->line, "a NUL byte; expected text (is it UTF-16, or no text at all?)");
  if (!r->latin || c < 0x80) return put(r, c);
  EG_TRY(put(r, 0xC0 | c >> 6));
  return put(r, 0x80 | (c & 0x3F));
}

static eg_status begin_field(eg_records *r) {
  if (r->fields + 2 > r->fields_room) {
    int64_t room = EG_MAX(16, r->fields_room * 2);
    size_t *begin = eg_malloc((size_t)room * sizeof *begin);
    if (!begin) return EG_ENOMEM;
    if (r->fields) memcpy(begin, r->begin, (size_t)r->fields * sizeof *begin);
    free(r->begin);
    r->begin = begin;
    r->fields_room = room;
  }
  r->begin[r->fields++] = r->used;
  return EG_OK;
}

/* The line on which a byte of the record stands: quotes may hold ends of lines before it. */
static int64_t line_of(const eg_records *r, const char *byte) {
  int64_t line = r->first_line;
  for (const char *p = r->text; p < byte; p++) line += *p == '\n';
  return line;
}

static eg_status end_field(eg_records *r) {
  const char *field = r->text + r->begin[r->fields - 1];
  size_t length = r->used - r->begin[r->fields - 1], valid = length ? eg_utf8_valid(field, length) : 0;
  if (valid < length)
    return eg_fail(EG_EFORMAT,
                   "%s:%lld: byte %02x of field %lld, at position %zu, is no UTF-8; is the file ISO-8859-1 (encoding = "
                   "\"latin-1\")?",
                   r->file.reader.path, (long long)line_of(r, field + valid), (uint8_t)field[valid],
                   (long long)r->fields, valid + 1);
  return put(r, 0);
}

/* ---- fields ------------------------------------------------------------------------------------------------------- */

/* Whether a line ends here; its end is taken. */
static bool line_ends(eg_records *r, int c) {
  if (c == '\n' || c == -1) {
    take(r);
    return true;
  }
  if (c != '\r') return false;
  if (r->at + 1 == r->got) { /* what follows the CR is not in the buffer yet: only CR LF ends a line */
    r->in[0] = '\r';
    r->at = 0;
    size_t more = 0;
    eg_status status = eg_unpacker_read(&r->file, r->in + 1, sizeof r->in - 1, &more);
    r->got = status ? 0 : 1 + more; /* nothing of before is left to be read again */
    if (status) return false;
  }
  if (r->at + 1 < r->got && r->in[r->at + 1] != '\n') return false;
  take(r);
  take(r);
  return true;
}

/* Behind the opening quote: up to the closing one. */
static eg_status quoted(eg_records *r) {
  int64_t from = r->line;
  for (;;) {
    int c = take(r);
    if (c == -2) return EG_EFORMAT;
    if (c == -1) return fail_at(r, from, "a quote opens a field here and is not closed before the file ends");
    if (c == '"' && peek(r) != '"') return EG_OK;
    if (c == '"') take(r);
    EG_TRY(put_byte(r, c));
  }
}

static eg_status field(eg_records *r, bool *last) {
  EG_TRY(begin_field(r));
  bool closed = r->quotes && peek(r) == '"';
  if (closed) {
    take(r);
    EG_TRY(quoted(r));
  }
  for (;;) {
    int c = peek(r);
    if (c == -2) return EG_EFORMAT;
    *last = line_ends(r, c);
    if (*last || c == r->separator) {
      if (!*last) take(r);
      return end_field(r);
    }
    if (closed) return fail_at(r, r->line, "text behind a closing quote; a quote within a quoted field is doubled");
    if (c == '\r' && r->got == 0) return EG_EFORMAT; /* what follows could not be read */
    if (c == '\r') return fail_at(r, r->line, "a CR without an LF behind it; lines end with LF or with CR LF");
    if (c == '"' && r->quotes)
      return fail_at(r, r->line,
                     "a quote within a field that does not begin with one; put the whole field into quotes, with no "
                     "blank before them, and double those within");
    take(r);
    EG_TRY(put_byte(r, c));
  }
}

/* ---- records ------------------------------------------------------------------------------------------------------ */

eg_records *eg_records_open(const char *path, int separator, int quotes, int latin) {
  eg_records *r = eg_malloc(sizeof *r);
  if (!r) return NULL;
  memset(r, 0, sizeof *r);
  r->separator = separator;
  r->quotes = quotes;
  r->latin = latin;
  r->line = 1;
  if (eg_unpacker_open(&r->file, path)) {
    free(r);
    return NULL;
  }
  if (peek(r) == -2) {
    eg_records_close(r);
    return NULL;
  }
  if (r->got >= 3 && memcmp(r->in, "\xEF\xBB\xBF", 3) == 0) r->at = 3;
  return r;
}

void eg_records_close(eg_records *r) {
  if (!r) return;
  eg_unpacker_close(&r->file);
  free(r->text);
  free(r->begin);
  free(r);
}

static bool is_blank(const eg_records *r) { return r->fields == 1 && r->used == 1; }

eg_status eg_records_next(eg_records *r, int64_t *fields) {
  *fields = 0;
  for (;;) {
    r->used = 0;
    r->fields = 0;
    r->first_line = r->line;
    int c = peek(r);
    if (c == -2) return EG_EFORMAT;
    if (c == -1) return EG_OK;
    bool last = false;
    while (!last) EG_TRY(field(r, &last));
    if (!is_blank(r)) break;
    if (!r->blank) r->blank = r->first_line;
  }
  if (r->blank) return fail_at(r, r->blank, "an empty line, with others behind it; take it out, or give it its fields");
  r->begin[r->fields] = r->used;
  *fields = r->fields;
  return EG_OK;
}

const char *eg_records_field(const eg_records *r, int64_t i, size_t *length) {
  if (i < 0 || i >= r->fields) return NULL;
  *length = r->begin[i + 1] - r->begin[i] - 1;
  return r->text + r->begin[i];
}

int64_t eg_records_line(const eg_records *r) { return r->first_line; }
