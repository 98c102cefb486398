/* test_plugin.c: the host's side of C optimizers under the sanitizers: its functions, the checks of each update, and files cut anywhere.
 * (What a descriptor may not be is tested with compiled plugins: tests/cli/test_plugin_abi.lua.) */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "engram_plugin.h"
#include "tensors.h"

/* ---- an optimizer that stands in this file ---- */

static double sum_of_places(void *context, int64_t first, int64_t count) {
  double sum = 0;
  (void)context;
  for (int64_t i = first; i < first + count; i++) sum += 1.0 / (double)(i + 1);
  return sum;
}

static void mark_places(void *context, int64_t first, int64_t count) {
  int64_t *marks = context;
  for (int64_t i = first; i < first + count; i++) marks[i] += i;
}

static const engram_host *seen_host;
static int destroyed;

static engram_status make(const engram_target *target, void **state) {
  seen_host = target->host;
  if (target->parameters == 0) return (seen_host->fail)(ENGRAM_MEMORY, "nothing to update");
  *state = malloc(16);
  return *state ? ENGRAM_OK : ENGRAM_MEMORY;
}

static engram_status step(void *state, engram_view *v) {
  double *scalar = v->slots[1];
  (void)state;
  if (v->hyper[0] < 0) return ENGRAM_FAILED;
  memcpy(v->slots[0], v->grad, (size_t)v->count * sizeof(float));
  *scalar += (double)v->parameter_step;
  ((float *)v->data)[0] = 7;
  v->moved = 1;
  return ENGRAM_OK;
}

static void destroy(void *state) {
  destroyed++;
  free(state);
}

static const engram_plugin_descriptor descriptor = {.name = "Here", .create = make, .step = step, .destroy = destroy};
static const eg_plugin_slot slots[] = {{.name = "copy"}, {.name = "sum", .scalar = 1}};
static const eg_plugin plugin = {.name = "Here", .slots = 2, .slot = slots, .descriptor = &descriptor};

/* ---- tests ---- */

static void test_host_functions(void **unused) {
  (void)unused;
  enum { MANY = 100003 };
  eg_plugin_free(eg_plugin_new(&plugin, 1, 1));
  const engram_host *host = seen_host;
  int64_t *marks = calloc(MANY, sizeof *marks);
  double first = 0;
  for (int threads = 1; threads <= 4; threads *= 2) {
    assert_int_equal(eg_threads_set(threads), EG_OK);
    assert_int_equal(host->threads(), threads);
    host->parallel(MANY, mark_places, marks);
    double sum = host->parallel_sum(MANY, sum_of_places, NULL);
    if (threads == 1) first = sum;
    assert_memory_equal(&sum, &first, sizeof sum);
  }
  for (int64_t i = 0; i < MANY; i++) assert_int_equal(marks[i], 3 * i);
  free(marks);
  eg_alloc_fail_after(0);
  double sum = host->parallel_sum(MANY, sum_of_places, NULL);
  eg_alloc_fail_after(-1);
  assert_memory_equal(&sum, &first, sizeof sum);
  assert_true(host->parallel_sum(0, sum_of_places, NULL) == 0);
  const float a[] = {1, 2, 3, 4, 5, 6}, b[] = {1, 0, 2, 1, 0, 1};
  float out[4];
  assert_int_equal(host->matmul(ENGRAM_FLOAT32, 2, 2, 3, a, 0, b, 0, out), ENGRAM_OK);
  assert_true(out[0] == 5 && out[1] == 5 && out[2] == 14 && out[3] == 11);
  assert_int_equal(host->matmul(ENGRAM_FLOAT32, 0, 2, 3, a, 0, b, 0, out), ENGRAM_INVALID);
}

static void test_log_is_bounded(void **unused) {
  (void)unused;
  eg_plugin_free(eg_plugin_new(&plugin, 1, 1));
  assert_null(eg_plugin_log());
  for (int i = 0; i < 10000; i++) seen_host->log("line %d", i);
  const char *text = eg_plugin_log();
  assert_non_null(strstr(text, "line 0\nline 1\n"));
  assert_non_null(strstr(text, "... and "));
  assert_true(strlen(text) < 20000);
  assert_null(eg_plugin_log());
}

