# SPDX-License-Identifier: BSD-3-Clause
import os
import pathlib
import random
import signal
import subprocess
import time

from s3_support import S3Test, setUpModule
from support import PATIENCE

CONVERT = 'qemu-img convert -n -W -m 16 in.qcow2 -O raw "$uri"'


def client_of(server: subprocess.Popen) -> int | None:
    """The command of --run."""
    children = pathlib.Path("/proc/{0}/task/{0}/children".format(server.pid)).read_text().split()
    return int(children[0]) if children else None


class BrokenStream(S3Test):
    """Nothing of it is left, but for one upload of who was killed."""

    def test_of_a_command_that_fails_leaves_nothing(self):
        self.make_disk()
        self.upload(CONVERT + " && exit 3", status=3)
        self.assert_nothing_left()

    def test_of_a_client_that_is_killed_leaves_nothing(self):
        stream = self.start_halting()
        os.kill(client_of(stream), signal.SIGKILL)
        self.assert_ends(stream, 128 + signal.SIGKILL)
        self.assert_nothing_left()

    def test_of_a_server_that_is_told_to_end_leaves_nothing(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number=number):
                stream = self.start_halting()
                stream.send_signal(number)
                self.assert_ends(stream, 128 + number)
                self.assert_nothing_left()

    def test_of_a_server_that_is_killed_leaves_one_upload(self):
        stream = self.start_halting()
        stream.kill()
        self.assert_ends(stream, -signal.SIGKILL)
        self.write_file("go", b"")  # its command has not ended
        self.assertEqual(self.objects(), [])
        self.assertEqual(len(self.uploads()), 1)


class GatewayThatFails(S3Test):
    """It is started again, and the stream is committed."""

    def test_in_the_middle_is_waited_for(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(number=number):
                stream = self.start_halting("-o", "overwrite=true")
                self.gateway.kill(number)
                self.write_file("go", b"")
                self.wait_until(lambda: "warning" in stream.log.read_text())
                self.gateway.start()
                self.assert_ends(stream, 0)
                self.assert_object(self.read_file("in.raw"))
                self.assertEqual(self.uploads(), [])

    def test_for_good_fails_the_stream(self):
        stream = self.start_halting("-o", "retry-timeout=1s", "--grace", "1s")
        self.gateway.kill()
        self.write_file("go", b"")
        self.assertIn("abort-multipart-upload", self.assert_ends(stream, 1))
        self.gateway.start()
        self.assertEqual(self.objects(), [])
        self.assertEqual(len(self.uploads()), 1)


class KilledAtRandom(S3Test):
    """Whoever is killed, and whenever: there is no object, or all of it."""

    def attempt(self, victim: str, after: float) -> None:
        key = "key"
        stream = self.start_upload(CONVERT, "-U", "sock", key=key)
        time.sleep(after)  # no event: any moment will do
        if victim == "server":
            stream.kill()
        elif victim == "client":
            if stream.poll() is None and (client := client_of(stream)):
                os.kill(client, signal.SIGKILL)
        else:
            self.gateway.kill()
            self.gateway.start()
        status = stream.wait(PATIENCE)
        log = stream.log.read_text()
        uploads, objects = len(self.uploads()), self.objects()
        # The gateway died before it told the name of an upload, so nbdstream cannot remove that one.
        lost = "the server's answer to the beginning of an upload was lost" in log
        most_uploads = int(lost or (victim == "server" and not objects))
        if objects:
            self.assert_object(self.disk, key)
        self.assertEqual(objects, [key] if status == 0 else objects, log)
        if victim == "gateway":
            self.assertEqual(status, 0, log)
        self.assertLessEqual(uploads, most_uploads, log)
        if victim != "server":
            self.assertEqual(len(objects), int(status == 0), log)

    def test_leaves_a_whole_object_or_none(self):
        self.disk = self.make_disk()
        seed = int(os.environ.get("NBDSTREAM_SEED", "1"))
        dice = random.Random(seed)
        for _ in range(2):  # the first of a gateway takes longer
            began = time.monotonic()
            self.upload(CONVERT, "-U", "sock")
            whole = time.monotonic() - began
            self.empty_the_bucket()
        for n in range(15):
            victim, after = ("server", "client", "gateway")[n % 3], dice.uniform(0, whole)
            with self.subTest(seed=seed, victim=victim, after=after):
                try:
                    self.attempt(victim, after)
                finally:
                    self.empty_the_bucket()
