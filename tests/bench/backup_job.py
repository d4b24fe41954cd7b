#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""QEMU's backup job of a raw file that is in use: a guest writes to it meanwhile.

    backup_job.py DISK SOCKET         into an NBD server
    backup_job.py DISK --file FILE    into a raw file, which has the disk's size

The guest writes 64 KiB at a random place every 5 ms, from the start of the job to its end. Exit
status 0: the job succeeded, and QEMU has closed its target.
"""
import pathlib
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time

import nbd

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'support'))

import qmp

BLOCK = 64 << 10
PAUSE = 0.005  # seconds between two writes


class Guest(threading.Thread):
    """Whoever uses the disk."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.handle = nbd.NBD()
        self.handle.connect_uri(f'nbd+unix:///disk?socket={path}')
        self.over = threading.Event()

    def run(self):
        blocks = self.handle.get_size() // BLOCK
        where, data = random.Random(3), b'\x33' * BLOCK
        due = time.monotonic()
        while not self.over.wait(max(0, due - time.monotonic())):
            self.handle.pwrite(data, where.randrange(blocks) * BLOCK)
            due += PAUSE
        self.handle.shutdown()


def back_up(monitor, guest, target):
    monitor('blockdev-add', node_name='target', **target)
    guest.start()
    monitor('blockdev-backup', job_id='job', device='disk', target='target', sync='full',
            auto_dismiss=False)
    monitor.wait_for('JOB_STATUS_CHANGE', status='concluded')
    guest.over.set()
    error = monitor('query-jobs')[0].get('error')
    monitor('job-dismiss', id='job')
    monitor('blockdev-del', node_name='target')
    guest.join()
    monitor('quit')
    return error


def main(disk, *target):
    ours, theirs = socket.socketpair()
    with tempfile.TemporaryDirectory() as directory:
        path = directory + '/disk'
        daemon = subprocess.Popen(
            ['qemu-storage-daemon', '--chardev', f'socket,id=qmp,fd={theirs.fileno()}',
             '--monitor', 'chardev=qmp', '--blockdev', f'file,node-name=disk,filename={disk}',
             '--nbd-server', f'addr.type=unix,addr.path={path}',
             '--export', 'nbd,id=guest,node-name=disk,name=disk,writable=on'],
            pass_fds=[theirs.fileno()])
        theirs.close()
        with qmp.Monitor(ours) as monitor:
            error = back_up(monitor, Guest(path),
                            {'driver': 'file', 'filename': target[1]} if len(target) > 1 else
                            {'driver': 'nbd', 'server': {'type': 'unix', 'path': target[0]}})
        return error or daemon.wait()


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
