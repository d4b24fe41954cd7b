# SPDX-License-Identifier: BSD-3-Clause
"""What a workload is, who does it, and how large things are."""

import pathlib
from collections.abc import Callable
from dataclasses import dataclass

from running import Run

KiB, MiB, GiB = 1 << 10, 1 << 20, 1 << 30
PIECE = 16 * MiB  # of data, of which the images are made
WINDOW = 64 * MiB  # of nbdstream, by default
US = "nbdstream"
FLOOR = "the floor"
BENCH = pathlib.Path(__file__).parent


@dataclass(frozen=True)
class Peer:
    name: str
    start: Callable[[Run], None]
    never_ends: bool = False  # its server must be told to
    more: int | None = 0  # so many bytes more than the disk's come out; None: not known
    compresses: bool = False  # then fewer come out


@dataclass(frozen=True)
class Floor:
    """Two peers: `protocol` takes the same requests from the same client, and throws them away;
    `output` sends the bytes that must go out, without NBD. Where the first byte cannot go out
    before the last has come in, the two do their work `in_turn`: then the time of the floor is the
    sum of theirs, and otherwise the longer of them."""

    protocol: str
    output: str | None = None  # None: nothing goes out
    in_turn: bool = False


@dataclass(frozen=True)
class Target:
    """A ratio of nbdstream's `what` to that of `to`, a peer or the floor, that shall not be more
    than `most`."""

    what: str  # "time" or "server CPU"
    to: str
    most: float


@dataclass(frozen=True)
class Workload:
    key: str
    title: str
    bytes: int
    peers: list[Peer]  # the first is nbdstream; those of the floor are among the others
    floor: Floor
    targets: tuple[Target, ...] = ()
    inputs: frozenset[str] = frozenset()  # names of files that inputs.py makes
    window: int = WINDOW  # of nbdstream, of all its streams; what it may use beside 32 MiB
    equal_pipes: bool = True


@dataclass(frozen=True)
class Sizes:
    """In bytes."""

    disk: int  # a sparse image
    data: int  # the data in it
    files: int  # a disk with files, to compress
    hole: int  # a disk with hardly any data
    stream: int  # what is written in order
    zeroes: int
    held: int  # what is written in any order, and what gets a digest
    live: int  # the disk of a live backup
    many: int  # of all exports together


SIZES = {
    "full": Sizes(disk=8 * GiB, data=GiB, files=256 * MiB, hole=16 * GiB, stream=8 * GiB,
                  zeroes=32 * GiB, held=2 * GiB, live=4 * GiB, many=4 * GiB),
    "quick": Sizes(disk=2 * GiB, data=256 * MiB, files=128 * MiB, hole=4 * GiB, stream=GiB,
                   zeroes=4 * GiB, held=512 * MiB, live=512 * MiB, many=GiB),
    "tiny": Sizes(disk=64 * MiB, data=32 * MiB, files=32 * MiB, hole=256 * MiB, stream=32 * MiB,
                  zeroes=2 * GiB, held=32 * MiB, live=32 * MiB, many=64 * MiB)}


@dataclass(frozen=True)
class Setting:
    """Where things are, and how large."""

    server: pathlib.Path  # nbdstream
    tools: pathlib.Path
    inputs: pathlib.Path  # on a disk
    memory: pathlib.Path  # in memory, if possible
    xfs: pathlib.Path | None
    sizes: Sizes
