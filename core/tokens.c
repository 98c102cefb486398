/* tokens.c - a text is cut into tokens, each a piece of it, and tokens become numbers. */
#include <stdlib.h>

#include "text.h"

/* ---- lists of tokens ---------------------------------------------------------------------------------------------- */

/* A text may be a gigabyte: Ctrl-C is looked for every so many tokens. */
static bool interrupted_at(int64_t token) { return (token & 0xFFFF) == 0xFFFF && eg_interrupt_pending(); }

static eg_status why_cut_failed(void) { return eg_interrupt_pending() ? eg_fail(EG_EINTR, "interrupted") : EG_ENOMEM; }

bool eg_tokens_add(eg_tokens *tokens, const char *begin, const char *end) {
  if (interrupted_at(tokens->count)) return false;
  if (tokens->count == tokens->room) {
    int64_t room = EG_MAX(256, tokens->room * 2);
    eg_piece *piece = eg_malloc((size_t)room * sizeof *piece);
    if (!piece) return false;
    if (tokens->count) memcpy(piece, tokens->piece, (size_t)tokens->count * sizeof *piece);
    free(tokens->piece);
    tokens->piece = piece;
    tokens->room = room;
  }
  tokens->piece[tokens->count++] = (eg_piece){begin - tokens->text, end - begin};
  return true;
}

void eg_tokens_free(eg_tokens *tokens) {
  free(tokens->piece);
  free(tokens->lowered);
  *tokens = (eg_tokens){0};
}

/* ---- rules -------------------------------------------------------------------------------------------------------- */

/* "<br>", "<br/>" or "<br />", in either case: its length, else 0. */
static size_t line_break(const char *at, const char *end) {
  if (end - at < 4 || at[0] != '<' || (at[1] | 32) != 'b' || (at[2] | 32) != 'r') return 0;
  const char *p = at + 3;
  while (p < end && *p == ' ') p++;
  if (p < end && *p == '/') p++;
  return p < end && *p == '>' ? (size_t)(p + 1 - at) : 0;
}

/* The length of what parts words here: a character of white space, or, where asked for, a line break of HTML. */
static size_t gap(const char *at, const char *end, bool breaks) {
  int bytes;
  if (*at == '<' && breaks) return line_break(at, end);
  if ((uint8_t)*at < 0x80) return eg_kind_of(*at) == EG_SPACE;
  return eg_kind_of(eg_character(at, (size_t)(end - at), &bytes)) == EG_SPACE ? (size_t)bytes : 0;
}

static bool cut_words(eg_tokens *tokens, const char *end, const eg_tokenizer *how) {
  const char *at = tokens->text;
  bool ok = true;
  while (at < end && ok && (how->enough == 0 || tokens->count < how->enough)) {
    size_t skip = gap(at, end, how->breaks);
    if (skip) {
      at += skip;
      continue;
    }
    const char *begin = at;
    int bytes;
    while (at < end && !gap(at, end, how->breaks)) {
      eg_character(at, (size_t)(end - at), &bytes);
      at += bytes;
    }
    ok = how->rule == EG_RULE_ENGLISH ? eg_english_word(tokens, begin, at) : eg_tokens_add(tokens, begin, at);
  }
  return ok;
}

static bool cut_characters(eg_tokens *tokens, const char *end, const eg_tokenizer *how) {
  int bytes;
  for (const char *at = tokens->text; at < end; at += bytes) {
    if (how->enough > 0 && tokens->count >= how->enough) break;
    if (how->breaks && (bytes = (int)line_break(at, end))) continue;
    eg_character(at, (size_t)(end - at), &bytes);
    if (!eg_tokens_add(tokens, at, at + bytes)) return false;
  }
  return true;
}

/* Small letters for the pieces, in a copy of the text as far as it is cut: afterwards, for the rules know abbreviations by
 * their capitals. */
static eg_status lower(eg_tokens *tokens) {
  const eg_piece *last = tokens->count ? &tokens->piece[tokens->count - 1] : NULL;
  size_t length = last ? (size_t)(last->begin + last->length) : 0;
  if (length > tokens->lowered_room) {
    free(tokens->lowered);
    tokens->lowered_room = 0;
    if (!(tokens->lowered = eg_malloc(length))) return EG_ENOMEM;
    tokens->lowered_room = length;
  }
  if (length) memcpy(tokens->lowered, tokens->text, length);
  eg_utf8_lower(tokens->lowered, length);
  tokens->text = tokens->lowered;
  return EG_OK;
}

eg_status eg_tokenize(eg_tokens *tokens, const eg_tokenizer *how, const char *text, size_t length) {
  tokens->count = 0;
  tokens->text = text;
  if (!(how->rule == EG_RULE_CHARACTERS ? cut_characters : cut_words)(tokens, text + length, how))
    return why_cut_failed();
  return how->lower ? lower(tokens) : EG_OK;
}

eg_status eg_tokens_cut(eg_tokens *tokens, const eg_tokenizer *how, const char *text, int64_t count,
                        const int64_t *length) {
  tokens->count = 0;
  tokens->text = text;
  for (int64_t i = 0; i < count; i++) {
    if (!eg_tokens_add(tokens, text, text + length[i])) return why_cut_failed();
    text += length[i];
  }
  return how->lower ? lower(tokens) : EG_OK;
}

/* ---- numbers ------------------------------------------------------------------------------------------------------ */

eg_status eg_words_count(eg_words *words, const eg_tokens *tokens, int64_t first, int64_t count) {
  for (int64_t i = first; i < first + count; i++) {
    if (interrupted_at(i)) return eg_fail(EG_EINTR, "interrupted");
    if (!eg_words_add(words, tokens->text + tokens->piece[i].begin, (size_t)tokens->piece[i].length)) return EG_ENOMEM;
  }
  return EG_OK;
}

void eg_words_encode(int64_t *out, const eg_words *words, int64_t special, const eg_tokens *tokens, int64_t first,
                     int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    const eg_piece *piece = &tokens->piece[first + i];
    int64_t number = eg_words_find(words, tokens->text + piece->begin, (size_t)piece->length);
    out[i] = number > special ? number : special;
  }
}

void eg_hash_encode(int64_t *out, int64_t buckets, int64_t before, const eg_tokens *tokens, int64_t first,
                    int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    const eg_piece *piece = &tokens->piece[first + i];
    uint64_t hash = eg_hash_bytes(tokens->text + piece->begin, (size_t)piece->length);
    out[i] = before + 1 + (int64_t)(hash % (uint64_t)buckets);
  }
}

/* The tokens of a row (t) without its padding at one end. */
static int64_t row_length(const int64_t *row, int64_t t, int64_t padding, int at_start) {
  while (t > 0 && row[at_start ? 0 : t - 1] == padding) t--, row += at_start;
  return t;
}

int64_t eg_padded_width(const eg_tensor *rows, int64_t padding, int at_start) {
  const int64_t *token = rows->data;
  int64_t n = rows->size[0], t = rows->size[1], width = 1;
  for (int64_t i = 0; i < n; i++) width = EG_MAX(width, row_length(token + i * t, t, padding, at_start));
  return EG_MIN(width, t);
}

eg_status eg_row_lengths(eg_tensor *out, const eg_tensor *rows, int64_t padding, int at_start) {
  const int64_t *token = rows->data;
  int64_t *length = out->data, n = rows->size[0], t = rows->size[1];
  for (int64_t i = 0; i < n; i++) length[i] = row_length(token + i * t, t, padding, at_start);
  return EG_OK;
}
