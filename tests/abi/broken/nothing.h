/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A complete table whose functions do nothing, for modules that are broken in one respect. */
#ifndef NBDSTREAM_TESTS_NOTHING_H
#define NBDSTREAM_TESTS_NOTHING_H

#include <nbdstream/sink.h>

static inline int create_nothing(const struct nbdstream_host *host, void **sink) {
  (void)host;
  *sink = NULL;
  return 0;
}
static inline void destroy_nothing(void *sink) {
  (void)sink;
}
static inline int open_nothing(void *sink, const struct nbdstream_stream *stream) {
  (void)sink;
  (void)stream;
  return 0;
}
static inline int64_t write_nothing(void *sink, const void *data, size_t length) {
  (void)sink;
  (void)data;
  return (int64_t)length;
}
static inline int commit_nothing(void *sink, uint64_t length) {
  (void)sink;
  (void)length;
  return 0;
}
static inline int abort_nothing(void *sink) {
  (void)sink;
  return 0;
}

#define TABLE_OF_NOTHING                                                                     \
  .struct_size = sizeof(struct nbdstream_sink_table), .abi_minor = NBDSTREAM_SINK_ABI_MINOR, \
  .name = "broken", .description = "Be refused", .version = "1.0",                           \
  .option_size = sizeof(struct nbdstream_option), .create = create_nothing,                  \
  .destroy = destroy_nothing, .write = write_nothing, .commit = commit_nothing,              \
  .abort = abort_nothing

#endif
