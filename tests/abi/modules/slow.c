/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A sink whose writes block for a while, and which can be interrupted. */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "journal.h"

struct slow {
  int log, interrupted, delay_ms;
};

static int create(const struct nbdstream_host *host, void **out) {
  struct slow *self = calloc(1, sizeof *self);
  if (self == NULL) return -ENOMEM;
  self->log = open_named_by(host, "log");
  self->delay_ms = (int)(number_of(host, "delay") / 1000000);
  self->interrupted = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  note(self->log, "create");
  *out = self;
  return 0;
}

static void destroy(void *sink) {
  struct slow *self = sink;
  note(self->log, "destroy");
  close(self->interrupted);
  if (self->log >= 0) close(self->log);
  free(self);
}

static int open_stream(void *sink, const struct nbdstream_stream *stream) {
  struct slow *self = sink;
  note(self->log, "open %llu", (unsigned long long)stream->id);
  return 0;
}

static int64_t write_data(void *sink, const void *data, size_t length) {
  struct slow *self = sink;
  struct pollfd wait = {self->interrupted, POLLIN, 0};
  (void)data;
  note(self->log, "write %zu", length);
  if (poll(&wait, 1, self->delay_ms) == 0) return (int64_t)length;
  note(self->log, "interrupted");
  return -EINTR;
}

/* Sticky: the eventfd stays readable until the stream is over. */
static void interrupt(void *sink) {
  struct slow *self = sink;
  (void)eventfd_write(self->interrupted, 1);
}

static void calm_down(struct slow *self) {
  eventfd_t count;
  (void)eventfd_read(self->interrupted, &count);
}

static int commit(void *sink, uint64_t length) {
  struct slow *self = sink;
  note(self->log, "commit %llu", (unsigned long long)length);
  calm_down(self);
  return 0;
}

static int abort_stream(void *sink) {
  struct slow *self = sink;
  note(self->log, "abort");
  calm_down(self);
  return 0;
}

static const struct nbdstream_option options[] = {
    {"delay", NBDSTREAM_OPTION_DURATION, NBDSTREAM_OPTION_POSITIONAL, "1s",
     "how long a write takes"},
    {"log", NBDSTREAM_OPTION_STRING, 0, NULL, "gets a line for each event"},
};

static const struct nbdstream_sink_table table = {
    .struct_size = sizeof table,
    .abi_minor = NBDSTREAM_SINK_ABI_MINOR,
    .name = "slow",
    .description = "Take a while for each write",
    .version = "1.0",
    .blocking = NBDSTREAM_BLOCKING_WRITE,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .option_size = sizeof *options,
    .create = create,
    .destroy = destroy,
    .open = open_stream,
    .write = write_data,
    .commit = commit,
    .abort = abort_stream,
    .interrupt = interrupt,
};

const struct nbdstream_sink_table *NBDSTREAM_SINK_ENTRY(void) {
  return &table;
}
