#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Backs up a disk of QEMU's to an NBD server, while it is in use: the command of --run.

    live_backup.py MONITOR SOCKET NEW [OLD] [--guest] [--cancel]

The disk is the block node `disk` of the QEMU whose monitor is at MONITOR. Without OLD all of it is
copied, else what has changed since the bitmap OLD was made. NEW is a bitmap that is made at the
same moment. So is a second job, a full copy of the disk to reference.raw, which must be there:
what the disk was at that moment.

--guest: the jobs go on slowly until the guest has overwritten 1 MiB since they began. --cancel: and
then they are cancelled. Exit status 0: both jobs have completed.
"""
import argparse
import signal
import sys
import pathlib

sys.dont_write_bytecode = True
sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import qmp

OVERWRITTEN = 1 << 20


def backup(monitor, to: str, **more):
    return "blockdev-backup", {"job_id": to, "device": "disk", "target": to,
                               "auto_dismiss": False} | more


def overwritten(monitor, bitmap: str) -> int:
    nodes = monitor("query-named-block-nodes", flat=True)
    disk = next(n for n in nodes if n["node-name"] == "disk")
    return next(b["count"] for b in disk["dirty-bitmaps"] if b.get("name") == bitmap)


def run(monitor, args) -> int:
    monitor("blockdev-add", driver="nbd", node_name="target",
            server={"type": "unix", "path": args.socket})
    monitor("blockdev-add", driver="file", node_name="reference", filename="reference.raw")
    what = {"sync": "full"}
    if args.old:
        what = {"sync": "bitmap", "bitmap": args.old, "bitmap_mode": "never"}
    if args.guest:
        what["speed"] = 1 << 20
    monitor.transaction(
        ("block-dirty-bitmap-add", {"node": "disk", "name": args.new}),
        backup(monitor, "target", **what), backup(monitor, "reference", sync="full"))
    if args.guest:
        while overwritten(monitor, args.new) < OVERWRITTEN:
            pass
        job = next(j for j in monitor("query-jobs") if j["id"] == "target")
        assert job["status"] == "running" and job["current-progress"] < job["total-progress"], job
        if args.cancel:
            monitor("block-job-cancel", device="target", force=True)
        else:
            monitor("block-job-set-speed", device="target", speed=0)
    for job in ("target", "reference"):
        monitor.wait_for("JOB_STATUS_CHANGE", id=job, status="concluded")
    errors = [j["error"] for j in monitor("query-jobs") if "error" in j]
    for job in ("target", "reference"):
        monitor("job-dismiss", id=job)
        monitor("blockdev-del", node_name=job)
    print("errors:", errors, file=sys.stderr)
    return 1 if errors else 0


def main() -> int:
    parser = argparse.ArgumentParser()
    for name in ("monitor", "socket", "new"):
        parser.add_argument(name)
    parser.add_argument("old", nargs="?")
    parser.add_argument("--guest", action="store_true")
    parser.add_argument("--cancel", action="store_true")
    args = parser.parse_args()
    signal.alarm(50)
    with qmp.connect(args.monitor) as monitor:
        return run(monitor, args)


sys.exit(main())
