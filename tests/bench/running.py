# SPDX-License-Identifier: BSD-3-Clause
"""Starts the processes of one run, waits for them, and says what each of them cost."""

import fcntl
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass

DEADLINE = 300  # seconds that any run may take
EQUAL_PIPE = 1 << 20


class Failure(Exception):
    """A run that went wrong; it has no figures."""


@dataclass
class Cost:
    """What a process cost. `all_cpu` includes its descendants."""

    end: float
    cpu: float
    all_cpu: float
    peak: int


@dataclass
class Sample:
    """One run. `server_cpu` is None where the server is not a process of its own."""

    seconds: float
    bytes: int
    server_cpu: float | None
    all_cpu: float
    cpu: dict[str, float]
    peak: int
    pipe: int | None


class Run:
    """One peer in one round: its processes, in a directory of their own."""

    def __init__(self, tools: pathlib.Path, top: pathlib.Path, equal_pipes: bool, perf=()):
        """`perf`: words before each command, whose -o takes a file for the role's samples."""
        self.tools = tools
        self.perf = perf
        self.directory = pathlib.Path(tempfile.mkdtemp(dir=top))
        self.equal_pipes = equal_pipes
        self.processes: dict[str, subprocess.Popen] = {}
        self.begin: float | None = None
        self.fifo_fd: int | None = None

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_) -> None:
        for process in self.processes.values():
            process.kill()  # measure, with which its command dies
            process.wait()
        if self.fifo_fd is not None:
            os.close(self.fifo_fd)
        shutil.rmtree(self.directory)

    def path(self, name: str) -> str:
        return str(self.directory / name)

    def spawn(self, role: str, command: list, stdin=subprocess.DEVNULL, stdout=None) -> None:
        """`role` is one of server, client, reader, or copier: one that is more than one."""
        words = [self.tools / "measure", self.path(role + ".cost"), *command]
        if self.perf:
            words = [*self.perf, "-o", self.path(role + ".perf"), "--", *words]
        out = self.path(role + ".out")
        with open(self.path(role + ".err"), "wb") as err, open(out, "wb") as default:
            if self.begin is None:
                self.begin = time.monotonic()
            self.processes[role] = subprocess.Popen(
                [str(w) for w in words], env=os.environ | {"TMPDIR": str(self.directory)},
                stdin=stdin, stdout=default if stdout is None else stdout, stderr=err)

    def reader_of_fifo(self) -> str:
        """Starts the reader of a named pipe, whose path is returned."""
        fifo = self.path("fifo")
        os.mkfifo(fifo)
        # Ours is never read from. It keeps the pipe, so that its size can be set and seen.
        self.fifo_fd = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        if self.equal_pipes:
            fcntl.fcntl(self.fifo_fd, fcntl.F_SETPIPE_SZ, EQUAL_PIPE)
        self.spawn("reader", [self.tools / "drain", fifo])
        return fifo

    def reader_of_tcp(self) -> int:
        """Starts a reader that accepts a connection to the port that is returned."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.spawn("reader", [self.tools / "drain"], stdin=listener)
            return listener.getsockname()[1]

    def ready(self, pidfile: str) -> None:
        """Waits for the server's pidfile."""
        while not os.path.exists(pidfile):
            if self.processes["server"].poll() is not None:
                raise Failure(self.complaint("server"))
            self.in_time()
            time.sleep(0.0005)

    def finish(self, expected: int, stop_server: bool, more: int | None = 0,
               compresses: bool = False) -> Sample:
        """Waits for all to end. `stop_server`: it would never end by itself. `more`: so many bytes
        come out beyond the expected ones; None: that is not known. `compresses`: they are fewer."""
        roles = list(self.processes)
        if stop_server:
            self.wait_for("client")
            self.processes["server"].terminate()
        for role in roles:
            self.wait_for(role)
        costs = {role: self.cost(role) for role in roles}
        if "reader" in roles:
            got = int(pathlib.Path(self.path("reader.out")).read_text())
            wanted = expected + (more or 0)
            wrong = got < wanted or (got > wanted and more is not None)
            if compresses:
                wrong = not 0 < got < expected
            if wrong:
                raise Failure(f"{got} bytes came out, not {wanted}")
        # When we tell it to end is not its doing.
        end = max(c.end for r, c in costs.items() if not (stop_server and r == "server"))
        main = costs.get("server") or costs["copier"]
        pipe = self.fifo_fd and fcntl.fcntl(self.fifo_fd, fcntl.F_GETPIPE_SZ)
        return Sample(
            seconds=end - self.begin,
            bytes=expected,
            server_cpu=costs["server"].cpu if "server" in costs else None,
            all_cpu=sum(c.all_cpu for c in costs.values()),
            cpu={role: c.all_cpu for role, c in costs.items()},
            peak=main.peak,
            pipe=pipe)

    def wait_for(self, role: str) -> None:
        """The others are watched meanwhile: a reader waits for ever if its writer never came."""
        while self.processes[role].poll() is None:
            failed = [r for r, p in self.processes.items() if p.poll() not in (None, 0)]
            if failed:
                raise Failure(self.complaint(failed[0]))
            self.in_time()
            time.sleep(0.01)
        if self.processes[role].returncode != 0:
            raise Failure(self.complaint(role))

    def in_time(self) -> None:
        if time.monotonic() - self.begin > DEADLINE:
            raise Failure(f"not over after {DEADLINE} s")

    def complaint(self, role: str) -> str:
        said = pathlib.Path(self.path(role + ".err")).read_text(errors="replace").strip()
        return f"the {role} ended with {self.processes[role].returncode}: {said[-500:]}"

    def cost(self, role: str) -> Cost:
        """The line that measure.cpp explains."""
        end, user, system, peak, all_user, all_system = map(
            int, pathlib.Path(self.path(role + ".cost")).read_text().split())
        return Cost(end / 1e9, (user + system) / 1e6, (all_user + all_system) / 1e6, peak << 10)


def time_to_greeting(command: list, path: str) -> float:
    """Seconds from the start of a server until a client has its greeting, over a Unix socket."""
    words = [str(word) for word in command]
    null = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    begin = time.monotonic()
    pid = os.posix_spawn(words[0], words, os.environ, file_actions=null)
    try:
        while True:
            if time.monotonic() - begin > 1:
                raise Failure("no greeting within a second")
            with socket.socket(socket.AF_UNIX) as client:
                try:
                    client.connect(path)
                except (FileNotFoundError, ConnectionRefusedError):
                    time.sleep(0.0001)
                    continue
                if client.recv(8) != b"NBDMAGIC":
                    raise Failure("a strange greeting")
                return time.monotonic() - begin
    finally:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
        pathlib.Path(path).unlink(missing_ok=True)
