/* A library for LD_PRELOAD that disturbs one call of one family in the program under test. It acts in processes whose executable has
   the name in TORTURE_PROGRAM, and is without effect in all others (shells, helpers).

   TORTURE_FAMILY   open, write, fsync, rename, unlink, mkdir, read, buffer, memory or clock
   TORTURE_NUMBER   which call of the family, from 1, counted in each process; of memory, those of TORTURE_LEAST bytes or more
   TORTURE_ACTION   fail (this call), fail-on (this call and all after it), short (half of a write is written), kill (SIGKILL before the
                    call), tear (half of a write is written, then SIGKILL)
   TORTURE_ERRNO    what a failing call says
   TORTURE_MARK     a file that gets a line when a call was disturbed
   TORTURE_COUNT    a file that gets the number of calls that each process made, when it ends by itself */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum family { NONE, OPEN, WRITE, FSYNC, RENAME, UNLINK, MKDIR, READ, BUFFER, MEMORY, CLOCK };
enum action { FAIL, FAIL_ON, SHORT, KILL, TEAR };

static const char *const family_names[] = {"none", "open", "write", "fsync", "rename", "unlink", "mkdir", "read", "buffer", "memory", "clock"};
static const char *const action_names[] = {"fail", "fail-on", "short", "kill", "tear"};

static enum family chosen = NONE;
static enum action action = FAIL;
static long number = 0;
static size_t least = 0;
static int error_code = EIO;
static const char *mark_path = NULL, *count_path = NULL;
static atomic_long calls = 0;

/* System calls, so that nothing here is counted or disturbed. */
static void note(const char *path, const char *text) {
  if (!path) return;
  int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0) return;
  syscall(SYS_write, file, text, strlen(text));
  syscall(SYS_close, file);
}

static int position(const char *const *names, int count, const char *name) {
  for (int i = 0; name && i < count; i++)
    if (strcmp(names[i], name) == 0) return i;
  return 0;
}

__attribute__((constructor)) static void start(void) {
  const char *program = getenv("TORTURE_PROGRAM");
  if (!program || strcmp(program_invocation_short_name, program) != 0) return;
  action = position(action_names, 5, getenv("TORTURE_ACTION"));
  number = getenv("TORTURE_NUMBER") ? atol(getenv("TORTURE_NUMBER")) : 0;
  least = getenv("TORTURE_LEAST") ? (size_t)atol(getenv("TORTURE_LEAST")) : 0;
  error_code = getenv("TORTURE_ERRNO") ? atoi(getenv("TORTURE_ERRNO")) : EIO;
  mark_path = getenv("TORTURE_MARK");
  count_path = getenv("TORTURE_COUNT");
  chosen = position(family_names, 11, getenv("TORTURE_FAMILY"));
}

/* The program leaves by _exit, past destructors. */
void _exit(int status) {
  if (chosen != NONE) {
    char text[32];
    snprintf(text, sizeof text, "%ld\n", atomic_load(&calls));
    note(count_path, text);
  }
  for (;;) syscall(SYS_exit_group, status);
}

