#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs a command beside a real Ceph of one node, which keeps everything in memory.

    cluster.py COMMAND [ARGUMENT]...       as in: tests/ceph/cluster.py bash

The command finds the cluster by CEPH_CONF, as all of Ceph's programs do, and an empty pool `rbd`.
Exit status: the command's. When it ends, or this does, nothing of the cluster is left.
"""
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import uuid

STEP = 60  # seconds that any step of the start, or the end, may take

# A client that was killed keeps its image locked until its watch has timed out: 30 s by default.
CONFIGURATION = """
[global]
fsid = {fsid}
mon_host = [v2:{address}:{port}]
public_addr = {address}
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
osd_objectstore = memstore
osd_class_dir = {classes}
memstore_device_bytes = 8G
osd_pool_default_size = 1
osd_pool_default_pg_num = 8
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
osd_client_watch_timeout = 6
objecter_tick_interval = 1
run_dir = {directory}
log_file = {directory}/$name.log
mon_data = {directory}/mon
osd_data = {directory}/osd
keyring = {directory}/keyring
mon_data_avail_crit = 0
admin_socket =

[client]
log_file =
"""


def own_address() -> str:
    """One of the loopback network that no other cluster has which runs now."""
    pid = os.getpid()
    return "127.{}.{}.{}".format(64 + (pid >> 16), pid >> 8 & 255, pid & 255)


def free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


def class_directory() -> pathlib.Path:
    """Where the OSD's part of RBD is; Debian 13's own default is a directory that is not there."""
    return next(pathlib.Path("/usr/lib").glob("*/rados-classes"))


class Cluster:
    """A monitor and an OSD, from __enter__() to __exit__(). Another daemon is one more start()."""

    def __init__(self) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="ceph-")
        self.directory = pathlib.Path(self._temporary.name)
        self._daemons: list[subprocess.Popen] = []
        address = own_address()
        self._monitor = "[v2:{}:{}]".format(address, free_port(address))
        self._fsid = str(uuid.uuid4())
        self.configuration = self.directory / "ceph.conf"
        self.configuration.write_text(CONFIGURATION.format(
            fsid=self._fsid, address=address, port=self._monitor[1:-1].rpartition(":")[2],
            directory=self.directory, classes=class_directory()))
        self.environment = os.environ | {"CEPH_CONF": str(self.configuration)}

    def call(self, *words: str) -> None:
        """Its output is shown only if it fails."""
        done = subprocess.run(words, env=self.environment, cwd=self.directory, timeout=STEP,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise SystemExit("cluster.py: {}: {}".format(" ".join(words), done.stdout.strip()))

    def start(self, *words: str) -> None:
        """A daemon, which stays our child, and does not outlive us even if we are killed."""
        self._daemons.append(subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *words], env=self.environment, cwd=self.directory,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True,
            stderr=(self.directory / "stderr").open("ab")))

    def __enter__(self) -> "Cluster":
        try:
            self._start_monitor_and_osd()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_) -> None:
        self._stop()

    def _start_monitor_and_osd(self) -> None:
        osd = str(uuid.uuid4())
        for name in ("mon", "osd"):
            (self.directory / name).mkdir()
        self.call("monmaptool", "--create", "--fsid", self._fsid, "--addv", "a", self._monitor,
                  "map")
        self.call("ceph-mon", "--mkfs", "-i", "a", "--monmap", "map")
        self.start("ceph-mon", "-f", "-i", "a")
        self.call("ceph", "osd", "new", osd)  # waits for the monitor
        self.call("ceph-osd", "--mkfs", "-i", "0", "--osd-uuid", osd)
        self.start("ceph-osd", "-f", "-i", "0")
        self.call("ceph", "osd", "pool", "create", "rbd")
        self.call("rbd", "pool", "init", "rbd")  # waits for the OSD

    def _stop(self) -> None:
        """The OSD first: without a monitor it waits for one."""
        for daemon in reversed(self._daemons):
            daemon.terminate()
            try:
                daemon.wait(STEP)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self._temporary.cleanup()


def ended_by_signal(number: int, _) -> None:
    sys.exit(128 + number)


def run_beside(service, usage: str) -> int:
    """Runs the command of our own command line while what service() makes is there, in its
    environment. Returns the exit status, of a command that a signal ended 128 and its number."""
    if len(sys.argv) < 2:
        sys.exit(usage.strip())
    signal.signal(signal.SIGTERM, ended_by_signal)
    signal.signal(signal.SIGHUP, ended_by_signal)
    with service() as running:
        command = subprocess.Popen(sys.argv[1:], env=os.environ | running.environment)
        try:
            status = command.wait()
        except BaseException:
            command.terminate()
            command.wait()
            raise
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(run_beside(Cluster, __doc__))
