/* SPDX-License-Identifier: BSD-3-Clause
 *
 * nbdstream/sink.h - the contract between nbdstream (the host) and a sink module, in C.
 *
 * A sink is the destination of a stream. It is a shared library with one entry point,
 * NBDSTREAM_SINK_ENTRY, which returns a table of functions. The life of a sink:
 *
 *   create -> open -> { write | zero | flush }* -> commit -> (open ...) -> destroy
 *                     \________ abort, from any point after open ________/
 *
 * CONVENTIONS
 *
 *   Results.  A call returns 0 or more for success, or -errno. -EAGAIN means "not now, nothing
 *   was consumed": the host asks wait_for() what to wait for, waits, and repeats the same call
 *   with the same arguments. Before a call returns another error, it may pass a sentence for the
 *   user to host->explain().
 *
 *   Threads.  Calls on one sink never overlap. They are made on the host's only thread, which also
 *   serves every other client: a call must not block, unless its phase is declared in `blocking`.
 *   Calls of declared phases run on a thread that belongs to this sink alone. interrupt() is the
 *   only exception to both rules, see there.
 *
 *   Ownership.  What the host passes to a call is valid until the call returns (the host table
 *   itself: until destroy returns). What the module returns (its table, names, list of options)
 *   must stay valid and unchanged for ever: a module is never unloaded.
 *
 *   Units.  Lengths and offsets are bytes, times are nanoseconds.
 *
 *   Growth.  This header is frozen: no member, constant or signature in it will change, and a
 *   module that was built with it loads in every later version of major 1. "Since 1.1" marks what
 *   was added after 1.0. Every structure that host and module exchange contains its size (for an
 *   option: option_size of the table). Members are only ever appended, which raises the minor
 *   version. A reader must not look beyond the size that it was given, and treats a missing member
 *   as zero. A module that uses more of the host than 1.0 checks host->struct_size first. An older
 *   host refuses a module that declares a newer type of option. A NULL function means "not
 *   supported". A change that breaks these rules raises the major version, and with it the name of
 *   the entry point.
 */
#ifndef NBDSTREAM_SINK_H
#define NBDSTREAM_SINK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NBDSTREAM_SINK_ABI_MAJOR 1
#define NBDSTREAM_SINK_ABI_MINOR 1

/* The name of the entry point carries the major version. */
#define NBDSTREAM_SINK_ENTRY nbdstream_sink_v1

#define NBDSTREAM_SINK_PUBLIC __attribute__((visibility("default")))

/* ---- The settings of a module ------------------------------------------------------------- */

enum nbdstream_option_type {
  NBDSTREAM_OPTION_STRING = 1,
  NBDSTREAM_OPTION_INTEGER = 2,  /* number: a signed 64-bit integer */
  NBDSTREAM_OPTION_BOOLEAN = 3,  /* true/false, yes/no, on/off, 1/0; number: 1 or 0 */
  NBDSTREAM_OPTION_SIZE = 4,     /* as nbdkit parses sizes (512, 640k, 40G); number: bytes */
  NBDSTREAM_OPTION_DURATION = 5, /* 10, 10s, 500ms, 2m, 1h; number: nanoseconds */
  NBDSTREAM_OPTION_MODE = 6      /* since 1.1: permissions of a file as octal digits, at most 0777;
                                    number: their bits */
};

enum nbdstream_option_flags {
  NBDSTREAM_OPTION_REQUIRED = 1,      /* without a value the host refuses the configuration */
  NBDSTREAM_OPTION_POSITIONAL = 2,    /* the ARGUMENT of --sink NAME:ARGUMENT; at most one option */
  NBDSTREAM_OPTION_SECRET = 4,        /* never shown by --dump-config or in a log */
  NBDSTREAM_OPTION_EXCLUSIVE_PATH = 8 /* since 1.1: a STRING, the path of a file or FIFO that holds
                                         one stream at a time: the host refuses two exports with
                                         the same path */
};

/* One setting of the module. The host checks the command line and TOML against the list of
 * options, so a module never sees an unknown key or a malformed value. */
struct nbdstream_option {
  const char *name;          /* words joined by '-', as in "reader-timeout" */
  uint32_t type;             /* enum nbdstream_option_type */
  uint32_t flags;            /* enum nbdstream_option_flags */
  const char *default_value; /* as a user would write it; NULL: none */
  const char *help;          /* one line, without a full stop */
};

/* The value of a setting. */
struct nbdstream_setting {
  uint32_t struct_size;
  uint32_t reserved;
  const char *text; /* as written by the user, or the default */
  int64_t number;   /* for every type but STRING, see enum nbdstream_option_type */
};

