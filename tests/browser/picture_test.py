# SPDX-License-Identifier: BSD-3-Clause
import base64
import os
import pathlib
import random
import subprocess

from support import PATIENCE, BrowserTest, MiB

PICTURE = os.environ.get("NBDSTREAM_PICTURE")  # where it goes
WIDTH = 1120
MOST = 200 << 10  # bytes, since everybody who sees the README loads it

EXPORTS = (
    {"name": "web1", "description": "web server", "size": "4G", "streams": 0,
     "sink": {"module": "fifo", "path": "web1"}},
    {"name": "db1", "description": "database, live backup", "size": "1G", "window": "16M",
     "streams": 0, "sink": {"module": "file", "path": "db1.raw"}},
    {"name": "mail", "description": "mail server", "size": "768M",
     "sink": {"module": "null"}})


class Picture(BrowserTest):
    """The picture in the README: streams as they are, with nothing painted."""

    def write_whole(self, export: str, size: int) -> None:
        client = self.server.client(export)
        for at in range(0, size, MiB):
            client.pwrite(self.data, at)
        client.shutdown()

    def abort_one(self, export: str, reason: str) -> None:
        client = self.server.client(export)
        for i in range(200):
            client.pwrite(self.data, i * MiB)
        self.server.tell("/v1/exports/{}/abort".format(export), reason)

    def write_in_order(self, client, at: int, dice: random.Random) -> int:
        """Some data and, now and then, zeroes. Returns where it is then."""
        for _ in range(dice.randrange(24, 72)):
            client.pwrite(self.data, at)
            at += MiB
        if dice.random() < 0.4:
            length = dice.randrange(16, 64) * MiB
            client.zero(length, at)
            at += length
        return at

    def write_anywhere(self, client, at: int, dice: random.Random) -> int:
        """As a guest overwrites what was not copied yet."""
        for _ in range(dice.randrange(3, 6)):
            client.pwrite(self.data, at)
            at += MiB
        place = dice.randrange(300, 1000)
        for i in range(place, min(place + dice.randrange(2, 9), 1024)):
            if i not in self.copied:
                self.copied.add(i)
                client.pwrite(self.data, i * MiB)
        return at

    def test_of_three_exports(self):
        self.data = random.Random(1).randbytes(MiB)
        self.copied = set()
        os.mkfifo(self.directory / "web1")
        reader = subprocess.Popen(["cat", "web1"], cwd=self.directory, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(lambda: (reader.kill(), reader.wait()))
        self.server = self.serve(*EXPORTS)
        self.look(width=WIDTH)
        self.open()
        self.write_whole("mail", 768 * MiB)
        self.abort_one("db1", "the backup job was cancelled")
        self.run_script("""
            window.events = 0;
            new MutationObserver(() => ++events).observe(document.getElementById('uptime'),
                {childList: true, characterData: true, subtree: true});""")
        web, db = self.server.client("web1"), self.server.client("db1")
        dice, here, there = random.Random(5), 0, 0
        for second in range(42 if PICTURE else 3):
            here = self.write_in_order(web, here, dice)
            there = self.write_anywhere(db, there, dice)
            self.wait_until(lambda: self.run_script("return events") > second)
        self.wait_for_words(self.cell("state", 1), "streaming")
        self.wait_for_words(self.cell("state", 2), "waiting for a gap")
        self.wait_for_words(self.cell("state", 3), "ended")
        self.assertEqual(len(self.find_all("#outcomes tbody tr")), 2)
        self.take()

    def take(self) -> None:
        height = self.run_script("return document.documentElement.scrollHeight")
        self.look(width=WIDTH, height=height)
        shot = base64.b64decode(self.cdp("Page.captureScreenshot", format="png")["data"])
        self.assertTrue(shot.startswith(b"\x89PNG"))
        if PICTURE:
            picture = pathlib.Path(PICTURE)
            picture.write_bytes(shot)
            subprocess.run(["optipng", "-quiet", str(picture)], check=True, timeout=PATIENCE)
            self.assertLess(picture.stat().st_size, MOST)
