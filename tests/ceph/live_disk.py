# SPDX-License-Identifier: BSD-3-Clause
import random

import nbd


class LiveDisk:
    """A case, a ClusterTest, that has disk.raw as the block node `disk` of a QEMU, which exports it
    to guests on disk.sock, and whose monitor is at qmp.sock; live_backup.py backs it up."""

    def setUp(self):
        super().setUp()
        half = self.size // 2
        self.write_file("disk.raw", random.Random(3).randbytes(half) + bytes(half))
        self.write_file("reference.raw", bytes(self.size))
        self.qemu = self.start(
            "qemu-storage-daemon", "--chardev", "socket,id=qmp,path=qmp.sock,server=on,wait=off",
            "--monitor", "chardev=qmp", "--blockdev", "file,node-name=disk,filename=disk.raw",
            "--nbd-server", "addr.type=unix,addr.path=disk.sock",
            "--export", "nbd,id=guest,node-name=disk,name=disk,writable=on",
            "--pidfile", "qemu.pid")
        self.addCleanup(self.end, self.qemu)
        self.wait_for_file("qemu.pid")

    def start_guest(self):
        """It writes here and there until the end of the case."""
        guest = self.start(
            "fio", "--name=guest", "--ioengine=nbd", "--uri=nbd+unix:///disk?socket=disk.sock",
            "--rw=randwrite", "--norandommap", "--bs=4k", "--size={}".format(self.size),
            "--rate_iops=400", "--iodepth=4", "--time_based", "--runtime=600", "--refill_buffers")
        self.addCleanup(self.end, guest)

    def write(self, length: int) -> None:
        """By a guest that is quiet then."""
        guest = nbd.NBD()
        guest.connect_uri("nbd+unix:///disk?socket=" + self.path("disk.sock"))
        dice = random.Random(length)
        for _ in range(length // 4096):
            guest.pwrite(dice.randbytes(4096), dice.randrange(self.size // 4096) * 4096)
        guest.shutdown()