/* Whether this call of `family` is the one to disturb; SIGKILL comes here. */
static int hit(enum family family) {
  if (chosen != family) return 0;
  long now = atomic_fetch_add(&calls, 1) + 1;
  if (number <= 0 || (action == FAIL_ON ? now < number : now != number)) return 0;
  note(mark_path, "hit\n");
  if (action == KILL) {
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
  }
  return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAILING(family, result) do { if (hit(family)) { errno = error_code; return result; } } while (0)
#define MODE(flags, last) \
  mode_t mode = 0; \
  if ((flags) & (O_CREAT | __O_TMPFILE)) { va_list rest; va_start(rest, last); mode = va_arg(rest, mode_t); va_end(rest); }

int open(const char *path, int flags, ...) {
  MODE(flags, flags)
  FAILING(OPEN, -1);
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...) {
  MODE(flags, flags)
  FAILING(OPEN, -1);
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
int openat(int folder, const char *path, int flags, ...) {
  MODE(flags, flags)
  FAILING(OPEN, -1);
  return (int)syscall(SYS_openat, folder, path, flags, mode);
}
int openat64(int folder, const char *path, int flags, ...) {
  MODE(flags, flags)
  FAILING(OPEN, -1);
  return (int)syscall(SYS_openat, folder, path, flags, mode);
}
int creat(const char *path, mode_t mode) {
  FAILING(OPEN, -1);
  return (int)syscall(SYS_openat, AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
FILE *fopen(const char *path, const char *mode) {
  FAILING(OPEN, NULL);
  return REAL(fopen)(path, mode);
}

/* Standard error is left out: progress goes there, as often as time passes. */
static ssize_t writing(long call, int file, const void *bytes, size_t count, off_t offset) {
  if (file == STDERR_FILENO || !hit(WRITE)) return syscall(call, file, bytes, count, offset);
  if (action == FAIL || action == FAIL_ON) {
    errno = error_code;
    return -1;
  }
  ssize_t done = syscall(call, file, bytes, count > 1 ? count / 2 : count, offset);
  if (action == TEAR) {
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
  }
  return done;
}
ssize_t write(int file, const void *bytes, size_t count) { return writing(SYS_write, file, bytes, count, 0); }
ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) { return writing(SYS_pwrite64, file, bytes, count, offset); }
ssize_t pwrite64(int file, const void *bytes, size_t count, off_t offset) { return writing(SYS_pwrite64, file, bytes, count, offset); }
ssize_t writev(int file, const struct iovec *parts, int count) {
  if (file != STDERR_FILENO) FAILING(WRITE, -1);
  return syscall(SYS_writev, file, parts, count);
}

ssize_t read(int file, void *bytes, size_t count) {
  FAILING(READ, -1);
  return syscall(SYS_read, file, bytes, count);
}
ssize_t pread(int file, void *bytes, size_t count, off_t offset) {
  FAILING(READ, -1);
  return syscall(SYS_pread64, file, bytes, count, offset);
}
ssize_t pread64(int file, void *bytes, size_t count, off_t offset) {
  FAILING(READ, -1);
  return syscall(SYS_pread64, file, bytes, count, offset);
}

int fsync(int file) {
  FAILING(FSYNC, -1);
  return (int)syscall(SYS_fsync, file);
}
int fdatasync(int file) {
  FAILING(FSYNC, -1);
  return (int)syscall(SYS_fdatasync, file);
}

int rename(const char *from, const char *to) {
  FAILING(RENAME, -1);
  return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}
int renameat(int a, const char *from, int b, const char *to) {
  FAILING(RENAME, -1);
  return (int)syscall(SYS_renameat2, a, from, b, to, 0);
}
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) {
  FAILING(RENAME, -1);
  return (int)syscall(SYS_renameat2, a, from, b, to, flags);
}
int link(const char *from, const char *to) {
  FAILING(RENAME, -1);
  return (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}
int linkat(int a, const char *from, int b, const char *to, int flags) {
  FAILING(RENAME, -1);
  return (int)syscall(SYS_linkat, a, from, b, to, flags);
}
int unlink(const char *path) {
  FAILING(UNLINK, -1);
  return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}
int unlinkat(int folder, const char *path, int flags) {
  FAILING(UNLINK, -1);
  return (int)syscall(SYS_unlinkat, folder, path, flags);
}
int mkdir(const char *path, mode_t mode) {
  FAILING(MKDIR, -1);
  return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

/* Allocation: glibc's own entries stand behind these, since dlsym itself allocates. */
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);

static int refused(size_t bytes) { return chosen == MEMORY && bytes >= least && hit(MEMORY); }

void *malloc(size_t bytes) {
  if (refused(bytes)) { errno = ENOMEM; return NULL; }
  return __libc_malloc(bytes);
}
void *calloc(size_t count, size_t bytes) {
  if (refused(count * bytes)) { errno = ENOMEM; return NULL; }
  return __libc_calloc(count, bytes);
}
void *realloc(void *old, size_t bytes) {
  if (refused(bytes)) { errno = ENOMEM; return NULL; }
  return __libc_realloc(old, bytes);
}
/* Lines of a processor's cache, 64 bytes, are what the program's own buffers are aligned to; Swift asks for 16 and less, or 32. */
int posix_memalign(void **memory, size_t alignment, size_t bytes) {
  if ((alignment == 64 && hit(BUFFER)) || refused(bytes)) return ENOMEM;
  *memory = __libc_memalign(alignment, bytes);
  return *memory ? 0 : ENOMEM;
}
void *aligned_alloc(size_t alignment, size_t bytes) {
  if (refused(bytes)) { errno = ENOMEM; return NULL; }
  return __libc_memalign(alignment, bytes);
}

/* The wall clock jumps by ten years, forwards and backwards in turn; clocks that only run forward are left alone. */
static time_t jump(void) {
  if (chosen != CLOCK) return 0;
  static const time_t decade = 10 * 365 * 86400;
  long now = atomic_fetch_add(&calls, 1);
  return now % 3 == 0 ? 0 : now % 3 == 1 ? decade : -decade;
}
int clock_gettime(clockid_t clock, struct timespec *out) {
  int status = (int)syscall(SYS_clock_gettime, clock, out);
  if (status == 0 && clock == CLOCK_REALTIME) out->tv_sec += jump();
  return status;
}
int gettimeofday(struct timeval *restrict out, void *restrict zone) {
  int status = (int)syscall(SYS_gettimeofday, out, zone);
  if (status == 0) out->tv_sec += jump();
  return status;
}
time_t time(time_t *out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out) *out = now.tv_sec;
  return now.tv_sec;
}
