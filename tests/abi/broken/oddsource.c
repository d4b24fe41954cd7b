/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A module that reads, and breaks the contract in the call that its URL names: oddsource://open,
 * oddsource://read, oddsource://size. oddsource://empty keeps the contract; its size is 0. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <nbdstream/source.h>

static int open_it(const struct nbdstream_host *host, void **source,
                   struct nbdstream_source_info *info) {
  static int one;
  const char *url = host->setting(host, "url")->text;
  *source = &one;
  info->size = 1 << 20;
  if (strstr(url, "size") != NULL) info->size = (uint64_t)1 << 63;
  if (strstr(url, "empty") != NULL) info->size = 0;
  return strstr(url, "open") != NULL ? EACCES : 0;
}

static int read_it(void *source, uint64_t offset, void *into, size_t length) {
  (void)source;
  if (length == 0) return -ENOTSUP;
  memset(into, 'm', length);
  return offset >= 65536 ? EIO : 0;
}

static void close_it(void *source) {
  (void)source;
}

const struct nbdstream_source_table *NBDSTREAM_SOURCE_ENTRY(void) {
  static const struct nbdstream_option options[] = {
      {"url", NBDSTREAM_OPTION_STRING, NBDSTREAM_OPTION_REQUIRED | NBDSTREAM_OPTION_POSITIONAL,
       NULL, "oddsource:// and what it does"}};
  static const struct nbdstream_source_table table = {.struct_size = sizeof table,
                                                      .abi_minor = NBDSTREAM_SOURCE_ABI_MINOR,
                                                      .name = "oddsource",
                                                      .description = "Breaks the contract",
                                                      .version = "1",
                                                      .options = options,
                                                      .option_count = 1,
                                                      .option_size = sizeof *options,
                                                      .open = open_it,
                                                      .read = read_it,
                                                      .close = close_it};
  return &table;
}
