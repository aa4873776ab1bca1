/*
 * For LD_PRELOAD: SIGKILL at a known point, so that a crash in a window of microseconds is met each time.
 *
 *   STRIKE       "part": a part of an insert into a table by partitions takes its name (a rename of
 *                tmp_insert_<32 hex digits>_…); "sync": an fdatasync of a journal's log (a file named *.log);
 *                "mutation": a part that a mutation has made anew takes its name (a rename of tmp_mut_…);
 *                "erase": what a mutation writes takes its name, what it replaced loses its own, a table gets another
 *                setting, or a journal's memory its new file (renames)
 *                "anchor": a checkpoint takes its name in an anchor's directory (a link named *.checkpoint)
 *   STRIKE_AT    at this such call
 *   STRIKE_WHEN  "before" it does anything, or "after" it has done all of it
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int calls;

static int is_set(const char *name, const char *value) {
  const char *text = getenv(name);
  return text && strcmp(text, value) == 0;
}

static int strikes(const char *what) {
  return is_set("STRIKE", what) && __sync_add_and_fetch(&calls, 1) == atoi(getenv("STRIKE_AT"));
}

static void strike(const char *when) {
  if (is_set("STRIKE_WHEN", when)) kill(getpid(), SIGKILL);
}

static int is_part(const char *path) {
  const char *name = strstr(path, "/tmp_insert_");
  return name && strspn(name + strlen("/tmp_insert_"), "0123456789abcdef") == 32;
}

static int ends_in(const char *path, size_t length, const char *end) {
  size_t of_end = strlen(end);
  return length > of_end && strncmp(path + length - of_end, end, of_end) == 0;
}

static int is_erasing(const char *from, const char *to) {
  return strstr(from, "/tmp_mut_") || strstr(to, "/delete_tmp_") || ends_in(from, strlen(from), ".sql.tmp") ||
         ends_in(from, strlen(from), "/data.mdb");
}

int rename(const char *from, const char *to) {
  static int (*real)(const char *, const char *);
  if (!real) real = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
  int due = (is_part(from) && strikes("part")) || (strstr(from, "/tmp_mut_") && strikes("mutation")) ||
            (is_erasing(from, to) && strikes("erase"));
  if (due) strike("before");
  int result = real(from, to);
  if (due) strike("after");
  return result;
}

int link(const char *from, const char *to) {
  static int (*real)(const char *, const char *);
  if (!real) real = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "link");
  int due = ends_in(to, strlen(to), ".checkpoint") && strikes("anchor");
  if (due) strike("before");
  int result = real(from, to);
  if (due) strike("after");
  return result;
}

static int is_log(int fd) {
  char name[64], path[4096];
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(name, path, sizeof path - 1);
  return length > 0 && ends_in(path, length, ".log");
}

int fdatasync(int fd) {
  static int (*real)(int);
  if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  int due = is_log(fd) && strikes("sync");
  if (due) strike("before");
  int result = real(fd);
  if (due) strike("after");
  return result;
}
