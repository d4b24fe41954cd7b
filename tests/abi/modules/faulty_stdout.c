/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A sink that writes to standard output, with the fault that the environment variable FAULT
 * names. */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <nbdstream/sink.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int out = -1;
static const void *kept;
static size_t kept_length;

static int is(const char *name) {
  const char *fault = getenv("FAULT");
  return fault != NULL && strcmp(fault, name) == 0;
}

static int64_t write_out(const void *data, size_t length) {
  const ssize_t written = write(out, data, length);
  return written < 0 ? -errno : written;
}

static int create(const struct nbdstream_host *host, void **sink) {
  (void)host;
  out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  if (out < 0) return -errno;
  dup2(STDERR_FILENO, STDOUT_FILENO);
  *sink = &out;
  return 0;
}

static void close_out(void) {
  if (out >= 0) close(out);
  out = -1;
}

static void destroy(void *sink) {
  (void)sink;
  close_out();
}

static int open_stream(void *sink, const struct nbdstream_stream *stream) {
  (void)sink;
  (void)stream;
  return 0;
}

/* The fault: it writes the data of the previous call. */
static int64_t write_what_was_kept(const void *data, size_t length) {
  if (kept != NULL && write_out(kept, kept_length) < 0) return -EIO;
  kept = data;
  kept_length = length;
  return (int64_t)length;
}

static int64_t write_data(void *sink, const void *data, size_t length) {
  (void)sink;
  if (length > 4096) length = 4096;
  if (is("keeps-pointers")) return write_what_was_kept(data, length);
  if (!is("loses-bytes") || length < 4096) return write_out(data, length);
  const int64_t written = write_out(data, length - 1);
  return written < 0 ? written : (int64_t)length;
}

static int native_fd(void *sink, uint32_t *fd_flags) {
  (void)sink;
  (void)fd_flags;
  return is("lends-as-its-own") ? out : -1;
}

static int wait_for(void *sink, struct nbdstream_wait *wait) {
  (void)sink;
  wait->timeout_ns = 1000000;
  return 0;
}

static int commit(void *sink, uint64_t length) {
  (void)sink;
  (void)length;
  if (is("keeps-pointers")) (void)write_what_was_kept(NULL, 0);
  int unread = 0;
  if (ioctl(out, FIONREAD, &unread) < 0) return -errno;
  struct pollfd reader = {out, 0, 0};
  if (unread > 0 && poll(&reader, 1, 0) > 0) return -EPIPE;
  if (unread > 0 && !is("commits-early")) return -EAGAIN;
  close_out();
  return 0;
}

static int abort_stream(void *sink) {
  (void)sink;
  close_out();
  return 0;
}

static const struct nbdstream_sink_table table = {
    .struct_size = sizeof table,
    .abi_minor = NBDSTREAM_SINK_ABI_MINOR,
    .name = "faulty_stdout",
    .description = "Write to standard output",
    .version = "1.0",
    .flags = NBDSTREAM_SINK_USES_STDOUT,
    .option_size = sizeof(struct nbdstream_option),
    .create = create,
    .destroy = destroy,
    .open = open_stream,
    .write = write_data,
    .native_fd = native_fd,
    .wait_for = wait_for,
    .commit = commit,
    .abort = abort_stream,
};

const struct nbdstream_sink_table *NBDSTREAM_SINK_ENTRY(void) {
  return &table;
}