static void test_updates_are_checked(void **unused) {
  (void)unused;
  int64_t moved;
  double hyper[] = {1};
  eg_tensor *p = eg_new(EG_FLOAT32, 1, (int64_t[]){3}), *g = eg_new_like(p, -1), *copy = eg_new_like(p, -1);
  eg_tensor *sum = eg_new(EG_FLOAT64, 0, NULL), *other = eg_new(EG_FLOAT32, 1, (int64_t[]){2});
  assert_int_equal(eg_fill(p, 0) || eg_fill(g, 5) || eg_fill(sum, 0), 0);
  eg_tensor *given[] = {copy, sum};
  eg_plugin_step about = {.name = "1", .parameter_step = 2, .hyper = hyper, .slots = given};
  eg_plugin_instance *instance = eg_plugin_new(&plugin, 1, 3);
  assert_int_equal(eg_plugin_update(instance, &about, p, g, &moved), EG_OK);
  assert_int_equal(moved, 1);
  assert_true(((float *)p->data)[0] == 7 && ((float *)copy->data)[2] == 5 && *(double *)sum->data == 2);
  given[0] = other;
  assert_int_equal(eg_plugin_update(instance, &about, p, g, &moved), EG_ESHAPE);
  given[0] = copy;
  given[1] = other;
  assert_int_equal(eg_plugin_update(instance, &about, p, g, &moved), EG_EDTYPE);
  given[1] = sum;
  assert_int_equal(eg_plugin_update(instance, &about, p, other, &moved), EG_ESHAPE);
  assert_int_equal(eg_plugin_update(instance, &about, NULL, g, &moved), EG_ERELEASED);
  hyper[0] = -1;
  assert_int_equal(eg_plugin_update(instance, &about, p, g, &moved), EG_EINVAL);
  assert_string_equal(eg_error_message(), "step returned status 4 without a message");
  int before = destroyed;
  eg_plugin_free(instance);
  assert_int_equal(destroyed, before + 1);
  assert_null(eg_plugin_new(&plugin, 0, 0));
  assert_string_equal(eg_error_message(), "nothing to update");
  eg_free(p), eg_free(g), eg_free(copy), eg_free(sum), eg_free(other);
}

/* This program, cut anywhere, and with noise in its header: refused, and never mapped. */
static void test_damaged_files(void **unused) {
  (void)unused;
  enum { SIZE = 40000 };
  char path[] = "/tmp/engram_plugin_XXXXXX", bytes[SIZE];
  int in = open("/proc/self/exe", O_RDONLY), out = mkstemp(path);
  assert_int_equal(read(in, bytes, SIZE), SIZE);
  close(in);
  for (int length = 0; length < SIZE; length = length * 5 / 4 + 1) {
    assert_int_equal(ftruncate(out, 0), 0);
    assert_int_equal(pwrite(out, bytes, (size_t)length, 0), length);
    assert_null(eg_plugin_open(path));
    assert_non_null(strstr(eg_error_message(), length < 4 ? "is no shared library" : ""));
  }
  uint32_t number = 1;
  for (int trial = 0; trial < 2000; trial++) {
    char copy[4096];
    memcpy(copy, bytes, sizeof copy);
    for (int k = 0; k < 4; k++) {
      number = number * 1664525 + 1013904223;
      copy[number >> 26] = (char)(number >> 8);
    }
    assert_int_equal(ftruncate(out, 0), 0);
    assert_int_equal(pwrite(out, copy, sizeof copy, 0), sizeof copy);
    assert_null(eg_plugin_open(path)); /* whole it is not: its sections lie behind its end */
  }
  close(out);
  unlink(path);
  assert_null(eg_plugin_open(NULL));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_host_functions), cmocka_unit_test(test_log_is_bounded),
                                     cmocka_unit_test(test_updates_are_checked), cmocka_unit_test(test_damaged_files)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
