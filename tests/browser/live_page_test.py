# SPDX-License-Identifier: BSD-3-Clause
import re
import signal

from support import BrowserTest, MiB

NULL = {"module": "null"}
VM1 = {"name": "vm1", "size": "64M", "description": "web server", "sink": NULL}
VM2 = {"name": "vm2", "size": "64M", "streams": 0, "sink": NULL}


class LivePage(BrowserTest):
    """The page of a real nbdstream, while a real client writes step by step."""

    def legend(self) -> dict:
        return {data.get_attribute("data-cell"): int(data.text)
                for data in self.cell("disk").find_elements("css selector", "[data-cell]")}

    def drawn(self, kind: str) -> int:
        """How many cells of the map are drawn as that."""
        path = self.cell("disk").find_element("css selector", ".map path." + kind)
        return path.get_attribute("d").count("M")

    def test_follows_a_stream_step_by_step_without_a_reload(self):
        server = self.serve(VM1)
        self.open()
        state, done = self.cell("state"), self.cell("done")
        self.wait_for_words(self.find("#link"), "Live")
        self.assertEqual(state.text, "waiting for a client")
        self.assertFalse(done.is_displayed())
        self.run_script("window.loaded_once = true")

        client = server.client("vm1")
        self.wait_for_words(self.find("#clients"), "1")
        client.pwrite(b"x" * (16 * MiB), 0)
        self.wait_for_words(state, "streaming")
        self.wait_for_words(done, "25 % 16 MiB of 64 MiB")
        self.assertEqual(done.find_element("css selector", "progress").get_attribute("value"), "25")
        client.pwrite(b"x" * (16 * MiB), 16 * MiB)
        self.wait_for_words(done, "50 % 32 MiB of 64 MiB")
        self.assertIn("50 % vm1", self.browser.title)
        client.pwrite(b"x" * (4 * MiB), 60 * MiB)
        self.wait_for_words(state, "waiting for a gap to be filled")
        self.wait_for_words(self.cell("memory"), "4 MiB, peak 4 MiB")
        client.pwrite(b"x" * (28 * MiB), 32 * MiB)
        client.shutdown()
        self.assertEqual(server.process.wait(30), 0)
        self.wait_for_words(state, "ended")
        self.assertFalse(done.is_displayed())
        self.assertRegex(self.cell("last").text, r"committed\n?\s*\d\d:\d\d:\d\d, 64 MiB in \d")
        self.assertTrue(self.run_script("return window.loaded_once"))

    def test_maps_what_is_sent_zero_and_held(self):
        server = self.serve(VM1)
        client = server.client("vm1")
        client.pwrite(b"x" * (16 * MiB), 0)
        client.zero(8 * MiB, 16 * MiB)
        client.pwrite(b"x" * (4 * MiB), 40 * MiB)
        self.open()
        expected = {"#": 64, "0": 32, "m": 16, "s": 0, ".": 144}
        self.wait_until(lambda: self.legend() == expected)
        self.assertIn("256 cells of 256 KiB", self.cell("disk").text)
        self.wait_until(lambda: self.drawn("sent") == 64)
        drawn = [self.drawn(kind) for kind in ("sent", "zeroes", "memory", "spill", "untouched")]
        self.assertEqual(drawn, [64, 32, 16, 0, 144])
        # Not by colour alone: two of them are patterns.
        for kind in ("zeroes", "memory"):
            fill = self.run_script("return getComputedStyle(arguments[0]).fill", self.find(
                ".map path." + kind))
            self.assertIn("#" + kind, fill)
        client.pwrite(b"x" * (16 * MiB), 24 * MiB)
        self.wait_until(lambda: self.legend() == {"#": 64 + 64 + 16, "0": 32, "m": 0, "s": 0,
                                                  ".": 80})

    def test_maps_what_is_in_the_spill_file(self):
        server = self.serve(VM1 | {"window": "1M"})
        client = server.client("vm1")
        client.pwrite(b"x" * MiB, 0)
        client.pwrite(b"x" * (8 * MiB), 40 * MiB)
        self.open()
        self.wait_until(lambda: self.legend()["s"] >= 28)
        self.assertRegex(self.cell("spill").text, r"\d (MiB|KiB), peak \d")

    def test_shows_the_figures_of_the_status(self):
        server = self.serve(VM1)
        client = server.client("vm1")
        client.pwrite(b"x" * (3 * MiB), 0)
        client.zero(MiB, 3 * MiB)
        client.pwrite(b"x" * 12345, 40 * MiB)
        stream = server.status()["exports"][0]["stream"]
        self.open()
        for name, figure in (("sent", "sent_bytes"), ("zeroes", "zero_bytes"),
                             ("memory", "held_memory_bytes"), ("done", "done_bytes")):
            data = self.cell(name).find_element("css selector", "data")
            self.wait_until(lambda: data.get_attribute("value") == str(stream[figure]))

    def test_lists_each_stream_that_ends(self):
        server = self.serve(VM1, VM2)
        self.open()
        self.assertEqual(self.words("section:nth-of-type(2) .none"), "None yet.")
        for n in (1, 2):
            client = server.client("vm2")
            client.pwrite(b"x" * (32 * MiB), 0)
            if n == 2:
                client.pwrite(b"x" * (32 * MiB), 32 * MiB)
            client.shutdown()
            self.wait_until(lambda: len(self.find_all("#outcomes tbody tr")) == n)
        committed, aborted = self.find_all("#outcomes tbody tr")
        self.assertRegex(committed.text, r"^\d\d:\d\d:\d\d vm2 2 committed 64 MiB [\d.]+ s")
        self.assertRegex(aborted.text.replace("\n", " "),
                         r"^\d\d:\d\d:\d\d vm2 1 aborted 32 MiB [\d.]+ s .* not covered")
        self.wait_for_words(self.cell("streams", 2), "1 committed, 1 aborted")

    def test_says_that_the_server_has_ended(self):
        server = self.serve(VM1)
        self.open()
        self.wait_for_words(self.find("#link"), "Live")
        self.assertEqual(server.end(), 128 + signal.SIGTERM)
        self.forgiven = "ERR_"
        self.wait_until(lambda: re.fullmatch(r"The server has ended, at \d\d:\d\d:\d\d",
                                             self.words("#link")))

    def test_of_a_server_that_was_killed_says_since_when_and_comes_back(self):
        server = self.serve(VM1)
        self.open()
        self.wait_for_words(self.find("#link"), "Live")
        server.end(signal.SIGKILL)
        self.forgiven = "ERR_"
        self.wait_until(lambda: re.fullmatch(r"Not connected since \d\d:\d\d:\d\d, trying again",
                                             self.words("#link")))
        self.serve(VM1, VM2, port=server.port)
        self.wait_until(lambda: len(self.find_all("#exports tbody tr")) == 2)
        self.wait_until(lambda: self.words("#link") == "Live")


