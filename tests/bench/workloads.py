# SPDX-License-Identifier: BSD-3-Clause
"""What is measured: each workload, and the peers that do the same work."""

import os
import pathlib
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

from running import Run

KiB, MiB, GiB = 1 << 10, 1 << 20, 1 << 30
PIECE = 16 * MiB  # of data, of which the images are made
US = "nbdstream"
BENCH = pathlib.Path(__file__).parent


@dataclass(frozen=True)
class Peer:
    name: str
    start: Callable[[Run], None]
    never_ends: bool = False  # its server must be told to
    more: int | None = 0  # so many bytes more than the disk's come out; None: not known
    compresses: bool = False  # then fewer come out


@dataclass(frozen=True)
class Workload:
    key: str
    title: str
    bytes: int
    peers: list[Peer]
    reference: str  # the name of the peer that the ratios are to
    target: str
    equal_pipes: bool = True


@dataclass(frozen=True)
class Setting:
    """Where things are, and how large."""

    server: pathlib.Path  # nbdstream
    tools: pathlib.Path
    inputs: pathlib.Path
    scratch: pathlib.Path  # in memory, if possible
    quick: bool

    @property
    def disk(self) -> int:
        return 2 * GiB if self.quick else 8 * GiB

    @property
    def data(self) -> int:
        return 256 * MiB if self.quick else GiB

    @property
    def hole(self) -> int:
        """A disk of so much, nearly all of which is one."""
        return 16 * GiB if self.quick else 64 * GiB

    @property
    def stream(self) -> int:
        return GiB if self.quick else 8 * GiB

    @property
    def zeroes(self) -> int:
        return 4 * GiB if self.quick else 32 * GiB


