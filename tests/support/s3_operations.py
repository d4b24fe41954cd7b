# SPDX-License-Identifier: BSD-3-Clause
"""The operations of S3: which one a request asks for, and the reply. AWS's API reference has each of
them by the name that it has here."""
import pathlib
import re
from typing import NamedTuple
from urllib.parse import unquote

from s3_signature import AUTHORIZATION, Refusal
from s3_store import LARGEST_PART, document, element, iso

PIECE = 1 << 20  # bytes sent at a time


class Reply(NamedTuple):
    status: int
    headers: dict = {}
    body: bytes = b""
    file: pathlib.Path | None = None  # instead of `body`: `size` bytes of it from `start` on
    start: int = 0
    size: int = 0

    @property
    def length(self) -> int:
        return self.size if self.file else len(self.body)

    def pieces(self, length: int):
        """The first `length` bytes of the body."""
        if not self.file:
            yield self.body[:length]
            return
        with self.file.open("rb") as content:
            content.seek(self.start)
            while length and (piece := content.read(min(length, PIECE))):
                length -= len(piece)
                yield piece


class Request:
    """What a request asks for."""

    def __init__(self, method: str, target: str, headers, domain: str) -> None:
        self.method, self.headers = method, headers
        self.raw_path, _, self.raw_query = target.partition("?")
        pairs = [pair.partition("=") for pair in self.raw_query.split("&") if pair]
        self.query = {unquote(name): unquote(value) for name, _, value in pairs}
        bucket, dot, rest = headers.get("host", "").partition(".")
        path = unquote(self.raw_path)[1:]
        if dot and rest.partition(":")[0] == domain:
            path = bucket + "/" + path
        self.bucket, _, self.key = path.partition("/")
        self.part = int(self.query.get("partNumber") or 0)
        self.length = int(headers.get("content-length") or 0)
        found = AUTHORIZATION.fullmatch(headers.get("authorization", ""))
        self.access_key = found.group(1) if found else ""
        self.operation = name_of(self)


def name_of(request) -> str:
    """The name of the operation, as in `OPERATIONS`; of another one, the method."""
    method, query = request.method, request.query
    if not request.key:
        kinds = {"GET": "ListMultipartUploads" if "uploads" in query else
                 "GetBucketLocation" if "location" in query else "ListObjects",
                 "HEAD": "HeadBucket"}
    elif "uploadId" in query:
        kinds = {"PUT": "UploadPart", "POST": "CompleteMultipartUpload",
                 "DELETE": "AbortMultipartUpload", "GET": "ListParts"}
    elif "uploads" in query:
        kinds = {"POST": "CreateMultipartUpload"}
    else:
        kinds = {"PUT": "PutObject", "GET": "GetObject", "HEAD": "HeadObject",
                 "DELETE": "DeleteObject"}
    return kinds.get(method, method)


def of_the_object(headers: dict) -> dict:
    """Without what only the server knows."""
    return {name: value for name, value in headers.items() if name != "x-fake-upload"}


def xml(root: str, *inner: str, headers: dict = {}) -> Reply:
    return Reply(200, {"Content-Type": "application/xml"} | headers, document(root, *inner))


def put_object(server, request, body) -> Reply:
    if "x-amz-copy-source" in request.headers:
        raise Refusal(501, "NotImplemented", "copies")
    if body.size > LARGEST_PART:
        raise Refusal(400, "EntityTooLarge")
    made = server.store.put_object(request.bucket, request.key, body, request.headers)
    return Reply(200, {n: v for n, v in made.items() if n in ("ETag", "x-amz-version-id")})


RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def range_of(text: str | None, size: int) -> tuple[int, int] | None:
    """First byte and length; None: the whole object, as for what is no range."""
    found = RANGE.fullmatch(text or "")
    if not found or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        first, last = max(0, size - int(last)), size - 1
    first, last = int(first), min(int(last or size - 1), size - 1)
    if first > last:
        raise Refusal(416, "InvalidRange", "", {"Content-Range": "bytes */{}".format(size)})
    return first, last - first + 1


