/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A sink whose first write never returns, not even after an interrupt. */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>

#include "journal.h"

struct stubborn {
  int log;
};

static int create(const struct nbdstream_host *host, void **out) {
  struct stubborn *self = calloc(1, sizeof *self);
  if (self == NULL) return -ENOMEM;
  self->log = open_named_by(host, "log");
  *out = self;
  return 0;
}

static void destroy(void *sink) {
  struct stubborn *self = sink;
  note(self->log, "destroy");
  if (self->log >= 0) close(self->log);
  free(self);
}

static int open_stream(void *sink, const struct nbdstream_stream *stream) {
  struct stubborn *self = sink;
  note(self->log, "open %llu", (unsigned long long)stream->id);
  return 0;
}

static int64_t write_data(void *sink, const void *data, size_t length) {
  struct stubborn *self = sink;
  (void)data;
  note(self->log, "write %zu", length);
  while (pause() < 0) continue;
  return -EINTR;
}

static void interrupt(void *sink) {
  struct stubborn *self = sink;
  note(self->log, "interrupt ignored");
}

static int commit(void *sink, uint64_t length) {
  struct stubborn *self = sink;
  note(self->log, "commit %llu", (unsigned long long)length);
  return 0;
}

static int abort_stream(void *sink) {
  struct stubborn *self = sink;
  note(self->log, "abort");
  return 0;
}

static const struct nbdstream_option options[] = {
    {"log", NBDSTREAM_OPTION_STRING, NBDSTREAM_OPTION_POSITIONAL, NULL,
     "gets a line for each event"},
};

static const struct nbdstream_sink_table table = {
    .struct_size = sizeof table,
    .abi_minor = NBDSTREAM_SINK_ABI_MINOR,
    .name = "stubborn",
    .description = "Never return from a write",
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
