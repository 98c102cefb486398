/* yaml.c - YAML read by libyaml's events, composed into a tree of nodes: types of YAML 1.2's core schema, aliases by
 * value, merge keys, one place (line, column) a key and a value. Every text is distrusted: it may be nested, long and
 * expanded only so far, and what is not plainly a value is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#include "internal.h"

enum { MAX_BYTES = 1 << 20, MAX_SCALAR = 1 << 16, MAX_DEPTH = 64, MAX_NODES = 10000, MAX_DIRECTIVES = 16 };

#define CORE_TAG "tag:yaml.org,2002:"

/* Memory that lives as long as the tree. */
typedef struct block {
  struct block *next;
  _Alignas(16) char bytes[];
} block;

typedef struct document {
  eg_yaml root; /* first, so that the root stands for all */
  block *blocks;
} document;

typedef struct anchor {
  struct anchor *older;
  const char *name;
  eg_yaml value;
  bool open; /* while its value is being composed: an alias to it would hold itself */
} anchor;

typedef struct composer {
  yaml_parser_t parser;
  yaml_event_t event; /* the present one */
  const char *name, *text;
  size_t length;
  document *into;
  anchor *anchors;  /* the newest first */
  eg_yaml *pending; /* children of the collections that are open, MAX_NODES at most */
  int64_t used, nodes;
  int depth;
} composer;

/* ---- failures ---- */

