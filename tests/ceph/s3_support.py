# SPDX-License-Identifier: BSD-3-Clause
"""What the cases of the sink s3 beside a real gateway share."""
import re
import subprocess
import unittest
from html import unescape

from gateway import BUCKET, Gateway
from support import NBDSTREAM, ClusterTest

PART = 5 << 20  # bytes: the smallest there is
SETTINGS = ("-o", "part-size=5M")

# A client that writes half of the disk, makes a file `half`, and the rest when there is a file `go`.
HALTING = """exec nbdsh -u "$uri" -c '
import os, time
with open("in.raw", "rb") as disk: data = disk.read()
half = len(data) // 2
for at in range(0, half, 1 << 20): h.pwrite(data[at:at + (1 << 20)], at)
open("half", "w").close()
while not os.path.exists("go"): time.sleep(0.005)
for at in range(half, len(data), 1 << 20): h.pwrite(data[at:at + (1 << 20)], at)
h.shutdown()'"""


def setUpModule() -> None:
    """For each file that imports it: unittest calls what has this name."""
    S3Test.gateway = unittest.enterModuleContext(Gateway())


class S3Test(ClusterTest):
    """An empty bucket of a gateway that all cases of the file share."""

    gateway: Gateway

    def setUp(self) -> None:
        super().setUp()
        self.environment |= self.gateway.environment
        self.environment["HOME"] = str(self.directory)
        self.addCleanup(self.empty_the_bucket)

    @property
    def kept(self) -> list[int]:
        return self.gateway.pids()

    # ---- what is in the bucket, by requests of our own

    def gateway_gives(self, method: str, path: str = "", query: str = "", status: int = 200) -> str:
        found, body = self.gateway.request(method, "/" + BUCKET + path, query)
        self.assertEqual(found, status, body)
        return body.decode()

    def objects(self) -> list[str]:
        return [unescape(key) for key in re.findall("<Key>([^<]*)</Key>", self.gateway_gives("GET"))]

    def uploads(self) -> list[tuple[str, str]]:
        """Keys and identifiers of those that are open."""
        return re.findall("<Upload><Key>([^<]*)</Key><UploadId>([^<]*)</UploadId>",
                          self.gateway_gives("GET", query="uploads="))

    def parts(self) -> int:
        """How many are stored of the open upload; 0 where there is none."""
        return sum(self.gateway_gives("GET", "/" + key, "uploadId=" + upload).count("<PartNumber>")
                   for key, upload in self.uploads())

    def empty_the_bucket(self) -> None:
        for key in self.objects():
            self.gateway_gives("DELETE", "/" + key, status=204)
        for key, upload in self.uploads():
            self.gateway_gives("DELETE", "/" + key, "uploadId=" + upload, status=204)

    # ---- streams

    def start_upload(self, command: str, *options: object, key: str = "key") -> subprocess.Popen:
        return self.start(NBDSTREAM, "--sink", "s3://{}/{}".format(BUCKET, key), *SETTINGS, *options,
                          "--run", command)

    def upload(self, command: str, *options: object, key: str = "key", status: int = 0) -> str:
        """Returns the log."""
        return self.assert_ends(self.start_upload(command, *options, key=key), status)

    def start_halting(self, *options: object) -> subprocess.Popen:
        """An upload of in.raw that has come to its middle, and of which parts are stored; it goes on
        when there is a file `go`."""
        self.make_disk()
        for name in ("half", "go"):
            (self.directory / name).unlink(missing_ok=True)
        # A private socket would be left by who is killed.
        stream = self.start_upload(HALTING, "-U", "sock", *options)
        self.wait_for_file("half")
        self.wait_until(lambda: self.parts() > 0)
        return stream

    # ---- what others read

    def content(self, key: str = "key") -> bytes:
        return self.run_command("rclone", "cat", "gateway:{}/{}".format(BUCKET, key), text=False)

    def assert_object(self, expected: bytes, key: str = "key") -> None:
        self.assertIn(key, self.objects())
        self.assertTrue(self.content(key) == expected, "the object is not what was streamed")

    def assert_nothing_left(self) -> None:
        self.assertEqual((self.objects(), self.uploads()), ([], []))
