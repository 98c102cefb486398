/* plugin_host.c - what a C optimizer gets from its host, and the calls of its functions (see engram_plugin.h). */
#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>

#include "engram_plugin.h"
#include "internal.h"

_Static_assert(ENGRAM_FLOAT32 == (int)EG_FLOAT32 && ENGRAM_FLOAT64 == (int)EG_FLOAT64, "a view's dtype is a tensor's");

struct eg_plugin_instance {
  const eg_plugin *plugin;
  void *state;
};

/* ---- messages ---------------------------------------------------------------------------------------------------------- */

static _Thread_local char failure[512];

static engram_status host_fail(engram_status status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(failure, sizeof failure, format, arguments);
  va_end(arguments);
  return status == ENGRAM_OK ? ENGRAM_FAILED : status;
}

/* Lines that nobody has fetched yet; what does not fit is counted. */
static struct {
  char text[16384], out[16384 + 64];
  size_t length, dropped;
} journal;

static void host_log(const char *format, ...) {
  char line[1024];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(line, sizeof line - 1, format, arguments);
  va_end(arguments);
  if (length < 0) return;
  size_t size = EG_MIN((size_t)length, sizeof line - 2);
  line[size++] = '\n';
  if (journal.length + size >= sizeof journal.text) {
    journal.dropped++;
    return;
  }
  memcpy(journal.text + journal.length, line, size);
  journal.text[journal.length += size] = '\0';
}

const char *eg_plugin_log(void) {
  if (journal.length == 0) return NULL;
  int length = snprintf(journal.out, sizeof journal.out, "%s", journal.text);
  if (journal.dropped)
    snprintf(journal.out + length, sizeof journal.out - (size_t)length, "... and %zu lines more\n", journal.dropped);
  journal.length = journal.dropped = 0;
  return journal.out;
}

/* A call of one of the plugin's functions has come back with this status. */
static eg_status outcome(const char *function, engram_status status) {
  if (status == ENGRAM_OK) return EG_OK;
  eg_status kind = status == ENGRAM_MEMORY ? EG_ENOMEM : EG_EINVAL;
  if (failure[0]) return eg_fail(kind, "%s", failure);
  return eg_fail(kind, "%s returned status %d without a message", function, status);
}

/* ---- work on all threads ------------------------------------------------------------------------------------------------- */

typedef struct {
  engram_tile tile;
  engram_sum_tile sum_tile;
  void *context;
  int64_t count;
  double *sums; /* one a tile */
} spread;

static void one_tile(void *context, int64_t tile) {
  const spread *s = context;
  int64_t first = tile * EG_TILE, count = EG_MIN(EG_TILE, s->count - first);
  if (s->tile) s->tile(s->context, first, count);
  else s->sums[tile] = s->sum_tile(s->context, first, count);
}

static void host_parallel(int64_t count, engram_tile tile, void *context) {
  spread s = {.tile = tile, .context = context, .count = count};
  eg_parallel_whole_over(2 * count, eg_tiles(count, EG_TILE), one_tile, &s);
}

static double host_parallel_sum(int64_t count, engram_sum_tile tile, void *context) {
  int64_t tiles = eg_tiles(EG_MAX(count, 0), EG_TILE);
  size_t bytes = (size_t)tiles * sizeof(double);
  spread s = {.sum_tile = tile, .context = context, .count = count, .sums = eg_block_new(bytes)};
  double total = 0;
  if (s.sums) eg_parallel_whole_over(2 * count, tiles, one_tile, &s);
  for (int64_t i = 0; i < tiles; i++) /* without memory for the sums: one after the other, in the same order */
    total += s.sums ? s.sums[i] : tile(context, i * EG_TILE, EG_MIN(EG_TILE, count - i * EG_TILE));
  eg_block_free(s.sums, bytes);
  return total;
}

/* ---- random numbers and products --------------------------------------------------------------------------------------------- */

static void host_uniform(engram_random *random, double *out, int64_t count) {
  for (int64_t i = 0; i < count; i++) out[i] = eg_rng_double((eg_rng *)random);
}

static void host_random_blocks(const engram_random *random, uint64_t first, int64_t blocks, uint32_t *out) {
  eg_rng_blocks((const eg_rng *)random, first, blocks, out);
}

static void host_random_advance(engram_random *random, uint64_t blocks) { eg_rng_advance((eg_rng *)random, blocks); }

static engram_status host_matmul(int32_t dtype, int64_t m, int64_t n, int64_t k, const void *a, int32_t transpose_a,
                                 const void *b, int32_t transpose_b, void *out) {
  if (m < 1 || n < 1 || k < 1 || m > INT32_MAX || n > INT32_MAX || k > INT32_MAX)
    return host_fail(ENGRAM_INVALID, "matmul: (%lld, %lld) x (%lld, %lld) is no product of matrices", (long long)m,
                     (long long)k, (long long)k, (long long)n);
  const CBLAS_TRANSPOSE ta = transpose_a ? CblasTrans : CblasNoTrans, tb = transpose_b ? CblasTrans : CblasNoTrans;
  const int lda = (int)(transpose_a ? m : k), ldb = (int)(transpose_b ? k : n), rows = (int)m, columns = (int)n;
  if (dtype == ENGRAM_FLOAT32)
    cblas_sgemm(CblasRowMajor, ta, tb, rows, columns, (int)k, 1, a, lda, b, ldb, 0, out, columns);
  else cblas_dgemm(CblasRowMajor, ta, tb, rows, columns, (int)k, 1, a, lda, b, ldb, 0, out, columns);
  return ENGRAM_OK;
}

