# SPDX-License-Identifier: BSD-3-Clause
"""The picture: for each workload, how many times the floor's time nbdstream and its peers take."""

import html
import math
from dataclasses import dataclass

from figures import Rounds, ratio
from model import FLOOR, US, Workload

WIDTH, LEFT, RIGHT, ROW = 1000, 370, 40, 22  # pixels
TICKS = (0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10, 15, 20, 30, 50, 100, 200, 500, 1000)
SHAPES = ("square", "triangle", "diamond", "cross", "ring", "plus", "bar")

STYLE = """
  svg { --paper: #ffffff; --ink: #1f2328; --faint: #57606a; --line: #d8dee4;
        --us: #0969da; --a: #bc4c00; --b: #1a7f37; --c: #8250df; --d: #bf3989; --e: #7d4e00;
        --f: #0a7c86; --g: #57606a; --band: #f3f5f8; }
  @media (prefers-color-scheme: dark) {
    svg { --paper: #0d1117; --ink: #e6edf3; --faint: #9198a1; --line: #30363d;
          --us: #58a6ff; --a: #f0883e; --b: #3fb950; --c: #bc8cff; --d: #f778ba; --e: #d29922;
          --f: #39c5cf; --g: #9198a1; --band: #151b23; }
  }
  text { font: 13px system-ui, sans-serif; fill: var(--ink); }
  .title { font-size: 16px; font-weight: 600; }
  .faint { font-size: 12px; fill: var(--faint); }
"""


@dataclass(frozen=True)
class Row:
    title: str
    us: float
    peers: dict[str, float]


def rows(results: list[tuple[Workload, Rounds]]) -> list[Row]:
    """The nearest to the floor first. Our own variants, and what the floor is made of, are not in
    the picture. `results` have their floors."""
    found = []
    for work, rounds in results:
        ratios = {peer: r["median"] for peer in rounds
                  if (r := ratio(rounds, "time", peer, FLOOR))}
        if US not in ratios:
            continue
        left_out = {US, FLOOR, work.floor.protocol, work.floor.output}
        peers = {peer: value for peer, value in ratios.items()
                 if peer not in left_out and not peer.startswith("ours")}
        found.append(Row(work.title, ratios[US], peers))
    return sorted(found, key=lambda row: row.us)


def kinds(found: list[Row]) -> list[str]:
    """Peers as the legend names them, the most frequent first."""
    counts: dict[str, int] = {}
    for row in found:
        for peer in row.peers:
            counts[kind(peer)] = counts.get(kind(peer), 0) + 1
    return sorted(counts, key=lambda name: (-counts[name], name))


def kind(peer: str) -> str:
    if peer.endswith(" processes"):
        return "one process for each export"
    return peer.removesuffix(", ext4")


class Scale:
    """Logarithmic: twice as far is as wide everywhere."""

    def __init__(self, values: list[float]):
        self.low = max([t for t in TICKS if t <= min([*values, 1])] or [TICKS[0]])
        self.high = min([t for t in TICKS if t >= max([*values, 2])] or [TICKS[-1]])

    def x(self, value: float) -> float:
        share = math.log(min(max(value, self.low), self.high) / self.low)
        return LEFT + share / math.log(self.high / self.low) * (WIDTH - LEFT - RIGHT)

    def ticks(self) -> list[float]:
        return [t for t in TICKS if self.low <= t <= self.high]


def mark(shape: str, color: str, x: float, y: float, says: str) -> str:
    line = f'fill="none" stroke="var(--{color})" stroke-width="2"'
    drawn = {
        "dot": f'<circle cx="{x:.1f}" cy="{y}" r="6" fill="var(--{color})">',
        "ring": f'<circle cx="{x:.1f}" cy="{y}" r="4.5" {line}>',
        "square": f'<rect x="{x - 4:.1f}" y="{y - 4}" width="8" height="8" {line}>',
        "triangle": f'<path d="M{x:.1f} {y - 5}l5 9h-10z" {line}>',
        "diamond": f'<path d="M{x:.1f} {y - 6}l5 6l-5 6l-5 -6z" {line}>',
        "cross": f'<path d="M{x - 4:.1f} {y - 4}l8 8m0 -8l-8 8" {line}>',
        "plus": f'<path d="M{x - 5:.1f} {y}h10m-5 -5v10" {line}>',
        "bar": f'<path d="M{x:.1f} {y - 6}v12" {line}>'}[shape]
    return f'{drawn}<title>{html.escape(says)}</title></{drawn[1:].split()[0]}>'


def label(x: float, y: float, text: str, anchor="start", style="") -> str:
    extra = f' class="{style}"' if style else ""
    return f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}"{extra}>{html.escape(text)}</text>'


def legend(names: list[str], marks: dict[str, tuple[str, str]], top: int) -> tuple[list[str], int]:
    """The elements, and where they end."""
    drawn, x, y = [], 20.0, top
    for name in names:
        width = 34 + 7.2 * len(name)
        if x + width > WIDTH - 20:
            x, y = 20.0, y + 20
        drawn += [mark(*marks[name], x + 6, y, name), label(x + 18, y + 4, name)]
        x += width
    return drawn, y


def grid(scale: Scale, top: int, bottom: int) -> list[str]:
    drawn = []
    for tick in scale.ticks():
        x = scale.x(tick)
        color, width = ("var(--ink)", 1.5) if tick == 1 else ("var(--line)", 1)
        drawn += [f'<path d="M{x:.1f} {top}V{bottom}" stroke="{color}" stroke-width="{width}"/>',
                  label(x, top - 6, f"{tick:g}", "middle", "faint")]
    return drawn


def svg(results: list[tuple[Workload, Rounds]], caption: str) -> str:
    found = rows(results)
    names = kinds(found)
    marks = {US: ("dot", "us")}
    marks |= {name: (SHAPES[i % len(SHAPES)], "abcdefg"[i % 7]) for i, name in enumerate(names)}
    drawn, y = legend([US, *names], marks, 74)
    top = y + 50
    bottom = top + ROW * len(found)
    scale = Scale([value for row in found for value in (row.us, *row.peers.values())])
    drawn += [label(20, 28, "Time, by that of the floor (less is better; 1 is the floor)",
                    style="title"), label(20, 48, caption, style="faint"),
              label(LEFT - 24, top - 6, "nbdstream", "end", "faint")]
    drawn += [f'<rect x="10" y="{top + ROW * i}" width="{WIDTH - 20}" height="{ROW}" '
              'fill="var(--band)"/>' for i in range(0, len(found), 2)]
    drawn += grid(scale, top, bottom)
    for i, row in enumerate(found):
        y = top + ROW * i + ROW // 2
        drawn += [label(20, y + 4, row.title), label(LEFT - 24, y + 4, f"{row.us:.2f}", "end")]
        for name, value in [*row.peers.items(), (US, row.us)]:
            drawn.append(mark(*marks[kind(name)], scale.x(value), y, f"{name}: {value:.2f}"))
    size = f'width="{WIDTH}" height="{bottom + 20}"'
    body = "\n".join(drawn)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {WIDTH} {bottom + 20}">\n'
            f'<style>{STYLE}</style>\n<rect {size} fill="var(--paper)"/>\n{body}\n</svg>\n')
