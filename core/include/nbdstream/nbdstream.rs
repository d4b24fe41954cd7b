// SPDX-License-Identifier: BSD-3-Clause
//
// nbdstream/nbdstream.rs - the declarations of sink.h, for sinks in Rust. It needs no crate, and Rust 1.63 or
// later.
//
// The names are those of sink.h. The comments of sink.h are the reference for conventions, threads, ownership
// and states. Use the installed file, whose path `pkg-config --variable=rust nbdstream` prints:
//
//   #[allow(dead_code, non_camel_case_types)]
//   mod nbdstream {
//       include!(env!("NBDSTREAM_RS"));
//   }
//
// or a copy beside your source:
//
//   #[allow(dead_code, non_camel_case_types)]
//   #[path = "nbdstream.rs"]
//   mod nbdstream;
//
// An `Option` that is None is NULL in C. A function that the host calls must not panic: build with
// `-C panic=abort`.

use std::ffi::c_void;
use std::os::raw::{c_char, c_int};

/// The major version of the ABI, which is also in the name of the entry point.
pub const NBDSTREAM_SINK_ABI_MAJOR: u32 = 1;
/// The minor version that this file declares: the value of `abi_minor` in the table of a module.
pub const NBDSTREAM_SINK_ABI_MINOR: u32 = 1;

// ---- The settings of a module ---------------------------------------------------------------

// Types of an option, for `nbdstream_option::type`. They decide what `nbdstream_setting::number` is.

/// Text; the setting has no number.
pub const NBDSTREAM_OPTION_STRING: u32 = 1;
/// A signed 64-bit integer.
pub const NBDSTREAM_OPTION_INTEGER: u32 = 2;
/// true/false, yes/no, on/off, 1/0; the number is 1 or 0.
pub const NBDSTREAM_OPTION_BOOLEAN: u32 = 3;
/// A size as nbdkit parses it (512, 640k, 40G); the number is bytes.
pub const NBDSTREAM_OPTION_SIZE: u32 = 4;
/// A duration (10, 10s, 500ms, 2m, 1h); the number is nanoseconds.
pub const NBDSTREAM_OPTION_DURATION: u32 = 5;
/// Since 1.1: permissions of a file as octal digits, at most 0777; the number is their bits.
pub const NBDSTREAM_OPTION_MODE: u32 = 6;

// Flags of an option, for `nbdstream_option::flags`.

/// The host refuses a configuration without a value.
pub const NBDSTREAM_OPTION_REQUIRED: u32 = 1;
/// The ARGUMENT of `--sink NAME:ARGUMENT`; at most one option.
pub const NBDSTREAM_OPTION_POSITIONAL: u32 = 2;
/// Never shown by `--dump-config` or in a log.
pub const NBDSTREAM_OPTION_SECRET: u32 = 4;
/// Since 1.1: a STRING, the path of a file or FIFO that holds one stream at a time. The host refuses two
/// exports with the same path.
pub const NBDSTREAM_OPTION_EXCLUSIVE_PATH: u32 = 8;

/// One setting of the module. The host checks the command line and TOML against it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nbdstream_option {
    /// Words joined by '-', as in "reader-timeout".
    pub name: *const c_char,
    /// One of the types above.
    pub r#type: u32,
    /// Flags as above, combined with `|`.
    pub flags: u32,
    /// As a user would write it; null: none.
    pub default_value: *const c_char,
    /// One line, without a full stop.
    pub help: *const c_char,
}

/// The value of a setting.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nbdstream_setting {
    pub struct_size: u32,
    pub reserved: u32,
    /// As the user wrote it, or the default.
    pub text: *const c_char,
    /// For every type but STRING.
    pub number: i64,
}

// ---- What the host offers --------------------------------------------------------------------

// Levels of `nbdstream_host::log`.

pub const NBDSTREAM_LOG_ERROR: c_int = 1;
pub const NBDSTREAM_LOG_WARNING: c_int = 2;
pub const NBDSTREAM_LOG_INFO: c_int = 3;
pub const NBDSTREAM_LOG_DEBUG: c_int = 4;

