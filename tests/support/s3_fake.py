#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A strict S3 server on the loopback network, which can do everything wrong: the peer of the sink s3.

    s3_fake.py [OPTION]... DIRECTORY

It checks signatures, digests of bodies and the rules for parts. What it keeps is in DIRECTORY
(s3_store.py says where), and there, too:

    endpoint        its URL, once it listens
    requests        a line of JSON for each request when it has arrived ("event": "request"), when a
                    rule was applied to it ("fault") and when its outcome is known ("reply"); no secrets

The rules of --faults are in s3_faults.py.
"""
import argparse
import base64
import collections
import contextlib
import json
import pathlib
import select
import signal
import socket
import socketserver
import ssl
import struct
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler

sys.dont_write_bytecode = True

import s3_faults
from s3_operations import OPERATIONS, Reply, Request
from s3_signature import Keys, Refusal, verify
from s3_store import Body, Store, document, element

PIECE = 256 << 10  # bytes read at a time


class Exchange(BaseHTTPRequestHandler):
    """A connection, and the request on it that is served now."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    rate = 0  # bytes a second; 0: as fast as they come

    # ---- what http.server calls

    def setup(self) -> None:
        super().setup()
        self.store: Store = self.server.store

    def handle_expect_100(self) -> bool:
        return True  # 100 is sent when the body is read

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, ssl.SSLError, TimeoutError):
            self.close_connection = True

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(self.server.now() if timestamp is None else timestamp)

    def version_string(self) -> str:
        return "s3_fake"

    def log_message(self, *_) -> None:
        pass

    def handle_method(self) -> None:
        self.rate, self.unread = 0, int(self.headers.get("content-length") or 0)
        self.asked = self.headers.get("expect", "").lower() == "100-continue"
        self.request_id = uuid.uuid4().hex[:16].upper()
        self.wanted = Request(self.command, self.path, self.headers, self.server.domain)
        self.body = None
        with self.server.counted(self.wanted.operation) as together:
            self.log(event="request", together=together)
            try:
                self.server.faults.serve(self)
            except Refusal as refusal:
                self.refuse(refusal)
            finally:
                if self.body:
                    self.body.path.unlink(missing_ok=True)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_method

    # ---- what the rules of faults are made of

    def log(self, **more) -> None:
        wanted = self.wanted
        self.server.write_log({"operation": wanted.operation, "bucket": wanted.bucket,
                               "key": wanted.key, "part": wanted.part,
                               "length": wanted.length, "access_key": wanted.access_key,
                               "id": self.request_id} | more)

    def serve(self) -> None:
        try:
            self.send(self.answer())
        except Refusal as refusal:
            self.refuse(refusal)

    def answer(self) -> Reply:
        """Checks the request, does what it asks for, and returns the reply."""
        server, wanted = self.server, self.wanted
        verify(wanted, server.keys, server.region, server.now())
        if wanted.operation not in OPERATIONS:
            raise Refusal(501, "NotImplemented", wanted.method)
        if wanted.operation in ("PutObject", "UploadPart") and server.checksums and not any(
                n.lower() == "content-md5" or n.lower().startswith("x-amz-checksum-")
                for n in self.headers):
            raise Refusal(400, "InvalidRequest", "Content-MD5 OR x-amz-checksum- HTTP header is "
                          "required for Put Part requests with Object Lock parameters")
        self.receive()
        check_digests(self.headers, self.body)
        return OPERATIONS[wanted.operation](server, wanted, self.body)

    def receive(self) -> None:
        """Reads the body. A client that hangs up in it gets no answer."""
        if self.headers.get("transfer-encoding"):
            raise Refusal(501, "NotImplemented", "a body without a length")
        self.body = Body(self.store.root / "incoming" / uuid.uuid4().hex)
        began = time.monotonic()
        with self.body.path.open("wb") as to:
            for piece in self._pieces(self.unread):
                self.body.add(piece, to)
                if self.rate:
                    time.sleep(max(0, self.body.size / self.rate - time.monotonic() + began))

    def skip(self, most: int) -> None:
        for _ in self._pieces(min(most, self.unread)):
            pass

    def _pieces(self, length: int):
        if length and self.asked:
            self.send_response_only(100)
            self.end_headers()
            self.asked = False
        while length:
            piece = self.rfile.read1(min(length, PIECE))
            if not piece:
                raise ConnectionResetError("the client has hung up inside the body")
            length -= len(piece)
            self.unread -= len(piece)
            yield piece

    def refuse(self, refusal: Refusal) -> None:
        if not self.asked:  # or a client that is still sending would not see the reply
            self.skip(self.unread)
        body = document("Error", element("Code", refusal.code), element("Message", refusal.message),
                        element("RequestId", self.request_id), refusal.xml)
        if refusal.status in (304, 412) and self.command in ("GET", "HEAD"):
            body = b""
        self.send(Reply(refusal.status, dict(refusal.headers), body), code=refusal.code)

    def send(self, reply: Reply, cut: int | None = None, length: bool = True, code: str = "") -> None:
        whole = reply.length
        self.close_connection = self.close_connection or self.unread > 0 or cut is not None
        sized = {"Content-Length": str(whole)} if length and reply.status != 204 else {}
        self.begin(reply, sized | ({"Connection": "close"} if self.close_connection else {}), code)
        if self.command != "HEAD":
            for piece in reply.pieces(whole if cut is None else min(cut, whole)):
                self.wfile.write(piece)

    def begin(self, reply: Reply, framing: dict, code: str = "") -> None:
        """Logs first: a client that has its reply may look at the log."""
        self.log(event="reply", status=reply.status, code=code, sends=reply.length)
        self.send_response(reply.status)
        for name, value in (reply.headers | {"x-amz-request-id": self.request_id} | framing).items():
            self.send_header(name, value)
        self.end_headers()

    def send_chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def reset(self) -> None:
        self.log(event="reply", status=0, code="")
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def wait_for_close(self, seconds: float) -> None:
        """Takes nothing more that the client sends, and tells it nothing."""
        self.log(event="reply", status=0, code="")
        self.close_connection = True
        poll = select.poll()
        poll.register(self.connection, select.POLLRDHUP)
        poll.poll(seconds * 1000)


