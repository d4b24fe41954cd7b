#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""seekable.py COMPRESSED RAW: reads a seekable zstd file as the description of the format says, at
random places, and compares with the raw file. Each frame goes to zstd(1) alone. Where there is
python3-pyzstd (Debian 13), its reader must find the same.
"""

import os
import random
import struct
import subprocess
import sys


def table_of(file):
    """Each frame's place in the file and its content's, as (offset, size, offset, size)."""
    size = file.seek(0, os.SEEK_END)
    file.seek(-9, os.SEEK_END)
    count, bits, magic = struct.unpack("<IBI", file.read(9))
    assert magic == 0x8F92EAB1, f"magic number {magic:#x}"
    assert bits & 0x7C == 0, f"reserved bits are set: {bits:#x}"
    entry = "<III" if bits & 0x80 else "<II"
    length = count * struct.calcsize(entry)
    file.seek(-(8 + length + 9), os.SEEK_END)
    skippable, rest = struct.unpack("<II", file.read(8))
    assert skippable == 0x184D2A5E and rest == length + 9, (skippable, rest)
    frames, at, offset = [], 0, 0
    for compressed, content, *_ in struct.iter_unpack(entry, file.read(length)):
        frames.append((at, compressed, offset, content))
        at, offset = at + compressed, offset + content
    assert at + 8 + length + 9 == size, "the table does not account for the file"
    return frames, offset


def read(file, frames, offset, length):
    """A range of the content, of the frames that it touches and no other."""
    out = b""
    for at, compressed, begin, content in frames:
        if begin + content <= offset or begin >= offset + length:
            continue
        file.seek(at)
        frame = subprocess.run(["zstd", "-dcq"], input=file.read(compressed), check=True,
                               stdout=subprocess.PIPE).stdout
        assert len(frame) == content
        out += frame[max(offset - begin, 0):offset + length - begin]
    return out


def main(compressed, raw):
    choose = random.Random(8)
    with open(compressed, "rb") as file, open(raw, "rb") as original:
        frames, size = table_of(file)
        assert size == os.path.getsize(raw), (size, os.path.getsize(raw))
        places = [(choose.randrange(size), choose.randrange(1, 100_000)) for _ in range(40)]
        places += [(0, 1), (size - 1, 1), (0, min(size, 9 << 20))]

        def expected(offset, length):
            original.seek(offset)
            return original.read(length)

        for offset, length in places:
            length = min(length, size - offset)
            assert read(file, frames, offset, length) == expected(offset, length), (offset, length)
        try:
            from pyzstd import SeekableZstdFile
        except ImportError:
            return
        with SeekableZstdFile(compressed, "r") as other:
            for offset, length in places:
                other.seek(offset)
                assert other.read(length) == expected(offset, length), ("pyzstd", offset, length)
        print("pyzstd")


main(*sys.argv[1:])
