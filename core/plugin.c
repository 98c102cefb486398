/* plugin.c - loads optimizers written in C (engram_plugin.h), and believes nothing of them before it has looked.
 *
 * First the file, then the version of the interface, then every field of the descriptor; each refusal is one sentence that says what
 * to do. Pointers are tried before they are followed. A library that was loaded stays: its strings and functions are in use. */
#include <ctype.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engram_plugin.h"
#include "file.h"

enum { MAX_HYPERS = 64, MAX_SLOTS = 32, MAX_STATISTICS = 32, MAX_CHOICES = 64, MAX_NAME = 64, MAX_TEXT = 500 };

#define AGAIN "compile it again with this Engram's engram_plugin.h"

/* What is being looked at: the path, for messages, and the descriptor, as long as ours whatever its own length. */
typedef struct {
  const char *path;
  engram_plugin_descriptor d;
  eg_plugin *plugin;
  eg_plugin_hyper *hyper;
  eg_plugin_slot *slot;
  const char **statistic;
} loading;

/* ---- the file --------------------------------------------------------------------------------------------------------------- */

#if UINTPTR_MAX == UINT64_MAX
enum { OUR_CLASS = ELFCLASS64 };
#else
enum { OUR_CLASS = ELFCLASS32 };
#endif

/* The machine that this library was compiled for, from its own header in memory. */
static unsigned our_machine(void) {
  Dl_info about;
  if (!dladdr((const void *)our_machine, &about)) return EM_NONE;
  return ((const ElfW(Ehdr) *)about.dli_fbase)->e_machine;
}

static eg_status check_kind(const char *path, const ElfW(Ehdr) * head) {
  if (memcmp(head->e_ident, ELFMAG, SELFMAG) != 0)
    return eg_fail(EG_EFORMAT,
                   "%s: is no shared library: compile C with `cc -shared -fPIC`, or give a plugin in Lua a name that "
                   "ends in .lua",
                   path);
  if (head->e_ident[EI_CLASS] != OUR_CLASS)
    return eg_fail(EG_EFORMAT, "%s: is a %d-bit library, this Engram has %d bits: compile it for this machine", path,
                   head->e_ident[EI_CLASS] == ELFCLASS64 ? 64 : 32, OUR_CLASS == ELFCLASS64 ? 64 : 32);
  if (head->e_ident[EI_DATA] != ELFDATA2LSB)
    return eg_fail(EG_EFORMAT, "%s: has the other byte order: compile it for this machine", path);
  unsigned ours = our_machine();
  if (ours != EM_NONE && head->e_machine != ours)
    return eg_fail(EG_EFORMAT,
                   "%s: is made for another processor (ELF machine %u, here %u): compile it for this machine", path,
                   head->e_machine, ours);
  if (head->e_type == ET_DYN) return EG_OK;
  return eg_fail(EG_EFORMAT, "%s: is %s, no shared library: compile it with `cc -shared -fPIC`", path,
                 head->e_type == ET_REL    ? "an object file"
                 : head->e_type == ET_EXEC ? "a program"
                                           : "an ELF file of another kind");
}

/* Mapping what is not there would kill the process when it is touched. */
static eg_status check_whole(eg_reader *reader, const ElfW(Ehdr) * head) {
  uint64_t size = (uint64_t)reader->size, end = 0;
  if (head->e_shoff <= size) end = head->e_shoff + (uint64_t)head->e_shnum * head->e_shentsize;
  else end = head->e_shoff;
  for (int i = 0; i < head->e_phnum && end <= size; i++) {
    ElfW(Phdr) part;
    uint64_t at = head->e_phoff + (uint64_t)i * sizeof part;
    if (head->e_phoff > size || at + sizeof part > size) end = UINT64_MAX;
    else if (eg_reader_bytes(reader, (int64_t)at, &part, sizeof part)) return EG_EIO;
    else if (part.p_type == PT_LOAD && (part.p_offset > size || part.p_filesz > size - part.p_offset)) end = UINT64_MAX;
  }
  if (end <= size) return EG_OK;
  return eg_fail(
      EG_EFORMAT,
      "%s: is cut short or damaged: its %s bytes are less than its header speaks of; compile or copy it anew",
      reader->path, eg_commas(reader->size));
}