/// The functions of the host. The structure is valid until `destroy` has returned. Keep the pointer, and make
/// no reference to the whole structure: that of an older host is shorter. See `member`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nbdstream_host {
    pub struct_size: u32,
    /// The host's.
    pub abi_minor: u32,
    /// The host's own.
    pub context: *mut c_void,
    /// Writes one line to the log, without a newline. Any thread, any time until `destroy`.
    pub log: unsafe extern "C" fn(*const nbdstream_host, c_int, *const c_char),
    /// Tells in one sentence why the running call is about to fail. Only from within a call, on the thread
    /// of that call.
    pub explain: unsafe extern "C" fn(*const nbdstream_host, *const c_char),
    /// Returns the value of an option, or null if it has neither a value nor a default. Only during `create`;
    /// the text is valid until `destroy` has returned.
    pub setting:
        unsafe extern "C" fn(*const nbdstream_host, *const c_char) -> *const nbdstream_setting,
    /// Since 1.1: adds a fact about the stream to its receipt: a key, and a value in UTF-8. Only from
    /// within `commit`, on the thread of that call.
    pub result: Option<unsafe extern "C" fn(*const nbdstream_host, *const c_char, *const c_char)>,
    /// Since 1.1: tells how many bytes of the open stream, from its start, are safe on the other side. Any
    /// thread, from `open` until `commit` or `abort` has returned.
    pub progress: Option<unsafe extern "C" fn(*const nbdstream_host, u64)>,
    /// Since 1.1: makes the host repeat a call that returned -EAGAIN, or call `check`. Any thread, any time
    /// until `destroy`, but not in a signal handler.
    pub wake: Option<unsafe extern "C" fn(*const nbdstream_host)>,
}

// ---- The description of a stream -------------------------------------------------------------

// Flags of a stream, for `nbdstream_stream::flags`.

/// The stream is never longer than `size`, but may be shorter.
pub const NBDSTREAM_STREAM_SIZE_KNOWN: u32 = 1;
/// Since 1.1, with SIZE_KNOWN: a commit has the length `size`.
pub const NBDSTREAM_STREAM_SIZE_EXACT: u32 = 2;

/// A stream that begins. Valid until `open` returns.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nbdstream_stream {
    pub struct_size: u32,
    /// Flags as above, combined with `|`.
    pub flags: u32,
    /// 1 for the first stream of this export, then 2, and so on.
    pub id: u64,
    /// Bytes; 0 if not known.
    pub size: u64,
    /// UTF-8, may be empty.
    pub export_name: *const c_char,
    /// Since 1.1: 32 random digits 0-9 and a-f; no other stream anywhere has the same.
    pub unique_id: *const c_char,
    /// Since 1.1: when the stream began: nanoseconds since 1970, UTC.
    pub began_ns: i64,
}

/// What to wait for before a call that returned -EAGAIN is repeated: for `fd` or for `timeout_ns`, whichever
/// comes first. One of them must be given.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nbdstream_wait {
    pub struct_size: u32,
    /// POLLIN, POLLOUT as in poll(2); errors and hang-ups always count.
    pub events: u32,
    /// -1: none. It stays the module's; the host changes no flag of it.
    pub fd: i32,
    pub reserved: u32,
    /// -1: none.
    pub timeout_ns: i64,
}

// ---- The module's table ------------------------------------------------------------------------

/// For `nbdstream_sink_table::flags`: the stream goes to the standard output of the process.
pub const NBDSTREAM_SINK_USES_STDOUT: u32 = 1;

// Phases whose calls may block, for `nbdstream_sink_table::blocking`.

/// `open`: name look-up, login.
pub const NBDSTREAM_BLOCKING_OPEN: u32 = 1;
/// `write`, `zero`, `flush`.
pub const NBDSTREAM_BLOCKING_WRITE: u32 = 2;
/// `commit`, `abort`: fsync, rename, waiting for a process.
pub const NBDSTREAM_BLOCKING_FINISH: u32 = 4;

/// A flag that `native_fd` sets: other processes share the open file description, so the host must not change
/// its flags.
pub const NBDSTREAM_FD_SHARED: u32 = 1;

