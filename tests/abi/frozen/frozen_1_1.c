/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A module as it was written when ABI 1.1 was frozen: it uses what that has and 1.0 has not.
 * Neither this file nor the header beside it may change: what was built from them somewhere must
 * load for ever. Its other side is whoever holds the FIFO `peer`, and has gone when a byte comes.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sink-1.1.h"

struct sink {
  const struct nbdstream_host *host;
  int fd, peer, stop[2];
  mode_t mode;
  uint64_t taken;
  pthread_t watcher;
  atomic_int gone;
  char id[33];
};

static const struct nbdstream_setting *setting(const struct nbdstream_host *host,
                                               const char *name) {
  return host->setting(host, name);
}

static void *watch(void *self) {
  struct sink *sink = self;
  struct pollfd any[] = {{sink->peer, POLLIN, 0}, {sink->stop[0], POLLIN, 0}};
  while (poll(any, 2, -1) < 0 && errno == EINTR) continue;
  if (any[0].revents != 0) {
    sink->gone = 1;
    sink->host->wake(sink->host);
  }
  return NULL;
}

static int create(const struct nbdstream_host *host, void **out) {
  if (host->struct_size < sizeof *host || host->abi_minor < 1) return -EPROTO;
  struct sink *sink = calloc(1, sizeof *sink);
  if (sink == NULL) return -ENOMEM;
  sink->host = host;
  sink->mode = (mode_t)setting(host, "mode")->number;
  sink->fd = open(setting(host, "path")->text, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  const struct nbdstream_setting *peer = setting(host, "peer");
  sink->peer = peer == NULL ? -1 : open(peer->text, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  *out = sink;
  return 0;
}

static void destroy(void *self) {
  struct sink *sink = self;
  close(sink->fd);
  if (sink->peer >= 0) close(sink->peer);
  free(sink);
}

static int open_stream(void *self, const struct nbdstream_stream *stream) {
  struct sink *sink = self;
  char text[160];
  if (stream->struct_size < sizeof *stream || strlen(stream->unique_id) != 32) return -EPROTO;
  const int64_t age = (int64_t)time(NULL) - stream->began_ns / 1000000000;
  memcpy(sink->id, stream->unique_id, sizeof sink->id);
  snprintf(text, sizeof text, "stream %s of %s %d bytes, %s", sink->id,
           stream->flags & NBDSTREAM_STREAM_SIZE_EXACT ? "exactly" : "at most", (int)stream->size,
           age >= 0 && age < 3600 ? "new" : "of another time");
  sink->host->log(sink->host, NBDSTREAM_LOG_WARNING, text);
  sink->taken = 0;
  sink->gone = 0;
  if (sink->peer < 0) return 0;
  return pipe(sink->stop) < 0 ? -errno : -pthread_create(&sink->watcher, NULL, watch, sink);
}

static void end_watching(struct sink *sink) {
  if (sink->peer < 0) return;
  close(sink->stop[1]);
  pthread_join(sink->watcher, NULL);
  close(sink->stop[0]);
}

static int64_t write_data(void *self, const void *data, size_t length) {
  struct sink *sink = self;
  const ssize_t written = write(sink->fd, data, length);
  if (written < 0) return -errno;
  sink->taken += (uint64_t)written;
  sink->host->progress(sink->host, sink->taken);
  return written;
}

static int check(void *self) {
  struct sink *sink = self;
  if (!sink->gone) return 0;
  sink->host->explain(sink->host, "the other side is gone");
  return -EPIPE;
}

static int commit(void *self, uint64_t length) {
  struct sink *sink = self;
  if (length != sink->taken || fchmod(sink->fd, sink->mode) < 0) return -EIO;
  sink->host->result(sink->host, "id", sink->id);
  end_watching(sink);
  return 0;
}

static int abort_stream(void *self) {
  struct sink *sink = self;
  end_watching(sink);
  return ftruncate(sink->fd, 0) < 0 ? -errno : 0;
}

static const struct nbdstream_option options[] = {
    {"path", NBDSTREAM_OPTION_STRING,
     NBDSTREAM_OPTION_REQUIRED | NBDSTREAM_OPTION_POSITIONAL | NBDSTREAM_OPTION_EXCLUSIVE_PATH,
     NULL, "the file to write to"},
    {"mode", NBDSTREAM_OPTION_MODE, 0, "0600", "its permissions"},
    {"peer", NBDSTREAM_OPTION_STRING, 0, NULL, "a FIFO"},
};

static const struct nbdstream_sink_table table = {
    .struct_size = sizeof table,
    .abi_minor = NBDSTREAM_SINK_ABI_MINOR,
    .name = "frozen_1_1",
    .description = "Do what ABI 1.1 can do",
    .version = "1.1",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .option_size = sizeof *options,
    .create = create,
    .destroy = destroy,
    .open = open_stream,
    .write = write_data,
    .commit = commit,
    .abort = abort_stream,
    .check = check,
};

const struct nbdstream_sink_table *NBDSTREAM_SINK_ENTRY(void) {
  return &table;
}
