/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A module that exports a second symbol. */
#include "nothing.h"

static const struct nbdstream_sink_table table = {TABLE_OF_NOTHING, .open = open_nothing};

NBDSTREAM_SINK_PUBLIC int left_open_to_others(void);
int left_open_to_others(void) {
  return 0;
}

const struct nbdstream_sink_table *NBDSTREAM_SINK_ENTRY(void) {
  return &table;
}
