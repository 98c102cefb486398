/* engram_plugin.h - the interface of optimizers that are written in C and loaded while Engram runs.
 *
 * A plugin is a shared library that includes this file alone, links to nothing of Engram and exports one function:
 *
 *     #include "engram_plugin.h"
 *
 *     static const engram_hyper hyper[] = {
 *         ENGRAM_HYPER(.name = "lr", .initial = 0.01, .minimum = 0, .maximum = INFINITY, .doc = "step size"),
 *     };
 *
 *     static engram_status step(void *state, engram_view *v) {
 *       float *w = v->data;
 *       const float *g = v->grad;
 *       if (v->dtype != ENGRAM_FLOAT32) return v->host->fail(ENGRAM_INVALID, "only float32 parameters are updated");
 *       for (int64_t i = 0; i < v->count; i++) w[i] -= (float)v->hyper[0] * g[i];
 *       return ENGRAM_OK;
 *     }
 *
 *     ENGRAM_PLUGIN(.name = "Plain", .version = "1.0", .doc = "gradient descent", .hyper = hyper, .hypers = 1, .step = step)
 *
 *     cc -std=c11 -O2 -shared -fPIC -I FOLDER_OF_THIS_FILE plain.c -o plain.so
 *
 * What is declared, the host does: it checks hyper-parameters against their ranges and lets schedules change them; it
 * allocates the slots, saves them in checkpoints, resets them at a task, counts their bytes. docs/plugins.md teaches it.
 *
 * Rules of the interface
 *   - Every struct tells its size. Structs grow at their end only, and a field never changes its meaning within one
 *     major version. What a struct is too short for counts as zero.
 *   - A host with ABI (major, minor) loads plugins with the same major and a minor that is not newer than its own. A
 *     plugin asks a newer function of engram_host by its struct_size: ENGRAM_HAS(host, field).
 *   - Strings are UTF-8, end with a NUL and live as long as the library, which is never unloaded.
 *   - A function that fails returns what host->fail returned; the training stops with that message. It must not exit,
 *     raise a signal, throw a C++ exception through the interface, or keep a pointer of a view after it returned.
 *   - All functions are called from one thread. Work is spread by host->parallel alone, so that results have the same
 *     bits for any number of threads.
 *   - What results depend on belongs into slots: the memory behind `state` is not in a checkpoint.
 */
#ifndef ENGRAM_PLUGIN_H
#define ENGRAM_PLUGIN_H
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define ENGRAM_EXPORT __attribute__((visibility("default")))
#define ENGRAM_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define ENGRAM_EXPORT
#define ENGRAM_PRINTF(f, a)
#endif

/* "ENGRAMPL" as a little-endian number: a descriptor begins with it. */
#define ENGRAM_MAGIC UINT64_C(0x4c504d4152474e45)
/* The version of the interface that this file describes. */
enum { ENGRAM_ABI_MAJOR = 1, ENGRAM_ABI_MINOR = 0 };

/* Zero is success, everything else a failure; these are the usual ones. */
typedef int32_t engram_status;
enum {
  ENGRAM_OK = 0,
  ENGRAM_INVALID = 1,    /* something given is not what the optimizer works with */
  ENGRAM_MEMORY = 2,     /* out of memory */
  ENGRAM_NOT_FINITE = 3, /* a gradient is NaN or infinite, and the optimizer refuses it */
  ENGRAM_FAILED = 4      /* anything else */
};

/* The type of the elements of a parameter, its gradient and its slots. */
enum { ENGRAM_FLOAT32 = 0, ENGRAM_FLOAT64 = 1 };

/* ---- hyper-parameters -------------------------------------------------------------------------------------------- */

/* What values a hyper-parameter takes. A step finds each as a double. */
enum {
  ENGRAM_NUMBER = 0, /* finite, minimum <= value <= maximum */
  ENGRAM_WHOLE = 1,  /* as a number, without a fraction */
  ENGRAM_SWITCH = 2, /* false is 0, true is 1 */
  ENGRAM_CHOICE = 3  /* a word: its place in `choices`, counted from 0 */
};

typedef struct engram_hyper {
  size_t struct_size;         /* sizeof(engram_hyper); ENGRAM_HYPER fills it in */
  const char *name;           /* a Lua name: letters, digits, underscores */
  int32_t type;               /* ENGRAM_NUMBER, _WHOLE, _SWITCH or _CHOICE */
  int32_t reserved;           /* 0 */
  double initial;             /* the default; of a choice, its place */
  double minimum, maximum;    /* of numbers, both allowed; -INFINITY and INFINITY: no limit */
  const char *const *choices; /* the words of a choice, NULL after the last; else NULL */
  const char *doc;            /* one line, shown by `engram list optimizers NAME`; may be NULL */
} engram_hyper;

