# SPDX-License-Identifier: BSD-3-Clause
"""A virtual disk that is in use while QEMU copies it to the NBD server on the socket `sock`.

    live_job.py backup|mirror WRITES [SPEED]
    live_job.py cancelled-mirror

qemu-storage-daemon has disk.raw as its disk, exports it over NBD, and runs the block job. WRITES
random 4 KiB writes reach the disk through that export while the job runs, none before. Until they
are answered the job copies SPEED bytes a second, so that it cannot be done before; then it runs
freely, and more writes come: until the end of a backup, as many again for a mirror. Prints what
happened, as JSON. Exit status 0: the job succeeded, and QEMU has said goodbye to its target.

A cancelled mirror zeroes the whole target first (discard=unmap), and is cancelled when it has copied
a quarter of the disk. Exit status 0: it was cancelled, and QEMU has disconnected from its target.
"""
import json
import os
import random
import signal
import socket
import subprocess
import sys

import nbd

sys.dont_write_bytecode = True

from qmp import Monitor

JOB = 'job'
IN_FLIGHT = 8


class Guest:
    """Whoever uses the disk: it writes anywhere on it."""

    def __init__(self, uri):
        self.handle = nbd.NBD()
        self.handle.connect_uri(uri)
        self.size = self.handle.get_size()
        self.random = random.Random(3)
        self.writes = 0

    def answered(self, error):
        if error.value:
            raise SystemExit(f'a write to the disk failed: {os.strerror(error.value)}')
        self.writes += 1
        return 1

    def write(self):
        data = nbd.Buffer.from_bytearray(bytearray(self.random.randbytes(4096)))
        self.handle.aio_pwrite(data, self.random.randrange(self.size // 4096) * 4096,
                               completion=self.answered)
        self.settle(IN_FLIGHT - 1)

    def settle(self, in_flight=0):
        """Until only so many writes are unanswered."""
        while self.handle.aio_in_flight() > in_flight:
            self.handle.poll(-1)


def run(qmp, kind, writes, speed):
    guest = Guest('nbd+unix:///disk?socket=disk.sock')
    qmp('blockdev-add', driver='nbd', node_name='target', server={'type': 'unix', 'path': 'sock'})
    qmp('blockdev-' + kind, job_id=JOB, device='disk', target='target', sync='full',
        speed=speed if writes else 0, auto_dismiss=False)
    during = 0
    if writes:
        while guest.writes < writes and not qmp.happened('JOB_STATUS_CHANGE', status='concluded'):
            guest.write()
        guest.settle()
        during = guest.writes
        job = qmp('query-jobs')[0]
        if 'error' in job:
            raise SystemExit('the job: ' + job['error'])
        assert job['status'] == 'running', job
        assert job['current-progress'] < job['total-progress'], job
        qmp('block-job-set-speed', device=JOB, speed=0)
        more = True
        while more:  # a backup ends whatever the guest does; a mirror might run after it for ever
            guest.write()
            more = (not qmp.happened('JOB_STATUS_CHANGE', status='concluded')
                    if kind == 'backup' else guest.writes < 2 * writes)
        guest.settle()
    if kind == 'mirror':
        qmp.wait_for('JOB_STATUS_CHANGE', status='ready')
        qmp('block-job-cancel', device=JOB)  # of a mirror that is ready: be done, keep the disk
    qmp.wait_for('JOB_STATUS_CHANGE', status='concluded')
    error = qmp('query-jobs')[0].get('error')
    qmp('job-dismiss', id=JOB)
    qmp('blockdev-del', node_name='target')
    print(json.dumps({'while it ran': during, 'in all': guest.writes, 'error': error}))
    guest.handle.shutdown()
    if error:
        raise SystemExit('the job: ' + error)


def cancel_mirror(qmp):
    qmp('blockdev-add', driver='nbd', node_name='target', discard='unmap',
        server={'type': 'unix', 'path': 'sock'})
    qmp('blockdev-mirror', job_id=JOB, device='disk', target='target', sync='full',
        granularity=1 << 20, buf_size=1 << 20, speed=16 << 20, auto_dismiss=False)
    copied = 0
    while copied < 0.25:
        job = qmp('query-jobs')[0]
        assert job['status'] == 'running', job
        copied = job['current-progress'] / max(job['total-progress'], 1)
    qmp('block-job-cancel', device=JOB, force=True)
    qmp.wait_for('JOB_STATUS_CHANGE', status='concluded')
    qmp('job-dismiss', id=JOB)
    qmp('blockdev-del', node_name='target')


def give_up(*_):
    raise SystemExit('the deadline has passed')


def main():
    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(80)
    kind, writes = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0
    speed = int(sys.argv[3]) if len(sys.argv) > 3 else 4 << 20
    ours, theirs = socket.socketpair()
    daemon = subprocess.Popen(
        ['qemu-storage-daemon', '--chardev', f'socket,id=qmp,fd={theirs.fileno()}',
         '--monitor', 'chardev=qmp', '--blockdev', 'file,node-name=disk,filename=disk.raw',
         '--nbd-server', 'addr.type=unix,addr.path=disk.sock',
         '--export', 'nbd,id=guest,node-name=disk,name=disk,writable=on'],
        pass_fds=[theirs.fileno()])
    theirs.close()
    try:
        qmp = Monitor(ours)
        if kind == 'cancelled-mirror':
            cancel_mirror(qmp)
        else:
            run(qmp, kind, writes, speed)
        qmp('quit')
        raise SystemExit(daemon.wait())
    finally:
        daemon.kill()
        daemon.wait()


main()
