/* SPDX-License-Identifier: BSD-3-Clause
 *
 * nbdstream/sink.h - the contract between nbdstream (the host) and a sink module, in C.
 *
 * A sink is where a stream goes. It is a shared library with one entry point,
 * NBDSTREAM_SINK_ENTRY, that returns a table of functions. The life of a sink:
 *
 *   create -> open -> { write | zero | flush }* -> commit -> (open ...) -> destroy
 *                     \________ abort, from any point after open ________/
 *
 * CONVENTIONS
 *
 *   Results.  A call returns 0 or more for success, or -errno. -EAGAIN means "not now, nothing
 *   was consumed": the host asks wait_for() what to wait for, waits, and repeats the same call
 *   with the same arguments. Before returning another error a module may call host->explain()
 *   with a sentence for the user.
 *
 *   Threads.  Calls on one sink never overlap, and are made on the host's only thread, which also
 *   serves every other client: a call must not block, unless its phase is declared in `blocking`.
 *   Declared phases run on a thread that belongs to this sink alone. interrupt() is the one
 *   exception to both rules, see there.
 *
 *   Ownership.  What the host passes in is valid until the call returns (the host table itself:
 *   until destroy returns). What the module returns (its table, names, option list) stays valid
 *   and unchanged for ever: a module is never unloaded.
 *
 *   Units.  Lengths and offsets are bytes, times are nanoseconds.
 *
 *   Growth.  What stands here is frozen: no member, constant or signature of it will change, and a
 *   module that was built with it loads in every later version of major 1. What came after 1.0 says
 *   since when it is there. Every structure
 *   that crosses the boundary says how large it is (an option does in option_size). Members are
 *   only ever appended, which raises the minor version; a reader must not look past the size that
 *   it was told, and takes what is not there for zero. A module that wants more than 1.0 of the
 *   host looks at host->struct_size first; one that declares a type of option that came later is
 *   refused by an older host. A NULL function means "not supported". A change that breaks this
 *   raises the major version and with it the entry point's name.
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

/* ---- What a module may be told about its settings --------------------------------------- */

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
                                         one stream at a time: two exports may not name the same */
};

/* One setting that the module understands. The host validates command line and TOML against the
 * list, so that a module never sees an unknown key or a malformed value. */
struct nbdstream_option {
  const char *name;          /* words joined by '-', as in "reader-timeout" */
  uint32_t type;             /* enum nbdstream_option_type */
  uint32_t flags;            /* enum nbdstream_option_flags */
  const char *default_value; /* as a user would write it; NULL: none */
  const char *help;          /* one line, without a full stop */
};

/* A setting's value. */
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

  /* Writes one line to the log; `text` without a newline. Any thread, any time until destroy. */
  void (*log)(const struct nbdstream_host *host, int level, const char *text);

  /* Says in one sentence why the call that is running is about to fail; it replaces the text of
   * errno in the host's message. Only from within a call, on that call's thread. */
  void (*explain)(const struct nbdstream_host *host, const char *text);

  /* The value of an option, or NULL where it has neither a value nor a default. Only during
   * create; the text is valid until destroy returns. */
  const struct nbdstream_setting *(*setting)(const struct nbdstream_host *host, const char *name);

  /* Since 1.1: says something of the stream that is about to be final, for its receipt: "inode" is
   * "1234". `key` is of a-z, 0-9 and '_', at most 64 bytes, `value` UTF-8, at most 4096; no
   * secrets. The last value of a key counts, and those of the first 64 keys. Only from within
   * commit, on that call's thread; an earlier host does not have it: see struct_size. */
  void (*result)(const struct nbdstream_host *host, const char *key, const char *value);

  /* Since 1.1: of the stream that is open, the first `length` bytes are safe with the other side:
   * it has acknowledged them, or they are on its disk. Shown to the user, and no more than that;
   * the largest value counts. Any thread, from open until commit or abort has returned. */
  void (*progress)(const struct nbdstream_host *host, uint64_t length);

  /* Since 1.1: has the host look at the sink soon: a call that said -EAGAIN is repeated at once;
   * where no call is under way, and a stream is open, check is called. Returns at once. Several
   * that follow one another may have the effect of one. Any thread, any time until destroy, but not
   * in a handler of a signal. */
  void (*wake)(const struct nbdstream_host *host);
};

/* ---- What a sink is told about a stream --------------------------------------------------- */

enum nbdstream_stream_flags {
  NBDSTREAM_STREAM_SIZE_KNOWN = 1, /* `size` says what a commit will name as its length, at most */
  NBDSTREAM_STREAM_SIZE_EXACT = 2  /* since 1.1, beside SIZE_KNOWN: a commit will name `size` */
};

struct nbdstream_stream {
  uint32_t struct_size;
  uint32_t flags;          /* enum nbdstream_stream_flags */
  uint64_t id;             /* 1 for the first stream of this export, then 2, ... */
  uint64_t size;           /* bytes; 0 where not known */
  const char *export_name; /* UTF-8, may be empty */

  /* Since 1.1, also in the receipt and in the status of the host. */
  const char *unique_id; /* 32 digits of 0-9 and a-f: random, no other stream anywhere has them */
  int64_t began_ns;      /* when the stream began: nanoseconds since 1970, UTC */
};

