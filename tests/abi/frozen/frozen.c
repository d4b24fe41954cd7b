/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A module as it was written when the ABI was frozen; it uses all of it. Neither this file nor the
 * header beside it may change: what was built from them somewhere must load for ever. */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sink-1.0.h"

struct sink {
  const struct nbdstream_host *host;
  int fd, lend, fail, was_open;
  int64_t pause, most;
};

static const struct nbdstream_setting *setting(const struct nbdstream_host *host,
                                               const char *name) {
  const struct nbdstream_setting *found = host->setting(host, name);
  return found != NULL && found->struct_size >= sizeof *found ? found : NULL;
}

static int create(const struct nbdstream_host *host, void **out) {
  if (host->struct_size < sizeof *host || setting(host, "never-given") != NULL) return -EPROTO;
  struct sink *sink = calloc(1, sizeof *sink);
  if (sink == NULL) return -ENOMEM;
  sink->host = host;
  sink->fd = open(setting(host, "path")->text, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  sink->lend = (int)setting(host, "lend")->number;
  sink->fail = (int)setting(host, "fail")->number;
  sink->pause = setting(host, "pause")->number;
  sink->most = setting(host, "most")->number;
  *out = sink;
  return 0;
}

static void destroy(void *self) {
  struct sink *sink = self;
  close(sink->fd);
  free(sink);
}

static int open_stream(void *self, const struct nbdstream_stream *stream) {
  struct sink *sink = self;
  char text[80];
  if (stream->struct_size < sizeof *stream || stream->export_name == NULL) return -EPROTO;
  if (!sink->was_open++) return -EAGAIN;
  snprintf(text, sizeof text, "stream %d of %d bytes", (int)stream->id,
           stream->flags & NBDSTREAM_STREAM_SIZE_KNOWN ? (int)stream->size : -1);
  sink->host->log(sink->host, NBDSTREAM_LOG_WARNING, text);
  return 0;
}

static int64_t write_data(void *self, const void *data, size_t length) {
  struct sink *sink = self;
  return write(sink->fd, data, length < (size_t)sink->most ? length : (size_t)sink->most);
}

static int64_t write_zeroes(void *self, uint64_t length) {
  struct sink *sink = self;
  return lseek(sink->fd, (off_t)length, SEEK_CUR) < 0 ? -errno : (int64_t)length;
}

static int flush(void *self) {
  (void)self;
  return 0;
}

static int native_fd(void *self, uint32_t *fd_flags) {
  struct sink *sink = self;
  *fd_flags |= NBDSTREAM_FD_SHARED;
  return sink->lend ? sink->fd : -1;
}

static int wait_for(void *self, struct nbdstream_wait *wait) {
  struct sink *sink = self;
  if (wait->struct_size < sizeof *wait || wait->fd != -1 || wait->timeout_ns != -1) return -EPROTO;
  wait->timeout_ns = sink->pause;
  return 0;
}

static int commit(void *self, uint64_t length) {
  struct sink *sink = self;
  if (sink->fail) {
    sink->host->explain(sink->host, "this module was told to fail");
    return -EIO;
  }
  return ftruncate(sink->fd, (off_t)length) < 0 ? -errno : 0;
}

static int abort_stream(void *self) {
  struct sink *sink = self;
  return ftruncate(sink->fd, 0) < 0 ? -errno : 0;
}

static void interrupt(void *self) {
  (void)self;
}

static const struct nbdstream_option options[] = {
    {"path", NBDSTREAM_OPTION_STRING, NBDSTREAM_OPTION_REQUIRED | NBDSTREAM_OPTION_POSITIONAL, NULL,
     "the file to write to"},
    {"never-given", NBDSTREAM_OPTION_INTEGER, NBDSTREAM_OPTION_SECRET, NULL, "has no value"},
    {"lend", NBDSTREAM_OPTION_BOOLEAN, 0, "no", "lend the host a descriptor"},
    {"fail", NBDSTREAM_OPTION_BOOLEAN, 0, "no", "fail each commit"},
    {"most", NBDSTREAM_OPTION_SIZE, 0, "64k", "how much a write takes"},
    {"pause", NBDSTREAM_OPTION_DURATION, 0, "1ms", "how long an open has to wait"},
};

static const struct nbdstream_sink_table table = {
    .struct_size = sizeof table,
    .abi_minor = NBDSTREAM_SINK_ABI_MINOR,
    .name = "frozen",
    .description = "Do what ABI 1.0 can do",
    .version = "1.0",
    .flags = 0,
    .blocking = NBDSTREAM_BLOCKING_WRITE | NBDSTREAM_BLOCKING_FINISH,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .option_size = sizeof *options,
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
};

const struct nbdstream_sink_table *NBDSTREAM_SINK_ENTRY(void) {
  return &table;
}
