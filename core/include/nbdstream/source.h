/* SPDX-License-Identifier: BSD-3-Clause
 *
 * nbdstream/source.h - the contract between nbdstream (the host) and a module that reads, in C.
 *
 * `nbdstream serve SCHEME://...` serves a source: bytes that do not change, such as an object in a
 * store. A source is a shared library whose name is the scheme. It has one entry point,
 * NBDSTREAM_SOURCE_ENTRY, which returns a table of functions. The same library may also be a sink
 * (nbdstream/sink.h). The life of a source:
 *
 *   open -> { read | interrupt }* -> close
 *
 * CONVENTIONS
 *
 *   Results, ownership, units and growth are as in sink.h, except that -EAGAIN has no meaning here:
 *   a call returns 0, or -errno.
 *
 *   Threads.  Every call may block: while there are clients, no call is made on the thread that
 *   serves them. Several threads call read on one source at the same time.
 *
 *   Errors.  An error of open ends the host; the message is the sentence of host->explain(). An
 *   error of read fails the requests of clients that need these bytes, and the log has that
 *   sentence; the host continues, and may read the same bytes again. If another attempt may
 *   succeed, the source should make it itself. Bytes that may be wrong are an error.
 */
#ifndef NBDSTREAM_SOURCE_H
#define NBDSTREAM_SOURCE_H

#include <nbdstream/sink.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NBDSTREAM_SOURCE_ABI_MAJOR 1
#define NBDSTREAM_SOURCE_ABI_MINOR 0

/* The name of the entry point carries the major version. */
#define NBDSTREAM_SOURCE_ENTRY nbdstream_source_v1

/* The description of an open source. */
struct nbdstream_source_info {
  uint32_t struct_size; /* set by the host; the rest is 0 */
  uint32_t block;       /* bytes: a shorter read takes about as long as a read of this length. So
                           the host reads aligned blocks of this length, and keeps some of them for
                           later reads. 0: no length is better than another */
  uint64_t size;        /* bytes; at most 2^63 - 1 */
};

struct nbdstream_source_table {
  uint32_t struct_size;
  uint32_t abi_minor;      /* NBDSTREAM_SOURCE_ABI_MINOR that the module was compiled with */
  const char *name;        /* "s3" */
  const char *description; /* one line, without a full stop */
  const char *version;     /* free text */
  /* The settings of --option. One option must be positional: its value is all of SCHEME://... */
  const struct nbdstream_option *options;
  uint32_t option_count;
  uint32_t option_size; /* sizeof(struct nbdstream_option) */

  /* Opens the source that the settings describe: sets *source, which every later call receives, and
   * fills in *info. On an error nothing is left behind and *source is not used. `host` is valid
   * until close returns: log may be called any time, on any thread; explain only from within open
   * and read, on the thread of the call; setting only from within open. Its other functions do
   * nothing. Called on one thread, before the host serves clients. Required. */
  int (*open)(const struct nbdstream_host *host, void **source, struct nbdstream_source_info *info);

  /* Fills `into` with the `length` bytes (1 or more) from `offset` on, which are all within the
   * size. Any result but 0 is an error; then the content of `into` is undefined. Must return the
   * same bytes each time; -ESTALE if they were replaced meanwhile. State: open. Required. */
  int (*read)(void *source, uint64_t offset, void *into, size_t length);

  /* Makes every read that runs or comes later return soon, for example with -EINTR, because the
   * host ends. Called while reads run, on another thread, not in a signal handler. NULL: reads
   * never take long. */
  void (*interrupt)(void *source);

  /* Frees the source. State: open, and no other call is running. Required. */
  void (*close)(void *source);
};

/* The entry point of a module: must be defined with exactly this signature and exported. Each call
 * returns the same table. */
NBDSTREAM_SINK_PUBLIC const struct nbdstream_source_table *NBDSTREAM_SOURCE_ENTRY(void);

#ifdef __cplusplus
}
#endif
#endif