static const engram_host host = {
    .struct_size = sizeof host,
    .abi_major = ENGRAM_ABI_MAJOR,
    .abi_minor = ENGRAM_ABI_MINOR,
    .fail = host_fail,
    .log = host_log,
    .threads = eg_threads_get,
    .parallel = host_parallel,
    .parallel_sum = host_parallel_sum,
    .uniform = host_uniform,
    .random_blocks = host_random_blocks,
    .random_advance = host_random_advance,
    .matmul = host_matmul,
};

/* ---- calls --------------------------------------------------------------------------------------------------------------------- */

static const engram_plugin_descriptor *descriptor(const eg_plugin_instance *instance) {
  return instance->plugin->descriptor;
}

eg_plugin_instance *eg_plugin_new(const eg_plugin *plugin, int64_t parameters, int64_t weights) {
  const engram_target target = {sizeof target, &host, parameters, weights};
  eg_plugin_instance *instance = eg_malloc(sizeof *instance);
  if (!instance) return NULL;
  *instance = (eg_plugin_instance){plugin, NULL};
  failure[0] = '\0';
  if (!descriptor(instance)->create) return instance;
  if (!outcome("create", descriptor(instance)->create(&target, &instance->state))) return instance;
  free(instance);
  return NULL;
}

void eg_plugin_free(eg_plugin_instance *instance) {
  if (!instance) return;
  if (descriptor(instance)->destroy) descriptor(instance)->destroy(instance->state);
  free(instance);
}

/* The memory of a slot, after a look at its shape. */
static eg_status slot_data(const eg_plugin_slot *slot, eg_tensor *t, const eg_tensor *p, void **data) {
  EG_TRY(eg_check_contiguous("plugin", slot->name, t));
  if (slot->scalar) {
    EG_TRY(eg_check_dtype("plugin", slot->name, t, EG_FLOAT64));
    EG_TRY(eg_check_dims("plugin", slot->name, t, 0));
  } else {
    EG_TRY(eg_check_same_shape("plugin", slot->name, t, "the parameter", p));
    EG_TRY(eg_check_same_dtype("plugin", slot->name, t, "the parameter", p));
  }
  *data = t->data;
  return EG_OK;
}

eg_status eg_plugin_update(eg_plugin_instance *instance, const eg_plugin_step *about, eg_tensor *p, const eg_tensor *g,
                           int64_t *moved) {
  const eg_plugin *plugin = instance->plugin;
  void *slots[32];
  EG_TRY(eg_check_real(plugin->name, "the parameter", p));
  EG_TRY(eg_check_contiguous(plugin->name, "the parameter", p));
  EG_TRY(eg_check_contiguous(plugin->name, "the gradient", g));
  EG_TRY(eg_check_same_shape(plugin->name, "the gradient", g, "the parameter", p));
  EG_TRY(eg_check_same_dtype(plugin->name, "the gradient", g, "the parameter", p));
  for (int32_t i = 0; i < plugin->slots; i++) EG_TRY(slot_data(&plugin->slot[i], about->slots[i], p, &slots[i]));
  engram_view view = {.struct_size = sizeof view,
                      .host = &host,
                      .random = (engram_random *)about->rng,
                      .name = about->name,
                      .index = about->index,
                      .dtype = p->dtype,
                      .dims = p->dims,
                      .shape = p->size,
                      .count = p->count,
                      .data = p->data,
                      .grad = g->data,
                      .slots = slots,
                      .hyper = about->hyper,
                      .step = about->step,
                      .parameter_step = about->parameter_step,
                      .task = about->task,
                      .epoch = about->epoch,
                      .moved = p->count};
  failure[0] = '\0';
  engram_status status = descriptor(instance)->step(instance->state, &view);
  eg_storage_touch(p);
  for (int32_t i = 0; i < plugin->slots; i++) eg_storage_touch(about->slots[i]);
  EG_TRY(outcome("step", status));
  if (view.moved < 0 || view.moved > p->count)
    return eg_fail(EG_EINVAL, "%s: step says that %lld weights moved, of %lld", plugin->name, (long long)view.moved,
                   (long long)p->count);
  *moved = view.moved;
  return EG_OK;
}

eg_status eg_plugin_task(eg_plugin_instance *instance, int64_t task, int begins) {
  engram_status (*call)(void *, int64_t) = begins ? descriptor(instance)->task_begin : descriptor(instance)->task_end;
  failure[0] = '\0';
  return call ? outcome(begins ? "task_begin" : "task_end", call(instance->state, task)) : EG_OK;
}

eg_status eg_plugin_statistics(eg_plugin_instance *instance, double *values) {
  failure[0] = '\0';
  if (!descriptor(instance)->statistics) return EG_OK;
  return outcome("statistics", descriptor(instance)->statistics(instance->state, values));
}
