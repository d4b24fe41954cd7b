# SPDX-License-Identifier: BSD-3-Clause
"""Workloads whose client writes in the order of the stream."""

import os
import shutil

import parts
from model import FLOOR, GiB, KiB, MiB, US, Floor, Peer, Setting, Target, Workload
from parts import NULL, SPLICE
from running import Run


def convert(s: Setting, name: str, form: str):
    def client(run: Run) -> None:
        run.spawn("client", ["qemu-img", "convert", "-n", "-f", form, s.inputs / name, "-O", "raw",
                             parts.uri(run)])
    return client


def image(s: Setting, key: str, title: str, name: str, size: int, data: int,
          equal=True) -> Workload:
    """A disk image: beside nbdcopy, which pulls it out of qemu-nbd."""
    form = name.split(".")[1]
    client = convert(s, name, "qcow2" if form == "qcow2" else "raw")

    def ours(run: Run) -> None:
        parts.nbdstream(s, run)
        client(run)

    def nbdcopy(run: Run) -> None:
        with open(run.reader_of_fifo(), "wb") as out:
            run.spawn("copier", ["nbdcopy", "--", "[", "qemu-nbd", "-r", "-f", form,
                                 s.inputs / name, "]", "-"], stdout=out)

    bare = (parts.bare(s, data, 256 * KiB, zeroes=size - data) if data
            else parts.bare_zeroes(s, size))
    return Workload(key, title, size, [Peer(US, ours), Peer("nbdcopy", nbdcopy),
                                       parts.null_for(client, size), bare],
                    Floor(NULL, bare.name), inputs=frozenset({name}), equal_pipes=equal)


def images(s: Setting) -> list[Workload]:
    disk, data = s.sizes.disk, s.sizes.data
    shipped = "pipes as they come"
    return [image(s, "sparse-shipped", f"sparse qcow2, {shipped}", "sparse.qcow2", disk, data,
                  equal=False),
            image(s, "dense-shipped", f"dense raw image, {shipped}", "dense.raw", data, data,
                  equal=False),
            image(s, "sparse", "sparse qcow2", "sparse.qcow2", disk, data),
            image(s, "dense", "dense raw image", "dense.raw", data, data),
            image(s, "empty", "qcow2 of nothing but zeroes", "empty.qcow2", disk, 0)]


def in_order(s: Setting, request: int, queue: int, tcp_in=False, tcp_out=False) -> Workload:
    count = s.sizes.stream

    def ours(*more):
        def start(run: Run) -> None:
            address = parts.nbdstream(s, run, tcp_in, tcp_out, more)
            parts.ideal(s, run, address, "write", count, request, queue)
        return start

    names = "TCP" if tcp_in else "Unix", "TCP" if tcp_out else "FIFO"
    plain = names == ("Unix", "FIFO")
    # Into TCP, splice costs more than a copy on some machines.
    output = parts.bare(s, count, request, "copy" if tcp_out else "splice", tcp_in, tcp_out)
    peers = [Peer(US, ours()), parts.null(s, "write", count, request, queue, tcp_in), output]
    if plain and request == 256 * KiB:
        peers += [parts.naive(s, count, request, queue),
                  Peer("ours, copying", ours("--data-path", "copy"))]
    targets = Target("time", FLOOR, 1.1), Target("server CPU", output.name, 1.3)
    return Workload(f"{'-'.join(names)}-{request}".lower(),
                    f"in order, {parts.size_text(request)} x {queue}, {names[0]} to {names[1]}",
                    count, peers, Floor(NULL, output.name), targets if plain else ())


def small(s: Setting) -> Workload:
    same = s.sizes.data, 4 * KiB, 64

    def ours(run: Run) -> None:
        parts.ideal(s, run, parts.nbdstream(s, run), "write", *same)

    def file(run: Run) -> None:
        parts.ideal(s, run, parts.nbdkit(run, "file", s.memory / "target.raw"), "write", *same)

    return Workload("small", "in order, 4 KiB x 64, Unix to FIFO", s.sizes.data,
                    [Peer(US, ours), parts.naive(s, *same),
                     Peer("nbdkit file", file, never_ends=True),
                     parts.null(s, "write", *same), parts.bare(s, s.sizes.data, 4 * KiB)],
                    Floor(NULL, SPLICE), inputs=frozenset({"target.raw"}))


