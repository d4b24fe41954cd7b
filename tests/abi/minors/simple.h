/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The least sink there can be: it writes to the file that is its argument. */
#ifndef NBDSTREAM_TESTS_SIMPLE_H
#define NBDSTREAM_TESTS_SIMPLE_H

#include <errno.h>
#include <fcntl.h>
#include <nbdstream/sink.h>
#include <unistd.h>

static int file = -1;

static int create(const struct nbdstream_host *host, void **sink);

static inline int open_file(const struct nbdstream_host *host, void **sink) {
  file = open(host->setting(host, "path")->text, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  *sink = &file;
  return file < 0 ? -errno : 0;
}

static void destroy(void *sink) {
  (void)sink;
  close(file);
}

static int open_stream(void *sink, const struct nbdstream_stream *stream) {
  (void)sink;
  return stream->id == 1 ? 0 : -EPROTO;
}

static int64_t write_data(void *sink, const void *data, size_t length) {
  (void)sink;
  return write(file, data, length);
}

static int commit(void *sink, uint64_t length) {
  (void)sink;
  (void)length;
  return 0;
}

static int abort_stream(void *sink) {
  (void)sink;
  return ftruncate(file, 0);
}

static const struct nbdstream_option path_option = {
    .name = "path",
    .type = NBDSTREAM_OPTION_STRING,
    .flags = NBDSTREAM_OPTION_REQUIRED | NBDSTREAM_OPTION_POSITIONAL,
    .help = "the file to write to",
};

#define TABLE_OF_SIMPLE                                                                          \
  .struct_size = sizeof(struct nbdstream_sink_table), .abi_minor = NBDSTREAM_SINK_ABI_MINOR,     \
  .name = "simple", .description = "Write to a file", .version = "1.0", .options = &path_option, \
  .option_count = 1, .option_size = sizeof path_option, .create = create, .destroy = destroy,    \
  .open = open_stream, .write = write_data, .commit = commit, .abort = abort_stream

#endif