/// The table of a module. It must never move or change: make it a `static`. The first parameter of each
/// function except `create` is the value that `create` has set.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nbdstream_sink_table {
    /// `size_of::<nbdstream_sink_table>()`.
    pub struct_size: u32,
    /// NBDSTREAM_SINK_ABI_MINOR.
    pub abi_minor: u32,
    /// "fifo".
    pub name: *const c_char,
    /// One line, without a full stop.
    pub description: *const c_char,
    /// Free text.
    pub version: *const c_char,
    /// NBDSTREAM_SINK_USES_STDOUT, or 0.
    pub flags: u32,
    /// Phases as above, combined with `|`.
    pub blocking: u32,
    /// `option_count` options; null if that is 0.
    pub options: *const nbdstream_option,
    pub option_count: u32,
    /// `size_of::<nbdstream_option>()`.
    pub option_size: u32,
    /// Checks the settings, prepares what must exist before a client comes, and sets the sink. On the
    /// host's thread; may block briefly. On an error nothing is left behind.
    pub create: unsafe extern "C" fn(*const nbdstream_host, *mut *mut c_void) -> c_int,
    /// Frees the sink. State: created, not open. On the host's thread.
    pub destroy: unsafe extern "C" fn(*mut c_void),
    /// Begins a stream. State: not open. Returns -EAGAIN while the other side is not ready. Phase
    /// OPEN.
    pub open: unsafe extern "C" fn(*mut c_void, *const nbdstream_stream) -> c_int,
    /// Takes up to the given number of bytes (1 or more), the next of the stream; returns how many, 1 or
    /// more. State: open. Phase WRITE. None only if there is a `native_fd`.
    pub write: Option<unsafe extern "C" fn(*mut c_void, *const c_void, usize) -> i64>,
    /// Appends up to the given number of zero bytes (1 or more); returns how many, 1 or more. State: open.
    /// Phase WRITE. None, or -ENOTSUP: the host writes zero bytes instead.
    pub zero: Option<unsafe extern "C" fn(*mut c_void, u64) -> i64>,
    /// Makes durable what was sent so far. State: open. Phase WRITE.
    pub flush: Option<unsafe extern "C" fn(*mut c_void) -> c_int>,
    /// Lends the host a descriptor to which it writes the stream, or returns -1. Sets flags, such as
    /// NBDSTREAM_FD_SHARED, in the second parameter. Called once after each open, on the host's thread; must
    /// not block.
    pub native_fd: Option<unsafe extern "C" fn(*mut c_void, *mut u32) -> c_int>,
    /// After a call returned -EAGAIN: tells what to wait for. On the thread of that call; must not block.
    /// None only if no call ever returns -EAGAIN.
    pub wait_for: Option<unsafe extern "C" fn(*mut c_void, *mut nbdstream_wait) -> c_int>,
    /// The stream is complete; the second parameter is its length. Makes it final, and only then returns 0.
    /// State: open. Phase FINISH.
    pub commit: unsafe extern "C" fn(*mut c_void, u64) -> c_int,
    /// The stream is not complete, and must not look like a complete one. Never fails. State: open, or after
    /// an `open` or `commit` that failed. Phase FINISH.
    pub abort: unsafe extern "C" fn(*mut c_void) -> c_int,
    /// Asks a blocking call to return soon. On the host's thread WHILE that call runs, every 100 ms until
    /// it returns. Do only what is async-signal-safe.
    pub interrupt: Option<unsafe extern "C" fn(*mut c_void)>,
    /// Since 1.1: tells whether the open stream can still be completed: 0, or -errno. On the host's thread;
    /// must not block.
    pub check: Option<unsafe extern "C" fn(*mut c_void) -> c_int>,
}

/// The entry point of a module: `#[no_mangle] pub extern "C" fn nbdstream_sink_v1`.
pub type nbdstream_sink_v1 = unsafe extern "C" fn() -> *const nbdstream_sink_table;

// The memory behind these pointers never changes, so a module may have them in a `static`.
unsafe impl Sync for nbdstream_option {}
unsafe impl Sync for nbdstream_sink_table {}

/// `member!(POINTER, MEMBER)`: the value of a member that was added after 1.0, of the host, a stream or a wait;
/// None if the member is beyond `struct_size`. It is unsafe: the pointer must be one that the host has passed
/// to the module.
///
///     if let Some(Some(wake)) = member!(host, wake) { wake(host) }
#[allow(unused_macros)]
macro_rules! member {
    ($pointer:expr, $member:ident) => {{
        let whole = $pointer;
        let part = std::ptr::addr_of!((*whole).$member);
        let end = part.wrapping_add(1) as usize - whole as usize;
        if end <= (*whole).struct_size as usize {
            Some(part.read())
        } else {
            None
        }
    }};
}
#[allow(unused_imports)]
pub(crate) use member;
