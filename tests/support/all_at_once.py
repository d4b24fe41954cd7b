#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
#
# A client that says at once all that it has to say: a write of SIZE bytes, a goodbye, and then either
# nothing more, but it hears the answers (`half`), or it is gone (`gone`).
#
#   all_at_once.py SOCKET SIZE half|gone [CA]      CA: speaks TLS, and trusts this certificate
#
# When all of it has been sent it makes the file `said`. `half` fails where an answer is missing.
import socket
import ssl
import struct
import sys

path, size, ending = sys.argv[1], int(sys.argv[2]), sys.argv[3]
connection = socket.socket(socket.AF_UNIX)
connection.settimeout(20)
connection.connect(path)


def receive(count):
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def send(data):
    connection.sendall(inner.encrypted(data) if inner else data)


def hear():
    """Some of what is said to it, nothing at the end."""
    while data := connection.recv(65536):
        if clear := inner.decrypted(data) if inner else data:
            return clear
    return b""


def option(number, payload=b""):
    return b"IHAVEOPT" + struct.pack(">II", number, len(payload)) + payload


def write_and_disconnect():
    write = struct.pack(">IHHQQI", 0x25609513, 0, 1, 1, 0, size) + b"x" * size
    return write + struct.pack(">IHHQQI", 0x25609513, 0, 2, 2, 0, 0)


class tls:
    """One side of it, whose bytes are sent when its user wants."""

    def __init__(self, ca):
        context = ssl.create_default_context(cafile=ca)
        context.check_hostname = False
        self.coming, self.going = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.side = context.wrap_bio(self.coming, self.going)
        while self.wants_more():
            connection.sendall(self.going.read())
            self.coming.write(connection.recv(65536))
        connection.sendall(self.going.read())

    def wants_more(self):
        try:
            self.side.do_handshake()
        except ssl.SSLWantReadError:
            return True
        return False

    def encrypted(self, data):
        for at in range(0, len(data), 16384):
            self.side.write(data[at:at + 16384])
        return self.going.read()

    def decrypted(self, data):
        self.coming.write(data)
        clear = b""
        try:
            while more := self.side.read(65536):
                clear += more
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            pass
        return clear


assert receive(18)[:8] == b"NBDMAGIC"
connection.sendall(struct.pack(">I", 3))
inner = None
if len(sys.argv) > 4:
    connection.sendall(option(5))
    assert receive(20)[12:16] == struct.pack(">I", 1)
    inner = tls(sys.argv[4])
go = option(7, struct.pack(">IH", 0, 0))
if ending == "gone":
    # Otherwise the server would notice before the first write.
    send(go)
    answers = b""
    while not answers.endswith(struct.pack(">III", 7, 1, 0)):
        answers += hear()
    go = b""
send(go + write_and_disconnect())
if ending == "half":
    connection.shutdown(socket.SHUT_WR)
open("said", "w").close()
if ending == "half":
    answers = b""
    while more := hear():
        answers += more
    assert answers[-16:] == struct.pack(">IIQ", 0x67446698, 0, 1), answers
