/* SPDX-License-Identifier: BSD-3-Clause
 *
 * nbdstream/source.h - the contract between nbdstream (the host) and a module that reads, in C.
 *
 * A source is what `nbdstream serve SCHEME://...` serves: bytes that do not change, such as an
 * object in a store. It is a shared library of the name of the scheme, with one entry point,
 * NBDSTREAM_SOURCE_ENTRY, that returns a table of functions. The same library may be a sink, too
 * (nbdstream/sink.h). The life of a source:
 *
 *   open -> { read | interrupt }* -> close
 *
 * CONVENTIONS
 *
 *   Results, ownership, units and growth are as in sink.h, but -EAGAIN has no meaning here: a call
 *   returns 0, or -errno.
 *
 *   Threads.  Every call may block, as none is made on the thread that serves clients once there
 *   are clients. read is called by several threads at a time, on one source.
 *
 *   Errors.  An error of open ends the host, with the sentence of host->explain() as its message.
 *   An error of read fails the requests of the clients that need these bytes, with that sentence in
 *   the log; the host goes on, and may read the same bytes again. What can be mended by another
 *   attempt should be mended in here. Bytes that may be wrong are an error.
 */
#ifndef NBDSTREAM_SOURCE_H
#define NBDSTREAM_SOURCE_H

#include "sink-1.1.h"

#ifdef __cplusplus
extern "C" {
#endif

#define NBDSTREAM_SOURCE_ABI_MAJOR 1
#define NBDSTREAM_SOURCE_ABI_MINOR 0

/* The name of the entry point carries the major version. */
#define NBDSTREAM_SOURCE_ENTRY nbdstream_source_v1

/* What a source is, once it is open. */
struct nbdstream_source_info {
  uint32_t struct_size; /* set by the host; the rest is 0 */
  uint32_t block;       /* bytes: a shorter read takes about as long as one of this length. The
                           host reads blocks of it, aligned to it, instead, and keeps some of them
                           for later reads. 0: any read is as good as another */
  uint64_t size;        /* bytes; at most 2^63 - 1 */
};

struct nbdstream_source_table {
  uint32_t struct_size;
  uint32_t abi_minor;      /* NBDSTREAM_SOURCE_ABI_MINOR that the module was compiled with */
  const char *name;        /* "s3" */
  const char *description; /* one line, without a full stop */
  const char *version;     /* free text */
  /* What --option can set. The positional one, which must be there, is all of SCHEME://... */
  const struct nbdstream_option *options;
  uint32_t option_count;
  uint32_t option_size; /* sizeof(struct nbdstream_option) */

  /* Opens what the settings name: sets *source, which every later call receives, and fills in
   * *info. On an error nothing is left behind and *source is not used. `host` is valid until close
   * returns: log may be called any time, on any thread; explain only from within open and read, on
   * the thread of the call; setting only from within open. Its other functions do nothing. Before
   * the host serves anybody, on one thread. Required. */
  int (*open)(const struct nbdstream_host *host, void **source, struct nbdstream_source_info *info);

  /* Fills `into` with the `length` bytes (1 or more) from `offset` on, all within the size.
   * Whatever it returns but 0 is an error, after which `into` may hold anything. The same bytes
   * each time: where what is read was replaced meanwhile, -ESTALE. State: open. Required. */
  int (*read)(void *source, uint64_t offset, void *into, size_t length);

  /* Has every read that runs, or comes later, return soon, with -EINTR say: the host ends. While
   * reads run, on another thread; not in a handler of a signal. NULL: reads never take long. */
  void (*interrupt)(void *source);

  /* Frees the source. State: open, and no other call runs. Required. */
  void (*close)(void *source);
};

/* The entry point of a module: must be defined with exactly this signature and exported. Each call
 * returns the same table. */
NBDSTREAM_SINK_PUBLIC const struct nbdstream_source_table *NBDSTREAM_SOURCE_ENTRY(void);

#ifdef __cplusplus
}
#endif
#endif
