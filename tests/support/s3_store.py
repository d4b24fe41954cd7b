# SPDX-License-Identifier: BSD-3-Clause
"""What an S3 server keeps, in files, so that a test sees it and a server that was killed finds it:

    objects/BUCKET/KEY      the whole objects; about/ has their headers
    noncurrent/BUCKET/KEY@VERSION
    uploads/ID/             open multipart uploads: upload.json and a file for each part
    incoming/               bodies that are being received

KEY is percent-encoded. The rules are the strictest that any server is known for: those of AWS, and
that no part may be left out of Complete, as in RGW.
"""
import hashlib
import json
import os
import pathlib
import re
import shutil
import threading
import time
import uuid
import xml.etree.ElementTree as ET
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

from s3_signature import Refusal

MOST_PARTS = 10_000
SMALLEST_PART = 5 << 20  # bytes, of all parts but the last
LARGEST_PART = 5 << 30   # also of a single PUT
KEPT = re.compile(r"x-amz-(meta-.*|storage-class|server-side-encryption.*|"
                  r"checksum-(?!algorithm).*)|content-type", re.I)


def iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))


def element(name: str, value: object) -> str:
    return "<{0}>{1}</{0}>".format(name, escape(str(value)))


def document(root: str, *inner: str) -> bytes:
    return ('<?xml version="1.0" encoding="UTF-8"?>\n'
            '<{0} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{1}</{0}>'
            .format(root, "".join(inner))).encode()


