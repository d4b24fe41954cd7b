#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Reads sink.h, and writes two programs that say the same where nbdstream.rs agrees with it.

    rust_layout.py SINK_H DIRECTORY

layout.c and layout.rs print each size, offset and constant of the header, by its name. layout.rs compiles
only if each member also has the type that the header gives it."""
import pathlib
import re
import sys

# Functions that are never NULL: no Option in Rust.
ALWAYS = {"log", "explain", "setting", "create", "destroy", "open", "commit", "abort"}
NUMBERS = {"int": "c_int", "uint32_t": "u32", "int32_t": "i32", "uint64_t": "u64", "int64_t": "i64",
           "size_t": "usize", "char": "c_char", "void": "c_void"}


def rust_type(declared: str) -> str:
    """Of a type of C without a name: 'const char *' is '*const c_char'."""
    words = declared.replace("*", " * ").split()
    constant = words[0] == "const"
    base = words[constant] if words[constant] != "struct" else words[constant + 1]
    stars = words.count("*")
    inner = ("*const " if constant else "*mut ") if stars else ""
    return "*mut " * (stars - 1) + inner + NUMBERS.get(base, base)


def without_name(parameter: str) -> str:
    return re.sub(r"\w+$", "", parameter.strip())


def function_type(name: str, returns: str, parameters: str) -> str:
    taken = ", ".join(rust_type(without_name(p)) for p in parameters.split(","))
    gives = "" if returns.strip() == "void" else " -> " + rust_type(returns)
    text = 'unsafe extern "C" fn({}){}'.format(taken, gives)
    return text if name in ALWAYS else "Option<{}>".format(text)


def members(body: str):
    """Of a structure: the name and the type in Rust of each."""
    for declared in filter(None, map(str.strip, body.split(";"))):
        function = re.fullmatch(r"(.*)\(\*(\w+)\)\((.*)\)", declared, re.S)
        if function:
            yield function[2], function_type(function[2], function[1], function[3])
        else:
            yield re.search(r"\w+$", declared)[0], rust_type(without_name(declared))


def main() -> None:
    header, directory = sys.argv[1], pathlib.Path(sys.argv[2])
    text = re.sub(r"/\*.*?\*/", "", pathlib.Path(header).read_text(), flags=re.S)
    structures = re.findall(r"^struct (\w+) \{(.*?)^\};", text, re.M | re.S)
    constants = re.findall(r"^#define (NBDSTREAM_SINK_ABI_\w+) \d", text, re.M)
    for body in re.findall(r"^enum \w+ \{(.*?)^\};", text, re.M | re.S):
        constants += re.findall(r"(NBDSTREAM_\w+) = ", body)
    assert len(structures) == text.count("struct_size;") + 1 and len(constants) >= 20

    c, rust, checks = [], [], []
    for name in constants:
        c.append('printf("{0} %d\\n", (int){0});'.format(name))
        rust.append('println!("{0} {{}}", {0});'.format(name))
    for name, body in structures:
        c.append('printf("{0} %zu\\n", sizeof(struct {0}));'.format(name))
        rust.append('println!("{0} {{}}", std::mem::size_of::<{0}>());'.format(name))
        for member, kind in members(body):
            c.append('printf("{0}.{1} %zu\\n", offsetof(struct {0}, {1}));'.format(name, member))
            field = "r#type" if member == "type" else member
            rust.append('println!("{0}.{1} {{}}", unsafe {{ std::ptr::addr_of!((*{0}.as_ptr()).{2}) '
                        'as usize - {0}.as_ptr() as usize }});'.format(name, member, field))
            checks.append("let _: {} = {}.{};".format(kind, name, field))
    whole = "\n".join("let {0} = std::mem::MaybeUninit::<{0}>::uninit();".format(n) for n, _ in structures)
    (directory / "layout.c").write_text(
        "#include <nbdstream/sink.h>\n#include <stdio.h>\nint main(void) {{\n{}\n}}\n".format("\n".join(c)))
    (directory / "layout.rs").write_text("""#![deny(warnings)]
#[allow(dead_code, non_camel_case_types)]
#[path = "nbdstream.rs"]
mod nbdstream;
use nbdstream::*;
use std::ffi::c_void;
use std::os::raw::{{c_char, c_int}};

extern "C" fn entry() -> *const nbdstream_sink_table {{
    std::ptr::null()
}}
static ENTRY: nbdstream_sink_v1 = entry;

#[allow(dead_code)]
fn each_member_has_its_type({parameters}) {{
{checks}
}}

/// A host of 1.0 has no `wake`, whatever lies behind its structure.
fn older_hosts_lack_later_members() {{
    let mut place = [u64::MAX; std::mem::size_of::<nbdstream_host>() / 8];
    let host = place.as_mut_ptr() as *mut nbdstream_host;
    unsafe {{
        (*host).struct_size = 40;
        assert!(member!(host, result).is_none() && member!(host, wake).is_none());
        (*host).struct_size = 56;
        assert!(member!(host, progress).is_some() && member!(host, wake).is_none());
    }}
}}

#[allow(non_snake_case)]
fn main() {{
{whole}
{rust}
assert!(unsafe {{ ENTRY() }}.is_null());
older_hosts_lack_later_members();
}}
""".format(parameters=", ".join("{0}: &{0}".format(n) for n, _ in structures),
           checks="\n".join(checks), whole=whole, rust="\n".join(rust)))


if __name__ == "__main__":
    main()
