/* storage.c - the buffer pool: blocks by size class, kept warm, counted.
 *
 * A freed block goes to the free list of its class and comes back to the next tensor of that size, so that a training
 * loop touches the same warm memory at every step. Classes grow by an eighth at a time (at most 12.5 % is lost). */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "storage.h"

/* Under AddressSanitizer, pooled blocks and the rounding of live ones are out of bounds, as with malloc, and what a freed
 * block held is spoilt, so that no test passes on stale numbers. */
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define OPEN(block, bytes) ASAN_UNPOISON_MEMORY_REGION(block, bytes)
#define SEAL(block, bytes) ASAN_POISON_MEMORY_REGION(block, bytes)
#define SPOIL(block, bytes) memset(block, 0xa5, EG_MIN(bytes, (size_t)1 << 20))
#else
#define OPEN(block, bytes) ((void)0)
#define SEAL(block, bytes) ((void)0)
#define SPOIL(block, bytes) ((void)0)
#endif

enum { CLASSES = 512, MIN_BLOCK = 64 };

typedef struct free_block {
  struct free_block *next;
  size_t size;
} free_block;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static free_block *free_list[CLASSES];
static int64_t live, peak, pooled, tensors, limit;
static int64_t fail_after = -1;

/* Size classes: 8 steps between powers of two, from 64 bytes. */
static int class_of(size_t bytes, size_t *rounded) {
  if (bytes < MIN_BLOCK) bytes = MIN_BLOCK;
  int shift = 63 - __builtin_clzll((unsigned long long)bytes);
  size_t step = ((size_t)1 << shift) / 8;
  size_t size = (bytes + step - 1) / step * step;
  if (size >> (shift + 1)) {
    shift++;
    step *= 2;
  }
  *rounded = (size + 63) / 64 * 64;
  return (shift - 6) * 8 + (int)((size - ((size_t)1 << shift)) / step);
}

/* What a container may have; the most there is where it does not say. */
static int64_t memory_of_group(void) {
  char text[32] = "";
  int file = open("/sys/fs/cgroup/memory.max", O_RDONLY | O_CLOEXEC);
  ssize_t got = file < 0 ? 0 : read(file, text, sizeof text - 1);
  if (file >= 0) close(file);
  long long bytes = got > 0 ? strtoll(text, NULL, 10) : 0; /* "max": no number */
  return bytes > 0 ? bytes : INT64_MAX;
}

static int64_t memory_limit(void) {
  if (limit == 0) limit = EG_MIN((int64_t)sysconf(_SC_PHYS_PAGES) * (int64_t)sysconf(_SC_PAGESIZE), memory_of_group());
  return limit;
}

static bool told_to_fail(void) {
  if (fail_after < 0) return false;
  return fail_after-- == 0;
}

static void trim(void) {
  for (int c = 0; c < CLASSES; c++)
    while (free_list[c]) {
      free_block *block = free_list[c];
      free_list[c] = block->next;
      OPEN(block, block->size);
      free(block);
    }
  pooled = 0;
}

/* Large blocks ask for large pages: a kernel that walks many planes at once needs few entries of the table of pages. */
static void *new_block(size_t size) {
  enum { LARGE_PAGE = 1 << 21 };
  if (size < LARGE_PAGE) return aligned_alloc(64, size);
  void *block;
  if (posix_memalign(&block, LARGE_PAGE, size)) return NULL;
#ifdef MADV_HUGEPAGE
  madvise(block, size / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE);
#endif
  return block;
}

void *eg_block_new(size_t bytes) {
  size_t size;
  if (bytes > (size_t)1 << 62) {
    eg_fail(EG_ENOMEM, "out of memory: %zu bytes asked for", bytes);
    return NULL;
  }
  int class = class_of(bytes, &size);
  pthread_mutex_lock(&lock);
  void *block = NULL;
  if (!told_to_fail() && live + (int64_t)size <= memory_limit()) {
    if (free_list[class]) {
      block = free_list[class];
      free_list[class] = free_list[class]->next;
      pooled -= (int64_t)size;
    } else {
      if (live + pooled + (int64_t)size > memory_limit()) trim();
      block = new_block(size);
      if (!block) trim(), block = new_block(size);
    }
  }
  if (block) {
    OPEN(block, size);
    SEAL((char *)block + bytes, size - bytes);
    live += (int64_t)size;
    if (live > peak) peak = live;
  } else {
    eg_fail(EG_ENOMEM, "out of memory: %zu bytes asked for, %lld live, the limit is %lld", bytes, (long long)live,
            (long long)memory_limit());
  }
  pthread_mutex_unlock(&lock);
  return block;
}

void eg_block_free(void *block, size_t bytes) {
  if (!block) return;
  size_t size;
  int class = class_of(bytes, &size);
  pthread_mutex_lock(&lock);
  live -= (int64_t)size;
  pooled += (int64_t)size;
  free_block *head = block;
  OPEN(block, size);
  SPOIL(block, size);
  *head = (free_block){free_list[class], size};
  free_list[class] = head;
  SEAL(head + 1, size - sizeof *head);
  pthread_mutex_unlock(&lock);
}

void *eg_malloc(size_t bytes) {
  pthread_mutex_lock(&lock);
  bool fail = told_to_fail();
  pthread_mutex_unlock(&lock);
  void *block = fail ? NULL : malloc(bytes ? bytes : 1);
  if (!block) eg_fail(EG_ENOMEM, "out of memory: %zu bytes asked for", bytes);
  return block;
}

/* ---- storages: a block with a count of its users and of the changes made in place ---- */

eg_storage *eg_storage_new(size_t bytes) {
  eg_storage *s = eg_block_new(sizeof *s);
  if (!s) return NULL;
  s->data = eg_block_new(bytes);
  if (!s->data) {
    eg_block_free(s, sizeof *s);
    return NULL;
  }
  s->bytes = bytes;
  s->users = 1;
  s->version = 0;
  return s;
}

void eg_storage_release(eg_storage *s) {
  if (--s->users > 0) return;
  eg_block_free(s->data, s->bytes);
  eg_block_free(s, sizeof *s);
}

void eg_tensors_count(int by) { tensors += by; }

int64_t eg_live_bytes(void) { return live; }
int64_t eg_peak_bytes(void) { return peak; }
int64_t eg_pooled_bytes(void) { return pooled; }
int64_t eg_live_tensors(void) { return tensors; }
void eg_memory_limit(int64_t bytes) { limit = bytes > 0 ? bytes : 0; }
void eg_alloc_fail_after(int64_t count) { fail_after = count; }

void eg_pool_trim(void) {
  pthread_mutex_lock(&lock);
  trim();
  pthread_mutex_unlock(&lock);
}

__attribute__((destructor)) static void give_back(void) { eg_pool_trim(); }
