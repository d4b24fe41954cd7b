// SPDX-License-Identifier: BSD-3-Clause
//
// The sink of template.c once more, in Rust without crates: PATH.part, renamed to PATH when it is
// complete.
//
//   export NBDSTREAM_RS=$(pkg-config --variable=rust nbdstream)
//   rustc --edition 2021 --crate-type cdylib -C panic=abort -o mine.so template.rs
//   nbdstream --sink ./mine.so:/backup/disk.raw --run '...'
//
// A killed process leaves PATH.part behind, and every later open fails until somebody removes it. A
// sink for real use puts the stream's unique_id into the temporary name.
//
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

#[allow(dead_code, non_camel_case_types)]
mod nbdstream {
    include!(env!("NBDSTREAM_RS"));
}
use nbdstream::*;

/// All that is remembered between the calls; the host hands it back to each of them.
struct Sink {
    host: *const nbdstream_host,
    path: PathBuf,
    part: PathBuf,
    mode: u32,
    file: Option<File>,
}

impl Sink {
    /// Calls on one sink never overlap.
    fn of<'a>(sink: *mut c_void) -> &'a mut Sink {
        unsafe { &mut *(sink as *mut Sink) }
    }

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
extern "C" fn create(host: *const nbdstream_host, out: *mut *mut c_void) -> c_int {
    let text = unsafe { CStr::from_ptr((*((*host).setting)(host, c("path\0"))).text) };
    let path = PathBuf::from(OsStr::from_bytes(text.to_bytes()));
    let part = PathBuf::from(OsStr::from_bytes(&[text.to_bytes(), b".part"].concat()));
    let mode = unsafe { (*((*host).setting)(host, c("mode\0"))).number } as u32;
    let sink = Sink { host, path, part, mode, file: None };
    unsafe { *out = Box::into_raw(Box::new(sink)) as *mut c_void };
    0
}

extern "C" fn destroy(sink: *mut c_void) {
    drop(unsafe { Box::from_raw(sink as *mut Sink) });
}

/// At the first write of a client. create_new: neither follow a link that somebody planted, nor
/// share the file with a twin of ours.
extern "C" fn open(sink: *mut c_void, _stream: *const nbdstream_stream) -> c_int {
    let sink = Sink::of(sink);
    match OpenOptions::new().write(true).create_new(true).mode(sink.mode).open(&sink.part) {
        Ok(file) => sink.file = Some(file),
        Err(error) => return sink.failed("cannot create", error),
    }
    0
}

/// Takes some of the bytes, at least one; the host comes back with the rest.
extern "C" fn write(sink: *mut c_void, data: *const c_void, length: usize) -> i64 {
    let sink = Sink::of(sink);
    let data = unsafe { std::slice::from_raw_parts(data as *const u8, length) };
    match sink.file.as_ref().unwrap().write(data) {
        Ok(count) => count as i64,
        Err(error) => sink.failed("cannot write to", error) as i64,
    }
}

/// The stream is complete; 0 says that its bytes are on the disk. That its name outlasts a crash
/// would take an fsync of the directory, too. After an error abort follows.
extern "C" fn commit(sink: *mut c_void, _length: u64) -> c_int {
    let sink = Sink::of(sink);
    let synced = sink.file.as_ref().unwrap().sync_all();
    match synced.and_then(|()| rename(&sink.part, &sink.path)) {
        Ok(()) => sink.file = None,
        Err(error) => return sink.failed("cannot finish", error),
    }
    0
}

/// The stream is not complete: leave nothing that looks as if it were. Also after an open that
/// failed: then the file is not ours.
extern "C" fn abort(sink: *mut c_void) -> c_int {
    let sink = Sink::of(sink);
    if sink.file.take().is_some() {
        let _ = remove_file(&sink.part);
    }
    0
}

/// A text that ends with \0, for C.
const fn c(text: &'static str) -> *const c_char {
    text.as_ptr() as *const c_char
}

static OPTIONS: [nbdstream_option; 2] = [
    nbdstream_option {
        name: c("path\0"),
        r#type: NBDSTREAM_OPTION_STRING,
        // The host lets no two exports have the same path.
        flags: NBDSTREAM_OPTION_REQUIRED
            | NBDSTREAM_OPTION_POSITIONAL
            | NBDSTREAM_OPTION_EXCLUSIVE_PATH,
        default_value: null(),
        help: c("the file that a complete stream becomes\0"),
    },
    nbdstream_option {
        name: c("mode\0"),
        r#type: NBDSTREAM_OPTION_MODE,
        flags: 0,
        default_value: c("0666\0"),
        help: c("its permissions, of which umask takes some away\0"),
    },
];

static TABLE: nbdstream_sink_table = nbdstream_sink_table {
    struct_size: size_of::<nbdstream_sink_table>() as u32,
    abi_minor: NBDSTREAM_SINK_ABI_MINOR,
    name: c("template\0"),
    description: c("Write to a file that appears when the stream is complete\0"),
    version: c("1.0\0"),
    flags: 0,
    // Disks block. Calls in these phases get a thread of their own, so that nobody waits for us.
    blocking: NBDSTREAM_BLOCKING_OPEN | NBDSTREAM_BLOCKING_WRITE | NBDSTREAM_BLOCKING_FINISH,
    options: OPTIONS.as_ptr(),
    option_count: OPTIONS.len() as u32,
    option_size: size_of::<nbdstream_option>() as u32,
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
    check: None,
};

/// The entry point: the only symbol that the host looks for.
#[no_mangle]
pub extern "C" fn nbdstream_sink_v1() -> *const nbdstream_sink_table {
    &TABLE
}
