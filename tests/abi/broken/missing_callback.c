/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A module without the function `open`, which is required. */
#include "nothing.h"

static const struct nbdstream_sink_table table = {TABLE_OF_NOTHING, .open = NULL};

const struct nbdstream_sink_table *NBDSTREAM_SINK_ENTRY(void) {
  (void)open_nothing;
  return &table;
}
