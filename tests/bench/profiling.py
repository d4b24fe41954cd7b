# SPDX-License-Identifier: BSD-3-Clause
"""Where the time goes while nbdstream streams: whose it is, and which functions of the server's."""

import re
import shutil
import subprocess
import sys

import inputs
import model
import running

KEYS = ("dense", "unix-fifo-262144", "small")  # unless --only says otherwise
RECORD = ("perf", "record", "-q", "-e", "cpu-clock", "-F", "5000")
SYMBOLS = 12


def ask(file: str, *options: str) -> str:
    return subprocess.run(["perf", "report", "--stdio", "-i", file, *options], text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=True).stdout


def seconds(file: str, command: str) -> float:
    """Of the samples, without those of measure and perf, which become the command."""
    said = ask(file, "--comms", command, "--sort", "comm")
    count = re.search(r"^# Event count \(approx\.\): (\d+)", said, re.MULTILINE)
    return int(count[1]) / 1e9 if count else 0.0


def symbols(file: str, command: str) -> list[str]:
    said = ask(file, "--comms", command, "--sort", "sym", "--percentage", "relative")
    return [line.strip() for line in said.splitlines() if re.match(r" +\d", line)][:SYMBOLS]


def of_run(run: running.Run, work: model.Workload) -> str:
    commands = {"client": "qemu-img" if work.key.startswith(("dense", "sparse"))
                else "ideal_client", "server": "nbdstream", "reader": "drain"}
    spent = {role: seconds(run.path(role + ".perf"), command)
             for role, command in commands.items()}
    total = sum(spent.values())
    if total == 0:
        raise running.Failure("perf has no samples")
    lines = [work.title, ", ".join(f"{role} {cpu / total * 100:.0f} % ({cpu:.2f} s)"
                                   for role, cpu in spent.items())]
    lines += symbols(run.path("server.perf"), "nbdstream")
    return "\n".join(lines)


def profile(setting: model.Setting, chosen: list[model.Workload], _args) -> bool:
    if not shutil.which("perf"):
        sys.exit("bench.py: perf is missing (Debian: linux-perf)")
    inputs.make(setting, {name for work in chosen for name in work.inputs})
    complete = True
    for work in chosen:
        try:
            with running.Run(setting.tools, setting.inputs, work.equal_pipes, RECORD) as run:
                work.peers[0].start(run)
                run.finish(work.bytes, never_ends=False)
                print(of_run(run, work) + "\n", flush=True)
        except running.Failure as failure:
            print(f"{work.key}: {failure}", file=sys.stderr)
            complete = False
    return complete
