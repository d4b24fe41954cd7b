/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the test modules share: each writes its calls to a journal. */
#ifndef NBDSTREAM_TESTS_JOURNAL_H
#define NBDSTREAM_TESTS_JOURNAL_H

#include <fcntl.h>
#include <nbdstream/sink.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Opens the file that an option names for appending; -1 if it names none. */
static inline int open_named_by(const struct nbdstream_host *host, const char *option) {
  const struct nbdstream_setting *setting = host->setting(host, option);
  if (setting == NULL) return -1;
  return open(setting->text, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
}

static inline int64_t number_of(const struct nbdstream_host *host, const char *option) {
  const struct nbdstream_setting *setting = host->setting(host, option);
  return setting == NULL ? 0 : setting->number;
}

/* Appends one line in one write, so that a reader never sees half of it. */
__attribute__((format(printf, 2, 3))) static inline void note(int fd, const char *format, ...) {
  char line[128];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(line, sizeof line - 1, format, arguments);
  va_end(arguments);
  line[length++] = '\n';
  if (fd >= 0 && write(fd, line, (size_t)length) < 0) abort();
}

#endif
