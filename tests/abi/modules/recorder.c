/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A sink that never blocks, records data and calls, and fails where its settings say. */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>

#include "journal.h"

struct recorder {
  const struct nbdstream_host *host;
  int data, log;
  int64_t fail_open, fail_write_after, fail_commit, again_every, short_writes;
  int64_t calls, taken;
};

static int create(const struct nbdstream_host *host, void **out) {
  struct recorder *self = calloc(1, sizeof *self);
  if (self == NULL) return -ENOMEM;
  self->host = host;
  self->data = open_named_by(host, "path");
  self->log = open_named_by(host, "log");
  self->fail_open = number_of(host, "fail-open");
  self->fail_write_after = number_of(host, "fail-write-after");
  self->fail_commit = number_of(host, "fail-commit");
  self->again_every = number_of(host, "again-every");
  self->short_writes = number_of(host, "short-writes");
  note(self->log, "create");
  *out = self;
  return 0;
}

static void destroy(void *sink) {
  struct recorder *self = sink;
  note(self->log, "destroy");
  if (self->data >= 0) close(self->data);
  if (self->log >= 0) close(self->log);
  free(self);
}

/* Whether this call must return -EAGAIN. */
static int not_now(struct recorder *self) {
  return self->again_every > 0 && ++self->calls % self->again_every == 0;
}

static int fail(struct recorder *self, const char *why) {
  self->host->explain(self->host, why);
  return -EIO;
}

static int open_stream(void *sink, const struct nbdstream_stream *stream) {
  struct recorder *self = sink;
  if (not_now(self)) return -EAGAIN;
  note(self->log, "open %llu", (unsigned long long)stream->id);
  self->taken = 0;
  return self->fail_open ? fail(self, "the recorder was told to fail its open") : 0;
}

static int64_t write_data(void *sink, const void *data, size_t length) {
  struct recorder *self = sink;
  if (not_now(self)) return -EAGAIN;
  if (self->short_writes && length > 1) length /= 2;
  if (self->fail_write_after >= 0) {
    const int64_t room = self->fail_write_after - self->taken;
    if (room == 0) return fail(self, "the recorder was told to fail this write");
    if ((uint64_t)room < length) length = (size_t)room;
  }
  const ssize_t written = self->data < 0 ? (ssize_t)length : write(self->data, data, length);
  if (written < 0) return -errno;
  self->taken += written;
  return written;
}

static int wait_for(void *sink, struct nbdstream_wait *wait) {
  (void)sink;
  wait->timeout_ns = 1000000;
  return 0;
}

static int commit(void *sink, uint64_t length) {
  struct recorder *self = sink;
  if (not_now(self)) return -EAGAIN;
  if (self->fail_commit) return fail(self, "the recorder was told to fail its commit");
  note(self->log, "commit %llu", (unsigned long long)length);
  return 0;
}

static int abort_stream(void *sink) {
  struct recorder *self = sink;
  note(self->log, "abort");
  return 0;
}

static const struct nbdstream_option options[] = {
    {"path", NBDSTREAM_OPTION_STRING, NBDSTREAM_OPTION_POSITIONAL, NULL, "gets the data"},
    {"log", NBDSTREAM_OPTION_STRING, 0, NULL, "gets a line for each event"},
    {"fail-open", NBDSTREAM_OPTION_BOOLEAN, 0, "false", "fail each open"},
    {"fail-write-after", NBDSTREAM_OPTION_INTEGER, 0, "-1", "fail after so many bytes"},
    {"fail-commit", NBDSTREAM_OPTION_BOOLEAN, 0, "false", "fail each commit"},
    {"again-every", NBDSTREAM_OPTION_INTEGER, 0, "0", "say -EAGAIN at every Nth call"},
    {"short-writes", NBDSTREAM_OPTION_BOOLEAN, 0, "false", "take half of what is offered"},
};

static const struct nbdstream_sink_table table = {
    .struct_size = sizeof table,
    .abi_minor = NBDSTREAM_SINK_ABI_MINOR,
    .name = "recorder",
    .description = "Record what arrives",
    .version = "1.0",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .option_size = sizeof *options,
    .create = create,
    .destroy = destroy,
    .open = open_stream,
    .write = write_data,
    .wait_for = wait_for,
    .commit = commit,
    .abort = abort_stream,
};

const struct nbdstream_sink_table *NBDSTREAM_SINK_ENTRY(void) {
  return &table;
}
