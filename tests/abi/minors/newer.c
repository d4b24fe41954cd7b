/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A module of a minor version that does not exist yet: every structure has one more member. It uses
 * that of the host only where the host has it, and works without. */
#include <string.h>

#include "simple.h"

static int create(const struct nbdstream_host *host, void **sink) {
  const int knows =
      host->struct_size >= offsetof(struct nbdstream_host, future) + sizeof host->future;
  host->log(host, NBDSTREAM_LOG_WARNING,
            knows ? "the host is as new as I am" : "the host is older than I am");
  return open_file(host, sink);
}

static const struct nbdstream_option options[] = {
    {"path", NBDSTREAM_OPTION_STRING, NBDSTREAM_OPTION_REQUIRED | NBDSTREAM_OPTION_POSITIONAL, NULL,
     "the file to write to", UINT64_MAX},
    {"second", NBDSTREAM_OPTION_INTEGER, 0, "2", "stands behind a larger first one", UINT64_MAX},
};

static const struct nbdstream_sink_table simple = {TABLE_OF_SIMPLE};
static struct nbdstream_sink_table table;

const struct nbdstream_sink_table *NBDSTREAM_SINK_ENTRY(void) {
  memcpy(&table, &simple, sizeof table);
  table.name = "newer";
  table.options = options;
  table.option_count = 2;
  table.future = UINT64_MAX;
  return &table;
}