def check_digests(headers, body: Body) -> None:
    """Of the body that was received, whatever the headers say of it."""
    said = headers["x-amz-content-sha256"]
    if said.startswith("STREAMING-"):
        raise Refusal(501, "NotImplemented", said)
    if said != "UNSIGNED-PAYLOAD" and said != body.sha256.hexdigest():
        raise Refusal(400, "XAmzContentSHA256Mismatch")
    for name, code, digest in (("content-md5", "BadDigest", body.md5),
                               ("x-amz-checksum-sha256", "BadDigest", body.sha256)):
        value = headers.get(name)
        if value is not None and value != base64.b64encode(digest.digest()).decode():
            raise Refusal(400, code, name)


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, args) -> None:
        self.directory = pathlib.Path(args.directory)
        self.store = Store(self.directory, args.bucket, args.versioning, not args.no_conditions)
        self.faults = s3_faults.read(args.faults, self.directory)
        self.keys, self.region, self.skew = Keys(args.key), args.region, args.skew
        self.domain, self.checksums, self.gone = args.domain, args.checksums, args.gone
        self.requests = (self.directory / "requests").open("a")
        self.lock, self.together = threading.Lock(), collections.Counter()
        self.tls = None
        if args.certificate:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(args.certificate, args.private_key)
        super().__init__(("127.0.0.1", args.port), Exchange)

    def get_request(self):
        connection, address = super().get_request()
        if self.tls:  # the thread of the connection shakes hands
            connection = self.tls.wrap_socket(connection, server_side=True,
                                              do_handshake_on_connect=False)
        return connection, address

    def shutdown_request(self, request) -> None:
        self.close_request(request)  # a shutdown before would be no reset

    def handle_error(self, request, address) -> None:
        if not isinstance(sys.exc_info()[1], (OSError, ssl.SSLError)):
            super().handle_error(request, address)

    def now(self) -> float:
        return time.time() + self.skew

    def write_log(self, line: dict) -> None:
        with self.lock:
            self.requests.write(json.dumps(line) + "\n")
            self.requests.flush()

    @contextlib.contextmanager
    def counted(self, operation: str):
        """Yields how many requests of an operation are served at this moment."""
        with self.lock:
            self.together[operation] += 1
            count = self.together[operation]
        try:
            yield count
        finally:
            with self.lock:
                self.together[operation] -= 1


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    add = parser.add_argument
    add("directory")
    add("--bucket", action="append", default=[])
    add("--key", action="append", default=[], metavar="ACCESS:SECRET[:TOKEN]")
    add("--region", default="us-east-1")
    add("--port", type=int, default=0)
    add("--domain", default="localhost", help="BUCKET.DOMAIN as a host is a bucket")
    add("--faults", metavar="FILE")
    add("--skew", type=float, default=0, help="seconds that its clock is ahead")
    add("--versioning", action="store_true")
    add("--no-conditions", action="store_true", help="ignore If-None-Match, as RGW 16 does, and If-Match")
    add("--gone", choices=("404", "500"), default="404",
        help="the status of Complete for an upload that is not there; 500 as in RGW")
    add("--checksums", action="store_true", help="bodies need one, as a bucket with Object Lock")
    add("--certificate")
    add("--private-key")
    return parser


def main() -> None:
    args = options().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with Server(args) as server:
        url = "{}://{}:{}".format("https" if server.tls else "http",
                                  "localhost" if server.tls else "127.0.0.1",
                                  server.server_address[1])
        draft = server.directory / "endpoint.new"
        draft.write_text(url)
        draft.rename(server.directory / "endpoint")
        server.serve_forever()


if __name__ == "__main__":
    main()