def get_object(server, request, _) -> Reply:
    with server.store.lock:
        headers = of_the_object(server.store.head(request.bucket, request.key))
        path = server.store.object(request.bucket, request.key)
        size = path.stat().st_size
    wanted = request.headers.get("if-match", "*") if server.store.conditions else "*"
    if wanted not in ("*", headers["ETag"]):
        raise Refusal(412, "PreconditionFailed", "If-Match")
    headers["Accept-Ranges"] = "bytes"
    part = range_of(request.headers.get("range"), size)
    if part is None:
        return Reply(200, headers, file=path, size=size)
    first, length = part
    headers["Content-Range"] = "bytes {}-{}/{}".format(first, first + length - 1, size)
    return Reply(206, headers, file=path, start=first, size=length)


def delete_object(server, request, _) -> Reply:
    server.store.delete(request.bucket, request.key, request.query.get("versionId"))
    return Reply(204)


def create_upload(server, request, _) -> Reply:
    upload = server.store.create(request.bucket, request.key, request.headers)
    return xml("InitiateMultipartUploadResult", element("Bucket", request.bucket),
               element("Key", request.key), element("UploadId", upload))


def upload_part(server, request, body) -> Reply:
    if body.size > LARGEST_PART:
        raise Refusal(400, "EntityTooLarge")
    return Reply(200, server.store.put_part(request.bucket, request.key, request.query["uploadId"],
                                            request.part, body, request.headers))


def complete_upload(server, request, body) -> Reply:
    """RGW's word for an upload that is not there is one that tells a client to try again."""
    try:
        made = server.store.complete(request.bucket, request.key, request.query["uploadId"],
                                     body.path.read_bytes(), request.headers)
    except Refusal as refusal:
        if refusal.code == "NoSuchUpload" and server.gone == "500":
            raise Refusal(500, "InternalError",
                          "This multipart completion is already in progress") from None
        raise
    version = {n: v for n, v in made.items() if n == "x-amz-version-id"}
    return xml("CompleteMultipartUploadResult", element("Bucket", request.bucket),
               element("Key", request.key), element("ETag", made["ETag"]), headers=version)


def abort_upload(server, request, _) -> Reply:
    server.store.abort(request.bucket, request.key, request.query["uploadId"])
    return Reply(204)


def list_uploads(server, request, _) -> Reply:
    rows = [element("Key", about["key"]) + element("UploadId", upload) +
            element("Initiated", iso(about["began"]))
            for upload, about in server.store.uploads(request.bucket,
                                                      request.query.get("prefix", ""))]
    return xml("ListMultipartUploadsResult", element("Bucket", request.bucket),
               element("IsTruncated", "false"),
               *("<Upload>{}</Upload>".format(row) for row in rows))


def list_parts(server, request, _) -> Reply:
    with server.store.lock:
        path, _ = server.store.upload(request.bucket, request.key, request.query["uploadId"])
        parts = server.store.parts(path)
    rows = [element("PartNumber", n) + element("ETag", parts[n]["etag"]) +
            element("Size", parts[n]["size"]) for n in sorted(parts)]
    return xml("ListPartsResult", element("Bucket", request.bucket), element("Key", request.key),
               element("UploadId", request.query["uploadId"]), element("IsTruncated", "false"),
               *("<Part>{}</Part>".format(row) for row in rows))


def list_objects(server, request, _) -> Reply:
    rows = [element("Key", key) + element("LastModified", iso(about.st_mtime)) +
            element("ETag", server.store.head(request.bucket, key)["ETag"]) +
            element("Size", about.st_size)
            for key, about in server.store.objects(request.bucket, request.query.get("prefix", ""))]
    return xml("ListBucketResult", element("Name", request.bucket), element("KeyCount", len(rows)),
               element("IsTruncated", "false"),
               *("<Contents>{}</Contents>".format(row) for row in rows))


def bucket_location(server, request, _) -> Reply:
    server.store.bucket(request.bucket)
    where = "" if server.region == "us-east-1" else server.region
    return Reply(200, {"Content-Type": "application/xml"},
                 element("LocationConstraint", where).encode())


def head_bucket(server, request, _) -> Reply:
    server.store.bucket(request.bucket)
    return Reply(200)


OPERATIONS = {
    "PutObject": put_object, "GetObject": get_object, "HeadObject": get_object,
    "DeleteObject": delete_object, "CreateMultipartUpload": create_upload,
    "UploadPart": upload_part, "CompleteMultipartUpload": complete_upload,
    "AbortMultipartUpload": abort_upload, "ListMultipartUploads": list_uploads,
    "ListParts": list_parts, "ListObjects": list_objects, "GetBucketLocation": bucket_location,
    "HeadBucket": head_bucket}
