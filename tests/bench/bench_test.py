# SPDX-License-Identifier: BSD-3-Clause
"""That the benchmark computes and draws what it says, and that it runs. Nothing here is timed.

NBDSTREAM_BIN is the directory of nbdstream and of the benchmark's programs."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import figures
import picture
import report
from model import FLOOR, MiB, US, Floor, Peer, Target, Workload
from running import Sample

DEADLINE = 240  # seconds; it takes 3, and much more where all processors are busy


def sample(seconds: float, server_cpu: float | None = 1.0, peak=8 * MiB) -> Sample:
    return Sample(seconds, 1 << 30, server_cpu, 3.0, {"client": 1.0, "server": 2.0}, peak, None)


def workload(targets=(), in_turn=False, key="one") -> Workload:
    peers = [Peer(name, lambda run: None) for name in (US, "cat & file", "null", "bare")]
    return Workload(key, f"the workload {key}", 1 << 30, peers, Floor("null", "bare", in_turn),
                    tuple(targets))


def rounds(work: Workload, **times: list) -> figures.Rounds:
    """Seconds by round; None: that run failed."""
    names = {"us": US, "cat": "cat & file", "null": "null", "bare": "bare"}
    return figures.with_floor(work, {
        names[key]: [None if t is None else sample(t) for t in values]
        for key, values in times.items()})


class FloorIs(unittest.TestCase):
    def test_TheLongerTimeWhereBothWorkAtOnce(self):
        both = rounds(workload(), us=[1], null=[2], bare=[3])[FLOOR][0]
        self.assertEqual((both.seconds, both.server_cpu), (3, 2.0))

    def test_TheSumWhereOneWorksAfterTheOther(self):
        self.assertEqual(
            rounds(workload(in_turn=True), us=[1], null=[2], bare=[3])[FLOOR][0].seconds, 5)

    def test_UnknownInARoundThatLacksOneOfThem(self):
        self.assertEqual(rounds(workload(), us=[1, 1], null=[None, 2], bare=[3, None])[FLOOR],
                         [None, None])

    def test_TheProtocolAloneWhereNothingGoesOut(self):
        work = Workload("one", "one", 1, [], Floor("null"))
        self.assertEqual(rounds(work, us=[1], null=[2])[FLOOR][0].seconds, 2)


class Ratio(unittest.TestCase):
    def test_StaysInItsRound(self):
        # The two medians, 3 and 3, would make it 1.
        got = rounds(workload(), us=[1, 10, 3], null=[2, 40, 3], bare=[1, 1, 1])
        self.assertEqual(figures.ratio(got, "time", US, "null"),
                         {"median": 0.5, "min": 0.25, "max": 1})

    def test_LeavesOutARoundInWhichOneFailed(self):
        got = rounds(workload(), us=[5, None, 4], null=[1, 1, None], bare=[1, 1, 1])
        self.assertEqual(figures.ratio(got, "time", US, "null")["max"], 5)

    def test_IsNoneOfAServerThatIsNoProcess(self):
        got = {US: [sample(1)], "cat & file": [sample(1, server_cpu=None)]}
        self.assertIsNone(figures.ratio(got, "server CPU", US, "cat & file"))


class TargetIs(unittest.TestCase):
    def judged(self, most: float, **times: list) -> figures.Verdict:
        work = workload([Target("time", FLOOR, most)])
        return figures.verdicts([(work, rounds(work, **times))])[0]

    def test_MetByItsVeryValue(self):
        found = self.judged(1.5, us=[3, 3], null=[2, 2], bare=[1, 1])
        self.assertEqual((found.word, found.figure), ("met", 1.5))

    def test_MissedByTheMedianThoughOneRoundMeetsIt(self):
        found = self.judged(1.5, us=[2, 4, 4], null=[2, 2, 2], bare=[1, 1, 1])
        self.assertEqual((found.word, found.low, found.high), ("missed", 1, 2))

    def test_NotMeasuredWhereNoRoundIsComplete(self):
        self.assertEqual(self.judged(1.5, us=[None], null=[2], bare=[1]).word, "not measured")

    def test_MissedByTheWorkloadThatIsFarthestBeyondItsMemory(self):
        small, large = workload(key="small"), workload(key="large")
        found = figures.verdicts([
            (small, {US: [sample(1, peak=9 * MiB)]}),
            (large, {US: [sample(1, peak=97 * MiB), sample(1, peak=10 * MiB)]})])
        self.assertEqual([(v.word, v.figure, v.most) for v in found], [("missed", 97, 96)])
        self.assertIn("large", found[0].text)

    def test_PrintedWithItsFigureAndTheWord(self):
        line = report.targets_text([self.judged(1.5, us=[4], null=[2], bare=[1])]).splitlines()[1]
        self.assertEqual(line.split()[-4:], ["1.50", "2.00", "(2.00-2.00)", "missed"])


class Picture(unittest.TestCase):
    def drawn(self) -> xml.Element:
        slow, fast = workload(key="<slow>"), workload(key="fast")
        results = [(slow, rounds(slow, us=[3], cat=[4], null=[1], bare=[1])),
                   (fast, rounds(fast, us=[1], cat=[2], null=[1], bare=[1]))]
        return xml.fromstring(picture.svg(results, "a < caption"))

    def texts(self) -> list[str]:
        return [e.text for e in self.drawn().iter("{http://www.w3.org/2000/svg}text")]

    def test_HasTheWorkloadNearestToTheFloorFirst(self):
        titles = [text for text in self.texts() if text.startswith("the workload")]
        self.assertEqual(titles, ["the workload fast", "the workload <slow>"])

    def test_NamesThePeersAndNotWhatTheFloorIsMadeOf(self):
        self.assertIn("cat & file", self.texts())
        self.assertNotIn("null", self.texts())

    def test_HasAMarkForEachRatio(self):
        said = {e.text for e in self.drawn().iter("{http://www.w3.org/2000/svg}title")}
        self.assertLessEqual({f"{US}: 1.00", f"{US}: 3.00", "cat & file: 4.00"}, said)

    def test_PutsTwiceAsMuchFartherToTheRight(self):
        scale = picture.Scale([1, 2, 4])
        self.assertAlmostEqual(scale.x(4) - scale.x(2), scale.x(2) - scale.x(1))

    def test_KeepsWhatIsBeyondTheScaleInside(self):
        scale = picture.Scale([1, 1e6])
        self.assertLess(scale.x(1e6), picture.WIDTH)


class Driver(unittest.TestCase):
    def test_RunsEachPeerAndWritesTheFiguresAndThePicture(self):
        with tempfile.TemporaryDirectory() as name:
            directory = pathlib.Path(name)
            bench = pathlib.Path(__file__).with_name("bench.py")
            done = subprocess.run(
                [sys.executable, bench, "--bin", os.environ["NBDSTREAM_BIN"], "--tiny",
                 "--only", "spill-tmpfs", "--only", "sink-null",
                 "--json", directory / "json", "--svg", directory / "svg"],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn("window + 32 MiB", done.stdout)
            figures_of = json.loads((directory / "json").read_text())["workloads"]
            self.assertEqual([w["workload"] for w in figures_of], ["sink-null", "spill-tmpfs"])
            self.assertEqual(set(figures_of[1]["peers"]),
                             {US, "nbdkit file, cat", "nbdkit null", "bare splice", FLOOR})
            for work in figures_of:
                for peer in work["peers"].values():
                    self.assertEqual([run["bytes"] for run in peer["rounds"]], [work["bytes"]])
            xml.fromstring((directory / "svg").read_text())


if __name__ == "__main__":
    unittest.main()
