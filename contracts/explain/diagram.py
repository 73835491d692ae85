"""Draws the phases of a contract as SVG, with a layout of our own: the same contract, the same bytes.

Phases stand in a row in the order in which they can be reached. Every arrow has a lane of its own, above the
row where it leads on and below where it leads back, so no two labels meet; short arrows are nearest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from contracts.explain.phases import Transition

_CHARACTER = 7
"""Width of a character of a label, in units of the picture."""
_BOX_HEIGHT = 44
_LANE = 26
_PORT = 14
_GAP = 36
_MARGIN = 24
_LABEL_MAX = 46
"""Characters of a label; the table has it whole."""
_STYLE = (
    "text{font:13px sans-serif;fill:#1b2430}.box{rx:8px;fill:#eef3f8;stroke:#33506b;stroke-width:1.5}"
    ".first{fill:#dcefe1}.last{stroke-width:4}.way{fill:none;stroke:#33506b;stroke-width:1.3}"
    ".rule{stroke-dasharray:5 3}.back{fill:#fff}.small{font-size:12px}"
)


class _Arrow(NamedTuple):
    source: int
    target: int
    labels: tuple[str, ...]
    is_rule: bool

    @property
    def span(self) -> int:
        return abs(self.target - self.source)

    @property
    def leads_on(self) -> bool:
        return self.target > self.source


def draw(title: str, phases: Sequence[str], rows: Sequence[Transition], labels: Sequence[str]) -> str:
    """The picture; `labels` are those of the rows, which stand in the description, too."""
    order = _in_order(phases, rows)
    return _Picture(title, order, _arrows(order, rows, labels), rows, labels).text()


def _in_order(phases: Sequence[str], rows: Sequence[Transition]) -> list[str]:
    """Phases by the steps it takes to reach them; those that nothing leads to come last."""
    found = [phases[0]]
    for phase in found:
        found += [
            p for p in phases if p not in found and any(r.source == phase and r.target == p for r in rows)
        ]
    return found + [phase for phase in phases if phase not in found]


def _arrows(order: list[str], rows: Sequence[Transition], labels: Sequence[str]) -> list[_Arrow]:
    """One arrow for all actions from a phase to another, one for all rules; short ones first."""
    gathered: dict[tuple[int, int, bool], list[str]] = {}
    for row, label in zip(rows, labels, strict=True):
        key = (order.index(row.source), order.index(row.target), row.branch is not None)
        names = gathered.setdefault(key, [])
        if label not in names:
            names.append(label)
    arrows = [
        _Arrow(source, target, tuple(names), rule) for (source, target, rule), names in gathered.items()
    ]
    return sorted(arrows, key=lambda arrow: (arrow.span, arrow.source, arrow.target, arrow.is_rule))


class _Picture:
    def __init__(
        self,
        title: str,
        phases: list[str],
        arrows: list[_Arrow],
        rows: Sequence[Transition],
        labels: Sequence[str],
    ) -> None:
        self.title = title
        self.phases = phases
        self.arrows = arrows
        self.description = "; ".join(
            f"{row.source} -> {row.target}: {label}" for row, label in zip(rows, labels, strict=True)
        )
        self._place_boxes()
        self.top = _MARGIN + _LANE * sum(len(arrow.labels) for arrow in arrows if arrow.leads_on) + _GAP

    def _place_boxes(self) -> None:
        """Widths by names and arrows, and gaps that leave room for the labels between neighbours."""
        touching = [
            sum(index in (a.source, a.target) for a in self.arrows) for index in range(len(self.phases))
        ]
        self.widths = [
            max(len(phase) * _CHARACTER + 2 * _PORT, (count + 1) * _PORT)
            for phase, count in zip(self.phases, touching, strict=True)
        ]
        self.lefts = [_MARGIN]
        for index in range(1, len(self.phases)):
            near = [a for a in self.arrows if a.span == 1 and min(a.source, a.target) == index - 1]
            room = max((_wide(label) for arrow in near for label in arrow.labels), default=0)
            self.lefts.append(self.lefts[-1] + self.widths[index - 1] + max(_GAP, room))
        last = self.lefts[-1] + self.widths[-1]
        widest = max((_wide(label) for arrow in self.arrows for label in arrow.labels), default=0)
        self.width = max(last, widest, len(self.title) * (_CHARACTER + 1)) + _MARGIN

    def _ports(self) -> dict[tuple[int, bool], int]:
        """The x of each arrow's two ends: on every box from left to right, each arrow its own."""
        ports: dict[tuple[int, bool], int] = {}
        for index, (left, width) in enumerate(zip(self.lefts, self.widths, strict=True)):
            ends = [
                (other, number, is_start)
                for number, arrow in enumerate(self.arrows)
                for is_start, mine, other in (
                    (True, arrow.source, arrow.target),
                    (False, arrow.target, arrow.source),
                )
                if mine == index
            ]
            step = width // (len(ends) + 1)
            for place, (_, number, is_start) in enumerate(sorted(ends), 1):
                ports[number, is_start] = left + place * step
        return ports

    def text(self) -> str:
        ports = self._ports()
        above, below = self.top - _GAP // 2, self.top + _BOX_HEIGHT + _GAP // 2
        ways: list[str] = []
        words: list[str] = []
        for number, arrow in enumerate(self.arrows):
            start, end = ports[number, True], ports[number, False]
            height = _LANE * len(arrow.labels)
            if arrow.leads_on:
                above -= height
                edge, lane = self.top, above + height - _LANE // 2
            else:
                edge, lane = self.top + _BOX_HEIGHT, below + _LANE // 2
                below += height
            kind = "way rule" if arrow.is_rule else "way"
            ways.append(
                f'<path class="{kind}" marker-end="url(#tip)" d="M{start} {edge}V{lane}H{end}V{edge}"/>'
            )
            for line, label in enumerate(arrow.labels):
                y = lane - _LANE * line if arrow.leads_on else lane + _LANE * line
                words += self._label(label, (start + end) // 2, y)
        return self._document([*self._boxes(), *ways, *words], below + _MARGIN)

    def _label(self, label: str, middle: int, y: int) -> list[str]:
        shown = label if len(label) <= _LABEL_MAX else label[: _LABEL_MAX - 3] + "..."
        width = len(shown) * _CHARACTER + 6
        middle = min(max(middle, width // 2 + 2), self.width - width // 2 - 2)
        return [
            f'<rect class="back" x="{middle - width // 2}" y="{y - 9}" width="{width}" height="18"/>',
            f'<text class="small" x="{middle}" y="{y + 4}" text-anchor="middle">{_escaped(shown)}</text>',
        ]

    def _boxes(self) -> list[str]:
        parts = []
        for index, (phase, left, width) in enumerate(zip(self.phases, self.lefts, self.widths, strict=True)):
            ends = all(arrow.source != index for arrow in self.arrows)
            kind = "box" + (" first" if index == 0 else "") + (" last" if ends else "")
            middle, y = left + width // 2, self.top + _BOX_HEIGHT // 2 + 5
            parts += [
                f'<rect class="{kind}" x="{left}" y="{self.top}" width="{width}" height="{_BOX_HEIGHT}"/>',
                f'<text x="{middle}" y="{y}" text-anchor="middle">{_escaped(phase)}</text>',
            ]
        return parts

    def _document(self, parts: Sequence[str], height: int) -> str:
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {height}" width='
            f'"{self.width}" height="{height}" role="img" aria-labelledby="title description">'
        )
        tip = (
            '<defs><marker id="tip" markerWidth="9" markerHeight="8" refX="8" refY="4" orient="auto">'
            '<path d="M0 0L9 4L0 8z" fill="#33506b"/></marker></defs>'
        )
        return "\n".join(
            [
                head,
                f'<title id="title">{_escaped(self.title)}</title>',
                f'<desc id="description">{_escaped(self.description)}</desc>',
                f"<style>{_STYLE}</style>",
                tip,
                f'<rect class="back" width="{self.width}" height="{height}"/>',
                *parts,
                "</svg>\n",
            ]
        )


def _wide(label: str) -> int:
    return min(len(label), _LABEL_MAX) * _CHARACTER + 2 * _PORT


def _escaped(text: str) -> str:
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(character, entity)
    return text
