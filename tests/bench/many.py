# SPDX-License-Identifier: BSD-3-Clause
"""Workloads with many exports at once, each with a client and a reader of its own."""

import pathlib

import parts
from model import KiB, US, WINDOW, Floor, Peer, Setting, Workload
from parts import NULL, SPLICE
from running import Run

REQUEST, QUEUE = 256 * KiB, 16

EXPORT = """
[[export]]
name = "{name}"
settle = "0s"
[export.sink]
module = "fifo"
argument = "{fifo}"
"""


def exports(s: Setting, count: int) -> Workload:
    each = s.sizes.many // count

    def write(run: Run, address: str, export="") -> None:
        parts.ideal(s, run, address, "write", each, REQUEST, QUEUE, export)

    def one_process(run: Run) -> None:
        names = [f"e{i}" for i in range(count)]
        config = pathlib.Path(run.path("config.toml"))
        config.write_text("[server]\n" + "".join(
            EXPORT.format(name=name, fifo=run.reader_of_fifo()) for name in names))
        listen, address = parts.listen_at(run)
        parts.serve(run, [s.server, "--config", config, *listen, "--log-level", "error"])
        for name in names:
            write(run, address, name)

    def processes(run: Run) -> None:
        started = []
        for i in range(count):
            socket, ready = run.path(f"nbd{i}"), run.path(f"ready{i}")
            words = ["-U", socket, "-P", ready, "--sink", "fifo:" + run.reader_of_fifo()]
            started.append((run.spawn("server", [s.server, *words, *parts.QUIET]), ready, socket))
        for name, ready, socket in started:
            run.ready(ready, name)
            write(run, "unix:" + socket)

    def null(run: Run) -> None:
        address = parts.nbdkit(run, "-t", QUEUE, "null", "size=1T")
        for _ in range(count):
            write(run, address)

    def bare(run: Run) -> None:
        for _ in range(count):
            address = parts.from_one_connection(run, [s.tools / "bare_loop", "splice"])
            parts.ideal(s, run, address, "raw", each, REQUEST, 1)

    separate = [Peer(f"{count} processes", processes)] if count > 1 else []
    return Workload(f"exports-{count}", f"{count} export{'s' * (count > 1)} in one process",
                    s.sizes.many, [Peer(US, one_process), *separate,
                                   Peer(NULL, null, never_ends=True), Peer(SPLICE, bare)],
                    Floor(NULL, SPLICE), window=count * WINDOW)


def many_workloads(s: Setting) -> list[Workload]:
    return [exports(s, count) for count in (1, 8, 64)]
