# SPDX-License-Identifier: BSD-3-Clause
from live_disk import LiveDisk
from support import TESTS, CephTest, MiB

import qmp

BITMAP_GRANULARITY = 64 << 10


class Incremental(LiveDisk, CephTest):
    """QEMU backs up a disk that is in use, again and again, to one image: the bitmap `bN` has what
    has changed since the snapshot `sN` was taken, and is removed only when `sN+1` is there."""

    def save(self, n: int, *options: object, job: str = "", status: int = 0) -> str:
        """Makes snapshot sN of the image. Returns the log."""
        names = ["--diff-to", "s{}".format(n)]
        bitmaps = "b{}".format(n)
        if n > 1:
            names += ["--diff-from", "s{}".format(n - 1)]
            bitmaps += " b{}".format(n - 1)
        log = self.backup("/usr/bin/python3 {}/live_backup.py qmp.sock $unixsocket {} {}".format(
            TESTS / "ceph", bitmaps, job), *names, *options, status=status)
        obsolete = n if status else n - 1
        if obsolete:
            with qmp.connect(self.path("qmp.sock")) as monitor:
                monitor("block-dirty-bitmap-remove", node="disk", name="b{}".format(obsolete))
        return log

    def count(self, bitmap: str) -> int:
        with qmp.connect(self.path("qmp.sock")) as monitor:
            disk = monitor("query-named-block-nodes", flat=True)
        found = [b for n in disk if n["node-name"] == "disk" for b in n["dirty-bitmaps"]]
        return next(b["count"] for b in found if b.get("name") == bitmap)

    def test_backups_of_a_disk_in_use_are_the_disk_as_each_of_them_began(self):
        self.start_guest()
        references = {}
        for n in range(1, 5):
            self.save(n, job="--guest")
            references["s{}".format(n)] = self.read_file("reference.raw")
        self.assertEqual(self.snapshots(), list(references))
        self.assertEqual(len(set(references.values())), 4)
        for name, disk in references.items():
            self.assert_content("image@" + name, disk)

    def test_backup_that_is_cancelled_leaves_no_snapshot_and_the_next_is_right(self):
        self.start_guest()
        self.save(1, job="--guest")
        self.save(2, job="--guest --cancel", status=1)
        self.assertEqual(self.snapshots(), ["s1"])
        self.save(2, job="--guest")
        self.assertEqual(self.snapshots(), ["s1", "s2"])
        self.assert_content("image@s2", self.read_file("reference.raw"))

    def test_backup_of_as_many_bytes_as_expected_is_imported(self):
        self.save(1)
        self.write(MiB)
        self.save(2, "--expect-bytes", self.count("b1"))
        self.assertEqual(self.snapshots(), ["s1", "s2"])
        self.assert_content("image@s2", self.read_file("disk.raw"))

    def test_backup_of_more_or_fewer_bytes_than_expected_is_not_imported(self):
        self.save(1)
        self.write(MiB)
        count = self.count("b1")
        for expected in (count - BITMAP_GRANULARITY, count + BITMAP_GRANULARITY, count + 1):
            with self.subTest(expected=expected, count=count):
                log = self.save(2, "--expect-bytes", expected, status=1)
                self.assertIn("requests covered {} bytes".format(count), log)
                self.assertEqual(self.snapshots(), ["s1"])

    def test_backup_from_a_snapshot_that_is_not_there_is_an_abort(self):
        self.save(1)
        self.rbd("snap", "rm", "--no-progress", "image@s1")
        self.write(MiB)
        self.assertIn("start snapshot", self.save(2, status=1))
        self.assertEqual(self.snapshots(), [])

    def test_backups_are_the_same_after_rbd_has_exported_them_again(self):
        self.make_image("copy")
        for n in range(1, 4):
            self.save(n)
            self.write(MiB)
            since = "--from-snap s{}".format(n - 1) if n > 1 else ""
            self.run_command("bash", "-o", "pipefail", "-c", "rbd export-diff {} image@s{} - |"
                             " rbd import-diff - copy".format(since, n))
        self.assert_content("copy@s3", self.read_file("reference.raw"))
        self.assert_content("image@s3", self.read_file("reference.raw"))
