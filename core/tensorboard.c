/* tensorboard.c - TensorBoard's event files: records of protocol buffers, each framed by its length and two masked CRC-32C. Built
 * with protobuf-c where it was found, else every function says that it was not. */
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "file.h"

#ifdef EG_PROTOBUF
#include "tensorboard.pb-c.h"

int eg_tensorboard_built(void) { return 1; }

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void put(uint8_t *out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++) out[i] = (uint8_t)(value >> 8 * i);
}

/* Adds the event as one record, whole or not at all: length, its CRC, the message, its CRC. */
static eg_status append(const char *path, const EgEvents__Event *event) {
  size_t length = eg_events__event__get_packed_size(event);
  uint8_t *record = eg_malloc(length + 16);
  if (!record) return EG_ENOMEM;
  put(record, length, 8);
  put(record + 8, eg_crc32c_masked(record, 8), 4);
  eg_events__event__pack(event, record + 12);
  put(record + 12 + length, eg_crc32c_masked(record + 12, length), 4);
  eg_status status = eg_file_append(path, record, length + 16);
  free(record);
  return status;
}

/* Makes the file; one that is there belongs to another writer. */
static eg_status make_file(const char *path) {
  if (!path || !*path) return eg_fail(EG_EINVAL, "tensorboard: the path is empty");
  int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor < 0) return eg_fail_errno(path, "cannot write");
  close(descriptor);
  return EG_OK;
}

eg_status eg_tensorboard_begin(const char *path, int64_t restart) {
  EgEvents__Event event = EG_EVENTS__EVENT__INIT;
  EG_TRY(make_file(path));
  event.wall_time = now();
  event.what_case = EG_EVENTS__EVENT__WHAT_FILE_VERSION;
  event.file_version = (char[]){"brain.Event:2"};
  EG_TRY(append(path, &event));
  if (restart < 0) return EG_OK;
  EgEvents__SessionLog log = EG_EVENTS__SESSION_LOG__INIT;
  log.status = EG_EVENTS__SESSION_LOG__STATUS__START;
  event.step = restart;
  event.what_case = EG_EVENTS__EVENT__WHAT_SESSION_LOG;
  event.session_log = &log;
  return append(path, &event);
}

/* The event's message with the values at `value` and pointers to them at `pointer`, which the caller made. */
static eg_status write_summary(const char *path, int64_t step, size_t count, EgEvents__Summary__Value *value,
                               EgEvents__Summary__Value **pointer) {
  EgEvents__Summary summary = EG_EVENTS__SUMMARY__INIT;
  EgEvents__Event event = EG_EVENTS__EVENT__INIT;
  for (size_t i = 0; i < count; i++) pointer[i] = &value[i];
  summary.n_value = count;
  summary.value = pointer;
  event.wall_time = now();
  event.step = step;
  event.what_case = EG_EVENTS__EVENT__WHAT_SUMMARY;
  event.summary = &summary;
  return append(path, &event);
}

eg_status eg_tensorboard_scalars(const char *path, int64_t step, int64_t count, const char *const *tags,
                                 const double *values) {
  if (count < 1) return EG_OK;
  EgEvents__Summary__Value *value = eg_malloc((size_t)count * sizeof *value);
  EgEvents__Summary__Value **pointer = eg_malloc((size_t)count * sizeof *pointer);
  eg_status status = value && pointer ? EG_OK : EG_ENOMEM;
  for (int64_t i = 0; !status && i < count; i++) {
    value[i] = (EgEvents__Summary__Value)EG_EVENTS__SUMMARY__VALUE__INIT;
    value[i].tag = (char *)(uintptr_t)tags[i]; /* packed, not changed */
    value[i].value_case = EG_EVENTS__SUMMARY__VALUE__VALUE_SIMPLE_VALUE;
    value[i].simple_value = (float)values[i];
  }
  if (!status) status = write_summary(path, step, (size_t)count, value, pointer);
  free(value);
  free(pointer);
  return status;
}

#else

int eg_tensorboard_built(void) { return 0; }

static eg_status missing(void) {
  return eg_fail(EG_EINVAL, "tensorboard: this Engram was built without protobuf-c: install libprotobuf-c-dev and "
                            "protobuf-c-compiler, then make again");
}

eg_status eg_tensorboard_begin(const char *path, int64_t restart) { return missing(); }

eg_status eg_tensorboard_scalars(const char *path, int64_t step, int64_t count, const char *const *tags,
                                 const double *values) {
  return missing();
}

#endif
