#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Measures the sink s3 beside `rclone rcat` and `aws s3 cp -`, all into the same real gateway, with
parts of the same size and as many connections. README.md explains the figures.

    tests/ceph/cluster.py tests/bench/s3_bench.py [OPTION]...

It builds nothing, and needs rclone, libnbd-bin or qemu-utils, awscli unless --alone, and zstd with
--compress. It is no test: the exit status is 0 if each object was whole."""
import argparse
import hashlib
import os
import pathlib
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

sys.dont_write_bytecode = True
TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path.append(str(TESTS / "ceph"))

from gateway import BUCKET, Gateway

MiB = 1 << 20
DEADLINE = 600  # seconds, for any run
HOST = 20  # MiB that nbdstream has beside the buffers, by the formula of its manual


CLIENTS = {"nbdcopy": ["nbdcopy"],  # 4 connections, far out of order
           "qemu-img": ["qemu-img", "convert", "-n", "-f", "raw", "-O", "raw"]}  # in order


class Sample(NamedTuple):
    seconds: float
    cpu: float   # seconds of the uploader, user and system; not of its source, nor of the gateway
    peak: float  # MiB that the uploader had resident


class Uploader(NamedTuple):
    """`words` upload what `source` writes: to their standard input, or else over NBD."""

    name: str
    words: list
    source: list
    over_nbd: bool


def uploaders(args, gateway: Gateway) -> list[Uploader]:
    url = "{}/key".format(BUCKET)
    part = "{}M".format(args.part)
    compress = ["--compress", args.compress] if args.compress else []
    every = [
        Uploader("nbdstream", [args.nbdstream, "--sink", "s3://" + url, "-o", "part-size=" + part,
                               "-o", "connections={}".format(args.connections), "-o",
                               "memory={}M".format(args.part * (args.connections + 1)),
                               "-U", "sock", "-P", "pid", *compress],
                 [*CLIENTS[args.client], "in.raw", "nbd+unix:///?socket=sock"], True),
        Uploader("rclone rcat", ["rclone", "rcat", "--s3-chunk-size", part, "--s3-upload-concurrency",
                                 str(args.connections), "gateway:" + url],
                 ["cat", "in.raw"], False),
        Uploader("aws s3 cp", ["aws", "--endpoint-url", gateway.endpoint, "s3", "cp", "-",
                               "s3://" + url], ["cat", "in.raw"], False)]
    return every[:1] if args.alone else every


def environment(args, gateway: Gateway, directory: pathlib.Path) -> dict:
    config = directory / "aws"
    config.write_text("[default]\ns3 =\n  multipart_chunksize = {0}MB\n  multipart_threshold = {0}MB\n"
                      "  max_concurrent_requests = {1}\n".format(args.part, args.connections))
    return os.environ | gateway.environment | {"AWS_CONFIG_FILE": str(config)}


def run(uploader: Uploader, directory: pathlib.Path, env: dict) -> Sample:
    how = {"cwd": directory, "env": env, "stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    words, source = [str(w) for w in uploader.words], uploader.source
    (directory / "pid").unlink(missing_ok=True)
    began = time.monotonic()
    if uploader.over_nbd:
        sink = subprocess.Popen(words, **how)
        while not (directory / "pid").exists():
            if sink.poll() is not None:
                sys.exit("s3_bench.py: {} does not listen".format(uploader.name))
            time.sleep(0.001)
        feed = subprocess.Popen(source, **how)
    else:
        feed = subprocess.Popen(source, **how | {"stdout": subprocess.PIPE})
        sink = subprocess.Popen(words, **how | {"stdin": feed.stdout})
        feed.stdout.close()
    try:
        signal.alarm(DEADLINE)
        _, status, used = os.wait4(sink.pid, 0)
        sink.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - began
        signal.alarm(0)
    finally:
        for process in (sink, feed):
            if process.returncode is None:
                process.kill()
            process.wait()
    if sink.returncode:
        sys.exit("s3_bench.py: {} ended with {}".format(uploader.name, sink.returncode))
    return Sample(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def make_input(path: pathlib.Path, size: int, source: pathlib.Path | None) -> str:
    """Its digest. In pieces: what is resident here would count as the uploaders' (wait4(2))."""
    digest, dice = hashlib.sha256(), random.Random(1)
    with path.open("wb") as to, (source or pathlib.Path("/dev/null")).open("rb") as content:
        for _ in range(size):
            piece = content.read(MiB) if source else dice.randbytes(MiB)
            if len(piece) < MiB:
                sys.exit("s3_bench.py: {} has not {} MiB; see --size".format(source, size))
            digest.update(piece)
            to.write(piece)
    return digest.hexdigest()


