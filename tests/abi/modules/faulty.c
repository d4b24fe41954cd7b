/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A sink that discards all data, and has the one fault that the environment variable FAULT names.
 * Without FAULT, it keeps the contract of sink.h. */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <nbdstream/sink.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct faulty {
  const struct nbdstream_host *host;
  int open, opens, aborts, lent, failed, woken;
  int64_t taken;
  atomic_int interrupted;
};

static const char *fault = "";
static const struct nbdstream_host *first_host;
static int alive;

static int is(const char *name) {
  return strcmp(fault, name) == 0;
}

static void *stay(void *nothing) {
  for (;;) pause();
  return nothing;
}

static void *explain_there(void *host) {
  ((const struct nbdstream_host *)host)->explain(host, "from elsewhere");
  return NULL;
}

static void *wake_there(void *host) {
  ((const struct nbdstream_host *)host)->wake(host);
  return NULL;
}

static void start_thread(void *(*run)(void *), void *with, int join) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, run, with) != 0) abort();
  if (join) pthread_join(thread, NULL);
}

static int sync_something(void) {
  const int file = memfd_create("something", MFD_CLOEXEC);
  const int result = fsync(file);
  close(file);
  return result;
}

/* Uses the CPU for so many milliseconds. */
static void burn(long milliseconds) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  const int64_t end = time.tv_sec * 1000000000LL + time.tv_nsec + milliseconds * 1000000LL;
  do clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  while (time.tv_sec * 1000000000LL + time.tv_nsec < end);
}

