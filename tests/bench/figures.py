# SPDX-License-Identifier: BSD-3-Clause
"""What is computed from the samples. A ratio never leaves its round."""

from dataclasses import dataclass
from statistics import median

from model import FLOOR, GiB, MiB, US, Target, Workload
from running import Sample

Rounds = dict[str, list[Sample | None]]  # by the name of the peer; None: it failed
BESIDE_WINDOW = 32 * MiB  # what nbdstream may have resident beside its window


def floor_of(work: Workload, protocol: Sample | None, output: Sample | None) -> Sample | None:
    """The two of one round as one: model.Floor says how."""
    if work.floor.output is None:
        return protocol
    if protocol is None or output is None:
        return None
    times = protocol.seconds, output.seconds
    cpu = {role: protocol.cpu.get(role, 0) + output.cpu.get(role, 0)
           for role in protocol.cpu | output.cpu}
    return Sample(seconds=sum(times) if work.floor.in_turn else max(times), bytes=work.bytes,
                  server_cpu=protocol.server_cpu + output.server_cpu,
                  all_cpu=protocol.all_cpu + output.all_cpu, cpu=cpu,
                  peak=max(protocol.peak, output.peak), pipe=output.pipe)


def with_floor(work: Workload, rounds: Rounds) -> Rounds:
    protocol = rounds[work.floor.protocol]
    output = rounds[work.floor.output] if work.floor.output else [None] * len(protocol)
    return rounds | {FLOOR: [floor_of(work, *two) for two in zip(protocol, output)]}


def spread(values: list[float | None]) -> dict | None:
    known = [v for v in values if v is not None]
    if not known:
        return None
    return {"median": median(known), "min": min(known), "max": max(known)}


def amount(sample: Sample, what: str) -> float | None:
    return sample.seconds if what == "time" else sample.server_cpu


def ratio(rounds: Rounds, what: str, of: str, to: str) -> dict | None:
    """Of one peer to another, round by round. None: there is no round that has both."""
    pairs = [(amount(a, what), amount(b, what)) for a, b in zip(rounds[of], rounds[to]) if a and b]
    return spread([a / b for a, b in pairs if a and b])


def shares(samples: list[Sample]) -> dict[str, float]:
    """Of all processor time: the client's, the server's, the reader's."""
    sums: dict[str, float] = {}
    for sample in samples:
        for role, cpu in sample.cpu.items():
            sums[role] = sums.get(role, 0) + cpu
    whole = sum(sums.values()) or 1
    return {role: cpu / whole for role, cpu in sums.items()}


def summary(work: Workload, peer: str, rounds: Rounds) -> dict | None:
    """Of one peer, or of the floor. `rounds` has the floor. None: no run was complete."""
    ran = [sample for sample in rounds[peer] if sample]
    if not ran:
        return None
    gib = work.bytes / GiB

    def per_gib(values: list[float | None]) -> dict | None:
        return spread([None if v is None else v / gib for v in values])

    return {"GB/s": spread([s.bytes / s.seconds / 1e9 for s in ran]),
            "time by the floor's": ratio(rounds, "time", peer, FLOOR),
            "our time by its": ratio(rounds, "time", US, peer),
            "server s/GiB": per_gib([s.server_cpu for s in ran]),
            "server by the output's": ratio(rounds, "server CPU", peer,
                                            work.floor.output or work.floor.protocol),
            "all s/GiB": per_gib([s.all_cpu for s in ran]),
            "shares": shares(ran),
            "peak": max(s.peak for s in ran),
            "pipe": max(s.pipe or 0 for s in ran) or None}


@dataclass(frozen=True)
class Verdict:
    """A target, and what was measured. `figure`: None where no round was complete."""

    text: str
    most: float
    figure: float | None
    low: float | None = None
    high: float | None = None
    unit: str = ""

    @property
    def word(self) -> str:
        if self.figure is None:
            return "not measured"
        return "met" if self.figure <= self.most else "missed"


def verdict(work: Workload, target: Target, rounds: Rounds) -> Verdict:
    text = f"{work.title}: {target.what} by that of {target.to}"
    found = ratio(rounds, target.what, US, target.to)
    if found is None:
        return Verdict(text, target.most, None)
    return Verdict(text, target.most, found["median"], found["min"], found["max"])


def memory_verdict(results: list[tuple[Workload, Rounds]]) -> Verdict | None:
    """Of the workload that is nearest to its bound, or farthest beyond it."""
    worst = None
    for work, rounds in results:
        peaks = [s.peak for s in rounds[US] if s]
        if peaks and (worst is None or max(peaks) - work.window > worst[0]):
            worst = max(peaks) - work.window, max(peaks), work
    if worst is None:
        return None
    _, peak, work = worst
    return Verdict(f"most memory, here of: {work.title}; window + 32 MiB",
                   (work.window + BESIDE_WINDOW) / MiB, peak / MiB, unit=" MiB")


def verdicts(results: list[tuple[Workload, Rounds]]) -> list[Verdict]:
    """`results` have their floors."""
    found = [verdict(work, target, rounds) for work, rounds in results for target in work.targets]
    memory = memory_verdict(results)
    return found + ([memory] if memory else [])
