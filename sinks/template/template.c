/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A sink to copy: it writes the stream to PATH.part and renames that to PATH when the stream is
 * complete, so that a file called PATH is always a whole one.
 *
 *   cc -std=c11 -shared -fPIC $(pkg-config --cflags --libs nbdstream) -o mine.so template.c
 *   nbdstream --sink ./mine.so:/backup/disk.raw --run '...'
 *
 * A killed process leaves PATH.part behind, and every later open fails until somebody removes it. A
 * sink for real use puts stream->unique_id into the temporary name.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <fcntl.h>
#include <nbdstream/sink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* All that is remembered between the calls; the host hands it back to each of them. */
struct sink {
  const struct nbdstream_host *host; /* valid until destroy returns */
  char *path;
  char *part;
  mode_t mode;
  int fd;           /* -1: not open */
  int part_is_ours; /* whether abort may remove it */
};

/* Fails a call with errno and a sentence for the user, instead of just the text of errno. */
static int fail(const struct sink *sink, const char *what, const char *path) {
  const int error = errno;
  char text[512];
  snprintf(text, sizeof text, "%s %s: %s", what, path, strerror(error));
  sink->host->explain(sink->host, text);
  return -error;
}

static void destroy(void *self) {
  struct sink *sink = self;
  free(sink->path);
  free(sink->part);
  free(sink);
}

/* Called once, before any client comes. The host has checked the settings against `options` below:
 * a required option is there, a number is a number. */
static int create(const struct nbdstream_host *host, void **out) {
  const char *path = host->setting(host, "path")->text;
  const size_t length = strlen(path);
  struct sink *sink = calloc(1, sizeof *sink);
  if (sink == NULL) return -ENOMEM;
  *sink = (struct sink){host, malloc(length + 1), malloc(length + sizeof ".part"), 0666, -1, 0};
  if (sink->path == NULL || sink->part == NULL) {
    destroy(sink); /* on an error nothing is left behind */
    return -ENOMEM;
  }
  memcpy(sink->path, path, length + 1);
  sprintf(sink->part, "%s.part", path);
  sink->mode = (mode_t)host->setting(host, "mode")->number; /* it has a default */
  *out = sink;
  return 0;
}

/* Called when a client writes for the first time; a client that only looks opens nothing. It may
 * return -EAGAIN if the other side is not ready; the table then needs wait_for. */
static int open_stream(void *self, const struct nbdstream_stream *stream) {
  struct sink *sink = self;
  (void)stream; /* its number, and its size where that is known */
  /* O_EXCL: neither follow a link that somebody planted, nor share the file with a twin of ours. */
  sink->fd = open(sink->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, sink->mode);
  if (sink->fd < 0) return fail(sink, "cannot create", sink->part);
  sink->part_is_ours = 1;
  return 0;
}

/* Takes some of the bytes, at least one, and says how many; the host comes back with the rest. */
static int64_t write_data(void *self, const void *data, size_t length) {
  struct sink *sink = self;
  const ssize_t written = write(sink->fd, data, length);
  return written < 0 ? fail(sink, "cannot write to", sink->part) : written;
}

/* Zeroes cost nothing here: they become a hole. Without this function the host writes them. */
static int64_t write_zeroes(void *self, uint64_t length) {
  struct sink *sink = self;
  const off_t step = length < (1 << 30) ? (off_t)length : 1 << 30;
  const off_t end = lseek(sink->fd, step, SEEK_CUR);
  if (end < 0 || ftruncate(sink->fd, end) < 0) return fail(sink, "cannot extend", sink->part);
  return step;
}

/* The client asked for durability of what it wrote so far. */
static int flush(void *self) {
  struct sink *sink = self;
  return fsync(sink->fd) < 0 ? fail(sink, "cannot sync", sink->part) : 0;
}

/* The stream is complete. Only return 0 when that is true of the medium as well; after an error
 * the host calls abort. For the name to outlast a crash, too, sync the directory as well. */
static int commit(void *self, uint64_t length) {
  struct sink *sink = self;
  (void)length;
  const int synced = flush(sink);
  if (synced < 0) return synced;
  const int closed = close(sink->fd);
  sink->fd = -1;
  if (closed < 0) return fail(sink, "cannot close", sink->part);
  if (rename(sink->part, sink->path) < 0) return fail(sink, "cannot rename to", sink->path);
  sink->part_is_ours = 0;
  return 0;
}

/* The stream is not complete: leave nothing that looks as if it were. Also called after an open or
 * commit that failed, so it copes with every state. */
static int abort_stream(void *self) {
  struct sink *sink = self;
  if (sink->fd >= 0) close(sink->fd);
  sink->fd = -1;
  if (sink->part_is_ours) unlink(sink->part);
  sink->part_is_ours = 0;
  return 0;
}

static const struct nbdstream_option options[] = {
    /* The host lets no two exports have the same path. */
    {"path", NBDSTREAM_OPTION_STRING,
     NBDSTREAM_OPTION_REQUIRED | NBDSTREAM_OPTION_POSITIONAL | NBDSTREAM_OPTION_EXCLUSIVE_PATH,
     NULL, "the file that a complete stream becomes"},
    {"mode", NBDSTREAM_OPTION_MODE, 0, "0666", "its permissions, of which umask takes some away"},
};

static const struct nbdstream_sink_table table = {
    .struct_size = sizeof table,
    .abi_minor = NBDSTREAM_SINK_ABI_MINOR,
    .name = "template",
    .description = "Write to a file that appears when the stream is complete",
    .version = "1.0",
    /* Disks block. Calls in these phases get a thread of their own, so that nobody waits for us. */
    .blocking = NBDSTREAM_BLOCKING_OPEN | NBDSTREAM_BLOCKING_WRITE | NBDSTREAM_BLOCKING_FINISH,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .option_size = sizeof *options,
    .create = create,
    .destroy = destroy,
    .open = open_stream,
    .write = write_data,
    .zero = write_zeroes,
    .flush = flush,
    .commit = commit,
    .abort = abort_stream,
};

/* The only symbol that the host looks for. */
const struct nbdstream_sink_table *NBDSTREAM_SINK_ENTRY(void) {
  return &table;
}
