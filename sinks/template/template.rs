// SPDX-License-Identifier: BSD-3-Clause
//
// The sink of template.c once more, in Rust without crates: PATH.part, renamed to PATH when it is
// complete.
//
//   rustc --edition 2021 --crate-type cdylib -C panic=abort -o mine.so template.rs
//   nbdstream --sink ./mine.so:/backup/disk.raw --run '...'
//
// What stands here of nbdstream/sink.h is frozen: later versions only append to these structures.
// No panic may leave a function that C calls; panic=abort sees to that.

use std::ffi::{c_void, CStr, CString, OsStr};
use std::fs::{remove_file, rename, File, OpenOptions};
use std::io::{Error, Write};
use std::mem::size_of;
use std::os::raw::{c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::ptr::null;

#[repr(C)]
pub struct Setting {
    struct_size: u32,
    reserved: u32,
    text: *const c_char,
    number: i64,
}

#[repr(C)]
pub struct Host {
    struct_size: u32,
    abi_minor: u32,
    context: *mut c_void,
    log: extern "C" fn(*const Host, c_int, *const c_char),
    explain: extern "C" fn(*const Host, *const c_char),
    setting: extern "C" fn(*const Host, *const c_char) -> *const Setting,
}

#[repr(C)]
pub struct SinkOption {
    name: *const c_char,
    kind: u32,
    flags: u32,
    default_value: *const c_char,
    help: *const c_char,
}
const STRING: u32 = 1;
const MODE: u32 = 6; // since ABI 1.1
const REQUIRED: u32 = 1;
const POSITIONAL: u32 = 2;
const EXCLUSIVE_PATH: u32 = 8; // since ABI 1.1

/// A function that is None is NULL in C.
#[repr(C)]
pub struct Table {
    struct_size: u32,
    abi_minor: u32,
    name: *const c_char,
    description: *const c_char,
    version: *const c_char,
    flags: u32,
    blocking: u32,
    options: *const SinkOption,
    option_count: u32,
    option_size: u32,
    create: extern "C" fn(*const Host, *mut *mut Sink) -> c_int,
    destroy: extern "C" fn(*mut Sink),
    open: extern "C" fn(&mut Sink, *const c_void) -> c_int,
    write: Option<extern "C" fn(&mut Sink, *const u8, usize) -> i64>,
    zero: Option<extern "C" fn(&mut Sink, u64) -> i64>,
    flush: Option<extern "C" fn(&mut Sink) -> c_int>,
    native_fd: Option<extern "C" fn(&mut Sink, *mut u32) -> c_int>,
    wait_for: Option<extern "C" fn(&mut Sink, *mut c_void) -> c_int>,
    commit: extern "C" fn(&mut Sink, u64) -> c_int,
    abort: extern "C" fn(&mut Sink) -> c_int,
    interrupt: Option<extern "C" fn(*mut Sink)>,
}
// The pointers in it lead to what never changes.
unsafe impl Sync for Table {}
unsafe impl Sync for SinkOption {}

// Disks block: open (1), write (2), commit and abort (4) get a thread of their own.
const BLOCKING: u32 = 1 | 2 | 4;

pub struct Sink {
    host: *const Host,
    path: PathBuf,
    part: PathBuf,
    mode: u32,
    file: Option<File>,
}

impl Sink {
    /// -errno, and a sentence for the user.
    fn failed(&self, what: &str, error: Error) -> c_int {
        let sentence = CString::new(format!("{} {}: {}", what, self.part.display(), error));
        if let Ok(text) = sentence {
            unsafe { ((*self.host).explain)(self.host, text.as_ptr()) };
        }
        -error.raw_os_error().unwrap_or(5) // EIO
    }
}

/// Before any client comes. The host has checked the settings: what is required is there.
extern "C" fn create(host: *const Host, out: *mut *mut Sink) -> c_int {
    let text = unsafe { CStr::from_ptr((*((*host).setting)(host, c("path\0"))).text) };
    let path = PathBuf::from(OsStr::from_bytes(text.to_bytes()));
    let part = PathBuf::from(OsStr::from_bytes(&[text.to_bytes(), b".part"].concat()));
    let mode = unsafe { (*((*host).setting)(host, c("mode\0"))).number } as u32;
    let sink = Sink { host, path, part, mode, file: None };
    unsafe { *out = Box::into_raw(Box::new(sink)) };
    0
}

extern "C" fn destroy(sink: *mut Sink) {
    drop(unsafe { Box::from_raw(sink) });
}

/// At the first write of a client. create_new: neither follow a link that somebody planted, nor
/// share the file with a twin of ours.
extern "C" fn open(sink: &mut Sink, _stream: *const c_void) -> c_int {
    match OpenOptions::new().write(true).create_new(true).mode(sink.mode).open(&sink.part) {
        Ok(file) => sink.file = Some(file),
        Err(error) => return sink.failed("cannot create", error),
    }
    0
}

/// Takes some of the bytes, at least one; the host comes back with the rest.
extern "C" fn write(sink: &mut Sink, data: *const u8, length: usize) -> i64 {
    let data = unsafe { std::slice::from_raw_parts(data, length) };
    match sink.file.as_ref().unwrap().write(data) {
        Ok(count) => count as i64,
        Err(error) => sink.failed("cannot write to", error) as i64,
    }
}

/// The stream is complete; 0 says that its bytes are on the disk. That its name outlasts a crash
/// would take an fsync of the directory, too. After an error abort follows.
extern "C" fn commit(sink: &mut Sink, _length: u64) -> c_int {
    let synced = sink.file.as_ref().unwrap().sync_all();
    match synced.and_then(|()| rename(&sink.part, &sink.path)) {
        Ok(()) => sink.file = None,
        Err(error) => return sink.failed("cannot finish", error),
    }
    0
}

/// The stream is not complete: leave nothing that looks as if it were. Also after an open that
/// failed: then the file is not ours.
extern "C" fn abort(sink: &mut Sink) -> c_int {
    if sink.file.take().is_some() {
        let _ = remove_file(&sink.part);
    }
    0
}

/// A text that ends with \0, for C.
const fn c(text: &'static str) -> *const c_char {
    text.as_ptr() as *const c_char
}

static OPTIONS: [SinkOption; 2] = [
    SinkOption {
        name: c("path\0"),
        kind: STRING,
        // The host lets no two exports have the same path.
        flags: REQUIRED | POSITIONAL | EXCLUSIVE_PATH,
        default_value: null(),
        help: c("the file that a complete stream becomes\0"),
    },
    SinkOption {
        name: c("mode\0"),
        kind: MODE,
        flags: 0,
        default_value: c("0666\0"),
        help: c("its permissions, of which umask takes some away\0"),
    },
];

static TABLE: Table = Table {
    struct_size: size_of::<Table>() as u32,
    abi_minor: 1,
    name: c("template\0"),
    description: c("Write to a file that appears when the stream is complete\0"),
    version: c("1.0\0"),
    flags: 0,
    blocking: BLOCKING,
    options: OPTIONS.as_ptr(),
    option_count: 2,
    option_size: size_of::<SinkOption>() as u32,
    create,
    destroy,
    open,
    write: Some(write),
    zero: None, // the host writes zeroes as data
    flush: None,
    native_fd: None,
    wait_for: None,
    commit,
    abort,
    interrupt: None,
};

/// The entry point: the only symbol that the host looks for.
#[no_mangle]
pub extern "C" fn nbdstream_sink_v1() -> *const Table {
    &TABLE
}