/* ---- slots: what an optimizer remembers of each parameter ------------------------------------------------------------ */

enum {
  ENGRAM_LIKE_PARAMETER = 0, /* an array of the parameter's shape and type */
  ENGRAM_SCALAR = 1          /* one double */
};

typedef struct engram_slot {
  size_t struct_size;    /* sizeof(engram_slot); ENGRAM_SLOT fills it in */
  const char *name;      /* a Lua name; checkpoints hold it as PARAMETER.NAME */
  int32_t like;          /* ENGRAM_LIKE_PARAMETER or ENGRAM_SCALAR */
  int32_t reset_at_task; /* 1: set back to `initial` when a task begins */
  double initial;        /* what every element is at first; finite */
  const char *doc;       /* one line; may be NULL */
} engram_slot;

/* ---- statistics: numbers that `optimizer:statistics()` shows ------------------------------------------------------------ */

typedef struct engram_statistic {
  size_t struct_size; /* sizeof(engram_statistic); ENGRAM_STATISTIC fills it in */
  const char *name;   /* a Lua name */
  const char *doc;    /* one line; may be NULL */
} engram_statistic;

/* ---- what the host offers -------------------------------------------------------------------------------------------- */

/* The random stream of optimizers under the run's seed; part of checkpoints. */
typedef struct engram_random engram_random;

/* Work on the elements first .. first + count - 1. */
typedef void (*engram_tile)(void *context, int64_t first, int64_t count);
typedef double (*engram_sum_tile)(void *context, int64_t first, int64_t count);

typedef struct engram_host {
  size_t struct_size;            /* of the host's table: what lies beyond is not there */
  uint32_t abi_major, abi_minor; /* of the host */

  /* Keeps the message (as printf makes it, up to 500 bytes) for the error that the user sees, and returns status.
   * Not from within parallel work. */
  engram_status (*fail)(engram_status status, const char *format, ...) ENGRAM_PRINTF(2, 3);

  /* A line for the user: printed, and in the run's log.txt. Not from within parallel work. */
  void (*log)(const char *format, ...) ENGRAM_PRINTF(1, 2);

  /* The number of threads that parallel work is spread over. Results must not depend on it. */
  int (*threads)(void);

  /* Calls tile(context, first, n) for pieces of 0 .. count - 1, on all threads, in any order. The pieces depend on count
   * alone. Each must write only what belongs to its own elements. */
  void (*parallel)(int64_t count, engram_tile tile, void *context);

  /* The same; returns the sum of what the tiles returned, added in the order of the elements. */
  double (*parallel_sum)(int64_t count, engram_sum_tile tile, void *context);

  /* out[i], uniform in [0, 1) with 53 bits, taken from the stream one after the other. Not from within parallel work. */
  void (*uniform)(engram_random *random, double *out, int64_t count);

  /* Blocks of four 32-bit random numbers by their place, counted from where the stream stands, which stays there: what
   * tiles use. `advance` moves on past the blocks that were used, once all tiles are done. */
  void (*random_blocks)(const engram_random *random, uint64_t first, int64_t blocks, uint32_t *out);
  void (*random_advance)(engram_random *random, uint64_t blocks);

  /* out (m, n) = a (m, k) b (k, n), row-major and without gaps, of the given type; with transpose_a, a is stored as (k, m),
   * with transpose_b, b as (n, k). out is none of the inputs. On one thread; not from within parallel work. Fails only on
   * sizes below 1 or beyond 2^31 - 1. */
  engram_status (*matmul)(int32_t dtype, int64_t m, int64_t n, int64_t k, const void *a, int32_t transpose_a,
                          const void *b, int32_t transpose_b, void *out);
} engram_host;

/* True when the host's table reaches that far. */
#define ENGRAM_HAS(host, field) ((host)->struct_size >= offsetof(engram_host, field) + sizeof((host)->field))

/* ---- one parameter at one step ---------------------------------------------------------------------------------------- */

