# SPDX-License-Identifier: BSD-3-Clause
"""The files that the workloads need. All are flushed: nobody else's run should pay for it."""

import contextlib
import os
import pathlib
import subprocess
import tempfile
from collections.abc import Iterator

from model import GiB, MiB, PIECE, Setting


def run(*words) -> None:
    subprocess.run([str(w) for w in words], check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL)


def pieces(path: pathlib.Path, size: int, offsets) -> None:
    """A file of so many bytes, with a piece of random data at each offset."""
    piece = os.urandom(PIECE)
    with open(path, "wb") as image:
        image.truncate(size)
        for offset in offsets:
            image.seek(offset)
            image.write(piece)
        os.fsync(image.fileno())


def to_qcow2(raw: pathlib.Path, qcow2: pathlib.Path) -> None:
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, qcow2)
    with open(qcow2, "rb+") as image:
        os.fsync(image.fileno())
    raw.unlink()


def sparse(s: Setting) -> None:
    """Pieces of data far from one another."""
    raw = s.inputs / "sparse.raw"
    pieces(raw, s.sizes.disk, range(0, s.sizes.disk, s.sizes.disk * PIECE // s.sizes.data))
    to_qcow2(raw, s.inputs / "sparse.qcow2")


def empty(s: Setting) -> None:
    raw = s.inputs / "empty.raw"
    pieces(raw, s.sizes.disk, ())
    to_qcow2(raw, s.inputs / "empty.qcow2")


def dense(s: Setting) -> None:
    pieces(s.inputs / "dense.raw", s.sizes.data, range(0, s.sizes.data, PIECE))


def hole(s: Setting) -> None:
    size = s.sizes.hole
    pieces(s.inputs / "hole.raw", size, (0, size // 3, size - PIECE))


def files(s: Setting) -> None:
    """What compresses as files do: a tar archive of programs and libraries."""
    with open(s.inputs / "files.raw", "wb") as image:
        with subprocess.Popen(["tar", "-C", "/usr", "-c", "lib", "bin", "share"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as archive:
            while image.tell() < s.sizes.files and (some := archive.stdout.read(MiB)):
                image.write(some)
            archive.kill()
        image.truncate(s.sizes.files)
        os.fsync(image.fileno())


def target(s: Setting) -> None:
    with open(s.memory / "target.raw", "wb") as image:
        os.posix_fallocate(image.fileno(), 0, s.sizes.data)


def live(s: Setting) -> None:
    """In memory: what the guest writes shall not wait for a disk."""
    pieces(s.memory / "live.raw", s.sizes.live, range(0, s.sizes.live, PIECE))


def key(s: Setting) -> None:
    """Of TLS, for the user named bench."""
    (s.inputs / "psk").write_text(f"bench:{os.urandom(32).hex()}\n")


MAKERS = {"sparse.qcow2": sparse, "empty.qcow2": empty, "dense.raw": dense, "hole.raw": hole,
          "files.raw": files, "target.raw": target, "live.raw": live, "psk": key}


def make(s: Setting, names: set[str]) -> None:
    for name in sorted(names):
        MAKERS[name](s)


@contextlib.contextmanager
def mounted_xfs(directory: pathlib.Path) -> Iterator[pathlib.Path | None]:
    """An XFS of 8 GiB in a file, or None where that cannot be made: it takes root, a loop device
    and mkfs.xfs (Debian: xfsprogs)."""
    image = directory / "xfs.img"
    try:
        with open(image, "wb") as file:
            file.truncate(8 * GiB)
        mount = pathlib.Path(tempfile.mkdtemp(dir=directory, prefix="xfs-"))
        quiet = {"check": True, "stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL,
                 "stderr": subprocess.DEVNULL}
        path = os.environ | {"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}
        subprocess.run(["mkfs.xfs", "-q", image], env=path, **quiet)
        subprocess.run(["mount", "-o", "loop", image, mount], env=path, **quiet)
    except (OSError, subprocess.CalledProcessError):
        yield None
        return
    try:
        yield mount
    finally:
        subprocess.run(["umount", "--lazy", mount], **quiet)
