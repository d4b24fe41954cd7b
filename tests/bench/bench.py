#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Measures nbdstream beside its peers, and prints one table. README.md explains every figure.

It builds nothing: ./dev bench does, and then runs this."""

import argparse
import json
import pathlib
import shutil
import signal
import sys
import tempfile
from contextlib import ExitStack

sys.dont_write_bytecode = True

import figures
import in_order
import inputs
import model
import picture
import profiling
import report
import running
import workloads

STARTS = 5  # measured in each round
ROUNDS = {"full": 6, "quick": 2, "tiny": 1}
PROGRAMS = ("fio", "nbdcopy", "nbdkit", "qemu-img", "qemu-nbd", "qemu-storage-daemon", "zstd")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measures nbdstream beside its peers.")
    parser.add_argument("--bin", type=pathlib.Path, default=pathlib.Path("build/release/bin"),
                        metavar="DIR", help="where nbdstream is (default: %(default)s)")
    parser.add_argument("--tools", type=pathlib.Path, metavar="DIR",
                        help="where the programs of the benchmark are (default: as --bin)")
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument("--quick", dest="sizes", action="store_const", const="quick",
                       default="full", help="less data and two rounds, in under four minutes")
    sizes.add_argument("--tiny", dest="sizes", action="store_const", const="tiny",
                       help="hardly any data and one round: shows that all runs, measures nothing")
    parser.add_argument("--rounds", type=int, metavar="N", help="default: 6, or 2 with --quick")
    parser.add_argument("--only", action="append", default=[], metavar="TEXT",
                        help="only workloads whose name has TEXT in it; repeatable; see --list")
    parser.add_argument("--list", action="store_true", help="print the workloads' names")
    parser.add_argument("--profile", action="store_true",
                        help="instead of the table: where nbdstream's time goes, by perf")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="every figure, too")
    parser.add_argument("--svg", type=pathlib.Path, metavar="FILE", help="the picture, too")
    args = parser.parse_args()
    if args.rounds is not None and args.rounds < 1:
        parser.error("--rounds is at least 1")
    if args.profile and (args.json or args.svg or args.rounds):
        parser.error("--profile has neither rounds nor figures for --json and --svg")
    return args


def check(setting: model.Setting) -> None:
    names = ("bare_loop", "drain", "ideal_client", "measure", "naive_server")
    programs = [setting.server, *(setting.tools / name for name in names)]
    missing = [str(p) for p in programs if not p.is_file()]
    missing += [p for p in PROGRAMS if not shutil.which(p)]
    if missing:
        sys.exit("bench.py: these are missing; ./dev bench builds or installs them: "
                 + ", ".join(missing))


def run_once(setting, work: model.Workload, peer: model.Peer) -> running.Sample | None:
    try:
        with running.Run(setting.tools, setting.inputs, work.equal_pipes) as run:
            peer.start(run)
            return run.finish(work.bytes, peer.never_ends, peer.more, peer.compresses)
    except running.Failure as failure:
        print(f"{work.key}, {peer.name}: {failure}", file=sys.stderr)
        return None


def run_all(setting, chosen: list[model.Workload], rounds: int) -> list:
    """The peers of a workload run one right after the other; each round begins with another."""
    results = [(work, {peer.name: [] for peer in work.peers}) for work in chosen]
    for n in range(rounds):
        for i, (work, samples) in enumerate(results):
            if sys.stderr.isatty():
                print(f"\r\033[Kround {n + 1} of {rounds}, workload {i + 1} of {len(results)}: "
                      f"{work.key}", end="", file=sys.stderr, flush=True)
            for k in range(len(work.peers)):
                peer = work.peers[(n + k) % len(work.peers)]
                samples[peer.name].append(run_once(setting, work, peer))
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    return [(work, figures.with_floor(work, samples)) for work, samples in results]


def time_starts(setting, rounds: int) -> dict[str, list[float]]:
    path = str(setting.inputs / "start")
    commands = in_order.start_commands(setting, path)
    starts: dict[str, list[float]] = {name: [] for name, _ in commands}
    for _ in range(rounds * STARTS):
        for name, command in commands:
            try:
                starts[name].append(running.time_to_greeting(command, path))
            except running.Failure as failure:
                print(f"start, {name}: {failure}", file=sys.stderr)
    return starts


def times(rounds: int) -> str:
    return "1 round" if rounds == 1 else f"{rounds} interleaved rounds"


def describe(machine: dict, rounds: int, sizes: str) -> str:
    tools = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    size_text = "" if sizes == "full" else f" ({sizes})"
    busy = "\nThe machine has other work: take the figures as a hint, server CPU first."
    return (f"Linux {machine['kernel']}, {machine['processors']} processors, load "
            f"{machine['load']:.1f} at the beginning; {times(rounds)}{size_text}\n{tools}"
            f"{busy if machine['load'] > 0.5 else ''}\n")


def caption(machine: dict, rounds: int, sizes: str) -> str:
    size_text = "" if sizes == "full" else f", sizes of --{sizes}"
    return (f"Medians of {times(rounds)}{size_text}; {machine['processors']} processors, "
            f"Linux {machine['kernel']}, load {machine['load']:.1f} at the beginning")


def measure(setting, chosen: list, args: argparse.Namespace) -> bool:
    rounds = args.rounds or ROUNDS[args.sizes]
    machine = report.machine()
    print(describe(machine, rounds, args.sizes), flush=True)
    if not setting.xfs and args.sizes != "tiny":
        print("No XFS: that takes root, a loop device and xfsprogs. Its workloads are left out.\n")
    inputs.make(setting, {name for work in chosen for name in work.inputs})
    results = run_all(setting, chosen, rounds)
    starts = time_starts(setting, rounds)
    print(report.heading())
    for work, samples in results:
        print("\n" + report.text(work, samples))
    found = figures.verdicts(results)
    print("\n" + report.start_text(starts) + "\n\n" + report.targets_text(found))
    if args.json:
        args.json.write_text(json.dumps(
            {"machine": machine, "rounds": rounds, "sizes": args.sizes, "seconds to start": starts,
             "targets": [vars(v) | {"verdict": v.word} for v in found],
             "workloads": [report.as_json(w, r) for w, r in results]}, indent=1) + "\n")
    if args.svg:
        args.svg.write_text(picture.svg(results, caption(machine, rounds, args.sizes)))
    complete = all(len(seconds) == rounds * STARTS for seconds in starts.values())
    return complete and all(s for _, samples in results for runs in samples.values() for s in runs)


def main() -> int:
    args = options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what is open is cleaned up
    with ExitStack() as stack:
        def directory(parent: str | None) -> pathlib.Path:
            return pathlib.Path(stack.enter_context(
                tempfile.TemporaryDirectory(prefix="nbdstream-bench-", dir=parent)))

        shm = "/dev/shm" if pathlib.Path("/dev/shm").is_dir() else None
        bin_dir = args.bin.resolve()
        place = directory(None)
        xfs = None if args.sizes == "tiny" else stack.enter_context(inputs.mounted_xfs(place))
        setting = model.Setting(bin_dir / "nbdstream", (args.tools or bin_dir).resolve(), place,
                                directory(shm), xfs, model.SIZES[args.sizes])
        every = workloads.all_workloads(setting)
        if args.profile and not args.only:
            chosen = [w for w in every if w.key in profiling.KEYS]
        else:
            chosen = [w for w in every if any(text in w.key for text in args.only or [""])]
        if args.list:
            print("\n".join(w.key for w in chosen))
            return 0
        if not chosen:
            sys.exit("bench.py: no workload has such a name; --list prints all")
        check(setting)
        run = profiling.profile if args.profile else measure
        return 0 if run(setting, chosen, args) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
