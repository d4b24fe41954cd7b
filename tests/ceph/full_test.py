# SPDX-License-Identifier: BSD-3-Clause
import random

from support import IMPORT, TESTS, CephTest, MiB

# 16 coroutines, which write out of order.
CONVERT = 'qemu-img convert -n -W -m 16 in.qcow2 -O raw "$uri"'


class FullBackup(CephTest):
    """A stream of a whole disk, imported into an image."""

    def test_out_of_order_into_a_command_is_the_disk(self):
        disk = self.make_disk()
        self.backup(CONVERT, "--diff-to", "first")
        self.assertEqual(self.snapshots(), ["first"])
        self.assert_content("image@first", disk)

    def test_out_of_order_through_a_pipe_of_the_shell_is_the_disk(self):
        disk = self.make_disk()
        self.run_command("bash", "-o", "pipefail", "-c", "nbdstream --format rbd-diff --size {} "
                         "--diff-to first --sink stdout --run '{}' | rbd import-diff - image"
                         .format(self.size, CONVERT))
        self.assertEqual(self.snapshots(), ["first"])
        self.assert_content("image@first", disk)

    def test_without_a_name_makes_no_snapshot(self):
        disk = self.make_disk()
        self.backup(CONVERT)
        self.assertEqual(self.snapshots(), [])
        self.assert_content("image", disk)

    def test_zeroes_what_the_image_held_and_no_request_named(self):
        disk = self.make_disk()
        self.rbd("bench", "--io-type", "write", "--io-size", "4M", "--io-total", self.size, "image")
        self.assertNotEqual(self.content("image"), bytes(self.size))
        self.backup('qemu-img convert -n -W --target-is-zero in.qcow2 -O raw "$uri"')
        self.assert_content("image", disk)

    def test_gives_the_image_the_size_of_the_disk(self):
        disk = self.make_disk()
        for size in (16 * MiB, 96 * MiB):
            name = "image{}".format(size)
            with self.subTest(size=size):
                self.make_image(name, size)
                self.backup(CONVERT, "--diff-to", "first", sink=IMPORT.replace("image", name))
                self.assert_content(name, disk)
                self.assert_content(name + "@first", disk)

    def test_of_a_disk_whose_size_is_odd_is_the_disk(self):
        disk = self.make_disk(10_000_003)
        self.size = len(disk)
        self.backup('nbdcopy in.raw "$uri"', "--diff-to", "first")
        self.assert_content("image@first", disk)

    def test_into_a_command_that_fails_is_an_abort(self):
        self.make_disk()
        self.backup(CONVERT, "--diff-to", "first")
        log = self.backup(CONVERT, "--diff-to", "first", status=1)
        self.assertIn("already exists", log)
        self.assertEqual(self.snapshots(), ["first"])

    def test_is_the_same_after_rbd_has_exported_it_again(self):
        disk = self.make_disk()
        self.backup(CONVERT, "--diff-to", "first")
        self.make_image("copy")
        self.run_command("bash", "-o", "pipefail", "-c",
                         "rbd export-diff image@first - | rbd import-diff - copy")
        self.assertEqual(self.snapshots("copy"), ["first"])
        self.assert_content("copy@first", disk)


class Rewrites(CephTest):
    """Clients that write the same bytes more than once; the last write counts."""

    def test_of_a_libnbd_client_are_the_disk_at_the_end(self):
        self.write_file("client.py", b"""
import random, sys
import nbd
size = int(sys.argv[2])
dice, disk, client = random.Random(5), bytearray(size), nbd.NBD()
client.connect_uri(sys.argv[1])
for _ in range(1500):
    length = dice.choice((1, 511, 4096, 65536, 300000))
    at = dice.randrange(size // 8 - length)
    what = dice.random()
    data = bytes(length) if what < 0.3 else dice.randbytes(length)
    disk[at:at + length] = data
    if what < 0.1:
        client.trim(length, at)
    elif what < 0.3:
        client.zero(length, at)
    else:
        client.pwrite(data, at)
client.shutdown()
open("out.raw", "wb").write(disk)
""")
        self.backup('/usr/bin/python3 client.py "$uri" {}'.format(self.size), "--diff-to", "first")
        self.assert_content("image@first", self.read_file("out.raw"))

    def test_of_fio_are_the_disk_at_the_end(self):
        """The same job writes a file: with one request at a time it is the same."""
        self.write_file("out.raw", bytes(self.size))
        job = ("fio --name=job --rw=randwrite --norandommap --bsrange=512-64k --size=16M"
               " --io_size=48M --iodepth=1 --randseed=7 --refill_buffers --scramble_buffers=0"
               " --output=fio.log ")
        self.run_command("bash", "-c", job + "--ioengine=psync --filename=out.raw")
        self.backup(job + '--ioengine=nbd --uri="$uri"', "--diff-to", "first")
        self.assertNotEqual(self.read_file("out.raw"), bytes(self.size))
        self.assert_content("image@first", self.read_file("out.raw"))

    def test_of_a_mirror_of_a_disk_in_use_are_the_disk_at_the_end(self):
        began = random.Random(2).randbytes(self.size)
        self.write_file("disk.raw", began)
        self.backup("/usr/bin/python3 {}/support/live_job.py mirror 300".format(TESTS),
                    "--diff-to", "first", "-U", "sock")
        self.assertNotEqual(self.read_file("disk.raw"), began)
        self.assert_content("image@first", self.read_file("disk.raw"))
