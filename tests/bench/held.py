# SPDX-License-Identifier: BSD-3-Clause
"""Workloads whose client writes in any order, so that bytes must be kept until their turn."""

import pathlib

import parts
from model import GiB, KiB, MiB, US, WINDOW, Floor, Peer, Setting, Target, Workload
from parts import NULL, SPLICE
from running import Run

REQUEST, QUEUE = 256 * KiB, 16
AS_DIFF = "--format", "rbd-diff", "--gaps", "allow"
THEN_CAT = "nbdkit file, cat"


def shuffled(s: Setting):
    """Each piece of the disk once, anywhere."""
    def client(run: Run) -> None:
        parts.ideal(s, run, "unix:" + run.path("nbd"), "shuffled", s.sizes.held, REQUEST, QUEUE)
    return client


def workload(s: Setting, key: str, title: str, more: tuple, others: list[Peer],
             targets: tuple[Target, ...], window: int, client=None) -> Workload:
    """`more` are our options."""
    size, client = s.sizes.held, client or shuffled(s)

    def ours(run: Run) -> None:
        parts.nbdstream(s, run, more=("--size", size, *more))
        client(run)

    return Workload(key, title, size,
                    [Peer(US, ours), *others, parts.null_for(client, size),
                     parts.bare(s, size, REQUEST)],
                    # Random order: until nearly all is there, hardly anything is at its turn.
                    Floor(NULL, SPLICE, in_turn=True), targets, window=window)


def places(s: Setting) -> list[tuple[str, pathlib.Path]]:
    """File systems to keep bytes in."""
    return [("ext4", s.inputs), ("tmpfs", s.memory), *([("XFS", s.xfs)] if s.xfs else [])]


def then_cat(s: Setting, directory: pathlib.Path, name=THEN_CAT, client=None) -> Peer:
    return parts.file_then_cat(directory, name, client or shuffled(s), s.sizes.held)


def in_memory(s: Setting) -> Workload:
    others = [then_cat(s, s.memory), then_cat(s, s.inputs, THEN_CAT + ", ext4")]
    return workload(s, "window", "random writes, kept in the window", ("--window", "4G"), others,
                    (Target("time", THEN_CAT, 1.2),), window=4 * GiB)


def by_fio(s: Setting) -> Workload:
    """fio says no goodbye, so nbdstream is told when it is done."""
    def fio(run: Run) -> list:
        return ["fio", "--name=random", "--ioengine=nbd", f"--uri={parts.uri(run)}",
                "--rw=randwrite", f"--bs={REQUEST}", f"--iodepth={QUEUE}",
                f"--size={s.sizes.held}", "--norandommap=0", "--randrepeat=1"]

    def plain(run: Run) -> None:
        run.spawn("client", fio(run))

    def ours(run: Run) -> None:
        control = run.path("control")
        parts.nbdstream(s, run, more=("--size", s.sizes.held, "--window", "4G", "--end", "told",
                                      "--control", control))
        plain(run)
        run.wait_for("client")
        run.spawn("client", [s.server, "ctl", "--control", control, "commit"])

    size = s.sizes.held
    return Workload("window-fio", "random writes by fio, kept in the window", size,
                    [Peer(US, ours), then_cat(s, s.memory, client=plain),
                     parts.null_for(plain, size), parts.bare(s, size, REQUEST)],
                    Floor(NULL, SPLICE, in_turn=True), window=4 * GiB)


def in_file(s: Setting, order: str, name: str, directory: pathlib.Path, most: float) -> Workload:
    measured = name == "ext4" or order == "spool"
    options = "--order", order, "--spill-directory", directory
    return workload(s, f"{order}-{name.lower()}", f"random writes, --order {order} on {name}",
                    options, [then_cat(s, directory)],
                    (Target("time", THEN_CAT, most),) if measured else (), WINDOW)


def as_diff(s: Setting, request: int) -> Workload:
    """The format that keeps nothing: writes go out as they come, each with its offset."""
    size = s.sizes.held
    records = 22 + 17 * size // request  # the header, the end; one for each request

    def ours(run: Run) -> None:
        address = parts.nbdstream(s, run, more=("--size", size, *AS_DIFF))
        parts.ideal(s, run, address, "shuffled", size, request, QUEUE)

    return Workload(f"diff-{request}",
                    f"random writes as rbd-diff, {parts.size_text(request)} x {QUEUE}", size,
                    [Peer(US, ours, more=records), parts.null(s, "shuffled", size, request, QUEUE),
                     parts.bare(s, size, request)], Floor(NULL, SPLICE))


def held_workloads(s: Setting) -> list[Workload]:
    kept = [in_file(s, order, *place, most) for order, most in (("spill", 1.3), ("spool", 1.2))
            for place in places(s)]
    return [in_memory(s), by_fio(s), *kept, as_diff(s, 256 * KiB), as_diff(s, 64 * KiB)]
