# SPDX-License-Identifier: BSD-3-Clause
"""QEMU's backup job of a disk that is in use."""

import parts
from held import AS_DIFF, THEN_CAT
from model import BENCH, KiB, US, Floor, Peer, Setting, Target, Workload
from parts import NULL, SPLICE
from running import Run

PLAIN = "raw file by QEMU"


def live_workloads(s: Setting) -> list[Workload]:
    size = s.sizes.live
    job = ["/usr/bin/python3", BENCH / "backup_job.py", s.memory / "live.raw"]

    def backup(run: Run) -> None:
        run.spawn("client", [*job, run.path("nbd")])

    def ours(*more):
        def start(run: Run) -> None:
            parts.nbdstream(s, run, more=("--size", size, *more))
            backup(run)
        return start

    def plain(run: Run) -> None:
        """The target is a file: QEMU is client and server at once."""
        run.spawn("copier", [*job, "--file", run.file_in(s.inputs, size)])

    # Copy-before-write sends anything at any time, but most of the disk in order.
    return [Workload("live", "live backup by QEMU", size,
                     [Peer(US, ours("--order", "spill")),
                      Peer("ours, rbd-diff", ours(*AS_DIFF), more=None),
                      Peer(PLAIN, plain),
                      parts.file_then_cat(s.inputs, THEN_CAT, backup, size),
                      parts.null_for(backup, size), parts.bare(s, size, 64 * KiB)],
                     Floor(NULL, SPLICE), (Target("time", PLAIN, 1.2),),
                     inputs=frozenset({"live.raw"}))]
