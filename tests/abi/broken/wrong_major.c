/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A module of a major version that does not exist yet. */
#include "nothing.h"

static const struct nbdstream_sink_table table = {TABLE_OF_NOTHING, .open = open_nothing};

NBDSTREAM_SINK_PUBLIC const struct nbdstream_sink_table *nbdstream_sink_v2(void);
const struct nbdstream_sink_table *nbdstream_sink_v2(void) {
  return &table;
}
