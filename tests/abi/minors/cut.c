/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A table whose size ends in the middle of `interrupt`. */
#include "simple.h"

static int create(const struct nbdstream_host *host, void **sink) {
  return open_file(host, sink);
}

static void interrupt(void *sink) {
  (void)sink;
}

static struct nbdstream_sink_table table = {TABLE_OF_SIMPLE, .interrupt = interrupt};

const struct nbdstream_sink_table *NBDSTREAM_SINK_ENTRY(void) {
  table.struct_size = offsetof(struct nbdstream_sink_table, interrupt) + 4;
  return &table;
}