/* ---- What the host offers ----------------------------------------------------------------- */

enum nbdstream_log_level {
  NBDSTREAM_LOG_ERROR = 1,
  NBDSTREAM_LOG_WARNING = 2,
  NBDSTREAM_LOG_INFO = 3,
  NBDSTREAM_LOG_DEBUG = 4
};

struct nbdstream_host {
  uint32_t struct_size;
  uint32_t abi_minor; /* the host's */
  void *context;      /* the host's own */

  /* Writes one line to the log; `text` has no newline. Any thread, any time until destroy. */
  void (*log)(const struct nbdstream_host *host, int level, const char *text);

  /* Tells in one sentence why the running call is about to fail; the host's message has it instead
   * of the text of errno. Only from within a call, on that call's thread. */
  void (*explain)(const struct nbdstream_host *host, const char *text);

  /* Returns the value of an option, or NULL if it has neither a value nor a default. Only during
   * create; the text is valid until destroy returns. */
  const struct nbdstream_setting *(*setting)(const struct nbdstream_host *host, const char *name);

  /* Since 1.1: adds a fact about the stream to its receipt, such as the key "inode" with the value
   * "1234". `key` has a-z, 0-9 and '_', at most 64 bytes; `value` is UTF-8, at most 4096 bytes. Add
   * no secrets. If a key is added twice, the last value counts. Only the first 64 keys count. Only
   * from within commit, on that call's thread; an older host lacks it: check struct_size. */
  void (*result)(const struct nbdstream_host *host, const char *key, const char *value);

  /* Since 1.1: tells that the first `length` bytes of the open stream are safe on the other side:
   * it has acknowledged them, or they are on its disk. The host only shows this to the user. The
   * largest value counts. Any thread, from open until commit or abort has returned. */
  void (*progress)(const struct nbdstream_host *host, uint64_t length);

  /* Since 1.1: makes the host repeat, at once, a call that returned -EAGAIN. If no call is under
   * way and a stream is open, makes the host call check. Returns at once. Several calls of wake may
   * have the effect of one. Any thread, any time until destroy, but not in a signal handler. */
  void (*wake)(const struct nbdstream_host *host);
};

/* ---- The description of a stream ---------------------------------------------------------- */

enum nbdstream_stream_flags {
  NBDSTREAM_STREAM_SIZE_KNOWN = 1, /* the stream is never longer than `size`, but may be shorter */
  NBDSTREAM_STREAM_SIZE_EXACT = 2  /* since 1.1, with SIZE_KNOWN: a commit has the length `size` */
};

struct nbdstream_stream {
  uint32_t struct_size;
  uint32_t flags;          /* enum nbdstream_stream_flags */
  uint64_t id;             /* 1 for the first stream of this export, then 2, ... */
  uint64_t size;           /* bytes; 0 if not known */
  const char *export_name; /* UTF-8, may be empty */

  /* Since 1.1. The receipt and the status of the host contain both. */
  const char *unique_id; /* 32 random digits 0-9 and a-f; no other stream anywhere has the same */
  int64_t began_ns;      /* when the stream began: nanoseconds since 1970, UTC */
};

/* What to wait for before a call that returned -EAGAIN is repeated: for fd or for timeout_ns,
 * whichever comes first. */
struct nbdstream_wait {
  uint32_t struct_size;
  uint32_t events; /* POLLIN, POLLOUT as in poll(2); errors and hang-ups always count */
  int32_t fd;      /* -1: none. It stays the module's; the host changes no flag of it */
  uint32_t reserved;
  int64_t timeout_ns; /* -1: none. One of fd and timeout_ns must be given */
};

/* ---- The module's table ------------------------------------------------------------------- */

enum nbdstream_sink_flags {
  /* The stream goes to the standard output of the process. A process can have at most one such
   * sink, for at most one stream, and not together with --single. */
  NBDSTREAM_SINK_USES_STDOUT = 1
};

/* Phases whose calls may block. */
enum nbdstream_sink_blocking {
  NBDSTREAM_BLOCKING_OPEN = 1,  /* open: name look-up, login */
  NBDSTREAM_BLOCKING_WRITE = 2, /* write, zero, flush */
  NBDSTREAM_BLOCKING_FINISH = 4 /* commit, abort: fsync, rename, waiting for a process */
};

enum nbdstream_fd_flags {
  /* Other processes share the open file description (such as that of an inherited stdout), so the
   * host must not change its flags, such as O_NONBLOCK. */
  NBDSTREAM_FD_SHARED = 1
};

