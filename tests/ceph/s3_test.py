# SPDX-License-Identifier: BSD-3-Clause
from gateway import BUCKET
from live_disk import LiveDisk
from s3_support import PART, SETTINGS, S3Test, setUpModule
from support import DIFF, TESTS, MiB

CONVERT = 'qemu-img convert -n -W -m 16 in.qcow2 -O raw "$uri"'


class WholeStream(S3Test):
    """It is the object, as clients of others read it."""

    def test_of_qemu_img_is_the_disk_for_rclone_and_for_s3cmd(self):
        disk = self.make_disk()
        self.upload(CONVERT)
        self.assert_object(disk)
        host = self.gateway.endpoint.removeprefix("http://")
        self.run_command("s3cmd", "-c", "/dev/null", "--no-ssl", "--host=" + host,
                         "--host-bucket=" + host, "--access_key=AK", "--secret_key=SK", "get",
                         "s3://{}/key".format(BUCKET), "out.raw")
        self.assertTrue(self.read_file("out.raw") == disk)
        self.assertEqual(self.uploads(), [])

    def test_of_nbdcopy_with_four_connections_is_the_disk(self):
        disk = self.make_disk()
        self.upload('nbdcopy -C 4 in.raw "$uri"', "--size", self.size)
        self.assert_object(disk)

    def test_that_fits_into_a_part_is_one_request(self):
        disk = self.make_disk(PART - 512)
        self.upload(CONVERT)
        self.assert_object(disk)

    def test_of_zeroes_is_an_object_of_zeroes(self):
        self.run_command("qemu-img", "create", "-f", "qcow2", "in.qcow2", self.size)
        self.upload(CONVERT)
        self.assert_object(bytes(self.size))

    def test_has_a_key_of_any_spelling(self):
        self.make_disk(6 * MiB)
        for key in ("a b+c", "x:(1)!'*~", "caf\u00e9/\u20ac", "a/../b/./c"):
            with self.subTest(key=key):
                self.upload(CONVERT, key=key)
                self.upload(CONVERT, key=key, status=2)
        listed = self.run_command("rclone", "lsf", "-R", "gateway:" + BUCKET)
        self.assertIn("a b+c\n", listed)
        self.assertIn("caf\u00e9/\u20ac\n", listed)

    def test_keeps_an_object_that_is_there(self):
        disk = self.make_disk(6 * MiB)
        self.upload(CONVERT)
        self.make_disk(7 * MiB, seed=2)
        self.assertIn("overwrite=true", self.upload(CONVERT, status=2))
        self.assert_object(disk)
        self.upload(CONVERT, "-o", "overwrite=true")
        self.assert_object(self.read_file("in.raw"))

    def test_of_a_diff_is_what_rbd_imports(self):
        disk = self.make_disk()
        self.upload(CONVERT, *DIFF, "--size", self.size, "--diff-to", "first")
        self.run_command("rbd", "create", "image", "--size", "{}B".format(self.size))
        self.addCleanup(self.run_command, "rbd", "rm", "--no-progress", "image")
        self.addCleanup(self.run_command, "rbd", "snap", "purge", "--no-progress", "image")
        self.run_command("bash", "-o", "pipefail", "-c",
                         "rclone cat gateway:{}/key | rbd import-diff - image".format(BUCKET))
        exported = self.run_command("rbd", "export", "--no-progress", "image@first", "-", text=False)
        self.assertTrue(exported == disk)

    def test_passes_the_check_of_sinks(self):
        """Which sends one stream after another."""
        self.nbdstream("--check-sink", "s3://{}/check".format(BUCKET), *SETTINGS, "-o",
                       "overwrite=true")
        self.assertEqual(self.uploads(), [])


class LiveBackup(LiveDisk, S3Test):
    """QEMU backs up a disk that a guest writes to."""

    BACKUP = "/usr/bin/python3 {}/ceph/live_backup.py qmp.sock $unixsocket b1 ".format(TESTS)

    def test_is_the_disk_as_it_began(self):
        self.start_guest()
        self.upload(self.BACKUP + "--guest", "--size", self.size)
        self.assert_object(self.read_file("reference.raw"))
        self.assertEqual(self.uploads(), [])

    def test_that_is_cancelled_leaves_nothing(self):
        self.start_guest()
        self.upload(self.BACKUP + "--guest --cancel", "--size", self.size, status=1)
        self.assert_nothing_left()
