# SPDX-License-Identifier: BSD-3-Clause
"""Signature Version 4 of AWS, in the header Authorization, as a server checks it.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""
import calendar
import hashlib
import hmac
import re
import time
from urllib.parse import quote, unquote

UNRESERVED = "-_.~"
ALLOWED_SKEW = 15 * 60  # seconds between the client's clock and the server's
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/, ]+)/(\d{8})/([^/, ]+)/s3/aws4_request, ?"
    r"SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})")


class Refusal(Exception):
    """A reply with an error: HTTP's status, the code of S3, more headers, more elements in the XML."""

    def __init__(self, status: int, code: str, message: str = "", headers: dict = {}, xml: str = ""):
        super().__init__(code)
        self.status, self.code, self.message = status, code, message
        self.headers, self.xml = headers, xml


class Keys:
    """Who may come: secrets by access key, and the session token of those that have one."""

    def __init__(self, words: list[str]) -> None:
        """Each is ACCESS:SECRET or ACCESS:SECRET:TOKEN."""
        self.of = {}
        for word in words:
            access, secret, *token = word.split(":", 2)
            self.of[access] = (secret, token[0] if token else None)


def timestamp(text: str | None) -> int:
    """Seconds since 1970 of 20261126T220000Z."""
    try:
        return calendar.timegm(time.strptime(text or "", "%Y%m%dT%H%M%SZ"))
    except ValueError:
        raise Refusal(403, "AccessDenied", "x-amz-date is missing or no date") from None


def canonical_query(raw: str) -> str:
    pairs = [pair.partition("=") for pair in raw.split("&") if pair]
    names = [(quote(unquote(name), safe=UNRESERVED), quote(unquote(value), safe=UNRESERVED))
             for name, _, value in pairs]
    return "&".join("{}={}".format(*pair) for pair in sorted(names))


def canonical_request(request, signed: list[str], payload: str) -> str:
    """`request`: method, raw_path, raw_query, headers."""
    lines = [request.method, quote(unquote(request.raw_path), safe="/" + UNRESERVED),
             canonical_query(request.raw_query)]
    for name in signed:
        values = [value.encode("latin-1").decode("utf-8", "replace")  # http.server reads Latin-1
                  for value in request.headers.get_all(name) or []]
        lines.append(name + ":" + ",".join(" ".join(value.split()) for value in values))
    return "\n".join([*lines, "", ";".join(signed), payload])


def signature(secret: str, scope: str, date: str, canonical: str) -> str:
    key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = "\n".join(["AWS4-HMAC-SHA256", date, scope,
                      hashlib.sha256(canonical.encode()).hexdigest()])
    return hmac.digest(key, text.encode(), "sha256").hex()


def must_be_signed(headers) -> set[str]:
    """What AWS requires of the list SignedHeaders."""
    return {"host"} | {name.lower() for name in headers if name.lower().startswith("x-amz-")}


def verify(request, keys: Keys, region: str, now: float) -> None:
    """Refuses a request that nobody in `keys` has signed. What the header x-amz-content-sha256 says
    of the body is for whoever reads the body."""
    headers = request.headers
    found = AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if not found:
        raise Refusal(403, "AccessDenied", "the header Authorization is missing or malformed")
    access, day, where, names, given = found.groups()
    if access not in keys.of:
        raise Refusal(403, "InvalidAccessKeyId", access)
    secret, token = keys.of[access]
    if headers.get("x-amz-security-token") != token:
        raise Refusal(400, "InvalidToken", "the session token is not that of the access key")
    if where != region:
        raise Refusal(400, "AuthorizationHeaderMalformed", "the region is " + region,
                      {"x-amz-bucket-region": region}, "<Region>{}</Region>".format(region))
    payload = headers.get("x-amz-content-sha256")
    if payload is None:
        raise Refusal(400, "InvalidRequest", "x-amz-content-sha256 is missing")
    date = headers.get("x-amz-date")
    if abs(timestamp(date) - now) > ALLOWED_SKEW:
        raise Refusal(403, "RequestTimeTooSkewed", "the difference of the clocks is too large")
    signed = names.split(";")
    missing = must_be_signed(headers) - set(signed)
    if signed != sorted(set(signed)) or missing or day != date[:8]:
        raise Refusal(403, "AccessDenied", "not signed: {}".format(sorted(missing)))
    scope = "{}/{}/s3/aws4_request".format(day, region)
    canonical = canonical_request(request, signed, payload)
    if not hmac.compare_digest(signature(secret, scope, date, canonical), given):
        raise Refusal(403, "SignatureDoesNotMatch", canonical.partition("\n")[0])
