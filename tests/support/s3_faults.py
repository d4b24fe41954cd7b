# SPDX-License-Identifier: BSD-3-Clause
"""What goes wrong on an S3 server, by a script: a list of rules in JSON.

Which requests a rule is for; a rule without one of these is for all:
    "on"          the operation as AWS names it: "UploadPart", or a list of them
    "key", "part", "access_key"
    "while"       a file in the server's directory that must be there; "unless": must not
    "skip": N     not the first N; "times": N   only N of them; "chance": 0.5   half of them, by lot
What happens then, by the word in "do":
    "error"       a reply with "status", "code", "message", "headers", before the body is read; a
                  client that has asked with Expect does not send it
    "reset"       the connection is reset when "bytes" of the body were read (none)
    "stall"       likewise, but there is never an answer
    "slow"        the body is read at "rate" bytes a second, and little of it waits in the system
    "hold"        nothing, until there is a file "until"; then as usual
    "lost"        the connection is reset instead of a reply; "made" (true): it was done
    "broken"      the reply is 200 with <Error>; "made" (false), "code"
    "cut"         the reply ends after "bytes" of its body; with "length" (true) the header has said
                  how long it was to be, without it the end of the connection looks like its end
    "whole"       the reply is 200 with the whole object, whatever range was asked for
    "shifted"     the reply has the range behind the one that was asked for
    "short"       the reply says that it has the range, and its body is "bytes" shorter
    "trickle"     done, but the reply begins with "spaces" times a space, one each 50 ms
    "rival"       somebody else's object "rival" gets to the key just before; then as usual
    "vanish"      somebody aborts the upload just before; then as usual
The first rule that fits a request is taken. A rule counts only the requests that got to it.
"""
import json
import pathlib
import random
import shutil
import socket
import threading
import time
import uuid

from s3_signature import Refusal

POLL = 0.005     # seconds between looks for a file
LONGEST = 120.0  # seconds that anything is held


class Rule:
    def __init__(self, words: dict, directory: pathlib.Path) -> None:
        self.words, self.directory, self.seen = words, directory, 0
        if not callable(getattr(Faults, "do_" + words["do"], None)):
            raise SystemExit("s3_fake.py: nothing is called " + words["do"])

    def fits(self, request, dice: random.Random) -> bool:
        words = self.words
        on = words.get("on", request.operation)
        if request.operation not in ([on] if isinstance(on, str) else on):
            return False
        if any(words[name] != getattr(request, name)
               for name in ("key", "part", "access_key") if name in words):
            return False
        if "while" in words and not (self.directory / words["while"]).exists():
            return False
        if "unless" in words and (self.directory / words["unless"]).exists():
            return False
        if dice.random() >= words.get("chance", 1):
            return False
        self.seen += 1
        after = self.seen - words.get("skip", 0)
        return 0 < after <= words.get("times", after)


class Faults:
    """How a request goes: each do_… is called instead of exchange.serve()."""

    def __init__(self, rules: list[dict], directory: pathlib.Path, seed: int = 1) -> None:
        self.directory = directory
        self.rules = [Rule(words, directory) for words in rules]
        self.dice, self.lock = random.Random(seed), threading.Lock()

    def serve(self, exchange) -> None:
        with self.lock:
            rule = next((r for r in self.rules if r.fits(exchange.wanted, self.dice)), None)
        if rule is None:
            exchange.serve()
            return
        exchange.log(fault=rule.words["do"])
        getattr(self, "do_" + rule.words["do"])(exchange, rule.words)

    @staticmethod
    def refusal(words: dict) -> Refusal:
        return Refusal(words.get("status", 500), words.get("code", "InternalError"),
                       words.get("message", ""), words.get("headers", {}))

    def do_error(self, exchange, words) -> None:
        exchange.refuse(self.refusal(words))

    def do_reset(self, exchange, words) -> None:
        exchange.skip(words.get("bytes", 0))
        exchange.reset()

    def do_stall(self, exchange, words) -> None:
        exchange.skip(words.get("bytes", 0))
        exchange.wait_for_close(LONGEST)

    def do_slow(self, exchange, words) -> None:
        exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
        exchange.rate = words["rate"]
        exchange.serve()

    def do_hold(self, exchange, words) -> None:
        end = time.monotonic() + LONGEST
        while not (self.directory / words["until"]).exists() and time.monotonic() < end:
            time.sleep(POLL)
        exchange.serve()

    def do_lost(self, exchange, words) -> None:
        if words.get("made", True):
            exchange.answer()
        else:
            exchange.receive()
        exchange.reset()

    def do_broken(self, exchange, words) -> None:
        if words.get("made", False):
            exchange.answer()
        else:
            exchange.receive()
        exchange.refuse(self.refusal(words | {"status": 200}))

    def do_cut(self, exchange, words) -> None:
        exchange.send(exchange.answer(), cut=words["bytes"], length=words.get("length", True))

    def do_whole(self, exchange, _) -> None:
        reply = exchange.answer()
        exchange.send(reply._replace(status=200, start=0, size=reply.file.stat().st_size))

    def do_shifted(self, exchange, _) -> None:
        reply = exchange.answer()
        begin = reply.start + reply.size
        said = "bytes {}-{}/{}".format(begin, begin + reply.size - 1, reply.file.stat().st_size)
        exchange.send(reply._replace(headers=reply.headers | {"Content-Range": said}, start=begin))

    def do_short(self, exchange, words) -> None:
        reply = exchange.answer()
        exchange.send(reply._replace(size=reply.size - words["bytes"]))

    def do_trickle(self, exchange, words) -> None:
        reply = exchange.answer()
        exchange.begin(reply, {"Transfer-Encoding": "chunked"})
        declaration, _, rest = reply.body.partition(b"\n")
        exchange.send_chunk(declaration + b"\n")
        for _ in range(words["spaces"]):
            time.sleep(0.05)
            exchange.send_chunk(b" ")
        exchange.send_chunk(rest)
        exchange.send_chunk(b"")

    def do_rival(self, exchange, _) -> None:
        store, request = exchange.store, exchange.wanted
        content = store.root / "incoming" / uuid.uuid4().hex
        content.write_bytes(b"rival")
        with store.lock:
            store.put(request.bucket, request.key, content, "0" * 32, {})
        exchange.serve()

    def do_vanish(self, exchange, _) -> None:
        store, request = exchange.store, exchange.wanted
        with store.lock:
            shutil.rmtree(store.root / "uploads" / request.query["uploadId"], ignore_errors=True)
        exchange.serve()


def read(path: str | None, directory: pathlib.Path) -> Faults:
    return Faults(json.loads(pathlib.Path(path).read_text()) if path else [], directory)
