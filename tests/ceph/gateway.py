#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs a command beside a real S3 gateway, Ceph's radosgw, of the cluster that CEPH_CONF names.

    gateway.py COMMAND [ARGUMENT]...       as in: tests/ceph/cluster.py tests/ceph/gateway.py bash

The command finds the gateway by the variables that the SDKs of AWS have for it, as the remote
`gateway:` of rclone, and an empty bucket `bucket`. Exit status: the command's. When it ends, or this
does, the gateway has ended.
"""
import errno
import hashlib
import http.client
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
from urllib.parse import quote

sys.dont_write_bytecode = True

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from cluster import STEP, free_port, own_address, run_beside
from s3_signature import signature

ACCESS, SECRET, REGION, BUCKET = "AK", "SK", "us-east-1", "bucket"
EMPTY = hashlib.sha256().hexdigest()

# radosgw alone insists on encryption to the monitor, which a cluster without keys does not have.
# What was deleted or overwritten is collected at once: the OSD keeps all in memory.
SETTINGS = {"rgw-gc-obj-min-wait": 1, "rgw-gc-processor-period": 5, "rgw-gc-processor-max-time": 5,
            "rgw-dynamic-resharding": "false", "rgw-enable-apis": "s3",
            "ms-mon-client-mode": "crc", "debug-rgw": 1}


class Gateway:
    """radosgw, from __enter__() to __exit__(). It can be killed, and started again."""

    def __init__(self) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="gateway-")
        self.directory = pathlib.Path(self._temporary.name)
        self.host = own_address()
        self.port = free_port(self.host)
        self.endpoint = "http://{}:{}".format(self.host, self.port)
        self._daemon: subprocess.Popen | None = None
        self.environment = {
            "AWS_ENDPOINT_URL": self.endpoint, "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "AWS_CA_BUNDLE": "",
            "AWS_EC2_METADATA_DISABLED": "true", "no_proxy": "*",
            "RCLONE_CONFIG": "/dev/null", "RCLONE_CONFIG_GATEWAY_TYPE": "s3",
            "RCLONE_CONFIG_GATEWAY_PROVIDER": "Ceph", "RCLONE_CONFIG_GATEWAY_ENV_AUTH": "true",
            "RCLONE_CONFIG_GATEWAY_ENDPOINT": self.endpoint,
            "RCLONE_CONFIG_GATEWAY_NO_CHECK_BUCKET": "true"}

    def start(self) -> None:
        """Returns when it answers."""
        settings = ["--{}={}".format(*pair) for pair in SETTINGS.items()]
        with (self.directory / "log").open("ab") as log:
            self._daemon = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "radosgw", "-f", "-n", "client.rgw.a",
                 "--rgw-frontends=beast endpoint={}:{}".format(self.host, self.port),
                 "--rgw-data={}".format(self.directory), "--log-to-stderr=true", *settings],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + STEP
        while not self._answers():
            if self._daemon.poll() is not None or time.monotonic() > end:
                log = (self.directory / "log").read_text()[-2000:]
                raise SystemExit("gateway.py: radosgw does not answer: " + log)
            time.sleep(0.05)

    def pids(self) -> list[int]:
        return [self._daemon.pid]

    def kill(self, number: int = signal.SIGKILL) -> None:
        self._daemon.send_signal(number)
        try:
            self._daemon.wait(STEP)
        except subprocess.TimeoutExpired:
            self._daemon.kill()
            self._daemon.wait()

    def _answers(self) -> bool:
        try:
            return self.request("GET", "/", sign=False)[0] < 500
        except OSError:
            return False

    def request(self, method: str, path: str, query: str = "", sign: bool = True):
        """Status and body of a request without a body. `query` is sorted and encoded, `path` not."""
        path = quote(path, safe="/-_.~")
        date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        headers = {"host": "{}:{}".format(self.host, self.port), "x-amz-content-sha256": EMPTY,
                   "x-amz-date": date}
        if sign:
            headers["authorization"] = authorization(method, path, query, headers)
        connection = http.client.HTTPConnection(self.host, self.port, timeout=STEP)
        try:
            connection.request(method, path + ("?" + query if query else ""), headers=headers)
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()

    def _make_user_and_bucket(self) -> None:
        """Of an earlier gateway of the cluster they are there already."""
        made = subprocess.run(
            ["radosgw-admin", "user", "create", "--uid=user", "--display-name=user",
             "--access-key=" + ACCESS, "--secret-key=" + SECRET], timeout=STEP, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if made.returncode not in (0, errno.EEXIST):
            raise SystemExit("gateway.py: no user: " + made.stderr.strip())
        status, body = self.request("PUT", "/" + BUCKET)
        if status != 200:
            raise SystemExit("gateway.py: no bucket: {!r}".format(body))

    def __enter__(self) -> "Gateway":
        try:
            self.start()
            self._make_user_and_bucket()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        if self._daemon:
            self.kill(signal.SIGTERM)
        self._temporary.cleanup()


def authorization(method: str, path: str, query: str, headers: dict) -> str:
    """Signature Version 4 of AWS."""
    date = headers["x-amz-date"]
    scope = "{}/{}/s3/aws4_request".format(date[:8], REGION)
    names = ";".join(sorted(headers))
    canonical = "\n".join([method, path, query,
                           *("{}:{}".format(name, headers[name]) for name in sorted(headers)),
                           "", names, EMPTY])
    return "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}".format(
        ACCESS, scope, names, signature(SECRET, scope, date, canonical))


if __name__ == "__main__":
    sys.exit(run_beside(Gateway, __doc__))