def make_inputs(s: Setting) -> None:
    """Two disks: pieces of data far from one another, as qcow2, and the same without gaps, raw."""
    piece = os.urandom(PIECE)
    count = s.data // PIECE
    for name, step in (("sparse.raw", s.disk // count), ("dense.raw", PIECE)):
        with open(s.inputs / name, "wb") as image:
            image.truncate(step * count)
            for i in range(count):
                image.seek(i * step)
                image.write(piece)
            os.fsync(image.fileno())  # nobody else's run should pay for it
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", s.inputs / "sparse.raw",
                    s.inputs / "sparse.qcow2"], check=True, stdin=subprocess.DEVNULL)
    os.unlink(s.inputs / "sparse.raw")
    with open(s.inputs / "sparse.qcow2", "rb+") as image:
        os.fsync(image.fileno())
    with open(s.inputs / "hole.raw", "wb") as image:
        image.truncate(s.hole)
        for at in (0, s.hole // 3, s.hole - PIECE):
            image.seek(at)
            image.write(piece)
        os.fsync(image.fileno())
    with open(s.inputs / "files.raw", "wb") as image:
        with subprocess.Popen(["tar", "-C", "/usr", "-c", "lib", "bin", "share"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as archive:
            while image.tell() < s.data and (some := archive.stdout.read(MiB)):
                image.write(some)
            archive.kill()
        image.truncate(s.data)
        os.fsync(image.fileno())
    with open(s.scratch / "target.raw", "wb") as target:
        os.posix_fallocate(target.fileno(), 0, s.data)


# ---- the parts of a peer --------------------------------------------------------------------


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def uri(run: Run) -> str:
    return f"nbd+unix:///?socket={run.path('nbd')}"


def serve(run: Run, command: list, stdout=None) -> None:
    run.spawn("server", [*command, "-P", run.path("ready")], stdout=stdout)
    run.ready(run.path("ready"))


def listen_at(run: Run, tcp: bool) -> tuple[list, str]:
    """The options to listen, and where a client finds it; nbdkit's words are ours, too."""
    if tcp:
        port = free_port()
        return ["-i", "127.0.0.1", "-p", port], f"tcp:{port}"
    return ["-U", run.path("nbd")], "unix:" + run.path("nbd")


def nbdstream(s: Setting, run: Run, tcp_in=False, tcp_out=False, data_path="auto", more=()) -> str:
    """Starts it with its reader; returns where it listens."""
    if tcp_out:
        sink = f"socket:tcp://127.0.0.1:{run.reader_of_tcp()}"
    else:
        sink = "fifo:" + run.reader_of_fifo()
    listen, address = listen_at(run, tcp_in)
    # --settle: a stream of nothing but zeroes does not wait for another client.
    serve(run, [s.server, *listen, "--sink", sink, "--settle", "0", "--log-level", "error",
                "--data-path", data_path, *more])
    return address


def from_one_connection(run: Run, command: list, tcp_in=False, tcp_out=False, file=None) -> str:
    """Starts what reads a listening socket on stdin and writes to stdout, with its reader, or to
    a file."""
    if file:
        sink = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    elif tcp_out:
        sink = socket.create_connection(("127.0.0.1", run.reader_of_tcp())).detach()
    else:
        sink = os.open(run.reader_of_fifo(), os.O_WRONLY)
    with (socket.socket(socket.AF_INET if tcp_in else socket.AF_UNIX) as listener,
          os.fdopen(sink, "wb") as out):
        listener.bind(("127.0.0.1", 0) if tcp_in else run.path("raw"))
        listener.listen()
        run.spawn("server", command, stdin=listener, stdout=out)
        return f"tcp:{listener.getsockname()[1]}" if tcp_in else "unix:" + run.path("raw")


def ideal(s: Setting, run: Run, address: str, mode: str, count: int, request: int, queue: int):
    run.spawn("client", [s.tools / "ideal_client", address, mode, count, request, queue])


# ---- the workloads --------------------------------------------------------------------------


def images(s: Setting, equal: bool) -> list[Workload]:
    def convert(name: str, form: str) -> Peer:
        def start(run: Run) -> None:
            nbdstream(s, run)
            run.spawn("client", ["qemu-img", "convert", "-n", "-f", form, s.inputs / name,
                                 "-O", "raw", uri(run)])
        return Peer(US, start)

    def nbdcopy(name: str, form: str) -> Peer:
        def start(run: Run) -> None:
            with open(run.reader_of_fifo(), "wb") as out:
                run.spawn("copier", ["nbdcopy", "--", "[", "qemu-nbd", "-r", "-f", form,
                                     s.inputs / name, "]", "-"], stdout=out)
        return Peer("nbdcopy", start)

    pipes, suffix = ("pipes of 1 MiB", "equal") if equal else ("pipes as shipped", "shipped")
    return [Workload(f"{kind}-{suffix}", f"{title}, {pipes}", size,
                     [convert(name, form), nbdcopy(name, form)], "nbdcopy", target, equal)
            for kind, title, size, name, form, target in (
                ("sparse", "sparse qcow2", s.disk, "sparse.qcow2", "qcow2",
                 "speed >= 5" if equal else "speed >= 8"),
                ("dense", "dense raw image", s.data, "dense.raw", "raw",
                 "speed >= 3, all CPU < 1"))]


def in_order(s: Setting, request: int, queue: int, tcp_in=False, tcp_out=False) -> Workload:
    def ours(run: Run) -> None:
        ideal(s, run, nbdstream(s, run, tcp_in, tcp_out), "write", s.stream, request, queue)

    def copying(run: Run) -> None:
        ideal(s, run, nbdstream(s, run, data_path="copy"), "write", s.stream, request, queue)

    def bare(mode: str) -> Callable[[Run], None]:
        def start(run: Run) -> None:
            address = from_one_connection(run, [s.tools / "bare_loop", mode], tcp_in, tcp_out)
            ideal(s, run, address, "raw", s.stream, request, 1)
        return start

    size = f"{request // KiB} KiB" if request < MiB else f"{request // MiB} MiB"
    names = "TCP" if tcp_in else "Unix", "TCP" if tcp_out else "FIFO"
    peers = [Peer(US, ours), Peer("bare splice", bare("splice"))]
    if tcp_out:
        peers.append(Peer("bare copy", bare("copy")))
    if names == ("Unix", "FIFO") and request < 32 * MiB:  # it has a buffer for each of 16 threads
        peers.append(nbdkit(s, "nbdkit null", ["null", "size=1T"], s.stream, request, queue))
    if names == ("Unix", "FIFO") and request == 256 * KiB:
        peers += [naive(s, s.stream, request, queue), Peer("ours, copying", copying)]
    return Workload(f"{'-'.join(names)}-{request}".lower(),
                    f"{size} x {queue} in order, {names[0]} to {names[1]}", s.stream, peers,
                    "bare splice", f"server CPU <= {1.4 if tcp_in or tcp_out else 1.3}")


def into_file(s: Setting, request: int, queue: int) -> Workload:
    file = s.scratch / "stream.raw"

    def ours(run: Run) -> None:
        listen, address = listen_at(run, False)
        with open(file, "wb") as out:
            serve(run, [s.server, *listen, "--sink", "stdout", "--settle", "0",
                        "--log-level", "error"], stdout=out)
        ideal(s, run, address, "write", s.data, request, queue)

    def bare(mode: str) -> Callable[[Run], None]:
        def start(run: Run) -> None:
            address = from_one_connection(run, [s.tools / "bare_loop", mode], file=file)
            ideal(s, run, address, "raw", s.data, request, 1)
        return start

    return Workload(f"unix-file-{request}", f"{request // KiB} KiB x {queue} in order, Unix to a "
                    "file in memory", s.data,
                    [Peer(US, ours), Peer("bare splice", bare("splice")),
                     Peer("bare copy", bare("copy"))], "bare splice", "none")


def naive(s: Setting, count: int, request: int, queue: int) -> Peer:
    def start(run: Run) -> None:
        address = from_one_connection(run, [s.tools / "naive_server"])
        ideal(s, run, address, "write", count, request, queue)
    return Peer("naive server", start)


def nbdkit(s: Setting, name: str, plugin: list, count: int, request: int, queue: int) -> Peer:
    """Its plugins cannot write to a pipe, so there is no reader."""
    def start(run: Run) -> None:
        listen, address = listen_at(run, False)
        serve(run, ["nbdkit", "-f", *listen, *plugin])
        ideal(s, run, address, "write", count, request, queue)
    return Peer(name, start, never_ends=True)


def digests(s: Setting, request: int, queue: int) -> Workload:
    """What a digest costs: the same stream without one, and what the copying path makes of it."""
    def ours(*more, data_path="auto") -> Callable[[Run], None]:
        def start(run: Run) -> None:
            address = nbdstream(s, run, data_path=data_path, more=more)
            ideal(s, run, address, "write", s.stream, request, queue)
        return start

    peers = [Peer(f"ours, {name}", ours("--digest", name)) for name in ("sha256", "blake2b", "xxh3")]
    peers.append(Peer("sha256, copying", ours("--digest", "sha256", data_path="copy")))
    peers.append(Peer("xxh3, copying", ours("--digest", "xxh3", data_path="copy")))
    return Workload("digests", f"{request // KiB} KiB x {queue} with a digest, Unix to FIFO",
                    s.stream, [Peer(US, ours()), *peers], US, "none")


def compressed(s: Setting, title: str, image: str, size: int, level: int,
               target: str) -> Workload:
    """Beside zstd, which reads the raw disk itself, and behind a pipe of ours."""
    with_zstd = ["zstd", "-q", f"-{level}", "-T2", "-c"]

    def ours(*more) -> Callable[[Run], None]:
        def start(run: Run) -> None:
            nbdstream(s, run, more=("--size", size, *more))
            convert(run)
        return start

    def convert(run: Run) -> None:
        run.spawn("client", ["qemu-img", "convert", "-n", "-f", "raw", s.inputs / image, "-O",
                             "raw", uri(run)])

    def alone(run: Run) -> None:
        with open(run.reader_of_fifo(), "wb") as out:
            run.spawn("server", [*with_zstd, s.inputs / image], stdout=out)

    def behind(run: Run) -> None:
        fifo = run.reader_of_fifo()
        words = shlex.join(with_zstd) + f" > {shlex.quote(fifo)}"
        serve(run, [s.server, *listen_at(run, False)[0], "--sink", "exec:" + words, "--size", size,
                    "--log-level", "error"])
        convert(run)

    peers = [Peer(US, ours("--compress", f"zstd:{level}"), compresses=True),
             Peer("zstd -T2", alone, compresses=True),
             Peer("exec:zstd -T2", behind, compresses=True)]
    return Workload(f"compress-{image.split('.')[0]}-{level}", f"{title}, zstd level {level}",
                    size, peers, "zstd -T2", target)


def zeroes(s: Setting, request: int, queue: int) -> Workload:
    def ours(run: Run) -> None:
        ideal(s, run, nbdstream(s, run), "zeroes", s.zeroes, request, queue)

    def bare(run: Run) -> None:
        with open(run.reader_of_fifo(), "wb") as out:
            run.spawn("server", [s.tools / "bare_loop", "zeroes", s.zeroes], stdout=out)

    return Workload(f"zeroes-{request}", f"WRITE_ZEROES of {request // MiB} MiB x {queue}",
                    s.zeroes, [Peer(US, ours), Peer("bare tee", bare)], "bare tee", "speed >= 0.7")


def small(s: Setting) -> Workload:
    def ours(run: Run) -> None:
        ideal(s, run, nbdstream(s, run), "write", s.data, 4 * KiB, 64)

    same = s.data, 4 * KiB, 64
    peers = [Peer(US, ours), naive(s, *same),
             nbdkit(s, "nbdkit file", ["file", s.scratch / "target.raw"], *same),
             nbdkit(s, "nbdkit null", ["null", "size=1T"], *same)]
    return Workload("small", "4 KiB x 64 in order, Unix to FIFO", s.data, peers,
                    "nbdkit file", "speed >= 2.2")


def watched(s: Setting, request: int, queue: int) -> Workload:
    """With everything that shows what goes on, and somebody who looks at the page."""
    count = s.data if request < 32 * KiB else s.stream

    def plain(run: Run) -> None:
        ideal(s, run, nbdstream(s, run), "write", count, request, queue)

    def seen(run: Run) -> None:
        control = run.path("control")
        address = nbdstream(s, run, more=("--control", control, "--metrics", "0", "--progress=1",
                                          "--metrics-file", run.path("metrics")))
        run.spawn("watcher", ["curl", "-sN", "--unix-socket", control, "http://h/v1/events"],
                  stdout=subprocess.DEVNULL)
        ideal(s, run, address, "write", count, request, queue)

    peers = [Peer(US, seen), Peer("ours, unwatched", plain)]
    return Workload(f"watched-{request}", f"{request // KiB} KiB x {queue} in order, watched",
                    count, peers, "ours, unwatched", "server CPU <= 1.03")


AS_DIFF = "--format", "rbd-diff", "--gaps", "allow"


def shuffled(s: Setting, request: int) -> Workload:
    """Each piece of the disk once, anywhere: what a live backup and a random writer do."""
    queue = 16
    disk = 512 * MiB if s.quick else 2 * GiB
    records = 22 + 17 * disk // request  # the header, the end; one for each request

    def ours(*more) -> Callable[[Run], None]:
        def start(run: Run) -> None:
            address = nbdstream(s, run, more=("--size", disk, *more))
            ideal(s, run, address, "shuffled", disk, request, queue)
        return start

    def bare(run: Run) -> None:
        address = from_one_connection(run, [s.tools / "bare_loop", "splice"])
        ideal(s, run, address, "raw", disk, request, 1)

    def null(run: Run) -> None:
        listen, address = listen_at(run, False)
        serve(run, ["nbdkit", "-f", *listen, "null", "size=1T"])
        ideal(s, run, address, "shuffled", disk, request, queue)

    return Workload(f"shuffled-{request}", f"{request // KiB} KiB x {queue} anywhere, Unix to FIFO",
                    disk, [Peer(US, ours(*AS_DIFF), more=records),
                           Peer("ours, spill", ours("--order", "spill")),
                           Peer("ours, spool", ours("--order", "spool")),
                           Peer("nbdkit null", null, never_ends=True), Peer("bare splice", bare)],
                    "bare splice", "speed >= 0.9, 16 MiB")


def live(s: Setting) -> Workload:
    """QEMU's backup job, of a disk whose pages are in memory."""
    def backup(run: Run) -> None:
        run.spawn("client", [sys.executable, BENCH / "backup_job.py", s.inputs / "dense.raw",
                             run.path("nbd")])

    def ours(*more) -> Callable[[Run], None]:
        def start(run: Run) -> None:
            nbdstream(s, run, more=("--size", s.data, *more))
            backup(run)
        return start

    def null(run: Run) -> None:
        serve(run, ["nbdkit", "-f", *listen_at(run, False)[0], "null", f"size={s.data}"])
        backup(run)

    return Workload("live", "QEMU's blockdev-backup, Unix to FIFO", s.data,
                    [Peer(US, ours(*AS_DIFF), more=None),
                     Peer("ours, spill", ours("--order", "spill")),
                     Peer("nbdkit null", null, never_ends=True)],
                    "nbdkit null", "speed >= 0.9, 16 MiB")


def all_workloads(s: Setting) -> list[Workload]:
    return [*images(s, equal=False), *images(s, equal=True),
            in_order(s, 256 * KiB, 16), in_order(s, 2 * MiB, 4), in_order(s, 32 * MiB, 2),
            in_order(s, 256 * KiB, 16, tcp_in=True), in_order(s, 256 * KiB, 16, tcp_out=True),
            into_file(s, 256 * KiB, 16), digests(s, 256 * KiB, 16),
            *(compressed(s, "dense disk with files", "files.raw", s.data, level,
                         "server CPU <= 1.05") for level in (1, 3, 9)),
            compressed(s, "sparse disk", "hole.raw", s.hole, 3, "speed >= 20"),
            zeroes(s, 32 * MiB, 4), zeroes(s, 2 * GiB, 1), small(s),
            watched(s, 256 * KiB, 16), watched(s, 4 * KiB, 64),
            shuffled(s, 256 * KiB), shuffled(s, 64 * KiB), live(s)]


def start_commands(s: Setting, socket_path: str) -> list[tuple[str, list]]:
    """For the time from exec to the first connection."""
    unused = str(s.scratch / "unused")
    return [(US, [s.server, "--sink", f"fifo:{unused}", "-U", socket_path]),
            ("nbdkit null", [shutil.which("nbdkit"), "-f", "-U", socket_path, "null"])]