static eg_status check_file(const char *path) {
  eg_reader reader;
  ElfW(Ehdr) head = {0};
  EG_TRY(eg_reader_open(&reader, path));
  int64_t known = EG_MIN(reader.size, (int64_t)sizeof head);
  eg_status status = known ? eg_reader_bytes(&reader, 0, &head, (size_t)known) : EG_OK;
  if (!status) status = check_kind(path, &head);
  if (!status && known < (int64_t)sizeof head)
    status = eg_fail(EG_EFORMAT, "%s: is cut short: it ends after %lld bytes; compile or copy it anew", path,
                     (long long)known);
  if (!status) status = check_whole(&reader, &head);
  eg_reader_close(&reader);
  return status;
}

/* ---- pointers ---------------------------------------------------------------------------------------------------------------- */

/* True when all of it can be read: the kernel is asked to copy it into a pipe. (By number: a sanitizer would look first itself.) */
static bool can_read(const void *at, size_t bytes) {
  int ends[2];
  char sink[512];
  const char *next = at;
  if (!at || pipe2(ends, O_CLOEXEC)) return false;
  while (bytes > 0) {
    long written = syscall(SYS_write, ends[1], next, EG_MIN(bytes, sizeof sink));
    if (written <= 0 || read(ends[0], sink, sizeof sink) != written) break;
    next += written;
    bytes -= (size_t)written;
  }
  close(ends[0]);
  close(ends[1]);
  return bytes == 0;
}

/* The length of a text of at most `most` bytes; -1 when it cannot be read or does not end by then. */
static int length_of(const char *text, int most) {
  for (int length = 0; length <= most;) {
    int step = EG_MIN(64 - (int)((uintptr_t)(text + length) % 64), most + 1 - length); /* 64 bytes lie in one page */
    if (!can_read(text + length, (size_t)step)) return -1;
    for (int i = 0; i < step; i++, length++)
      if (!text[length]) return length;
  }
  return -1;
}

/* `what` is what the text is: "the name of slot 2". */
static eg_status check_name(const loading *l, const char *what, const char *name) {
  if (!name) return eg_fail(EG_EFORMAT, "%s: %s is NULL: give it a name", l->path, what);
  int length = length_of(name, MAX_NAME);
  if (length < 0)
    return eg_fail(EG_EFORMAT, "%s: %s cannot be read, or is longer than %d letters: point to a constant string",
                   l->path, what, MAX_NAME);
  bool good = length > 0 && !isdigit((unsigned char)name[0]);
  for (int i = 0; i < length; i++) good = good && (isalnum((unsigned char)name[i]) || name[i] == '_') && name[i] > 0;
  if (good) return EG_OK;
  for (int i = 0; i < length; i++)
    if (!isprint((unsigned char)name[i]))
      return eg_fail(EG_EFORMAT, "%s: %s is no name: use letters, digits and underscores", l->path, what);
  return eg_fail(EG_EFORMAT, "%s: %s is '%s': use letters, digits and underscores, a letter first", l->path, what,
                 name);
}

/* A line of prose, or NULL. */
static eg_status check_text(const loading *l, const char *what, const char *text) {
  if (!text) return EG_OK;
  int length = length_of(text, MAX_TEXT);
  if (length < 0)
    return eg_fail(EG_EFORMAT, "%s: %s cannot be read, or is longer than %d bytes: point to a constant string", l->path,
                   what, MAX_TEXT);
  for (int i = 0; i < length; i++)
    if (iscntrl((unsigned char)text[i]))
      return eg_fail(EG_EFORMAT, "%s: %s holds a control character: write one plain line", l->path, what);
  return EG_OK;
}

/* ---- lists of structs that tell their size -------------------------------------------------------------------------------------- */

typedef struct {
  const char *what; /* "hyper" */
  const void *first;
  int32_t count, most;
  size_t size; /* of our struct */
} list;

