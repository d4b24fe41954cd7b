# SPDX-License-Identifier: BSD-3-Clause
"""Workloads with something more between client and reader: a digest, zstd, TLS, somebody who
watches."""

import shlex
import subprocess

import in_order
import parts
from model import KiB, US, Floor, Peer, Setting, Workload
from parts import NULL, SPLICE
from running import Run

ZSTD = "zstd -T2"


def digests(s: Setting, request: int, queue: int) -> Workload:
    """What a digest costs, and what the copying path makes of it."""
    count = s.sizes.held

    def ours(*more):
        def start(run: Run) -> None:
            address = parts.nbdstream(s, run, more=more)
            parts.ideal(s, run, address, "write", count, request, queue)
        return start

    def with_digest(name: str, *more) -> Peer:
        return Peer(f"ours, {name}{' copying' if more else ''}", ours("--digest", name, *more))

    copying = "--data-path", "copy"
    peers = [Peer(US, ours("--digest", "sha256")), Peer("ours, none", ours()),
             with_digest("blake2b"), with_digest("xxh3"), with_digest("sha256", *copying),
             with_digest("xxh3", *copying), parts.null(s, "write", count, request, queue),
             parts.bare(s, count, request)]
    return Workload("digests", "in order, 256 KiB x 16, with SHA-256", count, peers,
                    Floor(NULL, SPLICE))


def compressed(s: Setting, title: str, image: str, size: int, level: int) -> Workload:
    """Beside zstd, which reads the raw disk itself, and behind a pipe of ours."""
    with_zstd = ["zstd", "-q", f"-{level}", "-T2", "-c"]
    client = in_order.convert(s, image, "raw")

    def ours(run: Run) -> None:
        parts.nbdstream(s, run, more=("--size", size, "--compress", f"zstd:{level}"))
        client(run)

    def alone(run: Run) -> None:
        with open(run.reader_of_fifo(), "wb") as out:
            run.spawn("server", [*with_zstd, s.inputs / image], stdout=out)

    def behind(run: Run) -> None:
        words = shlex.join(with_zstd) + f" > {shlex.quote(run.reader_of_fifo())}"
        parts.nbdstream_into(s, run, "exec:" + words, more=("--size", size))
        client(run)

    return Workload(f"compress-{image.split('.')[0]}-{level}", f"{title}, zstd level {level}", size,
                    [Peer(US, ours, compresses=True), Peer(ZSTD, alone, compresses=True),
                     Peer("ours, exec:zstd", behind, compresses=True),
                     parts.null_for(client, size)],
                    Floor(NULL, ZSTD), inputs=frozenset({image}))


def over_tls(s: Setting) -> Workload:
    """nbdcopy is the client: it has one connection, on which it writes in order."""
    key, size = s.inputs / "psk", s.sizes.data
    options = "--tls=require", f"--tls-psk={key}"

    def client(run: Run) -> None:
        run.spawn("client", ["nbdcopy", "--connections=1", s.inputs / "dense.raw",
                             f"nbds+unix://bench@/?socket={run.path('nbd')}&tls-psk-file={key}"])

    def ours(run: Run) -> None:
        parts.nbdstream(s, run, more=("--size", size, *options))
        client(run)

    return Workload("tls", "dense raw image over TLS, by nbdcopy", size,
                    [Peer(US, ours), parts.null_for(client, size, *options),
                     parts.bare(s, size, 256 * KiB)],
                    Floor(NULL, SPLICE), inputs=frozenset({"dense.raw", "psk"}))


def watched(s: Setting, request: int, queue: int) -> Workload:
    """With everything that shows what goes on, and somebody who looks at the page."""
    count = s.sizes.data if request < 32 * KiB else s.sizes.stream

    def plain(run: Run) -> None:
        parts.ideal(s, run, parts.nbdstream(s, run), "write", count, request, queue)

    def seen(run: Run) -> None:
        control = run.path("control")
        address = parts.nbdstream(s, run, more=("--control", control, "--metrics", "0",
                                                "--progress=1", "--metrics-file",
                                                run.path("metrics")))
        run.spawn("watcher", ["curl", "-sN", "--unix-socket", control, "http://h/v1/events"],
                  stdout=subprocess.DEVNULL)
        parts.ideal(s, run, address, "write", count, request, queue)

    return Workload(f"watched-{request}",
                    f"in order, {parts.size_text(request)} x {queue}, watched", count,
                    [Peer(US, seen), Peer("ours, unwatched", plain),
                     parts.null(s, "write", count, request, queue), parts.bare(s, count, request)],
                    Floor(NULL, SPLICE))


def stage_workloads(s: Setting) -> list[Workload]:
    return [digests(s, 256 * KiB, 16), over_tls(s),
            *(compressed(s, "disk with files", "files.raw", s.sizes.files, level)
              for level in (1, 3, 9)),
            compressed(s, "nearly empty disk", "hole.raw", s.sizes.hole, 3),
            watched(s, 256 * KiB, 16), watched(s, 4 * KiB, 64)]
