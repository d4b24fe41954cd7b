# SPDX-License-Identifier: BSD-3-Clause
"""The table, and the same as JSON."""

import os
import pathlib
import platform
import re
import subprocess
from dataclasses import asdict
from statistics import median

from running import Sample
from workloads import GiB, MiB, US, Workload

Rounds = dict[str, list[Sample | None]]  # by the name of the peer; None: it failed


def versions() -> dict[str, str]:
    """Of the peers, as they call themselves."""
    found = {}
    for program in ("qemu-img", "nbdcopy", "nbdkit"):
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
        found[program] = re.search(r"\d+(\.\d+)+", said.stdout)[0]
    return found


def machine() -> dict:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"kernel": platform.release(), "architecture": platform.machine(),
            "processors": os.cpu_count(), "memory": memory, "load": os.getloadavg()[0],
            "pipe-max-size": int(pathlib.Path("/proc/sys/fs/pipe-max-size").read_text()),
            "versions": versions()}


def spread(values: list[float | None]) -> dict | None:
    known = [v for v in values if v is not None]
    if not known:
        return None
    return {"median": median(known), "min": min(known), "max": max(known)}


def ratio(a: float | None, b: float | None) -> float | None:
    return a / b if a and b else None


def per_gib(seconds: float | None, size: int) -> float | None:
    return None if seconds is None else seconds / (size / GiB)


def shares(samples: list[Sample]) -> dict[str, float]:
    """Of all processor time: the client's, the server's, the reader's."""
    sums: dict[str, float] = {}
    for sample in samples:
        for role, cpu in sample.cpu.items():
            sums[role] = sums.get(role, 0) + cpu
    return {role: cpu / sum(sums.values()) for role, cpu in sums.items()}


def summary(work: Workload, peer: str, rounds: Rounds) -> dict | None:
    """Of one peer; ratios are taken round by round, of runs that followed one another."""
    pairs = [(a, b) for a, b in zip(rounds[peer], rounds[work.reference]) if a and b]
    ran = [sample for sample in rounds[peer] if sample]
    if not ran:
        return None
    return {"GB/s": spread([s.bytes / s.seconds / 1e9 for s in ran]),
            "speed ratio": spread([ratio(b.seconds, a.seconds) for a, b in pairs]),
            "server s/GiB": spread([per_gib(s.server_cpu, s.bytes) for s in ran]),
            "server ratio": spread([ratio(a.server_cpu, b.server_cpu) for a, b in pairs]),
            "all s/GiB": spread([per_gib(s.all_cpu, s.bytes) for s in ran]),
            "all ratio": spread([ratio(a.all_cpu, b.all_cpu) for a, b in pairs]),
            "shares": shares(ran),
            "peak": max(s.peak for s in ran),
            "pipe": max(s.pipe or 0 for s in ran) or None}


def as_json(work: Workload, rounds: Rounds) -> dict:
    return {"workload": work.key, "title": work.title, "reference": work.reference,
            "target": work.target, "bytes": work.bytes,
            "peers": {peer: {"summary": summary(work, peer, rounds),
                             "rounds": [s and asdict(s) for s in samples]}
                      for peer, samples in rounds.items()}}


# ---- text -----------------------------------------------------------------------------------

LINE = "{:<14}" + 6 * "{:<17}" + "{:<9}{:>7}{:>6}"


def heading() -> str:
    over = LINE.format("", "GB/s", "speed ratio", "server s/GiB", "ratio", "all s/GiB", "ratio",
                       "CPU %", "server", "pipe")
    below = LINE.format("", *(6 * ["median (min-max)"]), "c/s/r", "MiB", "KiB")
    return f"{over}\n{below}"


def number(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def with_range(of: dict | None) -> str:
    if not of:
        return "-"
    middle, low, high = map(number, of.values())
    return f"{middle} ({low}-{high})"


def row(peer: str, s: dict | None, is_reference: bool) -> str:
    if s is None:
        return f"{peer:<14}failed"
    shown = [s["shares"].get(role) for role in ("client", "server", "reader")]
    parts = "/".join("-" if v is None else f"{v * 100:.0f}" for v in shown)
    if "copier" in s["shares"]:
        parts = "-"
    figures = []
    for name in ("speed", "server", "all"):
        figures.append(with_range(s["GB/s" if name == "speed" else f"{name} s/GiB"]))
        figures.append("" if is_reference else with_range(s[f"{name} ratio"]))
    return LINE.format(peer, *figures, parts, f"{s['peak'] / MiB:.1f}",
                       s["pipe"] // 1024 if s["pipe"] else "-")


def text(work: Workload, rounds: Rounds) -> str:
    rows = [row(peer, summary(work, peer, rounds), peer == work.reference) for peer in rounds]
    return "\n".join([f"{work.title}. Target against {work.reference}: {work.target}", *rows])


def peak_text(results: list[tuple[Workload, Rounds]]) -> str:
    peaks = [s.peak for work, rounds in results for s in rounds[US]
             if s and not work.peers[0].compresses]
    if not peaks:
        return ""
    return f"Most memory of nbdstream, where it does not compress: {max(peaks) / MiB:.1f} MiB. Target: <= 16"


def start_text(starts: dict[str, list[float]]) -> str:
    said = []
    for peer, seconds in starts.items():
        s = spread(seconds)
        if s is None:
            said.append(f"{peer} failed")
            continue
        said.append(f"{peer} {s['median'] * 1e3:.1f} ({s['min'] * 1e3:.1f}-{s['max'] * 1e3:.1f})")
    return f"From exec to the first client's greeting, ms: {', '.join(said)}. Target: <= 20"
