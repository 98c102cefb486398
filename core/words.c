/* words.c - a table of byte strings, each with a number from 1 in the order in which they came, and how often it came. */
#include <stdlib.h>

#include "internal.h"

typedef struct word {
  uint64_t hash, begin; /* begin: where its bytes are in the arena */
  uint32_t length;
  int64_t count;
} word;

struct eg_words {
  word *word;
  char *arena;
  int64_t *slot; /* open addressing: numbers, 0 where empty; twice as many as words at least */
  int64_t count, room, slots;
  uint64_t used, arena_room;
};

uint64_t eg_hash_bytes(const char *bytes, size_t length) {
  uint64_t hash = 0xcbf29ce484222325;
  for (size_t i = 0; i < length; i++) hash = (hash ^ (uint8_t)bytes[i]) * 0x100000001b3;
  return hash;
}

void eg_words_free(eg_words *words) {
  if (!words) return;
  free(words->word);
  free(words->arena);
  free(words->slot);
  free(words);
}

/* The slot where the string is, or where it belongs. */
static int64_t *slot_of(const eg_words *words, uint64_t hash, const char *bytes, size_t length) {
  uint64_t mask = (uint64_t)words->slots - 1, i = (hash ^ hash >> 32) & mask;
  for (;; i = (i + 1) & mask) {
    int64_t number = words->slot[i];
    if (number == 0) return &words->slot[i];
    const word *w = &words->word[number - 1];
    if (w->hash == hash && w->length == length && memcmp(words->arena + w->begin, bytes, length) == 0)
      return &words->slot[i];
  }
}

static bool grow_slots(eg_words *words) {
  int64_t slots = words->slots ? words->slots * 2 : 1024;
  int64_t *slot = eg_malloc((size_t)slots * sizeof *slot);
  if (!slot) return false;
  memset(slot, 0, (size_t)slots * sizeof *slot);
  free(words->slot);
  words->slot = slot;
  words->slots = slots;
  for (int64_t i = 0; i < words->count; i++) {
    uint64_t mask = (uint64_t)slots - 1, at = (words->word[i].hash ^ words->word[i].hash >> 32) & mask;
    while (slot[at]) at = (at + 1) & mask;
    slot[at] = i + 1;
  }
  return true;
}

/* A block of twice the room at least, with the old content; the old one is freed. NULL when there is no memory. */
static void *larger(void *old, size_t used, size_t room) {
  void *block = eg_malloc(room);
  if (block) {
    if (used) memcpy(block, old, used);
    free(old);
  }
  return block;
}

static bool make_room(eg_words *words, size_t length) {
  if (words->count == words->room) {
    int64_t room = EG_MAX(512, words->room * 2);
    word *list = larger(words->word, (size_t)words->count * sizeof *list, (size_t)room * sizeof *list);
    if (!list) return false;
    words->word = list;
    words->room = room;
  }
  if (words->used + length > words->arena_room) {
    uint64_t room = EG_MAX(1 << 13, (words->used + length) * 2);
    char *arena = larger(words->arena, words->used, room);
    if (!arena) return false;
    words->arena = arena;
    words->arena_room = room;
  }
  return words->count * 2 < words->slots || grow_slots(words);
}

eg_words *eg_words_new(void) {
  eg_words *words = eg_malloc(sizeof *words);
  if (words) *words = (eg_words){0};
  return words;
}

int64_t eg_words_add(eg_words *words, const char *bytes, size_t length) {
  if (length > UINT32_MAX) return eg_fail(EG_EINVAL, "a word of %zu bytes is too long", length), 0;
  if (!make_room(words, length)) return 0;
  uint64_t hash = eg_hash_bytes(bytes, length);
  int64_t *slot = slot_of(words, hash, bytes, length);
  if (*slot == 0) {
    if (length) memcpy(words->arena + words->used, bytes, length);
    words->word[words->count] = (word){.hash = hash, .begin = words->used, .length = (uint32_t)length};
    words->used += length;
    *slot = ++words->count;
  }
  words->word[*slot - 1].count++;
  return *slot;
}

int64_t eg_words_find(const eg_words *words, const char *bytes, size_t length) {
  return words->slots ? *slot_of(words, eg_hash_bytes(bytes, length), bytes, length) : 0;
}

int64_t eg_words_size(const eg_words *words) { return words->count; }

const char *eg_words_get(const eg_words *words, int64_t number, size_t *length, int64_t *count) {
  if (number < 1 || number > words->count) return NULL;
  const word *w = &words->word[number - 1];
  *length = w->length;
  if (count) *count = w->count;
  return words->arena + w->begin;
}
