#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What surrounds the sources agrees with itself: ./dev, the workflows, the documents, the version."""
import pathlib
import re
import subprocess
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def read(path: str) -> str:
    return (ROOT / path).read_text()


def dev(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run([ROOT / "dev", *words], capture_output=True, text=True, timeout=30)


def subcommands() -> set[str]:
    """Those that ./dev has."""
    cases = re.search(r"^case \$\{1:-help\} in\n(.*?)^esac", read("dev"), re.M | re.S)[1]
    return set(re.findall(r"^  ([a-z]+)(?: \|[^)]*)?\)", cases, re.M))


def documents() -> list[pathlib.Path]:
    return [p for p in sorted(ROOT.glob("**/*.md")) if "build" not in p.relative_to(ROOT).parts]


class Dev(unittest.TestCase):
    def test_HelpListsEachSubcommand(self):
        listed = set(re.findall(r"^  \./dev ([a-z]+)", dev("help").stdout, re.M))
        self.assertEqual(listed, subcommands())
        self.assertIn("test", listed)

    def test_DocumentsNameOnlySubcommandsThatAreThere(self):
        for document in documents():
            for word in re.findall(r"\./dev ([a-z]+)", document.read_text()):
                self.assertIn(word, subcommands(), document)


class Workflows(unittest.TestCase):
    def test_CallDevAlone(self):
        self.assertTrue(WORKFLOWS)
        for path in WORKFLOWS:
            for job in yaml.safe_load(path.read_text())["jobs"].values():
                for step in filter(None, (s.get("run") for s in job["steps"])):
                    if step.startswith("gh release create "):  # no part of ./dev: only GitHub can
                        continue
                    word = re.fullmatch(r"\./dev ([a-z]+)[^;&|\n]*", step)
                    self.assertTrue(word, f"{path.name}: {step}")
                    self.assertIn(word[1], subcommands(), path.name)

    def test_LimitTheTimeAndTheRightsOfEachJob(self):
        for path in WORKFLOWS:
            workflow = yaml.safe_load(path.read_text())
            self.assertEqual(workflow["permissions"], {"contents": "read"}, path.name)
            for name, job in workflow["jobs"].items():
                self.assertIn("timeout-minutes", job, f"{path.name}: {name}")


class Release(unittest.TestCase):
    def test_HasOneVersion(self):
        version = re.search(r"^project\(nbdstream VERSION ([0-9.]+) ", read("CMakeLists.txt"), re.M)[1]
        self.assertEqual(dev("notes", f"v{version}").returncode, 0)
        changelog = read("packaging/debian/changelog.in")
        self.assertNotRegex(changelog, r"\d")

    def test_RefusesATagOfAnotherVersion(self):
        refused = dev("notes", "v0.0.9")
        self.assertEqual((refused.returncode, refused.stdout), (1, ""))
        self.assertIn("the tag is v0.0.9", refused.stderr)

    def test_HasNotesOfItsVersionAlone(self):
        notes = dev("notes").stdout
        self.assertNotRegex(notes, r"(?m)^## |^\[")
        self.assertIn("### Added", notes)


if __name__ == "__main__":
    unittest.main()
