/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A module whose entry point returns NULL. */
#include <nbdstream/sink.h>

const struct nbdstream_sink_table *NBDSTREAM_SINK_ENTRY(void) {
  return NULL;
}