/* "NAME:LINE:COLUMN: " before the reason; lines and columns count from 1. */
static eg_status EG_PRINTF(4, 5) refuse_at(composer *c, size_t line, size_t column, const char *format, ...) {
  char reason[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(reason, sizeof reason, format, arguments);
  va_end(arguments);
  if (c->name) return eg_fail(EG_EFORMAT, "%s:%zu:%zu: %s", c->name, line, column, reason);
  return eg_fail(EG_EFORMAT, "line %zu, column %zu: %s", line, column, reason);
}

#define refuse(c, mark, ...) refuse_at(c, (mark).line + 1, (mark).column + 1, __VA_ARGS__)

/* A word of the text for a message: short, and without what would upset a terminal. */
static const char *shown(const char *text) {
  static _Thread_local char buffers[2][64];
  static _Thread_local unsigned turn;
  char *out = buffers[turn++ % 2];
  snprintf(out, sizeof buffers[0], "%s", text);
  for (char *p = out; *p; p++)
    if ((unsigned char)*p < ' ' || *p == 127) *p = '?';
  return out;
}

/* Where byte `offset` stands. Columns count characters, as libyaml's do. */
static void place_of(const composer *c, size_t offset, size_t *line, size_t *column) {
  *line = *column = 1;
  for (size_t i = 0; i < EG_MIN(offset, c->length); i++) {
    if (c->text[i] == '\n') *line += 1, *column = 1;
    else if ((c->text[i] & 0xc0) != 0x80) *column += 1;
  }
}

static eg_status refuse_bytes(composer *c) {
  size_t line, column;
  place_of(c, c->parser.problem_offset, &line, &column);
  char byte[16] = "";
  if (c->parser.problem_value >= 0) snprintf(byte, sizeof byte, " (0x%02X)", (unsigned)c->parser.problem_value);
  return refuse_at(c, line, column, "%s%s: the text must be UTF-8 without control characters", c->parser.problem, byte);
}

/* True when the character at the mark is a tab: the commonest mistake, which libyaml does not name. */
static bool is_tab(const composer *c, yaml_mark_t mark) {
  size_t at = 0;
  for (size_t line = 0; line < mark.line && at < c->length; at++) line += c->text[at] == '\n';
  return at + mark.column < c->length && c->text[at + mark.column] == '\t';
}

static eg_status refuse_syntax(composer *c) {
  const yaml_parser_t *p = &c->parser;
  if (p->error == YAML_MEMORY_ERROR) return eg_fail(EG_ENOMEM, "yaml: out of memory");
  if (p->error == YAML_READER_ERROR) return refuse_bytes(c);
  if (is_tab(c, p->problem_mark)) return refuse(c, p->problem_mark, "a tab cannot indent: use spaces");
  if (!p->context || strcmp(p->context, "while scanning for the next token") == 0)
    return refuse(c, p->problem_mark, "%s", p->problem);
  return refuse(c, p->problem_mark, "%s, %s that begins at line %zu", p->problem, p->context, p->context_mark.line + 1);
}

/* ---- memory and events ---- */

static void *take(composer *c, size_t bytes) {
  block *b = eg_malloc(sizeof *b + bytes);
  if (!b) return NULL;
  b->next = c->into->blocks;
  c->into->blocks = b;
  return b->bytes;
}

static char *take_text(composer *c, const void *text, size_t length) {
  char *copy = take(c, length + 1);
  if (!copy) return NULL;
  memcpy(copy, text, length);
  copy[length] = 0;
  return copy;
}

static eg_status next(composer *c) {
  yaml_event_delete(&c->event);
  return yaml_parser_parse(&c->parser, &c->event) ? EG_OK : refuse_syntax(c);
}

/* ---- scalars: the types of YAML 1.2's core schema ---- */

static bool is_one_of(const char *text, const char *const *words) {
  for (; *words; words++)
    if (strcmp(text, *words) == 0) return true;
  return false;
}

static size_t digits(const char *text) { return strspn(text, "0123456789"); }

static bool is_decimal(const char *p) {
  p += *p == '+' || *p == '-';
  size_t whole = digits(p), fraction = 0;
  p += whole;
  if (*p == '.') fraction = digits(++p);
  p += fraction;
  if (whole + fraction == 0) return false;
  if (*p != 'e' && *p != 'E') return *p == 0;
  p++;
  p += *p == '+' || *p == '-';
  return digits(p) > 0 && p[digits(p)] == 0;
}

static bool read_number(const char *text, double *number) {
  static const char *const infinite[] = {".inf", ".Inf", ".INF", NULL};
  static const char *const none[] = {".nan", ".NaN", ".NAN", NULL};
  bool is_based = text[0] == '0' && text[1] && text[2];
  if (is_decimal(text) || (is_based && text[1] == 'x' && text[2 + strspn(text + 2, "0123456789abcdefABCDEF")] == 0)) {
    *number = strtod(text, NULL);
    return true;
  }
  if (is_based && text[1] == 'o' && text[2 + strspn(text + 2, "01234567")] == 0) {
    *number = 0;
    for (const char *p = text + 2; *p; p++) *number = *number * 8 + (*p - '0');
    return true;
  }
  if (is_one_of(text, none)) return *number = __builtin_nan(""), true;
  if (!is_one_of(text + (*text == '+' || *text == '-'), infinite)) return false;
  *number = *text == '-' ? -__builtin_inf() : __builtin_inf();
  return true;
}

static void resolve_plain(eg_yaml *out) {
  static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
  static const char *const trues[] = {"true", "True", "TRUE", NULL};
  static const char *const falses[] = {"false", "False", "FALSE", NULL};
  out->kind = is_one_of(out->text, nulls)            ? EG_YAML_NULL
              : is_one_of(out->text, trues)          ? EG_YAML_TRUE
              : is_one_of(out->text, falses)         ? EG_YAML_FALSE
              : read_number(out->text, &out->number) ? EG_YAML_NUMBER
                                                     : EG_YAML_STRING;
}

static eg_status refuse_tag(composer *c, yaml_mark_t at, const char *tag) {
  bool is_core = strncmp(tag, CORE_TAG, strlen(CORE_TAG)) == 0;
  return refuse(c, at, "unknown tag '%s%s' (there are: !!str, !!int, !!float, !!bool, !!null, !!seq, !!map)",
                is_core ? "!!" : "", shown(is_core ? tag + strlen(CORE_TAG) : tag));
}

/* The kind that a tag asks for, where the text can be read so. */
static eg_status resolve_tagged(composer *c, eg_yaml *out, yaml_mark_t at, const char *tag) {
  const char *type = strncmp(tag, CORE_TAG, strlen(CORE_TAG)) == 0 ? tag + strlen(CORE_TAG) : "";
  resolve_plain(out);
  bool fits;
  if (strcmp(type, "str") == 0 || strcmp(tag, "!") == 0) return out->kind = EG_YAML_STRING, EG_OK;
  if (strcmp(type, "float") == 0) fits = out->kind == EG_YAML_NUMBER;
  else if (strcmp(type, "int") == 0) fits = out->kind == EG_YAML_NUMBER && __builtin_floor(out->number) == out->number;
  else if (strcmp(type, "bool") == 0) fits = out->kind == EG_YAML_TRUE || out->kind == EG_YAML_FALSE;
  else if (strcmp(type, "null") == 0) fits = out->kind == EG_YAML_NULL;
  else return refuse_tag(c, at, tag);
  return fits ? EG_OK : refuse(c, at, "'%s' is no value of the tag '!!%s'", shown(out->text), type);
}

static eg_status compose_scalar(composer *c, eg_yaml *out) {
  const yaml_event_t *e = &c->event;
  out->length = e->data.scalar.length;
  if (out->length > MAX_SCALAR)
    return refuse(c, e->start_mark, "a text of %zu bytes; at most %d are taken", out->length, MAX_SCALAR);
  if (!(out->text = take_text(c, e->data.scalar.value, out->length))) return EG_ENOMEM;
  if (e->data.scalar.tag) return resolve_tagged(c, out, e->start_mark, (const char *)e->data.scalar.tag);
  if (e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) resolve_plain(out);
  else out->kind = EG_YAML_STRING;
  return EG_OK;
}

/* ---- anchors and aliases ---- */

/* Notes the anchor of the present event, if it has one, as open. */
static eg_status open_anchor(composer *c, const yaml_char_t *name, anchor **out) {
  *out = NULL;
  if (!name) return EG_OK;
  anchor *a = take(c, sizeof *a);
  if (!a) return EG_ENOMEM;
  *a = (anchor){.older = c->anchors, .open = true};
  if (!(a->name = take_text(c, name, strlen((const char *)name)))) return EG_ENOMEM;
  c->anchors = *out = a;
  return EG_OK;
}

static void close_anchor(anchor *a, const eg_yaml *value) {
  if (a) a->value = *value, a->open = false;
}

/* The value of the anchor, at the alias's place; its children are shared, but counted as if they were copied. */
static eg_status compose_alias(composer *c, eg_yaml *out) {
  const char *name = (const char *)c->event.data.alias.anchor;
  yaml_mark_t at = c->event.start_mark;
  const anchor *a = c->anchors;
  while (a && strcmp(a->name, name) != 0) a = a->older;
  if (!a) return refuse(c, at, "alias '*%s' has no anchor '&%s' before it", shown(name), shown(name));
  if (a->open)
    return refuse(c, at, "alias '*%s' stands inside its own anchor: the value would hold itself", shown(name));
  int32_t line = out->line, column = out->column;
  *out = a->value;
  out->line = line, out->column = column;
  c->nodes += out->total - 1;
  if (c->nodes > MAX_NODES)
    return refuse(c, at, "alias '*%s' makes more than %d keys and values", shown(name), MAX_NODES);
  return EG_OK;
}

/* ---- lists and maps ---- */

static eg_status compose(composer *c, eg_yaml *out);

static eg_status push(composer *c, const eg_yaml *child) {
  if (c->used == MAX_NODES) return refuse(c, c->event.start_mark, "more than %d keys and values", MAX_NODES);
  c->pending[c->used++] = *child;
  return EG_OK;
}

static eg_status compose_items(composer *c) {
  for (;;) {
    eg_yaml item;
    EG_TRY(next(c));
    if (c->event.type == YAML_SEQUENCE_END_EVENT) return EG_OK;
    EG_TRY(compose(c, &item));
    EG_TRY(push(c, &item));
  }
}

/* The pending member of that key, from `first` on; NULL when there is none. */
static const eg_yaml *find(const composer *c, int64_t first, const char *key, size_t length) {
  for (int64_t i = first; i < c->used; i++) {
    const eg_yaml *member = &c->pending[i];
    if (member->key_length == length && memcmp(member->key, key, length) == 0) return member;
  }
  return NULL;
}

/* Adds the members of a merged map, or of each map of a merged list, that are not there yet. */
static eg_status merge(composer *c, int64_t first, const eg_yaml *from) {
  for (int64_t i = 0; i < from->children; i++) {
    const eg_yaml *child = &from->child[i];
    if (from->kind == EG_YAML_LIST) EG_TRY(merge(c, first, child));
    else if (!find(c, first, child->key, child->key_length)) EG_TRY(push(c, child));
  }
  return EG_OK;
}

static eg_status check_merged(composer *c, const eg_yaml *value) {
  bool fits = value->kind == EG_YAML_MAP || value->kind == EG_YAML_LIST;
  for (int64_t i = 0; fits && value->kind == EG_YAML_LIST && i < value->children; i++)
    fits = value->child[i].kind == EG_YAML_MAP;
  if (fits) return EG_OK;
  return refuse_at(c, (size_t)value->line, (size_t)value->column, "'<<' merges a map or a list of maps");
}

static bool is_merge_key(const yaml_event_t *e) {
  return e->type == YAML_SCALAR_EVENT && e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !e->data.scalar.tag &&
         strcmp((const char *)e->data.scalar.value, "<<") == 0;
}

/* The key that the present event begins, by its text. */
static eg_status compose_key(composer *c, eg_yaml *key) {
  yaml_mark_t at = c->event.start_mark;
  EG_TRY(compose(c, key));
  if (key->kind == EG_YAML_LIST || key->kind == EG_YAML_MAP)
    return refuse(c, at, "a key must be a word, got a %s", key->kind == EG_YAML_LIST ? "list" : "map");
  return key->length > 0 ? EG_OK : refuse(c, at, "an empty key");
}

static eg_status refuse_duplicate(composer *c, const eg_yaml *key, int32_t line) {
  return refuse_at(c, (size_t)key->line, (size_t)key->column, "duplicate key '%s', first at line %d", shown(key->text),
                   line);
}

static eg_status compose_members(composer *c) {
  int64_t first = c->used;
  eg_yaml merged = {.kind = EG_YAML_NULL}, key, value;
  for (;;) {
    EG_TRY(next(c));
    if (c->event.type == YAML_MAPPING_END_EVENT) return merge(c, first, &merged);
    bool merges = is_merge_key(&c->event);
    EG_TRY(compose_key(c, &key));
    const eg_yaml *before = find(c, first, key.text, key.length);
    if (merges && merged.line) return refuse_duplicate(c, &key, merged.key_line);
    if (!merges && before) return refuse_duplicate(c, &key, before->key_line);
    EG_TRY(next(c));
    EG_TRY(compose(c, &value));
    value.key = key.text, value.key_length = key.length;
    value.key_line = key.line, value.key_column = key.column;
    EG_TRY(merges ? check_merged(c, &value) : push(c, &value));
    if (merges) merged = value;
  }
}

/* Moves the pending children from `first` on into the list or map. */
static eg_status gather(composer *c, int64_t first, eg_yaml *out) {
  out->children = c->used - first;
  c->used = first;
  if (out->children == 0) return EG_OK;
  size_t bytes = (size_t)out->children * sizeof(eg_yaml);
  eg_yaml *child = take(c, bytes);
  if (!child) return EG_ENOMEM;
  memcpy(child, c->pending + first, bytes);
  out->child = child;
  return EG_OK;
}

static eg_status compose_collection(composer *c, eg_yaml *out) {
  const yaml_event_t *e = &c->event;
  bool is_map = e->type == YAML_MAPPING_START_EVENT;
  const yaml_char_t *tag = is_map ? e->data.mapping_start.tag : e->data.sequence_start.tag;
  const char *own_tag = is_map ? CORE_TAG "map" : CORE_TAG "seq";
  int64_t first = c->used, before = c->nodes;
  anchor *a;
  if (tag && strcmp((char *)tag, own_tag) != 0 && strcmp((char *)tag, "!") != 0)
    return refuse_tag(c, e->start_mark, (const char *)tag);
  if (c->depth == MAX_DEPTH) return refuse(c, e->start_mark, "nested more than %d deep", MAX_DEPTH);
  EG_TRY(open_anchor(c, is_map ? e->data.mapping_start.anchor : e->data.sequence_start.anchor, &a));
  out->kind = is_map ? EG_YAML_MAP : EG_YAML_LIST;
  c->depth++;
  EG_TRY(is_map ? compose_members(c) : compose_items(c));
  c->depth--;
  EG_TRY(gather(c, first, out));
  out->total = 1 + c->nodes - before;
  close_anchor(a, out);
  return EG_OK;
}

/* The value that the present event begins; afterwards the present event is its last. */
static eg_status compose(composer *c, eg_yaml *out) {
  yaml_mark_t at = c->event.start_mark;
  anchor *a;
  if (++c->nodes > MAX_NODES) return refuse(c, at, "more than %d keys and values", MAX_NODES);
  *out = (eg_yaml){.line = (int32_t)at.line + 1, .column = (int32_t)at.column + 1, .total = 1};
  if (c->event.type == YAML_ALIAS_EVENT) return compose_alias(c, out);
  if (c->event.type != YAML_SCALAR_EVENT) return compose_collection(c, out);
  EG_TRY(open_anchor(c, c->event.data.scalar.anchor, &a));
  EG_TRY(compose_scalar(c, out));
  close_anchor(a, out);
  return EG_OK;
}

/* ---- the document ---- */

/* libyaml compares each %TAG with all before it: a text of nothing else would keep it busy for minutes. */
static eg_status check_directives(composer *c) {
  int count = 0;
  for (size_t i = 0, line = 1; i < c->length; i++) {
    bool begins = i == 0 || c->text[i - 1] == '\n' || c->text[i - 1] == '\r';
    if (c->text[i] == '\n') line++;
    if (begins && c->text[i] == '%' && ++count > MAX_DIRECTIVES)
      return refuse_at(c, line, 1, "more than %d lines that begin with %%", MAX_DIRECTIVES);
  }
  return EG_OK;
}

static eg_status compose_document(composer *c) {
  if (c->length > MAX_BYTES) return refuse_at(c, 1, 1, "%zu bytes; at most %d are taken", c->length, MAX_BYTES);
  EG_TRY(check_directives(c));
  EG_TRY(next(c)); /* the stream begins */
  EG_TRY(next(c));
  c->into->root = (eg_yaml){.kind = EG_YAML_NULL, .line = 1, .column = 1, .text = "", .total = 1};
  if (c->event.type == YAML_STREAM_END_EVENT) return EG_OK;
  EG_TRY(next(c));
  EG_TRY(compose(c, &c->into->root));
  EG_TRY(next(c)); /* the document ends */
  EG_TRY(next(c));
  if (c->event.type == YAML_STREAM_END_EVENT) return EG_OK;
  return refuse(c, c->event.start_mark, "a second document begins; one file holds one");
}

eg_yaml *eg_yaml_parse(const char *text, size_t length, const char *name) {
  if (!text) return eg_fail(EG_EINVAL, "yaml: there is no text"), NULL;
  if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) text += 3, length -= 3; /* a byte order mark says nothing */
  composer c = {.name = name, .text = text, .length = length};
  if (!(c.into = eg_malloc(sizeof *c.into))) return NULL;
  c.into->blocks = NULL;
  eg_status status = EG_ENOMEM;
  if ((c.pending = eg_malloc(MAX_NODES * sizeof *c.pending))) {
    if (!yaml_parser_initialize(&c.parser)) status = eg_fail(EG_ENOMEM, "yaml: out of memory");
    else {
      yaml_parser_set_encoding(&c.parser, YAML_UTF8_ENCODING);
      yaml_parser_set_input_string(&c.parser, (const unsigned char *)text, length);
      status = compose_document(&c);
      yaml_event_delete(&c.event);
      yaml_parser_delete(&c.parser);
    }
  }
  free(c.pending);
  if (status == EG_OK) return &c.into->root;
  eg_yaml_free(&c.into->root);
  return NULL;
}

void eg_yaml_free(eg_yaml *root) {
  if (!root) return;
  document *d = (document *)root;
  while (d->blocks) {
    block *b = d->blocks;
    d->blocks = b->next;
    free(b);
  }
  free(d);
}
