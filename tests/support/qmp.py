# SPDX-License-Identifier: BSD-3-Clause
"""QEMU's machine protocol."""
import json
import select
import socket


class Monitor:
    """A connection to QEMU, on a socket: it answers once all of QEMU is there."""

    def __init__(self, ours):
        self.socket = ours
        self.text = b''
        self.events = []
        assert 'QMP' in self.receive()
        self('qmp_capabilities')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def receive(self):
        while b'\n' not in self.text:
            more = self.socket.recv(65536)
            if not more:
                raise SystemExit('the daemon has gone')
            self.text += more
        line, self.text = self.text.split(b'\n', 1)
        return json.loads(line)

    def __call__(self, command, **arguments):
        request = {'execute': command, 'arguments': named(arguments)}
        self.socket.sendall(json.dumps(request).encode())
        while True:
            answer = self.receive()
            if 'error' in answer:
                raise SystemExit(f'{command}: {answer["error"]["desc"]}')
            if 'return' in answer:
                return answer['return']
            self.events.append(answer)

    def transaction(self, *actions):
        """Several commands at one moment: ('blockdev-backup', {'job_id': ...}), ..."""
        self('transaction', actions=[{'type': kind, 'data': named(data)} for kind, data in actions])

    def happened(self, event, **data):
        """Whether there was such an event until now."""
        while b'\n' in self.text or select.select([self.socket], [], [], 0)[0]:
            self.events.append(self.receive())
        return any(e['event'] == event and data.items() <= e['data'].items() for e in self.events)

    def wait_for(self, event, **data):
        while not self.happened(event, **data):
            self.events.append(self.receive())


def named(arguments):
    return {key.replace('_', '-'): value for key, value in arguments.items()}


def connect(path):
    ours = socket.socket(socket.AF_UNIX)
    ours.connect(path)
    return Monitor(ours)
