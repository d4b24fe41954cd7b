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
        # By the role, and a number where a role has several.
        self.processes: dict[str, subprocess.Popen] = {}
        self.begin: float | None = None
        self.fifos: list[int] = []
        self.others: list[str] = []  # files elsewhere, which end with the run

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_) -> None:
        for process in self.processes.values():
            process.kill()  # measure, with which its command dies
            process.wait()
        for fifo in self.fifos:
            os.close(fifo)
        for file in self.others:
            pathlib.Path(file).unlink(missing_ok=True)
        shutil.rmtree(self.directory)

    def path(self, name: str) -> str:
        return str(self.directory / name)

    def file_in(self, directory: pathlib.Path, size: int) -> pathlib.Path:
        """A new file without data in another file system; it is removed after the run."""
        fd, path = tempfile.mkstemp(dir=directory)
        os.truncate(fd, size)
        os.close(fd)
        self.others.append(path)
        return pathlib.Path(path)

    def spawn(self, role: str, command: list, stdin=subprocess.DEVNULL, stdout=None) -> str:
        """`role` is one of server, client, reader, or copier: one that is both of the first two.
        Returns the name of the process, which is the role, and a number if it is not the first."""
        name = role if role not in self.processes else f"{role}.{len(self.names(role))}"
        words = [self.tools / "measure", self.path(name + ".cost"), *command]
        if self.perf:
            words = [*self.perf, "-o", self.path(name + ".perf"), "--", *words]
        out = self.path(name + ".out")
        with open(self.path(name + ".err"), "wb") as err, open(out, "wb") as default:
            if self.begin is None:
                self.begin = time.monotonic()
            self.processes[name] = subprocess.Popen(
                [str(w) for w in words], env=os.environ | {"TMPDIR": str(self.directory)},
                stdin=stdin, stdout=default if stdout is None else stdout, stderr=err)
        return name

    def names(self, role: str) -> list[str]:
        return [name for name in self.processes if name.split(".")[0] == role]

    def reader_of_fifo(self, large=False) -> str:
        """Starts the reader of a named pipe, whose path is returned. `large`: the pipe has 1 MiB,
        even where the others' are left as they are."""
        fifo = self.path(f"fifo{len(self.fifos)}")
        os.mkfifo(fifo)
        # Ours is never read from. It keeps the pipe, so that its size can be set and seen.
        self.fifos.append(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK))
        if self.equal_pipes or large:
            try:
                fcntl.fcntl(self.fifos[-1], fcntl.F_SETPIPE_SZ, EQUAL_PIPE)
            except PermissionError:
                raise Failure("so many pipes of 1 MiB take root, or a larger "
                              "/proc/sys/fs/pipe-user-pages-soft") from None
        self.spawn("reader", [self.tools / "drain", fifo])
        return fifo

    def reader_of_tcp(self) -> int:
        """Starts a reader that accepts a connection to the port that is returned."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.spawn("reader", [self.tools / "drain"], stdin=listener)
            return listener.getsockname()[1]

    def ready(self, pidfile: str, server="server") -> None:
        """Waits for the server's pidfile."""
        while not os.path.exists(pidfile):
            if self.processes[server].poll() is not None:
                raise Failure(self.complaint(server))
            self.in_time()
            time.sleep(0.0005)

    def stop_server(self) -> None:
        """Ends a server that would never end by itself, when its clients have."""
        for name in self.names("client"):
            self.wait_for(name)
        for name in self.names("server"):
            self.processes[name].terminate()
        for name in self.names("server"):
            self.wait_for(name)

    def finish(self, expected: int, never_ends: bool, more: int | None = 0,
               compresses: bool = False) -> Sample:
        """Waits for all to end. `never_ends`: the server must be told to. `more`: so many bytes
        come out beyond the expected ones; None: that is not known. `compresses`: they are fewer."""
        if never_ends:
            self.stop_server()
        for name in self.processes:
            self.wait_for(name)
        if readers := self.names("reader"):
            got = sum(int(pathlib.Path(self.path(name + ".out")).read_text()) for name in readers)
            wanted = expected + (more or 0)
            wrong = got < wanted or (got > wanted and more is not None)
            if compresses:
                wrong = not 0 < got < expected
            if wrong:
                raise Failure(f"{got} bytes came out, not {wanted}")
        return self.sample(expected, never_ends)

    def sample(self, size: int, server_was_told: bool) -> Sample:
        costs = {name: self.cost(name) for name in self.processes}
        # When we tell a server to end is not its doing.
        end = max(cost.end for name, cost in costs.items()
                  if not (server_was_told and name.startswith("server")))
        cpu: dict[str, float] = {}
        for name, cost in costs.items():
            role = name.split(".")[0]
            cpu[role] = cpu.get(role, 0) + cost.all_cpu
        servers = [costs[name] for name in self.names("server")]
        return Sample(
            seconds=end - self.begin,
            bytes=size,
            server_cpu=sum(c.cpu for c in servers) if servers else None,
            all_cpu=sum(cpu.values()),
            cpu=cpu,
            peak=sum(c.peak for c in servers or [costs.get("copier") or costs["client"]]),
            pipe=fcntl.fcntl(self.fifos[0], fcntl.F_GETPIPE_SZ) if self.fifos else None)

    def wait_for(self, name: str) -> None:
        """The others are watched meanwhile: a reader waits for ever if its writer never came."""
        while self.processes[name].poll() is None:
            failed = [n for n, p in self.processes.items() if p.poll() not in (None, 0)]
            if failed:
                raise Failure(self.complaint(failed[0]))
            self.in_time()
            time.sleep(0.002)
        if self.processes[name].returncode != 0:
            raise Failure(self.complaint(name))

    def in_time(self) -> None:
        if time.monotonic() - self.begin > DEADLINE:
            raise Failure(f"not over after {DEADLINE} s")

    def complaint(self, name: str) -> str:
        said = pathlib.Path(self.path(name + ".err")).read_text(errors="replace").strip()
        return f"the {name} ended with {self.processes[name].returncode}: {said[-500:]}"

    def cost(self, name: str) -> Cost:
        """The line that measure.cpp explains."""
        end, user, system, peak, all_user, all_system = map(
            int, pathlib.Path(self.path(name + ".cost")).read_text().split())
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