static eg_status check_list(const loading *l, const list *of) {
  if (of->count < 0 || of->count > of->most)
    return eg_fail(EG_EFORMAT, "%s: it declares %d of `%s`, expected 0 to %d", l->path, of->count, of->what, of->most);
  if (of->count == 0) return EG_OK;
  if (!of->first)
    return eg_fail(EG_EFORMAT, "%s: `%s` is NULL, but it declares %d: point to an array of them", l->path, of->what,
                   of->count);
  size_t size = 0;
  if ((uintptr_t)of->first % _Alignof(double) != 0 || !can_read(of->first, sizeof size))
    return eg_fail(EG_EFORMAT, "%s: `%s` points to nothing that can be read", l->path, of->what);
  size = *(const size_t *)of->first;
  if (size < of->size || size > 4096 || size % _Alignof(double) != 0)
    return eg_fail(EG_EFORMAT,
                   "%s: `%s` has structs of %zu bytes, expected %zu: " AGAIN ", and set struct_size in each", l->path,
                   of->what, size, of->size);
  if (!can_read(of->first, size * (size_t)of->count))
    return eg_fail(EG_EFORMAT, "%s: `%s` has less than the %d entries that it declares", l->path, of->what, of->count);
  for (int32_t i = 1; i < of->count; i++) {
    size_t other = *(const size_t *)((const char *)of->first + size * (size_t)i);
    if (other != size)
      return eg_fail(EG_EFORMAT,
                     "%s: `%s` entry %d tells %zu bytes, the first %zu: set struct_size in each, and count them right",
                     l->path, of->what, i + 1, other, size);
  }
  return EG_OK;
}

/* Entry i, as our struct of `size` bytes. */
static void entry(void *out, const void *first, int32_t i, size_t size) {
  memcpy(out, (const char *)first + *(const size_t *)first * (size_t)i, size);
}

/* Names of one kind differ; those before `i` are known to be sound. */
static eg_status check_new(const loading *l, const char *what, const char *name, const char *const *before,
                           size_t stride, int32_t i) {
  for (int32_t j = 0; j < i; j++) {
    const char *other = *(const char *const *)((const char *)before + stride * (size_t)j);
    if (!strcmp(name, other))
      return eg_fail(EG_EFORMAT, "%s: %s %d and %d are both named '%s': give each a name of its own", l->path, what,
                     j + 1, i + 1, name);
  }
  return EG_OK;
}

/* ---- hyper-parameters ------------------------------------------------------------------------------------------------------------ */

static eg_status check_number(const loading *l, const engram_hyper *h) {
  if (isnan(h->minimum) || isnan(h->maximum) || h->minimum > h->maximum)
    return eg_fail(
        EG_EFORMAT,
        "%s: hyper-parameter %s has the range %g to %g: set minimum and maximum, -INFINITY and INFINITY for none",
        l->path, h->name, h->minimum, h->maximum);
  if (!isfinite(h->initial))
    return eg_fail(EG_EFORMAT, "%s: hyper-parameter %s has the default %g: give a finite one", l->path, h->name,
                   h->initial);
  if (h->initial < h->minimum || h->initial > h->maximum)
    return eg_fail(EG_EFORMAT,
                   "%s: hyper-parameter %s has the default %g outside its range %g to %g: set minimum and maximum",
                   l->path, h->name, h->initial, h->minimum, h->maximum);
  if (h->type == ENGRAM_WHOLE && h->initial != floor(h->initial))
    return eg_fail(EG_EFORMAT, "%s: hyper-parameter %s is a whole number, but its default is %g", l->path, h->name,
                   h->initial);
  return EG_OK;
}

static eg_status check_choices(const loading *l, const engram_hyper *h, int32_t *count) {
  if (!h->choices)
    return eg_fail(EG_EFORMAT, "%s: hyper-parameter %s is a choice without choices: list them, NULL at the end",
                   l->path, h->name);
  for (*count = 0; *count <= MAX_CHOICES; ++*count) {
    if (!can_read(h->choices + *count, sizeof *h->choices))
      return eg_fail(EG_EFORMAT, "%s: the choices of hyper-parameter %s cannot be read: end the list with NULL",
                     l->path, h->name);
    if (!h->choices[*count]) break;
    EG_TRY(check_name(l, "a choice of a hyper-parameter", h->choices[*count]));
    EG_TRY(check_new(l, "choices", h->choices[*count], h->choices, sizeof *h->choices, *count));
  }
  if (*count < 1 || *count > MAX_CHOICES)
    return eg_fail(EG_EFORMAT, "%s: hyper-parameter %s has %s choices: list 1 to %d, NULL at the end", l->path, h->name,
                   *count ? "too many" : "no", MAX_CHOICES);
  if (!(h->initial >= 0 && h->initial < *count && h->initial == floor(h->initial)))
    return eg_fail(EG_EFORMAT, "%s: hyper-parameter %s has the default %g, expected the place of a choice, 0 to %d",
                   l->path, h->name, h->initial, *count - 1);
  return EG_OK;
}