struct nbdstream_sink_table {
  uint32_t struct_size;
  uint32_t abi_minor;      /* NBDSTREAM_SINK_ABI_MINOR that the module was compiled with */
  const char *name;        /* "fifo" */
  const char *description; /* one line, without a full stop */
  const char *version;     /* free text */
  uint32_t flags;          /* enum nbdstream_sink_flags */
  uint32_t blocking;       /* enum nbdstream_sink_blocking, combined with | */
  const struct nbdstream_option *options;
  uint32_t option_count;
  uint32_t option_size; /* sizeof(struct nbdstream_option) */

  /* Checks the settings and prepares what must exist before a client comes (the fifo sink makes
   * its FIFO), and sets *sink, which every later call receives. Always on the host's thread,
   * before it listens; may block briefly. On an error nothing is left behind and *sink is not
   * used. Required. */
  int (*create)(const struct nbdstream_host *host, void **sink);

  /* Frees the sink. State: created, not open. Host's thread. Required. */
  void (*destroy)(void *sink);

  /* Begins a stream. State: not open. Returns -EAGAIN while the other side is not ready. After any
   * other error the host calls abort, and then the sink is not open. Phase OPEN. Required. */
  int (*open)(void *sink, const struct nbdstream_stream *stream);

  /* Takes up to `length` (1 or more) bytes, the next of the stream; returns how many, 1 or more.
   * State: open. Phase WRITE. Not called while a descriptor is lent; required otherwise. */
  int64_t (*write)(void *sink, const void *data, size_t length);

  /* Appends up to `length` (1 or more) zero bytes; returns how many, 1 or more. With a lent
   * descriptor it moves that descriptor's file offset on. State: open. Phase WRITE.
   * NULL, or -ENOTSUP: the host writes zero bytes instead. */
  int64_t (*zero)(void *sink, uint64_t length);

  /* The client asked that what was sent so far be made durable. State: open. Phase WRITE.
   * NULL: nothing to do. */
  int (*flush)(void *sink);

  /* Lends the host a descriptor to which it writes the stream itself; or returns -1 to have write
   * called. Until commit or abort, the host then calls only zero, flush, wait_for and check; for
   * the null device it does not call zero either. The host does not close the descriptor, and moves
   * its offset only by writing. It may set O_NONBLOCK, unless NBDSTREAM_FD_SHARED is set in
   * *fd_flags (0 on entry). Called once after each open, on the host's thread; must not block.
   * NULL: no descriptor. */
  int (*native_fd)(void *sink, uint32_t *fd_flags);

  /* After a call returned -EAGAIN: fills in *wait (on entry struct_size is set, fd and timeout_ns
   * are -1, the rest is zero). On the thread of that call; must not block. NULL only if no call
   * ever returns -EAGAIN. */
  int (*wait_for)(void *sink, struct nbdstream_wait *wait);

  /* The stream is complete: `length` bytes were sent. Makes it final, and only then returns 0,
   * after which the sink is no longer open. After an error the host calls abort; it may also do so
   * instead of repeating a commit that returned -EAGAIN. State: open. Phase FINISH. Required. */
  int (*commit)(void *sink, uint64_t length);

  /* The stream is not complete. It must not look like a complete one, if the medium can show the
   * difference. Undoes what can be undone. Never fails; may return -EAGAIN for a bounded time.
   * State: open, or after an open or commit that failed; afterwards not open. Phase FINISH.
   * Required. */
  int (*abort)(void *sink);

  /* Asks a blocking call that is running on the sink's own thread to return soon, for example with
   * -EINTR. Called from the host's thread WHILE that call runs, and again every 100 ms until it
   * returns. Only calls of a declared blocking phase are interrupted. Do only what is
   * async-signal-safe: set an atomic flag, or write to an eventfd. While the call has not returned
   * after the host's grace period, its export serves no stream; when all other exports have ended,
   * the process ends without waiting for the call and without abort. May be NULL. */
  void (*interrupt)(void *sink);

  /* Since 1.1: tells whether the open stream can still be completed, as far as the module knows: 0,
   * or -errno if it cannot, for example because the other side is gone. After an error the stream
   * has failed, and the host calls abort. Called after host->wake(), and at other times. State:
   * open, also while a descriptor is lent; no other call is under way or has returned -EAGAIN.
   * Always on the host's thread; must not block, and never returns -EAGAIN. NULL: no check. */
  int (*check)(void *sink);
};

/* The entry point of a module: must be defined with exactly this signature and exported.
 * Called once, after loading. */
NBDSTREAM_SINK_PUBLIC const struct nbdstream_sink_table *NBDSTREAM_SINK_ENTRY(void);

#ifdef __cplusplus
}
#endif
#endif
