/* system.c - what Lua's own library lacks: clocks, memory figures, the terminal, folders. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "file.h"

double eg_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int64_t eg_resident_bytes(void) {
  long long pages = 0;
  FILE *file = fopen("/proc/self/statm", "re");
  if (!file) return 0;
  if (fscanf(file, "%*s %lld", &pages) != 1) pages = 0;
  fclose(file);
  return pages * sysconf(_SC_PAGESIZE);
}

int64_t eg_peak_resident_bytes(void) {
  struct rusage usage;
  return getrusage(RUSAGE_SELF, &usage) ? 0 : (int64_t)usage.ru_maxrss * 1024;
}

int eg_is_terminal(int descriptor) { return isatty(descriptor); }

eg_status eg_output_flush(void) {
  errno = 0;
  if (fflush(stdout) == 0 && !ferror(stdout)) return EG_OK;
  return errno ? eg_fail_errno("standard output", "cannot write") : eg_fail(EG_EIO, "standard output: cannot write");
}

int eg_terminal_width(void) {
  struct winsize size;
  return isatty(STDERR_FILENO) && ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

int eg_process_id(void) { return (int)getpid(); }

/* ---- folders and files ---- */

int eg_file_kind(const char *path) {
  struct stat about;
  if (!path || stat(path, &about)) return 0;
  return S_ISREG(about.st_mode) ? 1 : S_ISDIR(about.st_mode) ? 2 : 3;
}

int64_t eg_file_size(const char *path) {
  struct stat about;
  return path && stat(path, &about) == 0 ? about.st_size : -1;
}

static eg_status copy_path(char out[PATH_MAX], const char *path) {
  if (!path || !*path) return eg_fail(EG_EINVAL, "folder: the path is empty");
  if (strlen(path) >= PATH_MAX)
    return eg_fail(EG_EINVAL, "%.60s...: the path is longer than %d bytes", path, PATH_MAX - 1);
  strcpy(out, path);
  return EG_OK;
}

eg_status eg_make_folders(const char *path) {
  char part[PATH_MAX];
  EG_TRY(copy_path(part, path));
  for (char *at = part + 1;; at++) {
    if (*at && *at != '/') continue;
    char ended_by = *at;
    *at = '\0';
    int problem = eg_fault("mkdir", part) || mkdir(part, 0777) ? errno : 0;
    if (!problem) eg_sync_name(part);
    if (problem && eg_file_kind(part) != 2) {
      errno = problem == EEXIST ? ENOTDIR : problem;
      return eg_fail_errno(part, "cannot make the folder");
    }
    if (!(*at = ended_by)) return EG_OK;
  }
}

int eg_make_own_folder(const char *path) {
  char parent[PATH_MAX];
  if (copy_path(parent, path)) return -1;
  char *slash = strrchr(parent, '/');
  if (slash && slash > parent) {
    *slash = '\0';
    if (eg_make_folders(parent)) return -1;
  }
  if (!eg_fault("mkdir", path) && mkdir(path, 0777) == 0) return eg_sync_name(path), 1;
  if (errno == EEXIST) return 0;
  return eg_fail_errno(path, "cannot make the folder"), -1;
}

int eg_folder_lock(const char *path) {
  int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return -2;
  if (flock(descriptor, LOCK_EX | LOCK_NB) == 0) return descriptor;
  int held = errno == EWOULDBLOCK;
  close(descriptor);
  return held ? -1 : -2;
}

void eg_folder_unlock(int lock) {
  if (lock >= 0) close(lock);
}

/* A path that does not exist may be written where its nearest existing folder may. */
int eg_writable(const char *path) {
  char part[PATH_MAX];
  if (copy_path(part, path)) return 0;
  while (faccessat(AT_FDCWD, part, F_OK, AT_EACCESS) && errno == ENOENT) {
    char *slash = strrchr(part, '/');
    if (!slash) return faccessat(AT_FDCWD, ".", W_OK, AT_EACCESS) == 0;
    slash[slash == part] = '\0';
  }
  return faccessat(AT_FDCWD, part, W_OK, AT_EACCESS) == 0;
}

eg_status eg_file_cut(const char *path, int64_t bytes) {
  if (eg_file_size(path) < bytes)
    return eg_fail(EG_EFORMAT, "%s: has %lld bytes, expected at least %lld", path, (long long)eg_file_size(path),
                   (long long)bytes);
  return eg_fault("cut", path) || truncate(path, (off_t)bytes) ? eg_fail_errno(path, "cannot be cut") : EG_OK;
}

const char *eg_current_folder(void) {
  static char path[PATH_MAX];
  if (getcwd(path, sizeof path)) return path;
  (void)eg_fail_errno(".", "has no path");
  return NULL;
}

eg_status eg_change_folder(const char *path) { return chdir(path) ? eg_fail_errno(path, "cannot enter") : EG_OK; }

int eg_process_alive(int id) { return id > 0 && (kill(id, 0) == 0 || errno == EPERM); }

eg_status eg_rename(const char *from, const char *to) {
  if (!from || !to) return eg_fail(EG_EINVAL, "rename: expected two paths");
  return rename(from, to) ? eg_fail(EG_EIO, "%s: cannot be renamed to %s: %s", from, to, strerror(errno)) : EG_OK;
}

/* A name with a line break could not be told from two. */
static int listed(const struct dirent *entry) {
  return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && !strchr(entry->d_name, '\n');
}

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

const char *eg_list_folder(const char *path) {
  static char *text;
  struct dirent **entry;
  size_t length = 0;
  if (!path) return eg_fail(EG_EINVAL, "list_folder: expected a path"), NULL;
  int count = scandir(path, &entry, listed, by_name);
  if (count < 0) return eg_fail_errno(path, "cannot list the folder"), NULL;
  for (int i = 0; i < count; i++) length += strlen(entry[i]->d_name) + 1;
  free(text);
  text = eg_malloc(length + 1);
  char *at = text;
  for (int i = 0; i < count; i++) {
    if (text) at = stpcpy(stpcpy(at, entry[i]->d_name), "\n");
    free(entry[i]);
  }
  if (text) *at = '\0';
  free(entry);
  return text;
}
