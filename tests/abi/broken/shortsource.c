/* SPDX-License-Identifier: BSD-3-Clause */
#include <nbdstream/source.h>

const struct nbdstream_source_table *NBDSTREAM_SOURCE_ENTRY(void) {
  static const struct nbdstream_source_table table = {.struct_size = 16, .name = "shortsource"};
  return &table;
}
