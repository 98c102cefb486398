/* fault.c - failures on demand, for tests: in the n-th file operation of a kind an error is returned or a signal strikes.
 *
 * A fault is told as OPERATION[@WORD]:COUNT[+]:WHAT. OPERATION: open, write, sync, close, rename, mkdir, cut or any. WORD: only
 * files whose path holds it. COUNT+: that one and all after it, as on a disk that stays full. WHAT: an error or a signal. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "file.h"

static const char *const operations[] = {"any", "open", "write", "sync", "close", "rename", "mkdir", "cut"};

static const struct effect {
  const char *name;
  int error, signal;
} effects[] = {
    {"EIO", EIO, 0},       {"ENOSPC", ENOSPC, 0}, {"EROFS", EROFS, 0},  {"EACCES", EACCES, 0}, {"EDQUOT", EDQUOT, 0},
    {"EEXIST", EEXIST, 0}, {"KILL", 0, SIGKILL},  {"TERM", 0, SIGTERM}, {"INT", 0, SIGINT},    {"USR1", 0, SIGUSR1},
};

static struct {
  const char *operation;
  char word[128];
  int64_t left; /* operations until it strikes; 0: never */
  bool stays;
  struct effect effect;
} fault;

bool eg_fault_armed;

/* ---- setting ---- */

static bool take_operation(const char *name) {
  for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
    if (!strcmp(name, operations[i])) return fault.operation = operations[i], true;
  return false;
}

static bool take_effect(const char *name) {
  for (size_t i = 0; i < sizeof effects / sizeof *effects; i++)
    if (!strcmp(name, effects[i].name)) return fault.effect = effects[i], true;
  return false;
}

/* COUNT, or COUNT+ */
static bool take_count(const char *digits) {
  char *end;
  fault.left = strtoll(digits, &end, 10);
  fault.stays = *end == '+';
  return end > digits && fault.left > 0 && end[fault.stays] == '\0';
}

eg_status eg_fault_set(const char *text) {
  char operation[16], digits[24], effect[16];
  eg_fault_armed = false;
  if (!text || !*text) return EG_OK;
  fault.word[0] = '\0';
  int parts = sscanf(text, "%15[^@:]@%127[^:]:%23[^:]:%15s", operation, fault.word, digits, effect);
  if (parts == 1) parts = sscanf(text, "%15[^:]:%23[^:]:%15s", operation, digits, effect) + 1;
  if (parts != 4 || !take_operation(operation) || !take_count(digits) || !take_effect(effect))
    return eg_fail(EG_EINVAL, "fault: '%.100s', expected OPERATION[@WORD]:COUNT[+]:WHAT, such as write@last:3:EIO",
                   text);
  eg_fault_armed = true;
  return EG_OK;
}

/* ---- striking ---- */

bool eg_fault_is_due(const char *operation, const char *path) {
  if (!eg_fault_armed || (strcmp(fault.operation, "any") != 0 && strcmp(fault.operation, operation) != 0)) return false;
  if (!strstr(path, fault.word) || --fault.left > 0) return false;
  if (fault.stays) fault.left = 1;
  else eg_fault_armed = false;
  return true;
}

int eg_fault_strike(void) {
  if (fault.effect.signal) return raise(fault.effect.signal);
  errno = fault.effect.error;
  return -1;
}
