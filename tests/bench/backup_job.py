#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""QEMU's backup job of a raw file into an NBD server.

    backup_job.py DISK SOCKET

Exit status 0: the job succeeded, and QEMU has disconnected.
"""
import pathlib
import socket
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'support'))

import qmp


def main(disk, target):
    ours, theirs = socket.socketpair()
    daemon = subprocess.Popen(
        ['qemu-storage-daemon', '--chardev', f'socket,id=qmp,fd={theirs.fileno()}',
         '--monitor', 'chardev=qmp',
         '--blockdev', f'file,node-name=disk,filename={disk},read-only=on'],
        pass_fds=[theirs.fileno()])
    theirs.close()
    with qmp.Monitor(ours) as monitor:
        monitor('blockdev-add', driver='nbd', node_name='target',
                server={'type': 'unix', 'path': target})
        monitor('blockdev-backup', job_id='job', device='disk', target='target', sync='full',
                auto_dismiss=False)
        monitor.wait_for('JOB_STATUS_CHANGE', status='concluded')
        error = monitor('query-jobs')[0].get('error')
        monitor('job-dismiss', id='job')
        monitor('blockdev-del', node_name='target')
        monitor('quit')
    return error or daemon.wait()


sys.exit(main(*sys.argv[1:]))
