# SPDX-License-Identifier: BSD-3-Clause
from support import BrowserTest, MiB

NULL = {"module": "null"}
VM1 = {"name": "vm1", "size": "64M", "description": "web server", "sink": NULL}
LONG = {"name": "n" * 255, "size": "64M", "description": "d" * 300, "streams": 0, "sink": NULL}

# Of all text that is seen, the least contrast with what is behind it, as WCAG 2 counts it.
LEAST_CONTRAST = """
    const parse = (c) => c.match(/[\\d.]+/g).map(Number);
    const light = (c) => { const [r, g, b] = parse(c).map((v) => (v /= 255) <= .03928
        ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
    const behind = (e) => { for (; e; e = e.parentElement) {
        const c = getComputedStyle(e).backgroundColor; if ((parse(c)[3] ?? 1) === 1) return c; }
        return 'rgb(255, 255, 255)'; };
    let least = [99, ''];
    for (const e of document.querySelectorAll('body *')) {
      if (!e.checkVisibility() || ![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
        continue;
      const [a, b] = [light(getComputedStyle(e).color), light(behind(e))];
      const contrast = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
      if (contrast < least[0]) least = [contrast, e.outerHTML];
    }
    return least;"""


class PageForEveryone(BrowserTest):
    """Whatever it is looked at with."""

    def start_stream(self, *exports: dict) -> None:
        """Sent, zero and held; nothing of it changes any more."""
        self.server = self.serve(*exports)
        self.stream = self.server.client("vm1")
        self.stream.pwrite(b"x" * (16 * MiB), 0)
        self.stream.zero(8 * MiB, 16 * MiB)
        self.stream.pwrite(b"x" * (4 * MiB), 40 * MiB)

    def open_live(self) -> None:
        self.open()
        self.wait_for_words(self.find("#link"), "Live")
        self.wait_for_words(self.cell("state"), "waiting for a gap")

    def abort_one(self) -> None:
        client = self.server.client(LONG["name"])
        client.pwrite(b"x" * MiB, 0)
        self.server.tell("/v1/exports/{}/abort".format(LONG["name"]), "r" * 300)

    def figures(self) -> dict:
        changing = ("rate", "average", "left", "age", "history")
        return self.run_script("""
            return Object.fromEntries([...document.querySelectorAll('#exports td')]
                .filter((td) => !arguments[0].includes(td.dataset.f))
                .map((td) => [td.dataset.f, td.textContent.replace(/\\s+/g, ' ').trim()]))""",
            changing)

    def test_without_a_script_it_is_a_table_that_says_the_same(self):
        self.start_stream(VM1)
        self.open_live()
        live = self.figures()
        self.look(width=1200, script=False)
        self.open()
        self.assertRegex(self.words("#link"), r"^As of 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC$")
        self.look(width=1200)  # for figures(); it does not run what the page has
        self.assertEqual(self.figures(), live)
        self.assertIn("16 MiB of 64 MiB", live["done"])
        self.assertEqual(len(self.find_all("table#exports > tbody > tr > th")), 1)
        self.assertIn('http-equiv="refresh"', self.run_script(
            "return document.querySelector('noscript').outerHTML"))

    def test_without_a_script_shows_no_empty_pictures(self):
        self.start_stream(VM1)
        self.look(width=1200, script=False)
        self.open()
        self.assertEqual([s for s in self.find_all("svg") if s.is_displayed()], [])

    def test_is_light_or_dark_as_asked_for_and_readable_in_both(self):
        self.start_stream(VM1, LONG)
        self.abort_one()
        grounds = []
        for scheme in ("light", "dark"):
            self.look(width=1200, scheme=scheme)
            self.open_live()
            self.wait_until(lambda: self.find_all("#outcomes tbody tr"))
            contrast, element = self.run_script(LEAST_CONTRAST)
            self.assertGreaterEqual(contrast, 4.5, "{}: {}".format(scheme, element))
            grounds.append(self.run_script(
                "return getComputedStyle(document.documentElement).backgroundColor"))
        light, dark = (int(ground.split("(")[1].split(",")[0]) for ground in grounds)
        self.assertGreater(light, 200)
        self.assertLess(dark, 50)

    def test_each_state_and_outcome_is_readable_in_both(self):
        self.start_stream(VM1)
        for scheme in ("light", "dark"):
            self.look(width=1200, scheme=scheme)
            self.look(width=1200, scheme=scheme, script=False)
            self.open()
            self.look(width=1200, scheme=scheme)
            states = [li.get_attribute("data-word") for li in self.find_all("#words li")]
            self.assertEqual(len(states), 11)
            for state in states:
                self.run_script("document.querySelector('#exports tbody tr').dataset.state = "
                                "arguments[0]", state)
                contrast, element = self.run_script(LEAST_CONTRAST)
                self.assertGreaterEqual(contrast, 4.5, "{}, {}: {}".format(scheme, state, element))

    def test_on_a_phone_nothing_scrolls_sideways(self):
        self.start_stream(VM1, LONG)
        self.abort_one()
        for width in (360, 768):
            self.look(width=width, height=800)
            self.open_live()
            self.wait_until(lambda: self.find_all("#outcomes tbody tr"))
            wide = self.run_script("""
                return [...document.querySelectorAll('body *')].filter((e) => e.checkVisibility() &&
                    e.getBoundingClientRect().right > innerWidth + .5).map((e) => e.outerHTML)""")
            self.assertEqual(wide, [])
            self.assertEqual(self.run_script("return document.documentElement.scrollWidth"), width)

    def accessible(self) -> list[tuple]:
        """(role, name) of all that a screen reader is told of."""
        nodes = self.cdp("Accessibility.getFullAXTree")["nodes"]
        return [(n["role"]["value"], n.get("name", {}).get("value", ""))
                for n in nodes if not n["ignored"]]

    def test_a_screen_reader_finds_landmarks_headings_and_a_table(self):
        self.start_stream(VM1)
        self.open_live()
        found = self.accessible()
        for node in (("banner", ""), ("main", ""), ("heading", "nbdstream"),
                     ("heading", "Exports"), ("table", "Exports"), ("columnheader", "Time left"),
                     ("rowheader", "vm1 web server · into null"), ("cell", "streaming"),
                     ("progressbar", "vm1: share done")):
            if node == ("cell", "streaming"):
                node = ("cell", "waiting for a gap to be filled")
            self.assertIn(node, found)
        self.assertEqual([f for f in found if f[0] in ("image", "img", "graphics-document")], [])

    def test_a_screen_reader_is_told_changes_of_a_state_and_nothing_each_second(self):
        self.start_stream(VM1)
        self.open_live()
        self.run_script("""
            window.told = []; window.events = 0;
            for (const e of document.querySelectorAll('[role=status], [aria-live]'))
              new MutationObserver(() => told.push(e.textContent))
                  .observe(e, {childList: true, characterData: true, subtree: true});
            new MutationObserver(() => ++events).observe(
                document.getElementById('uptime'), {childList: true, characterData: true,
                                                    subtree: true});""")
        self.wait_until(lambda: self.run_script("return events") >= 3)
        self.assertEqual(self.run_script("return told"), [])
        self.stream.pwrite(b"x" * (16 * MiB), 24 * MiB)
        self.wait_until(lambda: self.run_script("return told"))
        self.assertEqual(self.run_script("return told"), ["vm1: streaming"])
