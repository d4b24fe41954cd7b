/* SPDX-License-Identifier: BSD-3-Clause */
#include "frozen/sink-1.1.h"
#include "layout.h"

#define AT_LEAST(size, frozen) ((size) >= (frozen) ? (frozen) : (size))

const struct layout_line *layout_of_1_1(void) {
  static const struct layout_line lines[] = {
#include "layout.def"
#undef AT_LEAST
#define AT_LEAST(size, frozen) (size)
#include "layout_1_1.def"
      {NULL, 0, 0, 0, 0}};
  return lines;
}
