# SPDX-License-Identifier: BSD-3-Clause
import subprocess

from gateway import BUCKET
from s3_support import S3Test, setUpModule
from support import NBDSTREAM, MiB

CONVERT = 'qemu-img convert -n -W -m 16 in.qcow2 -O raw "$uri"'
COMPARE = ('qemu-img compare -f raw -F raw in.raw "$uri" && rm -f out.raw && '
           'nbdcopy -C 4 "$uri" out.raw && cmp in.raw out.raw')

# A client that reads a few bytes, makes a file `read`, and reads on when there is a file `go`.
# Meanwhile somebody does something with the object, or to the gateway.
HALTING = """exec nbdsh -u "$uri" -c '
import errno, os, time
with open("in.raw", "rb") as disk: data = disk.read()
assert h.pread(4096, 0) == data[:4096]
open("read", "w").close()
while not os.path.exists("go"): time.sleep(0.005)
{}
h.shutdown()'"""
READS_ON = HALTING.format("assert h.pread(8 << 20, 32 << 20) == data[32 << 20:40 << 20]")
FAILS = HALTING.format("""
try: h.pread(8 << 20, 32 << 20)
except nbd.Error as error: assert error.errnum == errno.EIO, error
else: raise SystemExit("bytes of another object")""")


class Served(S3Test):
    """What clients read of an object is the disk."""

    def start_serving(self, command: str, *options: object) -> subprocess.Popen:
        return self.start(NBDSTREAM, "serve", "s3://{}/key".format(BUCKET), *options, "--run", command)

    def start_halting(self, command: str) -> subprocess.Popen:
        serving = self.start_serving(command)
        self.wait_for_file("read")
        return serving

    def test_as_it_is_and_compressed(self):
        self.make_disk()
        for options in ((), ("--compress", "zstd")):
            with self.subTest(options=options):
                self.upload(CONVERT, "-o", "overwrite=true", *options)
                self.assert_ends(self.start_serving(COMPARE), 0)

    def test_has_a_key_of_any_spelling(self):
        self.make_disk(6 * MiB)
        for key in ("a b+c", "x:(1)!'*~", "caf\u00e9/\u20ac", "a/../b/./c"):
            with self.subTest(key=key):
                self.upload(CONVERT, key=key)
                self.nbdstream("serve", "s3://{}/{}".format(BUCKET, key), "--run", COMPARE)

    def test_that_is_not_there_is_refused(self):
        self.assertIn("no such object", self.assert_ends(self.start_serving("true"), 2))

    def test_that_is_replaced_is_not_mixed_with_the_other(self):
        self.make_disk()
        self.upload(CONVERT)
        serving = self.start_halting(FAILS)
        self.make_disk(seed=2)
        self.upload(CONVERT, "-o", "overwrite=true")
        self.write_file("go", b"")
        self.assertIn("another object has replaced it", self.assert_ends(serving, 0))

    def test_is_read_on_when_the_gateway_is_there_again(self):
        self.make_disk()
        self.upload(CONVERT)
        serving = self.start_halting(READS_ON)
        self.gateway.kill()
        self.write_file("go", b"")
        self.wait_until(lambda: "warning" in serving.log.read_text())
        self.gateway.start()
        self.assert_ends(serving, 0)
