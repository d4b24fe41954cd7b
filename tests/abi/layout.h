/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a header of sinks, or of sources, says, line by line of layout.def. Whoever includes this
 * has included that header. */
#ifndef NBDSTREAM_TESTS_LAYOUT_H
#define NBDSTREAM_TESTS_LAYOUT_H

#include <stddef.h>

struct layout_line {
  const char *name;
  size_t offset, size; /* of a constant: 0, and its value */
  size_t frozen_offset, frozen_size;
};

/* The lines; ends with one without a name. */
#ifdef __cplusplus
extern "C" {
#endif
const struct layout_line *layout_of_today(void);
const struct layout_line *layout_of_1_0(void);
const struct layout_line *layout_of_1_1(void);
const struct layout_line *layout_of_source_1_0(void);
#ifdef __cplusplus
}
#endif

/* A structure of today may have grown. */
#define STRUCT(type, length) {#type, 0, AT_LEAST(sizeof(struct type), length), 0, length},
#define FIELD(type, member, offset, length)                                                      \
  {#type "." #member, offsetof(struct type, member), sizeof(((struct type *)0)->member), offset, \
   length},
#define CONSTANT(name, value) {#name, 0, name, 0, value},

#endif
