/*
 * For LD_PRELOAD: an fdatasync on a journal's log (a file named *.log) that fails with EIO, as a dying disk's does.
 *
 *   SHIM_COUNT  a file that gets one byte for each such call
 *   SHIM_FROM   calls from this number on fail
 *   SHIM_ONLY   this call alone fails, as Linux reports a failed write once and success after it
 *   SHIM_HOLD   this call waits until the file SHIM_GO is there
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int calls;

static int number(const char *name) {
  const char *text = getenv(name);
  return text ? atoi(text) : 0;
}

static int is_log(int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  return length > 4 && strncmp(path + length - 4, ".log", 4) == 0;
}

int fdatasync(int fd) {
  static int (*real)(int);
  if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  if (!is_log(fd)) return real(fd);
  int call = __sync_add_and_fetch(&calls, 1);
  int count = open(getenv("SHIM_COUNT"), O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (write(count, ".", 1) != 1) abort();
  close(count);
  while (call == number("SHIM_HOLD") && access(getenv("SHIM_GO"), F_OK) != 0) usleep(1000);
  if (call == number("SHIM_ONLY") || (number("SHIM_FROM") > 0 && call >= number("SHIM_FROM"))) {
    errno = EIO;
    return -1;
  }
  return real(fd);
}
