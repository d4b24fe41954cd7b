# SPDX-License-Identifier: BSD-3-Clause
"""What the cases beside a real Ceph share. They run inside cluster.py, whose pool is `rbd`."""
import ctypes
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path.append(str(TESTS / "support"))

NBDSTREAM = os.environ.get("NBDSTREAM", str(TESTS.parent / "build/release/bin/nbdstream"))
MiB = 1 << 20
PATIENCE = 60  # seconds, for any command and any wait
CASE = 150  # seconds, for a case

DIFF = ("--format", "rbd-diff")
IMPORT = "exec:exec rbd import-diff --no-progress - image"

PR_SET_CHILD_SUBREAPER = 36


def children() -> list[int]:
    """Also those of children that have ended: we are their reaper."""
    pids = pathlib.Path("/proc/self/task/{}/children".format(os.getpid())).read_text().split()
    return [int(pid) for pid in pids]


def still_running(seconds: float, but: list[int] = []) -> list[int]:
    """The children that have not ended after so long; all others are reaped, except `but`."""
    end = time.monotonic() + seconds
    while True:
        left = [pid for pid in children() if pid not in but and not os.waitpid(pid, os.WNOHANG)[0]]
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.005)


def too_late(*_) -> None:
    raise TimeoutError("the deadline of the case has passed")


class ClusterTest(unittest.TestCase):
    """A directory of its own, in which all commands run, and a disk of `size` bytes. What a case
    leaves running makes it fail, but for the children `kept`; so does a temporary file of
    nbdstream."""

    size = 64 * MiB
    kept: list[int] = []

    @classmethod
    def setUpClass(cls) -> None:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
        signal.signal(signal.SIGALRM, too_late)
        # What is ignored here is ignored by every command that is started, nbdstream among them.
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)

    def setUp(self) -> None:
        signal.alarm(CASE)
        self.addCleanup(signal.alarm, 0)
        temporary = tempfile.TemporaryDirectory(prefix="nbdstream-")
        self.addCleanup(temporary.cleanup)
        self.directory = pathlib.Path(temporary.name)
        (self.directory / "tmp").mkdir()
        self.logs = 0
        self.environment = os.environ | {
            "TMPDIR": self.path("tmp"),
            "PATH": "{}:/usr/bin:{}".format(pathlib.Path(NBDSTREAM).parent, os.environ["PATH"])}
        self.addCleanup(self.check_what_is_left)

    def check_what_is_left(self) -> None:
        names = []
        for pid in still_running(2, but=self.kept):
            names.append(pathlib.Path("/proc/{}/cmdline".format(pid)).read_bytes())
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self.assertEqual(names, [], "processes that still ran")
        self.assertEqual(os.listdir(self.path("tmp")), [])

    # ---- commands, files, waits

    def path(self, name: str) -> str:
        return str(self.directory / name)

    def start(self, *words: object, **more) -> subprocess.Popen:
        """`more`: as for Popen. Its output is in a file."""
        self.logs += 1
        path = self.path("log{}".format(self.logs))
        with open(path, "w") as log:
            process = subprocess.Popen([str(w) for w in words], **{
                "cwd": self.directory, "env": self.environment, "stdin": subprocess.DEVNULL,
                "stdout": log, "stderr": log} | more)
        process.log = pathlib.Path(path)
        return process

    def assert_ends(self, process: subprocess.Popen, status: int) -> str:
        """Waits for the end of what start() has started. Returns its log."""
        found = process.wait(PATIENCE)
        log = process.log.read_text()
        self.assertEqual(found, status, log)
        return log

    def end(self, process: subprocess.Popen) -> None:
        process.terminate()
        process.wait(PATIENCE)

    def run_command(self, *words: object, status: int = 0, **more) -> str:
        """Its output. It must end with `status`."""
        done = subprocess.run([str(w) for w in words], timeout=PATIENCE, **{
            "cwd": self.directory, "env": self.environment, "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | more)
        self.assertEqual(done.returncode, status, "{}: {}".format(words, done.stderr))
        return done.stdout

    def nbdstream(self, *words: object, status: int = 0) -> str:
        """Its log."""
        return self.assert_ends(self.start(NBDSTREAM, *words), status)

    def wait_until(self, happened) -> None:
        end = time.monotonic() + PATIENCE
        while not happened():
            self.assertLess(time.monotonic(), end, "the deadline has passed")
            time.sleep(0.005)

    def wait_for_file(self, name: str) -> None:
        self.wait_until(pathlib.Path(self.path(name)).exists)

    def write_file(self, name: str, content: bytes) -> None:
        pathlib.Path(self.path(name)).write_bytes(content)

    def read_file(self, name: str) -> bytes:
        return pathlib.Path(self.path(name)).read_bytes()

    def make_disk(self, size: int | None = None, seed: int = 1) -> bytes:
        """in.raw, with data here and there and holes between, and the same as in.qcow2."""
        size = self.size if size is None else size
        dice = random.Random(seed)
        disk = bytearray(size)
        for _ in range(24):
            length = dice.randrange(1, MiB)
            at = dice.randrange(size - length)
            disk[at:at + length] = dice.randbytes(length)
        self.write_file("in.raw", disk)
        self.run_command("qemu-img", "convert", "-f", "raw", "in.raw", "-O", "qcow2", "in.qcow2")
        return bytes(disk)


class CephTest(ClusterTest):
    """An empty image `image` as large as the disk."""

    def setUp(self) -> None:
        super().setUp()
        self.make_image("image")

    def backup(self, command: str, *options: object, sink: str = IMPORT, status: int = 0) -> str:
        """By `command`, of a disk of `size` bytes. Returns nbdstream's log."""
        return self.nbdstream(*DIFF, "--size", self.size, "--sink", sink, "--run", command,
                              *options, status=status)

    # ---- images

    def rbd(self, *words: object, status: int = 0, **more) -> str:
        return self.run_command("rbd", *words, status=status, **more)

    def make_image(self, name: str, size: int | None = None) -> None:
        self.rbd("create", name, "--size", "{}B".format(self.size if size is None else size))
        self.addCleanup(self.remove_image, name)

    def remove_image(self, name: str) -> None:
        self.rbd("snap", "purge", "--no-progress", name)
        self.rbd("rm", "--no-progress", name)

    def snapshots(self, image: str = "image") -> list[str]:
        return [s["name"] for s in json.loads(self.rbd("snap", "ls", "--format", "json", image))]

    def content(self, image: str) -> bytes:
        """Of an image, or of IMAGE@SNAPSHOT."""
        return self.rbd("export", "--no-progress", image, "-", text=False)

    def assert_content(self, image: str, expected: bytes) -> None:
        found = self.content(image)
        self.assertEqual(len(found), len(expected))
        if found != expected:
            at = next(i for i, (a, b) in enumerate(zip(found, expected)) if a != b)
            self.fail("{} differs from byte {} on".format(image, at))

    def import_diff(self, diff: bytes, image: str = "image", status: int = 0) -> None:
        self.rbd("import-diff", "--no-progress", "-", image, status=status, text=False,
                 stdin=None, input=diff)
