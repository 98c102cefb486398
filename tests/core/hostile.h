/* hostile.h - for the tests of the file readers: files made byte by byte, cut short at every length, and mutated. */
#ifndef HOSTILE_H
#define HOSTILE_H
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engram.h"

/* Fails unless the last error message holds the text. */
#define assert_message(text)                                                                                           \
  do {                                                                                                                 \
    if (!strstr(eg_error_message(), text)) fail_msg("message '%s' lacks '%s'", eg_error_message(), text);              \
  } while (0)

/* A folder of this process's own, made at the first call. */
static inline const char *own_folder(void) {
  static char folder[64];
  if (!folder[0]) {
    snprintf(folder, sizeof folder, "/tmp/engram-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
  }
  return folder;
}

/* The path of `name` in that folder; good until the fourth call from here. */
static inline const char *in_folder(const char *name) {
  static char path[4][512];
  static int turn;
  char *out = path[turn++ % 4];
  snprintf(out, sizeof path[0], "%s/%s", own_folder(), name);
  return out;
}

static inline int remove_folder(void **state) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", own_folder());
  return system(command);
}

static inline const char *put_file(const char *name, const void *bytes, size_t length) {
  const char *path = in_folder(name);
  unlink(path); /* a file that is written over is slow: it waits for the disk */
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, length, file), length);
  assert_int_equal(fclose(file), 0);
  return path;
}

/* The bytes of a file, to be freed. */
static inline uint8_t *get_file(const char *path, size_t *length) {
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  fseek(file, 0, SEEK_END);
  *length = (size_t)ftell(file);
  rewind(file);
  uint8_t *bytes = malloc(*length + 1);
  assert_int_equal(fread(bytes, 1, *length, file), *length);
  fclose(file);
  return bytes;
}

/* Reads the whole file with the reader under test; true when it was accepted. */
typedef bool (*reader_under_test)(const char *path);

/* Every proper beginning of the file is refused with a message that begins with the path. */
static inline void refuse_truncations(const uint8_t *bytes, size_t length, reader_under_test accepts) {
  for (size_t cut = 0; cut < length; cut++) {
    const char *path = put_file("truncated", bytes, cut);
    if (accepts(path)) fail_msg("accepted the first %zu of %zu bytes", cut, length);
    assert_memory_equal(eg_error_message(), path, strlen(path));
  }
  assert_true(accepts(put_file("whole", bytes, length)));
}

static inline uint32_t next_random(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(*state >> 33);
}

/* Reads mutants of the file, from a fixed seed: bytes changed, removed, doubled. Some may be accepted; none may do harm. */
static inline void survive_mutations(const uint8_t *bytes, size_t length, int rounds, reader_under_test accepts) {
  uint64_t random = 42;
  uint8_t *mutant = malloc(2 * length + 64);
  int64_t tensors = eg_live_tensors();
  for (int round = 0; round < rounds; round++) {
    size_t now = length;
    memcpy(mutant, bytes, length);
    for (uint32_t change = 0; change <= next_random(&random) % 4; change++) {
      static const uint8_t nasty[] = {0, 1, 0x7f, 0x80, 0xff, '"', '{', '}', '[', ']', ',', '9', '-'};
      size_t at = next_random(&random) % now, span = 1 + next_random(&random) % 8;
      if (span > now - at) span = now - at;
      switch (next_random(&random) % 4) {
        case 0: mutant[at] = nasty[next_random(&random) % sizeof nasty]; break;
        case 1: mutant[at] ^= (uint8_t)(1u << next_random(&random) % 8); break;
        case 2: /* remove */
          memmove(mutant + at, mutant + at + span, now - at - span);
          now -= span;
          break;
        default: /* double */ memmove(mutant + at + span, mutant + at, now - at); now += span;
      }
      if (now == 0 || now > 2 * length) break;
    }
    accepts(put_file("mutant", mutant, now));
    assert_int_equal(eg_live_tensors(), tensors);
  }
  free(mutant);
}

#endif
