# SPDX-License-Identifier: BSD-3-Clause
"""The tables, and the same as JSON."""

import os
import pathlib
import platform
import re
import subprocess
from dataclasses import asdict

from figures import Rounds, Verdict, spread, summary
from model import MiB, Workload


def versions() -> dict[str, str]:
    """Of the peers, as they call themselves."""
    found = {}
    for program in ("qemu-img", "nbdcopy", "nbdkit", "fio"):
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
        found[program] = re.search(r"\d+(\.\d+)+", said.stdout)[0]
    return found


def machine() -> dict:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"kernel": platform.release(), "architecture": platform.machine(),
            "processors": os.cpu_count(), "memory": memory, "load": os.getloadavg()[0],
            "pipe-max-size": int(pathlib.Path("/proc/sys/fs/pipe-max-size").read_text()),
            "versions": versions()}


def as_json(work: Workload, rounds: Rounds) -> dict:
    return {"workload": work.key, "title": work.title, "bytes": work.bytes,
            "floor": asdict(work.floor), "targets": [asdict(target) for target in work.targets],
            "peers": {peer: {"summary": summary(work, peer, rounds),
                             "rounds": [s and asdict(s) for s in samples]}
                      for peer, samples in rounds.items()}}


# ---- text -----------------------------------------------------------------------------------

LINE = "{:<24}" + 6 * "{:<18}" + "{:<9}{:>7}{:>6}"


def heading() -> str:
    over = LINE.format("", "GB/s", "time / floor's", "ours / its time", "server s/GiB",
                       "server / bare", "all s/GiB", "CPU %", "server", "pipe")
    below = LINE.format("", *(6 * ["median (min-max)"]), "c/s/r", "MiB", "KiB")
    return f"{over}\n{below}"


def number(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def with_range(of: dict | None) -> str:
    if not of:
        return "-"
    middle, low, high = map(number, of.values())
    return f"{middle} ({low}-{high})"


def row(peer: str, s: dict | None) -> str:
    if s is None:
        return f"{peer:<24}failed"
    shown = [s["shares"].get(role) for role in ("client", "server", "reader")]
    parts = "/".join("-" if v is None else f"{v * 100:.0f}" for v in shown)
    if "copier" in s["shares"]:
        parts = "-"
    figures = [with_range(s[name]) for name in
               ("GB/s", "time by the floor's", "our time by its", "server s/GiB",
                "server by the output's", "all s/GiB")]
    return LINE.format(peer, *figures, parts, f"{s['peak'] / MiB:.1f}",
                       s["pipe"] // 1024 if s["pipe"] else "-")


def floor_text(work: Workload) -> str:
    floor = work.floor
    if not floor.output:
        return floor.protocol
    how = "one after the other" if floor.in_turn else "at once"
    return f"{floor.protocol} and {floor.output}, {how}"


def text(work: Workload, rounds: Rounds) -> str:
    """`rounds` has the floor, which is the last row."""
    rows = [row(peer, summary(work, peer, rounds)) for peer in rounds]
    return "\n".join([f"{work.title} [{work.key}]. Floor: {floor_text(work)}", *rows])


def targets_text(found: list[Verdict]) -> str:
    """One line for each target."""
    lines = [f"{'Targets':<78}{'at most':>10}  {'measured':<20}"]
    for v in found:
        if v.figure is None:
            measured = "-"
        elif v.low is None:
            measured = f"{number(v.figure)}{v.unit}"
        else:
            measured = with_range({"median": v.figure, "min": v.low, "max": v.high})
        lines.append(f"{v.text:<78}{number(v.most) + v.unit:>10}  {measured:<20}{v.word}")
    return "\n".join(lines)


def start_text(starts: dict[str, list[float]]) -> str:
    said = []
    for peer, seconds in starts.items():
        s = spread(seconds)
        if s is None:
            said.append(f"{peer} failed")
            continue
        said.append(f"{peer} {s['median'] * 1e3:.1f} ({s['min'] * 1e3:.1f}-{s['max'] * 1e3:.1f})")
    return f"From exec to the first client's greeting, ms: {', '.join(said)}"