class HostilePage(BrowserTest):
    """Names and reasons come from strangers."""

    names = ["<script>document.title = 'owned'</script>",
             "\"><img src=x onerror=\"document.title='owned'\">",
             "</bdi></th></tr></table><svg onload=\"document.title='owned'\">"]

    def test_shows_a_name_and_runs_nothing(self):
        server = self.serve(*({"name": name, "description": name, "size": "1M", "sink": NULL}
                              for name in self.names))
        self.open()
        self.wait_for_words(self.find("#link"), "Live")
        shown = [bdi.text for bdi in self.find_all("#exports th > bdi")]
        self.assertEqual(shown, self.names)
        self.assertEqual(len(self.find_all("script")), 1)
        # A stream of the first: its name is in the title, and in what is announced.
        client = server.client(self.names[0])
        client.pwrite(b"x" * 4096, 0)
        self.wait_until(lambda: self.names[0] in self.browser.title)
        self.assertFalse(self.browser.title.startswith("owned"))

    def test_shows_a_reason_and_runs_nothing(self):
        server = self.serve(VM1, VM2)
        self.open()
        client = server.client("vm2")
        client.pwrite(b"x" * 4096, 0)
        self.assertEqual(server.tell("/v1/exports/vm2/abort", self.names[1]), 200)
        self.wait_until(lambda: self.find_all("#outcomes tbody tr"))
        self.assertIn(self.names[1], self.words("#outcomes tbody tr td:last-child"))
        self.assertEqual(self.find_all("img"), [])

    def test_forbids_what_would_make_markup_of_text(self):
        self.serve(VM1)
        self.open()
        self.wait_for_words(self.find("#link"), "Live")
        refused = self.run_script("""
            try { document.body.innerHTML = '<p>'; return 'done'; } catch (e) { return e.name; }""")
        self.assertEqual(refused, "TypeError")
        self.forgiven = "TrustedHTML"