static eg_status take_hyper(loading *l, int32_t i) {
  engram_hyper h;
  char what[64];
  int32_t choices = 0;
  entry(&h, l->d.hyper, i, sizeof h);
  snprintf(what, sizeof what, "the name of hyper-parameter %d", i + 1);
  EG_TRY(check_name(l, what, h.name));
  EG_TRY(check_new(l, "hyper-parameters", h.name, &l->hyper->name, sizeof *l->hyper, i));
  snprintf(what, sizeof what, "the doc of hyper-parameter %d", i + 1);
  EG_TRY(check_text(l, what, h.doc));
  if (h.type < ENGRAM_NUMBER || h.type > ENGRAM_CHOICE)
    return eg_fail(EG_EFORMAT,
                   "%s: hyper-parameter %s has the unknown type %d: use ENGRAM_NUMBER, _WHOLE, _SWITCH or _CHOICE",
                   l->path, h.name, h.type);
  if (h.type == ENGRAM_NUMBER || h.type == ENGRAM_WHOLE) EG_TRY(check_number(l, &h));
  if (h.type == ENGRAM_SWITCH && h.initial != 0 && h.initial != 1)
    return eg_fail(EG_EFORMAT, "%s: hyper-parameter %s is a switch, but its default is %g: use 0 or 1", l->path, h.name,
                   h.initial);
  if (h.type == ENGRAM_CHOICE) EG_TRY(check_choices(l, &h, &choices));
  l->hyper[i] = (eg_plugin_hyper){h.name, h.doc, h.type, choices, h.initial, h.minimum, h.maximum, h.choices};
  return EG_OK;
}

/* ---- slots and statistics ---------------------------------------------------------------------------------------------------------- */

static eg_status take_slot(loading *l, int32_t i) {
  engram_slot s;
  char what[64];
  entry(&s, l->d.slot, i, sizeof s);
  snprintf(what, sizeof what, "the name of slot %d", i + 1);
  EG_TRY(check_name(l, what, s.name));
  EG_TRY(check_new(l, "slots", s.name, &l->slot->name, sizeof *l->slot, i));
  for (int32_t j = 0; j < l->d.hypers; j++)
    if (!strcmp(s.name, l->hyper[j].name))
      return eg_fail(EG_EFORMAT, "%s: slot %d and hyper-parameter %d are both named '%s': give each a name of its own",
                     l->path, i + 1, j + 1, s.name);
  snprintf(what, sizeof what, "the doc of slot %d", i + 1);
  EG_TRY(check_text(l, what, s.doc));
  if (s.like != ENGRAM_LIKE_PARAMETER && s.like != ENGRAM_SCALAR)
    return eg_fail(EG_EFORMAT, "%s: slot %s is like %d: use ENGRAM_LIKE_PARAMETER or ENGRAM_SCALAR", l->path, s.name,
                   s.like);
  if (s.reset_at_task != 0 && s.reset_at_task != 1)
    return eg_fail(EG_EFORMAT, "%s: slot %s has reset_at_task = %d: use 0 or 1", l->path, s.name, s.reset_at_task);
  if (!isfinite(s.initial))
    return eg_fail(EG_EFORMAT, "%s: slot %s begins as %g: give a finite number", l->path, s.name, s.initial);
  l->slot[i] = (eg_plugin_slot){s.name, s.doc, s.like == ENGRAM_SCALAR, s.reset_at_task, s.initial};
  return EG_OK;
}

