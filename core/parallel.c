/* parallel.c - one thread pool with blocking waits.
 *
 * Work comes in tiles that are cut by shape alone. Each thread has a row of neighbouring tiles and takes them in order, so that
 * from one call to the next it mostly meets memory that its own core has written; then it helps the others with theirs. A
 * thread without work looks for the next call for a tenth of a millisecond, giving its core to whoever wants it, and then
 * sleeps on a condition variable: waking a core that has gone to sleep takes as long as a layer of a network. The caller
 * takes tiles too and waits only for threads that took one: on a busy machine the others may come when all is done.
 * BLAS is told to use one thread a call: its tiles are ours. */

#include <cblas.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "internal.h"

enum { MAX_THREADS = 256 };

/* Tiles next to end - 1 are still to be taken. A line of cache each: they change at every tile. */
typedef struct {
  _Alignas(64) atomic_int_fast64_t next;
  int64_t end;
} tile_row;

static struct {
  pthread_mutex_t lock;
  pthread_cond_t wake, done;
  pthread_t thread[MAX_THREADS];
  int wanted, running;        /* threads that take part, the caller included; workers started */
  atomic_uint_fast64_t round; /* counts calls of eg_parallel that wanted workers */
  atomic_int busy;            /* workers that joined this round and have not finished */
  bool open, stop;            /* workers may join this round; they shall end */
  bool whole;                 /* no tile of this round may be left out */
  eg_tile_work work;
  void *context;
  tile_row row[MAX_THREADS];
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};

static _Thread_local int thread_number;
static _Thread_local bool inside;

int eg_thread_number(void) { return thread_number; }

static inline void relax(void) {
#ifdef __x86_64__
  __builtin_ia32_pause();
#endif
}

static void take_tiles(void) {
  inside = true;
  for (int i = 0; i < pool.wanted; i++) {
    tile_row *row = &pool.row[(thread_number + i) % pool.wanted];
    int64_t tile;
    while ((tile = atomic_fetch_add(&row->next, 1)) < row->end)
      if (pool.whole || !eg_interrupt_pending()) pool.work(pool.context, tile);
  }
  inside = false;
}

/* Until a call comes, or for a while. */
static void look_for_call(uint64_t seen) {
  const double until = eg_clock() + 1e-4;
  do {
    for (int i = 0; i < 32; i++) {
      if (pool.round != seen) return;
      relax();
    }
    sched_yield();
  } while (eg_clock() < until);
}

static void *worker(void *argument) {
  thread_number = (int)(intptr_t)argument;
  uint64_t seen = 0;
  pthread_mutex_lock(&pool.lock);
  for (;;) {
    while (!pool.stop && pool.round == seen) pthread_cond_wait(&pool.wake, &pool.lock);
    if (pool.stop) break;
    seen = pool.round;
    if (!pool.open) continue;
    pool.busy++;
    pthread_mutex_unlock(&pool.lock);
    take_tiles();
    pthread_mutex_lock(&pool.lock);
    if (--pool.busy == 0) pthread_cond_signal(&pool.done);
    pthread_mutex_unlock(&pool.lock);
    look_for_call(seen);
    pthread_mutex_lock(&pool.lock);
  }
  pthread_mutex_unlock(&pool.lock);
  return NULL;
}

static void stop_workers(void) {
  if (pool.running == 0) return;
  pthread_mutex_lock(&pool.lock);
  pool.stop = true;
  pthread_cond_broadcast(&pool.wake);
  pthread_mutex_unlock(&pool.lock);
  for (int i = 0; i < pool.running; i++) pthread_join(pool.thread[i], NULL);
  pool.running = 0;
  pool.stop = false;
}

/* Starts wanted - 1 workers with every signal blocked, so that signals reach the main thread. Fewer are fine. */
static void start_workers(void) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pool.round = 0;
  while (pool.running < pool.wanted - 1) {
    void *number = (void *)(intptr_t)(pool.running + 1);
    if (pthread_create(&pool.thread[pool.running], NULL, worker, number)) break;
    pool.running++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (pool.running < pool.wanted - 1) pool.wanted = pool.running + 1;
}

/* The others are at their last tile: mostly it ends sooner than a sleeper wakes, so the caller looks for a while first. */
static void wait_for_workers(void) {
  enum { LOOKS = 2000 };
  pthread_mutex_lock(&pool.lock);
  pool.open = false;
  pthread_mutex_unlock(&pool.lock);
  for (int i = 0; i < LOOKS && pool.busy > 0; i++) relax();
  if (pool.busy == 0) return;
  pthread_mutex_lock(&pool.lock);
  while (pool.busy > 0) pthread_cond_wait(&pool.done, &pool.lock);
  pthread_mutex_unlock(&pool.lock);
}

static void run(int64_t tiles, eg_tile_work work, void *context, bool whole) {
  if (tiles <= 1 || eg_threads_get() <= 1 || inside) {
    for (int64_t tile = 0; tile < tiles && (whole || !eg_interrupt_pending()); tile++) work(context, tile);
    return;
  }
  if (pool.running == 0) start_workers();
  pthread_mutex_lock(&pool.lock);
  pool.work = work;
  pool.context = context;
  for (int i = 0; i < pool.wanted; i++) {
    atomic_store(&pool.row[i].next, tiles * i / pool.wanted);
    pool.row[i].end = tiles * (i + 1) / pool.wanted;
  }
  pool.open = true;
  pool.whole = whole;
  pool.round++;
  pthread_mutex_unlock(&pool.lock);
  pthread_cond_broadcast(&pool.wake); /* after unlocking: who wakes finds the lock free */
  take_tiles();
  wait_for_workers();
}

eg_status eg_parallel(int64_t tiles, eg_tile_work work, void *context) {
  run(tiles, work, context, false);
  return eg_interrupt_pending() ? eg_fail(EG_EINTR, "interrupted") : EG_OK;
}

void eg_parallel_whole(int64_t tiles, eg_tile_work work, void *context) { run(tiles, work, context, true); }

eg_status eg_threads_set(int count) {
  if (count < 1 || count > MAX_THREADS)
    return eg_fail(EG_EINVAL, "threads: %d is out of range, expected 1 to %d", count, MAX_THREADS);
  if (count != pool.wanted) stop_workers();
  pool.wanted = count;
  return EG_OK;
}

int eg_threads_get(void) {
  if (pool.wanted == 0) eg_threads_set(eg_cores()); /* asked once, so that what is made room for is what runs */
  return pool.wanted;
}

int eg_cores(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return EG_MAX(1, EG_MIN(CPU_COUNT(&set), MAX_THREADS));
  return (int)EG_MAX(1, EG_MIN(sysconf(_SC_NPROCESSORS_ONLN), MAX_THREADS));
}

const char *eg_blas(void) {
  static char text[256];
  snprintf(text, sizeof text, "%s, core type %s", openblas_get_config(), openblas_get_corename());
  return text;
}

/* Ends OpenBLAS's own threads, where it has any: while it is loaded it starts one for each further core, which looks for work for 2^26
 * cycles before it sleeps. */
__attribute__((weak)) int blas_thread_shutdown_(void);

__attribute__((constructor)) static void one_blas_thread(void) {
  openblas_set_num_threads(1);
  if (blas_thread_shutdown_) blas_thread_shutdown_();
}
__attribute__((destructor)) static void leave(void) { stop_workers(); }
