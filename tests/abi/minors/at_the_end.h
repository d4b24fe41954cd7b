/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Puts a table at the end of a page, so that a read past the end of the table faults. */
#ifndef NBDSTREAM_TESTS_AT_THE_END_H
#define NBDSTREAM_TESTS_AT_THE_END_H

#include <nbdstream/sink.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static inline const struct nbdstream_sink_table *at_the_end(struct nbdstream_sink_table table,
                                                            uint32_t size) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  char *memory = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory + page, page, PROT_NONE) < 0) return NULL;
  table.struct_size = size;
  void *place = memory + page - size;
  memcpy(place, &table, size);
  return place;
}

#endif
