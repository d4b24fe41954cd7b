#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs a command in a terminal, and shows what a person sees there at the end.

    terminal.py COLUMNS ROWS PATTERN KEYS COMMAND [ARGUMENT...]

Once the screen shows PATTERN, a regular expression, KEYS are typed and a file `seen` is made. The
output: the lines of the screen at the end, and the column of the cursor. All that the command wrote
is in a file `written`. The exit status is that of the command as a shell has it, or 70 where a line
was drawn that is as wide as the terminal."""
import fcntl
import os
import pathlib
import re
import select
import struct
import sys
import termios
import time

import pyte

PATIENCE = 30  # seconds
COLUMNS, ROWS = int(sys.argv[1]), int(sys.argv[2])
PATTERN, KEYS, COMMAND = re.compile(sys.argv[3]), sys.argv[4], sys.argv[5:]


def start():
    """The command's process ID, and the other side of its terminal."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    pid = os.fork()
    if pid == 0:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for fd in range(3):
            os.dup2(slave, fd)
        os.execvp(COMMAND[0], COMMAND)
    os.close(slave)
    return pid, master


def pieces_of(master, until):
    """What the command writes, until all who have the terminal have closed it."""
    while time.monotonic() < until:
        ready, _, _ = select.select([master], [], [], max(until - time.monotonic(), 0))
        try:
            piece = os.read(master, 65536) if ready else b""
        except OSError:  # EIO: nobody has it any more
            return
        if piece:
            yield piece
    raise SystemExit("terminal.py: the command has not ended in time")


def shown(screen):
    return "\n".join(line.rstrip() for line in screen.display).rstrip()


def too_wide(written):
    """The lines of the progress that fill a row, or more. Those of the log may."""
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", written.decode(errors="replace"))
    lines = re.split(r"[\r\n]", text)
    return [l for l in lines if len(l) >= COLUMNS and not l.startswith("nbdstream: ")]


def main():
    pid, master = start()
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    written = b""
    for piece in pieces_of(master, time.monotonic() + PATIENCE):
        written += piece
        stream.feed(piece)
        if not os.path.exists("seen") and PATTERN.search(shown(screen)):
            os.write(master, KEYS.encode())
            pathlib.Path("seen").touch()
    pathlib.Path("written").write_bytes(written)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    print(shown(screen))
    print("cursor in column", screen.cursor.x)
    if too_wide(written):
        print("too wide:", too_wide(written))
        sys.exit(70)
    sys.exit(status if status >= 0 else 128 - status)


main()
