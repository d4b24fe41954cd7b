# SPDX-License-Identifier: BSD-3-Clause
"""The parts that peers are made of: servers, clients, and the two halves of the floor."""

import os
import pathlib
import socket
from collections.abc import Callable

from model import GiB, KiB, MiB, Peer, Setting
from running import Run

Start = Callable[[Run], None]
# --settle: a stream of nothing but zeroes does not wait for another client.
QUIET = "--settle", "0", "--log-level", "error"
NULL, SPLICE = "nbdkit null", "bare splice"  # what the floor is made of, mostly


def size_text(size: int) -> str:
    for unit, name in ((GiB, "GiB"), (MiB, "MiB")):
        if size >= unit:
            return f"{size // unit} {name}"
    return f"{size // KiB} KiB"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def uri(run: Run) -> str:
    return f"nbd+unix:///?socket={run.path('nbd')}"


def listen_at(run: Run, tcp=False) -> tuple[list, str]:
    """The options to listen, and where a client finds it; nbdkit's words are ours, too."""
    if tcp:
        port = free_port()
        return ["-i", "127.0.0.1", "-p", port], f"tcp:{port}"
    return ["-U", run.path("nbd")], "unix:" + run.path("nbd")


def serve(run: Run, command: list, stdout=None) -> None:
    name = run.spawn("server", [*command, "-P", run.path("ready")], stdout=stdout)
    run.ready(run.path("ready"), name)


def nbdstream_into(s: Setting, run: Run, sink: str, tcp_in=False, stdout=None, more=()) -> str:
    """Starts nbdstream; returns where it listens."""
    listen, address = listen_at(run, tcp_in)
    serve(run, [s.server, *listen, "--sink", sink, *QUIET, *more], stdout)
    return address


def nbdstream(s: Setting, run: Run, tcp_in=False, tcp_out=False, more=()) -> str:
    """The same with its reader."""
    sink = (f"socket:tcp://127.0.0.1:{run.reader_of_tcp()}" if tcp_out
            else "fifo:" + run.reader_of_fifo())
    return nbdstream_into(s, run, sink, tcp_in, more=more)


def nbdkit(run: Run, *plugin, tcp=False) -> str:
    listen, address = listen_at(run, tcp)
    serve(run, ["nbdkit", "-f", *listen, *plugin])
    return address


def from_one_connection(run: Run, command: list, tcp_in=False, out=None, tcp_out=False) -> str:
    """Starts what reads a listening socket on stdin and writes to stdout: to `out`, a descriptor,
    or to a reader of its own. Returns where it listens."""
    if out is None:
        out = (socket.create_connection(("127.0.0.1", run.reader_of_tcp())).detach() if tcp_out
               else os.open(run.reader_of_fifo(large=True), os.O_WRONLY))
    path = run.path(f"raw{len(run.processes)}")
    with (socket.socket(socket.AF_INET if tcp_in else socket.AF_UNIX) as listener,
          os.fdopen(out, "wb") as stdout):
        listener.bind(("127.0.0.1", 0) if tcp_in else path)
        listener.listen()
        run.spawn("server", command, stdin=listener, stdout=stdout)
        return f"tcp:{listener.getsockname()[1]}" if tcp_in else "unix:" + path


def ideal(s: Setting, run: Run, address: str, mode: str, count: int, request: int, queue: int,
          export="") -> None:
    run.spawn("client", [s.tools / "ideal_client", address, mode, count, request, queue, export])


# ---- peers ----------------------------------------------------------------------------------


def null(s: Setting, mode: str, count: int, request: int, queue: int, tcp=False) -> Peer:
    """The floor of the protocol: receives, and throws away. It has a buffer for each thread."""
    def start(run: Run) -> None:
        address = nbdkit(run, "-t", min(queue, 16), "null", "size=1T", tcp=tcp)
        ideal(s, run, address, mode, count, request, queue)
    return Peer(NULL, start, never_ends=True)


def null_for(client: Start, size: int, *more) -> Peer:
    """The same for another client, and a disk of so many bytes."""
    def start(run: Run) -> None:
        nbdkit(run, *more, "null", f"size={size}")
        client(run)
    return Peer(NULL, start, never_ends=True)


def bare(s: Setting, count: int, request: int, mode="splice", tcp_in=False, tcp_out=False,
         zeroes=0) -> Peer:
    """The floor of the output: `count` bytes from a client without NBD to a reader, and zeroes.
    Small requests are sent together: to send them would otherwise be most of its time."""
    def start(run: Run) -> None:
        command = [s.tools / "bare_loop", mode, *(("-", zeroes) if zeroes else ())]
        address = from_one_connection(run, command, tcp_in, tcp_out=tcp_out)
        ideal(s, run, address, "raw", count, max(request, 256 * KiB), 1)
    return Peer("bare " + mode, start)


def bare_zeroes(s: Setting, count: int) -> Peer:
    def start(run: Run) -> None:
        with open(run.reader_of_fifo(large=True), "wb") as out:
            run.spawn("server", [s.tools / "bare_loop", "zeroes", count], stdout=out)
    return Peer("bare tee", start)


def naive(s: Setting, count: int, request: int, queue: int) -> Peer:
    def start(run: Run) -> None:
        address = from_one_connection(run, [s.tools / "naive_server"])
        ideal(s, run, address, "write", count, request, queue)
    return Peer("naive server", start)


def file_then_cat(directory: pathlib.Path, name: str, client: Start, size: int) -> Peer:
    """What one does without nbdstream: nbdkit writes a file, which is sent when it is complete."""
    def start(run: Run) -> None:
        file = run.file_in(directory, size)
        nbdkit(run, "file", file)
        client(run)
        run.stop_server()
        with open(run.reader_of_fifo(), "wb") as out:
            run.spawn("server", ["cat", file], stdout=out)
    return Peer(name, start)