def zeroes(s: Setting, request: int, queue: int) -> Workload:
    count = s.sizes.zeroes

    def ours(run: Run) -> None:
        parts.ideal(s, run, parts.nbdstream(s, run), "zeroes", count, request, queue)

    return Workload(f"zeroes-{request}", f"WRITE_ZEROES of {parts.size_text(request)} x {queue}",
                    count, [Peer(US, ours), parts.null(s, "zeroes", count, request, queue),
                            parts.bare_zeroes(s, count)], Floor(NULL, "bare tee"))


def in_order_workloads(s: Setting) -> list[Workload]:
    return [*images(s), in_order(s, 256 * KiB, 16), in_order(s, 2 * MiB, 4),
            in_order(s, 32 * MiB, 2), in_order(s, 256 * KiB, 16, tcp_in=True),
            in_order(s, 256 * KiB, 16, tcp_out=True), small(s), zeroes(s, 32 * MiB, 4),
            zeroes(s, 2 * GiB, 1)]


# ---- sinks ----------------------------------------------------------------------------------


def into_null(s: Setting) -> Workload:
    count, request, queue = s.sizes.stream, 256 * KiB, 16

    def ours(run: Run) -> None:
        address = parts.nbdstream_into(s, run, "null")
        parts.ideal(s, run, address, "write", count, request, queue)

    return Workload("sink-null", "sink null, 256 KiB x 16", count,
                    [Peer(US, ours), parts.null(s, "write", count, request, queue)], Floor(NULL))


def synced(run: Run, file) -> None:
    for name in run.names("client"):
        run.wait_for(name)
    run.spawn("server", ["sync", "-d", file])


def into_file(s: Setting, durable: bool) -> Workload:
    """`durable`: on a disk, and pushed out to it: nbdstream does that before it ends, the others
    have sync(1) do it. Otherwise in memory, by the sink stdout."""
    count, request, queue = s.sizes.held if durable else s.sizes.data, 256 * KiB, 16
    place = s.inputs if durable else s.memory

    def ours(run: Run) -> None:
        file = run.file_in(place, 0)
        if durable:
            file.unlink()
            address = parts.nbdstream_into(s, run, f"file:{file}")
        else:
            with open(file, "wb") as out:
                address = parts.nbdstream_into(s, run, "stdout", stdout=out)
        parts.ideal(s, run, address, "write", count, request, queue)

    def nbdkit_file(run: Run) -> None:
        file = run.file_in(place, count)
        parts.ideal(s, run, parts.nbdkit(run, "file", file), "write", count, request, queue)
        run.stop_server()
        if durable:
            synced(run, file)

    def bare(run: Run) -> None:
        file = run.file_in(place, 0)
        command = [s.tools / "bare_loop", "splice"]
        address = parts.from_one_connection(run, command, out=os.open(file, os.O_WRONLY))
        parts.ideal(s, run, address, "raw", count, request, 1)
        if durable:
            run.wait_for("server")
            synced(run, file)

    title = "sink file on a disk, synced" if durable else "into a file in memory"
    return Workload("sink-file" if durable else "unix-file", f"{title}, 256 KiB x 16", count,
                    [Peer(US, ours), Peer("nbdkit file", nbdkit_file),
                     parts.null(s, "write", count, request, queue), Peer(SPLICE, bare)],
                    Floor(NULL, SPLICE))


def sink_workloads(s: Setting) -> list[Workload]:
    return [into_null(s), into_file(s, durable=False), into_file(s, durable=True)]


def start_commands(s: Setting, socket_path: str) -> list[tuple[str, list]]:
    """For the time from exec to the first connection."""
    unused = str(s.memory / "unused")
    return [(US, [s.server, "--sink", f"fifo:{unused}", "-U", socket_path]),
            (NULL, [shutil.which("nbdkit"), "-f", "-U", socket_path, "null"])]