def check_and_remove(gateway: Gateway, name: str, env: dict, expected: str, args) -> None:
    digest = hashlib.sha256()
    command = "rclone cat gateway:{}/key{}".format(BUCKET, " | zstd -dc" if args.compress else "")
    with subprocess.Popen(["sh", "-c", command], env=env, stdout=subprocess.PIPE) as reader:
        while piece := reader.stdout.read(MiB):
            digest.update(piece)
    if digest.hexdigest() != expected:
        sys.exit("s3_bench.py: what {} has uploaded is not what it was given".format(name))
    gateway.request("DELETE", "/{}/key".format(BUCKET))


def median(samples: list, figure) -> str:
    values = [figure(sample) for sample in samples]
    return "{:.2f} ({:.2f}-{:.2f})".format(statistics.median(values), min(values), max(values))


def report(results: dict[str, list[Sample]], args) -> None:
    gib = args.size / 1024
    print("{:14}{:>22}{:>22}{:>12}".format("", "CPU s/GiB", "wall s/GiB", "RSS MiB"))
    for name, samples in results.items():
        print("{:14}{:>22}{:>22}{:>12.0f}".format(
            name, median(samples, lambda s: s.cpu / gib), median(samples, lambda s: s.seconds / gib),
            max(s.peak for s in samples)))
    ours, *others = results
    for name in others:
        pairs = list(zip(results[ours], results[name]))
        print("{} by {}: CPU {}, wall {}".format(
            ours, name, median(pairs, lambda p: p[0].cpu / p[1].cpu),
            median(pairs, lambda p: p[0].seconds / p[1].seconds)))
    print("RSS of {} by the formula (connections + 1) x part + {} MiB: {:.0f} MiB".format(
        ours, HOST, (args.connections + 1) * args.part + HOST))


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    add = parser.add_argument
    add("--nbdstream", type=pathlib.Path, default=TESTS.parent / "build/release/bin/nbdstream")
    add("--size", type=int, default=1024, metavar="MiB", help="of the stream (%(default)s)")
    add("--part", type=int, default=16, metavar="MiB", help="of each part (%(default)s)")
    add("--connections", type=int, default=4, metavar="N", help="at once (%(default)s)")
    add("--client", choices=CLIENTS, default="nbdcopy", help="of nbdstream; default: nbdcopy")
    add("--compress", metavar="zstd[:LEVEL]", help="as nbdstream has it; only with --alone")
    add("--input", type=pathlib.Path, metavar="FILE", help="what is streamed; default: random bytes")
    add("--alone", action="store_true", help="nbdstream without its peers")
    add("--rounds", type=int, default=5, metavar="N", help="default: %(default)s")
    return parser.parse_args()


def main() -> None:
    args = options()
    args.nbdstream = args.nbdstream.resolve()
    if args.compress and not args.alone:
        sys.exit("s3_bench.py: --compress is only for --alone")
    needed = [args.client, "rclone", str(args.nbdstream)] + ([] if args.alone else ["aws"])
    missing = [p for p in needed if not shutil.which(p)]
    if missing:
        sys.exit("s3_bench.py: these are missing: " + ", ".join(missing))
    print("{} processors, load {:.1f} at the beginning; {} rounds of {} MiB, parts of {} MiB, {} "
          "connections".format(os.cpu_count(), os.getloadavg()[0], args.rounds, args.size, args.part,
                               args.connections), flush=True)
    with Gateway() as gateway, tempfile.TemporaryDirectory(prefix="s3-bench-") as name:
        directory = pathlib.Path(name)
        expected = make_input(directory / "in.raw", args.size, args.input)
        env, peers = environment(args, gateway, directory), uploaders(args, gateway)
        results: dict[str, list[Sample]] = {peer.name: [] for peer in peers}
        for n in range(args.rounds):
            for k in range(len(peers)):  # each round begins with another
                peer = peers[(n + k) % len(peers)]
                results[peer.name].append(run(peer, directory, env))
                check_and_remove(gateway, peer.name, env, expected, args)
    report(results, args)


if __name__ == "__main__":
    main()
