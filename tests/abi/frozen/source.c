/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A module that reads, as it was written when ABI 1.0 of sources was frozen; it uses all of it.
 * Neither this file nor the headers beside it may change: what was built from them somewhere must
 * load for ever. It reads a file. */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "source-1.0.h"

struct source {
  const struct nbdstream_host *host;
  int fd, hang, stop[2];
  int64_t fail_at;
};

static const struct nbdstream_setting *setting(const struct nbdstream_host *host,
                                               const char *name) {
  const struct nbdstream_setting *found = host->setting(host, name);
  return found != NULL && found->struct_size >= sizeof *found ? found : NULL;
}

static int open_file(const struct nbdstream_host *host, void **out,
                     struct nbdstream_source_info *info) {
  char text[80];
  struct stat about;
  if (host->struct_size < sizeof *host || info->struct_size < sizeof *info) return -EPROTO;
  const char *path = setting(host, "url")->text + strlen("source://");
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  if (fstat(fd, &about) < 0 || about.st_size == 1) {
    host->explain(host, "this module reads no file of one byte");
    close(fd);
    return -EINVAL;
  }
  struct source *source = calloc(1, sizeof *source);
  if (source == NULL || pipe(source->stop) < 0) abort();
  source->host = host;
  source->fd = fd;
  source->hang = (int)setting(host, "hang")->number;
  source->fail_at = setting(host, "fail-at") == NULL ? -1 : setting(host, "fail-at")->number;
  info->size = (uint64_t)about.st_size;
  info->block = (uint32_t)setting(host, "block")->number;
  snprintf(text, sizeof text, "a file of %d bytes", (int)about.st_size);
  host->log(host, NBDSTREAM_LOG_WARNING, text);
  *out = source;
  return 0;
}

static int read_file(void *self, uint64_t offset, void *into, size_t length) {
  struct source *source = self;
  const uint64_t fail_at = (uint64_t)source->fail_at;
  if (source->fail_at >= 0 && offset <= fail_at && fail_at < offset + length) {
    source->host->explain(source->host, "this module was told to fail");
    return -EIO;
  }
  if (source->hang && offset > 0) {
    struct pollfd stop = {source->stop[0], POLLIN, 0};
    source->host->log(source->host, NBDSTREAM_LOG_WARNING, "hangs");
    while (poll(&stop, 1, -1) < 0 && errno == EINTR) continue;
    return -EINTR;
  }
  char *to = into;
  while (length > 0) {
    const ssize_t count = pread(source->fd, to, length, (off_t)offset);
    if (count < 0) return -errno;
    if (count == 0) return -EIO;
    to += count;
    offset += (uint64_t)count;
    length -= (size_t)count;
  }
  return 0;
}

static void interrupt(void *self) {
  struct source *source = self;
  if (write(source->stop[1], "", 1) < 0) abort();
}

static void close_file(void *self) {
  struct source *source = self;
  close(source->fd);
  close(source->stop[0]);
  close(source->stop[1]);
  free(source);
}

const struct nbdstream_source_table *NBDSTREAM_SOURCE_ENTRY(void) {
  static const struct nbdstream_option options[] = {
      {"url", NBDSTREAM_OPTION_STRING, NBDSTREAM_OPTION_REQUIRED | NBDSTREAM_OPTION_POSITIONAL,
       NULL, "source:// and the file"},
      {"block", NBDSTREAM_OPTION_SIZE, 0, "0", "What it says of blocks"},
      {"fail-at", NBDSTREAM_OPTION_SIZE, 0, NULL, "A byte that cannot be read"},
      {"hang", NBDSTREAM_OPTION_BOOLEAN, 0, "false", "Whether reads that begin behind 0 end"}};
  static const struct nbdstream_source_table table = {
      .struct_size = sizeof table,
      .abi_minor = NBDSTREAM_SOURCE_ABI_MINOR,
      .name = "source",
      .description = "A file, as seen by a module that was built long ago",
      .version = "1",
      .options = options,
      .option_count = sizeof options / sizeof *options,
      .option_size = sizeof *options,
      .open = open_file,
      .read = read_file,
      .interrupt = interrupt,
      .close = close_file};
  return &table;
}