/* What to wait for before a call that said -EAGAIN is repeated: whichever comes first. */
struct nbdstream_wait {
  uint32_t struct_size;
  uint32_t events; /* POLLIN, POLLOUT as in poll(2); errors and hang-ups always count */
  int32_t fd;      /* -1: none. Stays the module's; the host changes no flag of it */
  uint32_t reserved;
  int64_t timeout_ns; /* -1: none. One of fd and timeout_ns must be given */
};

/* ---- The module's table ------------------------------------------------------------------- */

enum nbdstream_sink_flags {
  /* The stream goes to the process's standard output: at most one such sink in a process, for at
   * most one stream, and never together with --single. */
  NBDSTREAM_SINK_USES_STDOUT = 1
};

/* Phases whose calls may block. */
enum nbdstream_sink_blocking {
  NBDSTREAM_BLOCKING_OPEN = 1,  /* open: name look-up, login */
  NBDSTREAM_BLOCKING_WRITE = 2, /* write, zero, flush */
  NBDSTREAM_BLOCKING_FINISH = 4 /* commit, abort: fsync, rename, waiting for a process */
};

enum nbdstream_fd_flags {
  /* The open file description is shared with other processes (an inherited stdout), so that its
   * flags, O_NONBLOCK above all, are not ours to change. */
  NBDSTREAM_FD_SHARED = 1
};

struct nbdstream_sink_table {
  uint32_t struct_size;
  uint32_t abi_minor;      /* NBDSTREAM_SINK_ABI_MINOR that the module was compiled with */
  const char *name;        /* "fifo" */
  const char *description; /* one line, without a full stop */
  const char *version;     /* free text */
  uint32_t flags;          /* enum nbdstream_sink_flags */
  uint32_t blocking;       /* enum nbdstream_sink_blocking, or-ed */
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

  /* Begins a stream. State: not open. -EAGAIN while the other side is not there yet. After any
   * other error the host calls abort, then treats the sink as not open. Phase OPEN. Required. */
  int (*open)(void *sink, const struct nbdstream_stream *stream);

  /* Takes up to `length` (1 or more) bytes, the next of the stream; returns how many, 1 or more.
   * State: open. Phase WRITE. Not called while a descriptor is lent; required otherwise. */
  int64_t (*write)(void *sink, const void *data, size_t length);

  /* Appends up to `length` (1 or more) zero bytes; returns how many, 1 or more. With a lent
   * descriptor it moves that descriptor's file offset on. State: open. Phase WRITE.
   * NULL, or -ENOTSUP: the host writes the zeroes itself. */
  int64_t (*zero)(void *sink, uint64_t length);

  /* The client asked that what was sent so far be made durable. State: open. Phase WRITE.
   * NULL: nothing to do. */
  int (*flush)(void *sink);

  /* Lends the host a descriptor to which it writes the stream itself, without further calls but
   * zero, flush, wait_for, until commit or abort is called; or -1 to have write called. The host
   * neither closes it nor moves its offset but by writing; it may set O_NONBLOCK, unless
   * NBDSTREAM_FD_SHARED is set in *fd_flags (0 on entry). Called once after each open, on the
   * host's thread; must not block. NULL: no descriptor. */
  int (*native_fd)(void *sink, uint32_t *fd_flags);

  /* After a call said -EAGAIN: fills in *wait (struct_size is set, the rest is zero, fd and
   * timeout_ns are -1). On the thread of the call that said it; must not block. NULL only where
   * no call ever says -EAGAIN. */
  int (*wait_for)(void *sink, struct nbdstream_wait *wait);

  /* The stream is complete: `length` bytes were sent. Makes it final, and only then returns 0,
   * after which the sink is no longer open. After an error, or instead of a repetition while it
   * says -EAGAIN, abort is called. State: open. Phase FINISH. Required. */
  int (*commit)(void *sink, uint64_t length);

  /* The stream is not complete and must not look as if it were, as far as the medium can tell.
   * Undoes what can be undone. Never fails; may say -EAGAIN within a bounded time. State: open,
   * or after an open or commit that failed; afterwards not open. Phase FINISH. Required. */
  int (*abort)(void *sink);

  /* Asks a blocking call that is running on the sink's own thread to return soon, with -EINTR
   * say. Called from the host's thread WHILE that call runs, again every 100 ms until it returns.
   * Only calls in a declared blocking phase are ever interrupted. Async-signal-safe work only:
   * set an atomic flag, write to an eventfd. If the call does not return within the host's grace
   * period, its export serves no stream as long as that lasts, and the process ends, when all
   * others are done, without waiting for it and without abort. May be NULL. */
  void (*interrupt)(void *sink);

  /* Since 1.1: whether the stream that is open can still be completed, as far as is known: 0, or
   * -errno where it cannot, since the other side is gone, say. Then the stream is over, and abort
   * is called. Called after host->wake(), and whenever else the host likes. State: open, also while
   * a descriptor is lent; no other call is under way, nor has said -EAGAIN. Always on the host's
   * thread; must not block, and never says -EAGAIN. NULL: there is nothing to ask. */
  int (*check)(void *sink);
};

/* The entry point of a module: must be defined with exactly this signature and exported.
 * Called once, after loading. */
NBDSTREAM_SINK_PUBLIC const struct nbdstream_sink_table *NBDSTREAM_SINK_ENTRY(void);

#ifdef __cplusplus
}
#endif
#endif