class Body:
    """A received body, in a file: whoever wants to keep it moves the file away."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path, self.size = path, 0
        self.md5, self.sha256 = hashlib.md5(), hashlib.sha256()

    def add(self, piece: bytes, to) -> None:
        to.write(piece)
        self.size += len(piece)
        self.md5.update(piece)
        self.sha256.update(piece)


class Store:
    def __init__(self, directory: pathlib.Path, buckets: list[str], versioning: bool,
                 conditions: bool) -> None:
        """`conditions`: whether If-None-Match and If-Match are obeyed; RGW of Ceph 18 and older
        ignores the former."""
        self.root, self.versioning, self.conditions = directory, versioning, conditions
        self.lock = threading.RLock()
        for name in ("uploads", "incoming", "noncurrent"):
            (directory / name).mkdir(parents=True, exist_ok=True)
        for bucket in buckets:
            (directory / "objects" / bucket).mkdir(parents=True, exist_ok=True)

    # ---- objects

    def bucket(self, name: str) -> pathlib.Path:
        path = self.root / "objects" / name
        if not name or not path.is_dir():
            raise Refusal(404, "NoSuchBucket", name)
        return path

    def object(self, bucket: str, key: str) -> pathlib.Path:
        if len(key.encode()) > 1024:
            raise Refusal(400, "KeyTooLongError")
        return self.bucket(bucket) / quote(key, safe="")

    def about(self, bucket: str, key: str) -> pathlib.Path:
        return self.root / "about" / bucket / quote(key, safe="")

    def head(self, bucket: str, key: str) -> dict:
        """The headers of an object."""
        if not self.object(bucket, key).exists():
            raise Refusal(404, "NoSuchKey", key)
        return json.loads(self.about(bucket, key).read_text())

    def check_condition(self, bucket: str, key: str, headers) -> None:
        if not self.conditions or headers.get("if-none-match") is None:
            return
        if headers["if-none-match"] != "*":
            raise Refusal(501, "NotImplemented", "If-None-Match takes * here")
        if self.object(bucket, key).exists():
            raise Refusal(412, "PreconditionFailed", "If-None-Match")

    def put(self, bucket: str, key: str, content: pathlib.Path, etag: str, kept: dict) -> dict:
        """Makes an object out of a file, at once. Returns its headers."""
        path, about = self.object(bucket, key), self.about(bucket, key)
        headers = kept | {"ETag": '"{}"'.format(etag),
                          "Last-Modified": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())}
        if self.versioning:
            headers["x-amz-version-id"] = uuid.uuid4().hex
            self._set_aside(bucket, key)
        about.parent.mkdir(parents=True, exist_ok=True)
        about.write_text(json.dumps(headers))
        content.rename(path)
        return headers

    def _set_aside(self, bucket: str, key: str) -> None:
        path = self.object(bucket, key)
        if path.exists():
            version = self.head(bucket, key)["x-amz-version-id"]
            to = self.root / "noncurrent" / bucket / "{}@{}".format(path.name, version)
            to.parent.mkdir(exist_ok=True)
            path.rename(to)

    def put_object(self, bucket: str, key: str, body: Body, headers) -> dict:
        with self.lock:
            self.check_condition(bucket, key, headers)
            return self.put(bucket, key, body.path, body.md5.hexdigest(), kept_of(headers))

    def delete(self, bucket: str, key: str, version: str | None) -> None:
        with self.lock:
            path = self.object(bucket, key)
            if version:
                aside = self.root / "noncurrent" / bucket / "{}@{}".format(path.name, version)
                current = path.exists() and self.head(bucket, key).get("x-amz-version-id")
                (path if current == version else aside).unlink(missing_ok=True)
            elif self.versioning:
                self._set_aside(bucket, key)
            else:
                path.unlink(missing_ok=True)

    def objects(self, bucket: str, prefix: str) -> list[tuple[str, os.stat_result]]:
        with self.lock:
            found = [(unquote(p.name), p.stat()) for p in self.bucket(bucket).iterdir()]
        return sorted(pair for pair in found if pair[0].startswith(prefix))

    # ---- uploads

    def create(self, bucket: str, key: str, headers) -> str:
        self.object(bucket, key)
        upload = uuid.uuid4().hex
        path = self.root / "uploads" / upload
        path.mkdir()
        (path / "upload.json").write_text(json.dumps({
            "bucket": bucket, "key": key, "began": time.time(), "headers": kept_of(headers),
            "algorithm": headers.get("x-amz-checksum-algorithm", "").lower()}))
        return upload

    def upload(self, bucket: str, key: str, upload: str) -> tuple[pathlib.Path, dict]:
        path = self.root / "uploads" / upload
        try:
            about = json.loads((path / "upload.json").read_text())
        except (OSError, ValueError):
            raise Refusal(404, "NoSuchUpload", upload) from None
        if (about["bucket"], about["key"]) != (bucket, key):
            raise Refusal(404, "NoSuchUpload", "of another key")
        return path, about

    def put_part(self, bucket: str, key: str, upload: str, number: int, body: Body, headers) -> dict:
        if not 1 <= number <= MOST_PARTS:
            raise Refusal(400, "InvalidArgument", "partNumber is 1 to 10000")
        with self.lock:
            path, about = self.upload(bucket, key, upload)
            sums = {k.lower(): v for k, v in headers.items()
                    if k.lower().startswith("x-amz-checksum-")}
            if about["algorithm"] and "x-amz-checksum-" + about["algorithm"] not in sums:
                raise Refusal(400, "InvalidRequest", "the upload was created with a checksum")
            etag = '"{}"'.format(body.md5.hexdigest())
            body.path.rename(path / str(number))
            (path / "{}.json".format(number)).write_text(json.dumps(
                {"etag": etag, "size": body.size, "sums": sums}))
            return {"ETag": etag} | sums

    @staticmethod
    def parts(path: pathlib.Path) -> dict[int, dict]:
        return {int(p.stem): json.loads(p.read_text()) for p in path.glob("[0-9]*.json")}

    def complete(self, bucket: str, key: str, upload: str, xml: bytes, headers) -> dict:
        """The headers of the object."""
        with self.lock:
            if upload in self._made(bucket, key):
                return self.head(bucket, key)  # a repeated request gets the same answer
            path, about = self.upload(bucket, key, upload)
            self.check_condition(bucket, key, headers)
            listed, parts = listed_parts(xml), self.parts(path)
            check_parts(listed, parts, about["algorithm"])
            whole = self.root / "incoming" / upload
            with whole.open("wb") as to:
                for number, _ in listed:
                    with (path / str(number)).open("rb") as part:
                        shutil.copyfileobj(part, to, 1 << 20)
            digests = b"".join(bytes.fromhex(parts[n]["etag"].strip('"')) for n, _ in listed)
            etag = "{}-{}".format(hashlib.md5(digests).hexdigest(), len(listed))
            made = self.put(bucket, key, whole, etag, about["headers"] | {"x-fake-upload": upload})
            shutil.rmtree(path)
            return made

    def _made(self, bucket: str, key: str) -> str:
        """The upload that the object at a key was made of."""
        if not self.object(bucket, key).exists():
            return ""
        return self.head(bucket, key).get("x-fake-upload", "")

    def abort(self, bucket: str, key: str, upload: str) -> None:
        with self.lock:
            shutil.rmtree(self.upload(bucket, key, upload)[0])

    def uploads(self, bucket: str, prefix: str) -> list[tuple[str, dict]]:
        self.bucket(bucket)
        with self.lock:
            found = [(path.parent.name, json.loads(path.read_text()))
                     for path in (self.root / "uploads").glob("*/upload.json")]
        return sorted((pair for pair in found if pair[1]["bucket"] == bucket and
                       pair[1]["key"].startswith(prefix)), key=lambda pair: pair[1]["key"])


def kept_of(headers) -> dict:
    return {name.lower(): value for name, value in headers.items() if KEPT.fullmatch(name)}


def listed_parts(xml: bytes) -> list[tuple[int, dict]]:
    """The parts that a request of Complete lists: their numbers, and all else it says of them."""
    try:
        root = ET.fromstring(xml)
        rows = [{e.tag.rpartition("}")[2]: (e.text or "").strip() for e in part} for part in root]
        listed = [(int(row["PartNumber"]), row) for row in rows]
    except (ET.ParseError, KeyError, ValueError):
        raise Refusal(400, "MalformedXML") from None
    if not listed or root.tag.rpartition("}")[2] != "CompleteMultipartUpload":
        raise Refusal(400, "MalformedXML", "no parts")
    return listed


def check_parts(listed: list[tuple[int, dict]], parts: dict[int, dict], algorithm: str) -> None:
    numbers = [number for number, _ in listed]
    if numbers != sorted(set(numbers)):
        raise Refusal(400, "InvalidPartOrder")
    for number, row in listed:
        part = parts.get(number)
        if not part or row.get("ETag", "").strip('"') != part["etag"].strip('"'):
            raise Refusal(400, "InvalidPart", "part {}".format(number))
        for name, value in (part["sums"] if algorithm else {}).items():
            if row.get("Checksum" + name.rpartition("-")[2].upper()) != value:
                raise Refusal(400, "InvalidPart", "checksum of part {}".format(number))
    if len(numbers) != len(parts):
        raise Refusal(400, "InvalidPart", "not listed: {}".format(sorted(set(parts) - set(numbers))))
    for number in numbers[:-1]:
        if parts[number]["size"] < SMALLEST_PART:
            raise Refusal(400, "EntityTooSmall", "part {}".format(number))
