/*
 * For LD_PRELOAD: what a journal's memory (a file named data.mdb) hears of a dying disk.
 *
 *   SHIM_COUNT  a file that gets one byte for each fdatasync of it
 *   SHIM_SYNC   this fdatasync fails with EIO, and those after it succeed, as on Linux
 *   SHIM_META   this write of a meta page, through the descriptor that syncs by itself, fails with SHIM_ERRNO
 *   SHIM_PAGES  this write of other pages does
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static int syncs, metas, pages;

static int number(const char *name) {
  const char *text = getenv(name);
  return text ? atoi(text) : 0;
}

static int is_memory(int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  return length > 9 && strncmp(path + length - 9, "/data.mdb", 9) == 0;
}

int fdatasync(int fd) {
  static int (*real)(int);
  if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  if (!is_memory(fd)) return real(fd);
  int call = __sync_add_and_fetch(&syncs, 1);
  int count = open(getenv("SHIM_COUNT"), O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (write(count, ".", 1) != 1) abort();
  close(count);
  if (call != number("SHIM_SYNC")) return real(fd);
  errno = EIO;
  return -1;
}

/* Whether this write is to fail. */
static int fails(int fd) {
  if (!is_memory(fd)) return 0;
  int meta = (fcntl(fd, F_GETFL) & O_DSYNC) != 0;
  int call = __sync_add_and_fetch(meta ? &metas : &pages, 1);
  if (call != number(meta ? "SHIM_META" : "SHIM_PAGES")) return 0;
  errno = number("SHIM_ERRNO");
  return 1;
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset) {
  static ssize_t (*real)(int, const void *, size_t, off64_t);
  if (!real) real = (ssize_t (*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
  return fails(fd) ? -1 : real(fd, bytes, size, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  static ssize_t (*real)(int, const struct iovec *, int);
  if (!real) real = (ssize_t (*)(int, const struct iovec *, int))dlsym(RTLD_NEXT, "writev");
  return fails(fd) ? -1 : real(fd, parts, count);
}
