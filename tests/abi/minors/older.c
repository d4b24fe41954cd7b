/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A module of a header that ended before `interrupt`. */
#define _DEFAULT_SOURCE

#include "at_the_end.h"
#include "simple.h"

static int create(const struct nbdstream_host *host, void **sink) {
  return open_file(host, sink);
}

const struct nbdstream_sink_table *NBDSTREAM_SINK_ENTRY(void) {
  const struct nbdstream_sink_table table = {TABLE_OF_SIMPLE};
  return at_the_end(table, offsetof(struct nbdstream_sink_table, interrupt));
}
