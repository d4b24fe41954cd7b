// SPDX-License-Identifier: BSD-3-Clause
//
// nbdstream/nbdstream.rs - what sink.h declares, for sinks in Rust. No crate is needed, and Rust 1.63 is
// enough.
//
// Names are those of sink.h, whose comments are the reference: conventions, threads, ownership, states.
// Use the installed file, whose path `pkg-config --variable=rust nbdstream` prints:
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
// An `Option` that is None is NULL in C. No panic may leave a function that the host calls: build with
// `-C panic=abort`.

use std::ffi::c_void;
use std::os::raw::{c_char, c_int};

/// The major version of the ABI, which is also in the name of the entry point.
pub const NBDSTREAM_SINK_ABI_MAJOR: u32 = 1;
/// The minor version that this file declares: the value of `abi_minor` in the table of a module.
pub const NBDSTREAM_SINK_ABI_MINOR: u32 = 1;

// ---- What a module may be told about its settings ------------------------------------------

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
/// Since 1.1: a STRING, the path of a file or FIFO that holds one stream at a time. Two exports may not
/// name the same.
pub const NBDSTREAM_OPTION_EXCLUSIVE_PATH: u32 = 8;

/// One setting that the module understands. The host checks the command line and TOML against it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nbdstream_option {
    /// Words joined by '-', as in "reader-timeout".
    pub name: *const c_char,
    /// One of the types above.
    pub r#type: u32,
    /// Flags as above, or-ed.
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

/// What the host offers. It lives until `destroy` has returned. Keep the pointer, and make no reference to
/// the whole structure: an older host has a shorter one. See `member`.
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
    /// Says in one sentence why the call that is running is about to fail. Only from within a call, on
    /// the thread of that call.
    pub explain: unsafe extern "C" fn(*const nbdstream_host, *const c_char),
    /// The value of an option, or null where it has neither a value nor a default. Only during `create`;
    /// the text is valid until `destroy` has returned.
    pub setting:
        unsafe extern "C" fn(*const nbdstream_host, *const c_char) -> *const nbdstream_setting,
    /// Since 1.1: says something of the stream for its receipt: a key, and a value in UTF-8. Only from
    /// within `commit`, on the thread of that call.
    pub result: Option<unsafe extern "C" fn(*const nbdstream_host, *const c_char, *const c_char)>,
    /// Since 1.1: the first so many bytes of the open stream are safe on the other side. Any thread, from
    /// `open` until `commit` or `abort` has returned.
    pub progress: Option<unsafe extern "C" fn(*const nbdstream_host, u64)>,
    /// Since 1.1: has the host repeat a call that said -EAGAIN, or call `check`. Any thread, any time
    /// until `destroy`, but not in a handler of a signal.
    pub wake: Option<unsafe extern "C" fn(*const nbdstream_host)>,
}

// ---- What a sink is told about a stream ------------------------------------------------------

// Flags of a stream, for `nbdstream_stream::flags`.

/// `size` says what a commit will name as its length, at most.
pub const NBDSTREAM_STREAM_SIZE_KNOWN: u32 = 1;
/// Since 1.1, beside SIZE_KNOWN: a commit will name `size`.
pub const NBDSTREAM_STREAM_SIZE_EXACT: u32 = 2;

/// A stream that begins. Valid until `open` returns.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nbdstream_stream {
    pub struct_size: u32,
    /// Flags as above, or-ed.
    pub flags: u32,
    /// 1 for the first stream of this export, then 2, and so on.
    pub id: u64,
    /// Bytes; 0 where not known.
    pub size: u64,
    /// UTF-8, may be empty.
    pub export_name: *const c_char,
    /// Since 1.1: 32 digits of 0-9 and a-f: random, no other stream anywhere has them.
    pub unique_id: *const c_char,
    /// Since 1.1: when the stream began: nanoseconds since 1970, UTC.
    pub began_ns: i64,
}

/// What to wait for before a call that said -EAGAIN is repeated: whichever comes first. Of `fd` and
/// `timeout_ns` one must be given.
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