static eg_status take_statistic(loading *l, int32_t i) {
  engram_statistic s;
  char what[64];
  entry(&s, l->d.statistic, i, sizeof s);
  snprintf(what, sizeof what, "the name of statistic %d", i + 1);
  EG_TRY(check_name(l, what, s.name));
  EG_TRY(check_new(l, "statistics", s.name, l->statistic, sizeof *l->statistic, i));
  snprintf(what, sizeof what, "the doc of statistic %d", i + 1);
  EG_TRY(check_text(l, what, s.doc));
  l->statistic[i] = s.name;
  return EG_OK;
}

/* ---- the descriptor ------------------------------------------------------------------------------------------------------------------ */

/* Magic, version, size: what must be right before anything else means something. */
static eg_status check_head(loading *l, const engram_plugin_descriptor *given) {
  const size_t head = offsetof(engram_plugin_descriptor, struct_size) + sizeof given->struct_size;
  if (!given) return eg_fail(EG_EFORMAT, "%s: " ENGRAM_SYMBOL "() returned NULL: return the descriptor", l->path);
  if ((uintptr_t)given % _Alignof(engram_plugin_descriptor) != 0 || !can_read(given, head))
    return eg_fail(EG_EFORMAT,
                   "%s: " ENGRAM_SYMBOL "() returned a pointer to nothing that can be read: return the descriptor",
                   l->path);
  if (given->magic != ENGRAM_MAGIC)
    return eg_fail(EG_EFORMAT, "%s: its descriptor begins with %#llx instead of ENGRAM_MAGIC: " AGAIN, l->path,
                   (unsigned long long)given->magic);
  if (given->abi_major != ENGRAM_ABI_MAJOR)
    return eg_fail(EG_EFORMAT, "%s: optimizer ABI %u.%u, this Engram has %u.%u: " AGAIN, l->path, given->abi_major,
                   given->abi_minor, ENGRAM_ABI_MAJOR, ENGRAM_ABI_MINOR);
  if (given->abi_minor > ENGRAM_ABI_MINOR)
    return eg_fail(EG_EFORMAT,
                   "%s: optimizer ABI %u.%u is newer than this Engram's %u.%u: " AGAIN ", or use a newer Engram",
                   l->path, given->abi_major, given->abi_minor, ENGRAM_ABI_MAJOR, ENGRAM_ABI_MINOR);
  if (given->struct_size < sizeof *given || given->struct_size > 65536)
    return eg_fail(EG_EFORMAT, "%s: its descriptor tells a size of %zu bytes, expected %zu: " AGAIN, l->path,
                   given->struct_size, sizeof *given);
  if (!can_read(given, given->struct_size))
    return eg_fail(EG_EFORMAT, "%s: its descriptor is shorter than the %zu bytes that it tells: " AGAIN, l->path,
                   given->struct_size);
  memcpy(&l->d, given, sizeof *given);
  return EG_OK;
}

static bool is_function(const void *at) {
  Dl_info about;
  ElfW(Sym) *symbol = NULL;
  if (!dladdr1(at, &about, (void **)&symbol, RTLD_DL_SYMENT)) return false; /* in no library */
  return !symbol || !about.dli_saddr || about.dli_saddr != at || ELF64_ST_TYPE(symbol->st_info) != STT_OBJECT;
}

static eg_status check_functions(const loading *l) {
  const struct {
    const char *name;
    const void *at;
  } all[] = {{"create", (const void *)l->d.create},         {"step", (const void *)l->d.step},
             {"task_begin", (const void *)l->d.task_begin}, {"task_end", (const void *)l->d.task_end},
             {"statistics", (const void *)l->d.statistics}, {"destroy", (const void *)l->d.destroy}};
  if (!l->d.step) return eg_fail(EG_EFORMAT, "%s: it has no step function: set .step", l->path);
  if (l->d.statistics_count > 0 && !l->d.statistics)
    return eg_fail(EG_EFORMAT, "%s: it declares %d statistics but no function that tells them: set .statistics",
                   l->path, l->d.statistics_count);
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (all[i].at && !is_function(all[i].at))
      return eg_fail(EG_EFORMAT, "%s: its %s points to no function", l->path, all[i].name);
  return EG_OK;
}

