/* program.c - other programs: run and waited for, or started and looked after (see lua/engram/sweep/pool.lua). */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "file.h"

extern char **environ;

/* Starts with default signals, whatever this process ignores or blocks. */
static int start_program(pid_t *child, const char *const *arguments) {
  posix_spawnattr_t how;
  sigset_t all, none;
  if ((errno = posix_spawnattr_init(&how))) return errno;
  sigfillset(&all);
  sigemptyset(&none);
  posix_spawnattr_setsigdefault(&how, &all);
  posix_spawnattr_setsigmask(&how, &none);
  posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  errno = posix_spawnp(child, arguments[0], NULL, &how, (char *const *)arguments, environ);
  int problem = errno;
  posix_spawnattr_destroy(&how);
  return errno = problem;
}

int eg_run_program(const char *const *arguments) {
  pid_t child, done;
  int result;
  bool told = false;
  if (!arguments || !arguments[0]) return eg_fail(EG_EINVAL, "run: expected a program"), -1;
  if (start_program(&child, arguments)) return eg_fail_errno(arguments[0], "cannot run"), -1;
  while ((done = waitpid(child, &result, WNOHANG)) == 0) {
    if (eg_interrupt_get() && !told) told = kill(child, eg_interrupt_get()) == 0; /* who stops us stops it too */
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
  }
  if (done < 0) return eg_fail_errno(arguments[0], "cannot wait"), -1;
  return WIFEXITED(result) ? WEXITSTATUS(result) : 128 + WTERMSIG(result);
}

/* ---- started, and looked after ---- */

/* Only what is safe between fork and exec. Dies with its parent: the kernel sends SIGTERM, and a parent that was gone
 * before that was asked for is noticed. */
static void become(const char *const *arguments, int log, int problem, pid_t parent) {
  sigset_t none;
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  setpgid(0, 0); /* Ctrl-C reaches us alone: we hand it on, once */
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(128 + SIGTERM);
  int input = open("/dev/null", O_RDONLY);
  log = fcntl(log, F_DUPFD_CLOEXEC, 3); /* where our own input or output is closed, it may have one of their numbers */
  problem = fcntl(problem, F_DUPFD_CLOEXEC, 3);
  if (input >= 0 && log >= 0 && dup2(input, 0) == 0 && dup2(log, 1) == 1 && dup2(log, 2) == 2)
    execvp(arguments[0], (char *const *)arguments);
  ssize_t ignored = write(problem, &errno, sizeof errno);
  (void)ignored;
  _exit(127);
}

/* Forks; the errno of what kept the child from becoming the program, or 0. */
static int fork_program(pid_t *child, const char *const *arguments, int log) {
  int pipes[2], problem = 0;
  pid_t parent = getpid();
  if (pipe2(pipes, O_CLOEXEC)) return errno;
  if ((*child = fork()) == 0) become(arguments, log, pipes[1], parent);
  if (*child < 0) problem = errno;
  close(pipes[1]);
  while (*child > 0 && read(pipes[0], &problem, sizeof problem) < 0 && errno == EINTR) continue;
  close(pipes[0]);
  if (*child > 0 && problem) waitpid(*child, NULL, 0);
  return problem;
}

int eg_start_program(const char *const *arguments, const char *log_path) {
  pid_t child = -1;
  if (!arguments || !arguments[0] || !log_path) return eg_fail(EG_EINVAL, "start: expected a program and a log"), -1;
  int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (log < 0) return eg_fail_errno(log_path, "cannot be written"), -1;
  errno = fork_program(&child, arguments, log);
  int problem = errno;
  close(log);
  if ((errno = problem)) return eg_fail_errno(arguments[0], "cannot run"), -1;
  return (int)child;
}

int eg_program_ended(int id, int *code) {
  int result;
  pid_t done = id > 0 ? waitpid(id, &result, WNOHANG) : (errno = ECHILD, -1);
  if (done == 0) return 0;
  if (done < 0) return eg_fail(EG_EINVAL, "process %d: cannot wait: %s", id, strerror(errno)), -1;
  *code = WIFEXITED(result) ? WEXITSTATUS(result) : 128 + WTERMSIG(result);
  return 1;
}

eg_status eg_signal_program(int id, int number) {
  if (id <= 0) return eg_fail(EG_EINVAL, "process %d: there is no such process", id);
  if (kill(id, number) == 0) return EG_OK;
  return eg_fail(EG_EINVAL, "process %d: cannot be signalled: %s", id, strerror(errno));
}

void eg_sleep(double seconds) {
  if (!(seconds > 0)) return;
  struct timespec time = {.tv_sec = (time_t)seconds, .tv_nsec = (long)(1e9 * (seconds - (double)(time_t)seconds))};
  nanosleep(&time, NULL);
}