/// For what `native_fd` sets: the open file description is shared with other processes, so the host must
/// not change its flags.
pub const NBDSTREAM_FD_SHARED: u32 = 1;

/// What a module is. It never moves and never changes: make it a `static`. The first parameter of each
/// function but `create` is what `create` has set.
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
    /// Phases as above, or-ed.
    pub blocking: u32,
    /// As many options as `option_count` says; null where that is 0.
    pub options: *const nbdstream_option,
    pub option_count: u32,
    /// `size_of::<nbdstream_option>()`.
    pub option_size: u32,
    /// Checks the settings, prepares what must be there before a client comes, and sets the sink. On the
    /// host's thread; may block briefly. On an error nothing is left behind.
    pub create: unsafe extern "C" fn(*const nbdstream_host, *mut *mut c_void) -> c_int,
    /// Frees the sink. State: created, not open. On the host's thread.
    pub destroy: unsafe extern "C" fn(*mut c_void),
    /// Begins a stream. State: not open. -EAGAIN while the other side is not there yet. Phase OPEN.
    pub open: unsafe extern "C" fn(*mut c_void, *const nbdstream_stream) -> c_int,
    /// Takes up to so many bytes (1 or more), the next of the stream; returns how many, 1 or more. State:
    /// open. Phase WRITE. None only beside `native_fd`.
    pub write: Option<unsafe extern "C" fn(*mut c_void, *const c_void, usize) -> i64>,
    /// Appends up to so many zero bytes (1 or more); returns how many, 1 or more. State: open. Phase WRITE.
    /// None, or -ENOTSUP: the host writes the zeroes itself.
    pub zero: Option<unsafe extern "C" fn(*mut c_void, u64) -> i64>,
    /// Makes durable what was sent so far. State: open. Phase WRITE.
    pub flush: Option<unsafe extern "C" fn(*mut c_void) -> c_int>,
    /// Lends the host a descriptor to write the stream to, or says -1. The second parameter: flags, as
    /// NBDSTREAM_FD_SHARED. Once after each open, on the host's thread; must not block.
    pub native_fd: Option<unsafe extern "C" fn(*mut c_void, *mut u32) -> c_int>,
    /// After a call said -EAGAIN: says what to wait for. On the thread of that call; must not block. None
    /// only where no call ever says -EAGAIN.
    pub wait_for: Option<unsafe extern "C" fn(*mut c_void, *mut nbdstream_wait) -> c_int>,
    /// The stream is complete, so many bytes: makes it final, and only then returns 0. State: open. Phase
    /// FINISH.
    pub commit: unsafe extern "C" fn(*mut c_void, u64) -> c_int,
    /// The stream is not complete, and must not look as if it were. Never fails. State: open, or after an
    /// `open` or `commit` that failed. Phase FINISH.
    pub abort: unsafe extern "C" fn(*mut c_void) -> c_int,
    /// Asks a blocking call to return soon. On the host's thread WHILE that call runs, every 100 ms until
    /// it returns. Async-signal-safe work only.
    pub interrupt: Option<unsafe extern "C" fn(*mut c_void)>,
    /// Since 1.1: whether the open stream can still be completed: 0, or -errno. On the host's thread; must
    /// not block.
    pub check: Option<unsafe extern "C" fn(*mut c_void) -> c_int>,
}

/// The entry point of a module: `#[no_mangle] pub extern "C" fn nbdstream_sink_v1`.
pub type nbdstream_sink_v1 = unsafe extern "C" fn() -> *const nbdstream_sink_table;

// What these pointers lead to never changes, so a module may have them in a `static`.
unsafe impl Sync for nbdstream_option {}
unsafe impl Sync for nbdstream_sink_table {}

/// `member!(POINTER, MEMBER)`: the value of a member that came after 1.0, of the host, a stream or a wait;
/// None where it lies beyond what `struct_size` says that there is. It is unsafe: the pointer must be one
/// that the host has passed in.
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