static eg_status check_descriptor(loading *l) {
  const engram_plugin_descriptor *d = &l->d;
  const list lists[] = {{"hyper", d->hyper, d->hypers, MAX_HYPERS, sizeof *d->hyper},
                        {"slot", d->slot, d->slots, MAX_SLOTS, sizeof *d->slot},
                        {"statistic", d->statistic, d->statistics_count, MAX_STATISTICS, sizeof *d->statistic}};
  EG_TRY(check_name(l, "its name", d->name));
  EG_TRY(check_text(l, "its version", d->version));
  if (!d->version || !*d->version)
    return eg_fail(EG_EFORMAT, "%s: it has no version: set .version, such as \"1.0\"", l->path);
  EG_TRY(check_text(l, "its licence", d->licence));
  EG_TRY(check_text(l, "its doc", d->doc));
  EG_TRY(check_text(l, "its source", d->source));
  for (int i = 0; i < 3; i++) EG_TRY(check_list(l, &lists[i]));
  EG_TRY(check_functions(l));
  for (int32_t i = 0; i < d->hypers; i++) EG_TRY(take_hyper(l, i));
  for (int32_t i = 0; i < d->slots; i++) EG_TRY(take_slot(l, i));
  for (int32_t i = 0; i < d->statistics_count; i++) EG_TRY(take_statistic(l, i));
  return EG_OK;
}

/* ---- loading ---------------------------------------------------------------------------------------------------------------------------- */

/* The loader's reason, without the path that it begins with. */
static const char *reason(const char *path) {
  const char *text = dlerror();
  size_t length = strlen(path);
  if (!text) return "for no reason that is known";
  return strncmp(text, path, length) == 0 && strncmp(text + length, ": ", 2) == 0 ? text + length + 2 : text;
}

static eg_status load(loading *l) {
  char *whole = realpath(l->path, NULL); /* with a slash, so that no other folder is looked at */
  if (!whole) return eg_fail_errno(l->path, "cannot be loaded");
  void *library = dlopen(whole, RTLD_NOW | RTLD_LOCAL);
  eg_status status = EG_OK;
  if (!library)
    status = eg_fail(EG_EFORMAT,
                     "%s: cannot be loaded: %s; a plugin links to nothing of Engram, and to what else it uses itself",
                     l->path, reason(whole));
  free(whole);
  EG_TRY(status);
  const void *at = dlsym(library, ENGRAM_SYMBOL);
  if (!at)
    return eg_fail(EG_EFORMAT,
                   "%s: exports no function " ENGRAM_SYMBOL ": end it with ENGRAM_PLUGIN(...) of engram_plugin.h",
                   l->path);
  if (!is_function(at))
    return eg_fail(EG_EFORMAT, "%s: its " ENGRAM_SYMBOL " is no function: use ENGRAM_PLUGIN(...)", l->path);
  const engram_plugin_descriptor *(*describe)(void);
  memcpy(&describe, &at, sizeof describe);
  EG_TRY(check_head(l, describe()));
  return check_descriptor(l);
}

/* Those that were loaded. */
static eg_plugin *loaded;

static void *zeroed(size_t bytes) {
  void *block = eg_malloc(EG_MAX(bytes, 1));
  return block ? memset(block, 0, bytes) : NULL;
}

eg_plugin *eg_plugin_open(const char *path) {
  loading l = {.path = path};
  engram_plugin_descriptor *kept = zeroed(sizeof *kept);
  l.plugin = zeroed(sizeof *l.plugin);
  l.hyper = zeroed(MAX_HYPERS * sizeof *l.hyper);
  l.slot = zeroed(MAX_SLOTS * sizeof *l.slot);
  l.statistic = zeroed(MAX_STATISTICS * sizeof *l.statistic);
  bool good = path && kept && l.plugin && l.hyper && l.slot && l.statistic && !check_file(path) && !load(&l);
  if (!path) eg_fail(EG_EINVAL, "plugin: expected a path");
  if (!good) {
    free(kept), free(l.plugin), free(l.hyper), free(l.slot), free(l.statistic);
    return NULL;
  }
  *kept = l.d;
  *l.plugin =
      (eg_plugin){l.d.name, l.d.version, l.d.licence, l.d.doc, l.d.source, l.d.hypers, l.d.slots, l.d.statistics_count,
                  l.hyper,  l.slot,      l.statistic, kept,    loaded};
  return loaded = l.plugin;
}