typedef struct engram_view {
  size_t struct_size;      /* of the host's view */
  const engram_host *host; /* the host's functions */
  engram_random *random;   /* for uniform and random_blocks */
  const char *name;        /* the parameter's, such as "1.weight" */
  int64_t index;           /* the parameter's place among those of the optimizer, from 0 */
  int32_t dtype;           /* ENGRAM_FLOAT32 or ENGRAM_FLOAT64: of data, grad and the slots like the parameter */
  int32_t dims;            /* number of dimensions; 0: a single number */
  const int64_t *shape;    /* dims sizes */
  int64_t count;           /* elements, their product; all arrays are row-major without gaps */
  void *data;              /* the parameter: to be changed in place */
  const void *grad;        /* its gradient: to be left alone */
  void *const *slots;      /* one pointer a declared slot, in their order; a scalar's points to one double */
  const double *hyper; /* one value a declared hyper-parameter, in their order, as schedules made them for this step */
  int64_t step;        /* of the training, from 1 */
  int64_t parameter_step; /* updates of this parameter, from 1, this one included; part of checkpoints */
  int64_t task, epoch;    /* from 1 */
  int64_t moved;          /* set this to the number of weights that changed, where it is not `count`: update density */
} engram_view;

/* What create gets to know. */
typedef struct engram_target {
  size_t struct_size;      /* of the host's struct */
  const engram_host *host; /* may be kept: it lives as long as the process */
  int64_t parameters;      /* how many the optimizer updates */
  int64_t weights;         /* elements of all of them */
} engram_target;

/* ---- the plugin -------------------------------------------------------------------------------------------------------- */

typedef struct engram_plugin_descriptor {
  uint64_t magic;                /* ENGRAM_MAGIC */
  uint32_t abi_major, abi_minor; /* ENGRAM_ABI_MAJOR, ENGRAM_ABI_MINOR */
  size_t struct_size;            /* sizeof(engram_plugin_descriptor); ENGRAM_PLUGIN fills these four in */

  const char *name;    /* a Lua name: the optimizer is optim.NAME */
  const char *version; /* of the plugin, such as "1.0"; checkpoints hold it, and another one refuses to go on */
  const char *licence; /* such as "MIT"; may be NULL */
  const char *doc;     /* one line; may be NULL */
  const char *source;  /* where the rule comes from, such as "arXiv 2302.06675"; may be NULL */

  const engram_hyper *hyper;         /* `hypers` of them, at most 64 */
  const engram_slot *slot;           /* `slots` of them, at most 32 */
  const engram_statistic *statistic; /* `statistics_count` of them, at most 32 */
  int32_t hypers, slots, statistics_count;
  int32_t reserved; /* 0 */

  /* An optimizer is made: may set *state to memory of its own, which all other functions get (NULL otherwise). Optional. */
  engram_status (*create)(const engram_target *target, void **state);
  /* Updates one parameter in place. Called for each that has a gradient, at every step. Required. */
  engram_status (*step)(void *state, engram_view *view);
  /* A task begins (slots are reset already), or has ended. Optional. */
  engram_status (*task_begin)(void *state, int64_t task);
  engram_status (*task_end)(void *state, int64_t task);
  /* Writes one number a declared statistic, in their order. Required where there are any. */
  engram_status (*statistics)(void *state, double *values);
  /* The optimizer is gone: frees what create took. Optional. */
  void (*destroy)(void *state);
} engram_plugin_descriptor;

/* The function that a plugin exports: returns its descriptor, which is constant. */
#define ENGRAM_SYMBOL "engram_plugin"
const engram_plugin_descriptor *engram_plugin(void);

/* ---- shorthands: they fill in sizes and versions (C11; in C++ write the structs out) ----------------------------------- */

#define ENGRAM_HYPER(...)                                                                                              \
  { .struct_size = sizeof(engram_hyper), __VA_ARGS__ }
#define ENGRAM_SLOT(...)                                                                                               \
  { .struct_size = sizeof(engram_slot), __VA_ARGS__ }
#define ENGRAM_STATISTIC(...)                                                                                          \
  { .struct_size = sizeof(engram_statistic), __VA_ARGS__ }

/* Defines the exported function with a descriptor of the given fields. */
#define ENGRAM_PLUGIN(...)                                                                                             \
  ENGRAM_EXPORT const engram_plugin_descriptor *engram_plugin(void) {                                                  \
    static const engram_plugin_descriptor descriptor = {.magic = ENGRAM_MAGIC,                                         \
                                                        .abi_major = ENGRAM_ABI_MAJOR,                                 \
                                                        .abi_minor = ENGRAM_ABI_MINOR,                                 \
                                                        .struct_size = sizeof(engram_plugin_descriptor),               \
                                                        __VA_ARGS__};                                                  \
    return &descriptor;                                                                                                \
  }

#ifdef __cplusplus
}
#endif
#endif