/* Like a machine that was busy with other work, once. */
static void sleep_the_first_time(void) {
  const int file = open("slept", O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return;
  close(file);
  nanosleep(&(struct timespec){0, 150000000}, NULL);
}

static int create(const struct nbdstream_host *host, void **out) {
  if (is("create-fails")) return -ENOENT;
  struct faulty *self = calloc(1, sizeof *self);
  if (self == NULL) return -ENOMEM;
  self->host = host;
  self->lent = -1;
  if (first_host == NULL) first_host = host;
  if (is("wake-after-destroy")) first_host->wake(first_host);
  if (is("log-after-destroy")) first_host->log(first_host, NBDSTREAM_LOG_INFO, "I am back");
  if (is("destroy-keeps-descriptor")) (void)!dup(STDERR_FILENO);
  if (is("destroy-keeps-thread")) start_thread(stay, NULL, 0);
  alive = 1;
  *out = self;
  return 0;
}

static void destroy(void *sink) {
  struct faulty *self = sink;
  if (is("progress-without-a-stream")) self->host->progress(self->host, 0);
  if (is("destroy-exits")) _exit(3);
  alive = 0;
  free(self);
}

static int open_stream(void *sink, const struct nbdstream_stream *stream) {
  struct faulty *self = sink;
  if (is("open-takes-no-exact-size") && stream->flags & NBDSTREAM_STREAM_SIZE_EXACT) return -EINVAL;
  if (is("result-in-open")) self->host->result(self->host, "early", "1");
  if (is("open-hangs")) stay(NULL);
  if (is("open-never") || is("open-at-once")) return -EAGAIN;
  if (is("abort-needs-open") && ++self->opens % 2 == 1) return -EAGAIN;
  if (is("open-fails")) return -EIO;
  if (is("failed-commit-then-open-fails") && self->failed) return -EBUSY;
  if (is("open-fails-again") && ++self->opens > 1) return -EBUSY;
  if (is("open-fails-after-abort") && self->aborts > 0) return -EEXIST;
  if (is("one-in-a-process") && !alive) return -EBADF;
  if (is("open-stays-interrupted") && self->interrupted) return -EINTR;
  if (is("open-keeps-descriptor")) (void)!dup(STDERR_FILENO);
  if (is("setting-in-open")) self->host->setting(self->host, "nothing");
  self->open = 1;
  self->taken = 0;
  self->woken = 0;
  return 0;
}

/* Returns -EAGAIN once for each write, and another thread wakes the host. This is no fault. */
static int waits_to_be_woken(struct faulty *self) {
  self->woken = !self->woken;
  if (self->woken) start_thread(wake_there, (void *)self->host, 1);
  return self->woken;
}

static int64_t write_data(void *sink, const void *data, size_t length) {
  struct faulty *self = sink;
  (void)data;
  if (is("write-takes-nothing")) return 0;
  if (is("write-takes-too-much")) return (int64_t)length + 1;
  if (is("write-fails-oddly")) return -100000;
  if (is("write-blocks")) nanosleep(&(struct timespec){0, 150000000}, NULL);
  if (is("write-burns")) burn(150);
  if (is("write-blocks-once")) sleep_the_first_time();
  if (is("write-has-a-limit") && length > 4 << 20) return -EFBIG;
  if (is("explains-elsewhere")) start_thread(explain_there, (void *)self->host, 1);
  if (strncmp(fault, "wait-for-", 9) == 0) return -EAGAIN;
  if (is("waits-to-be-woken") && waits_to_be_woken(self)) return -EAGAIN;
  if (is("check-fails-when-woken")) self->host->wake(self->host);
  self->taken += (int64_t)length;
  self->host->progress(self->host, (uint64_t)self->taken + is("progress-of-nothing"));
  return (int64_t)length;
}

static int64_t write_zeroes(void *sink, uint64_t length) {
  struct faulty *self = sink;
  if (is("zero-is-not-there")) return -ENOTSUP; /* which is no fault */
  if (is("zero-takes-nothing")) return 0;
  if (is("zero-takes-too-much")) return (int64_t)length + 1;
  if (is("zero-of-32-bits")) return (int64_t)(uint32_t)length;
  if (self->lent >= 0) lseek(self->lent, (off_t)length - is("lends-and-moves-wrong"), SEEK_CUR);
  self->taken += (int64_t)length;
  return (int64_t)length;
}

static int flush(void *sink) {
  struct faulty *self = sink;
  if (is("flush-fails")) return -ENOTSUP;
  if (is("lends-and-changes-flags")) fcntl(self->lent, F_SETFL, O_NONBLOCK);
  if (is("lends-and-exchanges")) {
    const int other = memfd_create("other", MFD_CLOEXEC);
    dup2(other, self->lent);
    close(other);
  }
  return 0;
}

static int native_fd(void *sink, uint32_t *fd_flags) {
  struct faulty *self = sink;
  if (strncmp(fault, "lends-", 6) != 0 || is("lends-nothing")) return -1;
  if (is("lends-an-error")) return -EIO;
  if (is("lends-closed")) return 999;
  if (is("lends-read-only")) return self->lent = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (is("lends-and-changes-flags")) *fd_flags = NBDSTREAM_FD_SHARED;
  return self->lent = memfd_create("lent", MFD_CLOEXEC);
}

static int wait_for(void *sink, struct nbdstream_wait *wait) {
  (void)sink;
  if (is("wait-for-nothing")) return 0;
  if (is("wait-for-fails")) return -EIO;
  wait->timeout_ns = is("open-at-once") ? 0 : is("waits-to-be-woken") ? INT64_MAX : 1000000;
  if (is("wait-for-closed")) wait->fd = 999;
  if (is("wait-for-odd-events")) wait->events = 0x4000;
  return 0;
}

static void end_stream(struct faulty *self) {
  if (self->lent >= 0) close(self->lent);
  self->lent = -1;
  self->open = 0;
  if (!is("open-stays-interrupted") && !is("commit-stays-interrupted")) self->interrupted = 0;
}

static int commit(void *sink, uint64_t length) {
  struct faulty *self = sink;
  (void)length;
  if (is("commit-hangs")) stay(NULL);
  if (is("commit-aborts")) abort();
  if (strncmp(fault, "failed-commit-", 14) == 0 && sync_something() < 0) {
    self->failed = 1;
    return -EIO;
  }
  if (is("commit-never")) return -EAGAIN;
  if (is("abort-needs-no-commit") && self->open++ == 1) return -EAGAIN;
  if (is("commit-stays-interrupted") && self->interrupted) return -EINTR;
  if (is("commit-fails")) {
    self->host->explain(self->host, "nobody is at home");
    return -EIO;
  }
  self->host->result(self->host, is("result-of-an-odd-key") ? "Odd key" : "taken", "all");
  end_stream(self);
  return 0;
}

static int abort_stream(void *sink) {
  struct faulty *self = sink;
  ++self->aborts;
  if (is("abort-crashes")) raise(SIGKILL);
  if (is("abort-fails")) return -EIO;
  if (is("failed-commit-then-abort-fails") && self->failed) return -EIO;
  if (is("abort-fails-after-data") && self->taken > 0) return -EIO;
  if (is("abort-never")) return -EAGAIN;
  if (is("abort-needs-open") && self->open == 0) return -EBADF;
  if (is("abort-needs-no-commit") && self->open == 2) return -EBADF;
  end_stream(self);
  return 0;
}

static void interrupt(void *sink) {
  ((struct faulty *)sink)->interrupted = 1;
}

static int check(void *sink) {
  struct faulty *self = sink;
  if (is("check-blocks")) nanosleep(&(struct timespec){0, 150000000}, NULL);
  if (is("check-says-not-now")) return -EAGAIN;
  if (is("check-fails") || (is("check-fails-when-woken") && self->taken > 0)) return -EPIPE;
  return 0;
}

static struct nbdstream_sink_table table = {
    .struct_size = sizeof table,
    .abi_minor = NBDSTREAM_SINK_ABI_MINOR,
    .name = "faulty",
    .description = "Throw everything away",
    .version = "1.0",
    .option_size = sizeof(struct nbdstream_option),
    .create = create,
    .destroy = destroy,
    .open = open_stream,
    .write = write_data,
    .zero = write_zeroes,
    .flush = flush,
    .native_fd = native_fd,
    .wait_for = wait_for,
    .commit = commit,
    .abort = abort_stream,
    .interrupt = interrupt,
    .check = check,
};

const struct nbdstream_sink_table *NBDSTREAM_SINK_ENTRY(void) {
  if (getenv("FAULT") != NULL) fault = getenv("FAULT");
  if (is("table-has-a-full-stop")) table.description = "Throw everything away.";
  if (is("table-has-odd-flags")) table.flags = 32;
  if (is("table-has-odd-phases")) table.blocking = 32;
  if (is("wait-for-is-not-there")) table.wait_for = NULL;
  if (is("lends-nothing")) table.write = NULL;
  if (is("open-stays-interrupted")) table.blocking = NBDSTREAM_BLOCKING_OPEN;
  if (is("commit-stays-interrupted")) table.blocking = NBDSTREAM_BLOCKING_FINISH;
  return &table;
}
