# SPDX-License-Identifier: BSD-3-Clause
import signal
import subprocess

from support import DIFF, IMPORT, NBDSTREAM, PATIENCE, CephTest, children, still_running

CONVERT = 'qemu-img convert -n -W -m 16 in.qcow2 -O raw "$uri"'
# A client that writes half of the disk. A double quote ends its last word, and more may follow.
HALF = 'nbdsh -u "$uri" -c "for at in range(32): h.pwrite(bytes([at + 1]) * (1 << 20), at << 20)'


class BrokenStream(CephTest):
    """A stream that broke off, however it did, leaves no snapshot."""

    def through_both(self, attempt) -> None:
        """Calls attempt(start) twice: start() starts nbdstream, with further options, into a
        command, and then into a pipe, of which rbd must say that it broke off."""
        for sink in ("command", "pipe"):
            with self.subTest(sink=sink):
                if sink == "command":
                    attempt(lambda *more: self.start(NBDSTREAM, *self.options(IMPORT), *more))
                else:
                    self.through_a_pipe(attempt)
                self.assertEqual(self.snapshots(), [])

    def options(self, sink: str) -> tuple:
        return (*DIFF, "--diff-to", "first", "--size", self.size, "--sink", sink)

    def through_a_pipe(self, attempt) -> None:
        rbd = subprocess.Popen(["rbd", "import-diff", "--no-progress", "-", "image"],
                               stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        with rbd:
            def start(*more):
                process = self.start(NBDSTREAM, *self.options("stdout"), *more, stdout=rbd.stdin)
                rbd.stdin.close()
                return process
            attempt(start)
            self.assertEqual(rbd.wait(PATIENCE), 74)
            self.assertIn("failed to decode tag", rbd.stderr.read())

    def runs_and_fails(self, command: str, status: int, *options: object) -> None:
        def attempt(start):
            server = start("--run", command, *options)
            self.assert_ends(server, status)
        self.through_both(attempt)

    def serves_and_fails(self, command: str, why: str) -> None:
        """The client is nobody's child, and writes to the socket `sock`."""
        def attempt(start):
            server = start("-U", "sock", "--pidfile", "ready")
            self.wait_for_file("ready")
            client = subprocess.run(
                ["sh", "-c", command], cwd=self.directory, timeout=PATIENCE, stderr=subprocess.PIPE,
                env=self.environment | {"uri": "nbd+unix:///?socket=sock"})
            self.assertEqual(client.returncode, 0, client.stderr)
            self.assertIn(why, self.assert_ends(server, 1))
        self.through_both(attempt)

    def test_of_a_command_that_fails_when_it_has_written_everything(self):
        self.make_disk()
        self.runs_and_fails(CONVERT + " && exit 3", 3)

    def test_of_a_command_that_is_killed_in_the_middle(self):
        self.runs_and_fails("exec " + HALF + '" -c "import os; os.kill(os.getpid(), 9)"', 137)

    def test_of_a_command_that_hides_that_a_write_was_refused(self):
        """Beyond the end of the disk."""
        self.runs_and_fails(HALF + '" -c "h.set_strict_mode(0)"'
                            ' -c "h.pwrite(b\'x\' * 4096, 64 << 20)"; true', 1)

    def test_of_a_command_that_leaves_half_of_the_disk_out_though_gaps_are_refused(self):
        self.runs_and_fails(HALF + '" -c "h.shutdown()"', 1, "--gaps", "refuse")

    def test_of_a_client_that_leaves_half_of_the_disk_out(self):
        self.serves_and_fails(HALF + '" -c "h.shutdown()"', "were not covered")

    def test_of_a_client_that_vanishes(self):
        self.serves_and_fails(HALF + '"', "without NBD_CMD_DISC")

    def test_of_a_server_that_is_asked_to_end(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            def attempt(start):
                server = start("--run", HALF + '" -c "open(\'half\', \'w\'); import signal; '
                               'signal.pause()"')
                self.wait_for_file("half")
                server.send_signal(number)
                self.assert_ends(server, 128 + number)
                (self.directory / "half").unlink()
            self.through_both(attempt)

    def test_of_a_server_that_is_killed(self):
        def attempt(start):
            server = start("-U", "sock", "--run", "exec " + HALF +
                           '" -c "open(\'half\', \'w\'); h.poll(-1)"')
            self.wait_for_file("half")
            mine = [pid for pid in children() if pid != server.pid]
            server.kill()
            self.assert_ends(server, -signal.SIGKILL)
            self.assertEqual(still_running(PATIENCE, but=mine), [])
            (self.directory / "half").unlink()
        self.through_both(attempt)

    def test_is_refused_by_rbd_wherever_it_is_cut(self):
        self.make_disk()
        self.backup(CONVERT, "--diff-to", "first", sink="file:diff")
        diff = self.read_file("diff")
        for length in (len(diff) - 1, len(diff) - 18, len(diff) // 2, 12, 40):
            with self.subTest(length=length, of=len(diff)):
                self.import_diff(diff[:length], status=74)
                self.assertEqual(self.snapshots(), [])
        self.import_diff(diff)
        self.assertEqual(self.snapshots(), ["first"])

    def test_does_not_disturb_the_next_one(self):
        disk = self.make_disk()
        self.backup("exec " + HALF + '" -c "import os; os.kill(os.getpid(), 9)"',
                    "--diff-to", "first", status=137)
        self.backup(CONVERT, "--diff-to", "first")
        self.assert_content("image@first", disk)
