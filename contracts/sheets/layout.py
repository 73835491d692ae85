"""The lines of a rule sheet to texts, lists and named entries: a strict subset of YAML.

Whatever is read here, a YAML library reads as the same structure of texts; much that YAML allows is refused:
tabs, flow brackets, anchors, tags, several lines for one text, other escapes than two, keys that come twice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Union

from contracts.errors import ContractError
from contracts.language.problems import START, Place
from contracts.sheets.messages import Mistakes

SHEET_BYTES_MAX = 32 * 1024
"""A sheet, in bytes."""
LINE_LENGTH_MAX = 1_000
"""A line of a sheet, in characters."""
DEPTH_MAX = 10
"""Lists and entries within each other."""

_KEY = re.compile(r"([A-Za-z][A-Za-z0-9_]*(?: [A-Za-z0-9_]+)*):(?: +(?P<rest>\S.*))?\Z", re.ASCII)
_FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\xa0\u0085\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]|[^\x00-\uffff]"
)
_NOT_PLAIN = tuple("[]{}&*!|>'\"%@`,?:-#")
_ESCAPES = re.compile(r'\\(["\\])')


class Text(NamedTuple):
    """A text with its place; `offset` is how many columns before its first character it begins."""

    value: str
    place: Place
    offset: int = 0

    def at(self, index: int) -> Place:
        """The place of a character."""
        return Place(self.place.line, self.place.column + self.offset + index)


class Listing(NamedTuple):
    """A list; its place is that of its first item."""

    items: Sequence[Node]
    place: Place


class Entries(NamedTuple):
    """Named entries, in order; its place is that of the first name."""

    entries: Sequence[tuple[Text, Node]]
    place: Place


Node = Union[Text, Listing, Entries]  # noqa: UP007 - refers to itself


@dataclass
class _Line:
    """A line without its indentation; `indent` grows when a `- ` in front of it has been read."""

    number: int
    indent: int
    text: str

    @property
    def place(self) -> Place:
        return Place(self.number, self.indent + 1)

    def is_item(self) -> bool:
        return self.text == "-" or self.text.startswith("- ")


class _Stop(Exception):
    """Reading cannot go on; the mistake is noted."""


def read_layout(source: str, mistakes: Mistakes) -> Entries:
    """The entries of a sheet. Raises: ContractError."""
    problems = mistakes.problems
    try:
        found = _Reader(source, mistakes).read()
    except _Stop:
        raise ContractError(problems.sorted()) from None
    problems.raise_if_any()
    return found


class _Reader:
    def __init__(self, source: str, mistakes: Mistakes) -> None:
        self.mistakes = mistakes
        size = len(source.encode(errors="replace"))
        if size > SHEET_BYTES_MAX:
            raise self._stop(START, "too_long", size=size, limit=SHEET_BYTES_MAX)
        self.lines = self._lines(source)
        self.index = 0

    def read(self) -> Entries:
        if not self.lines:
            raise self._stop(START, "empty")
        first = self.lines[0]
        if first.indent:
            raise self._stop(first.place, "indent", found=first.indent, wanted=0)
        if first.is_item() or not _KEY.match(first.text):
            raise self._stop(first.place, "empty" if first.is_item() else "key_needed")
        return self._entries(0, -1, 0)

    def _stop(self, place: Place, message: str, **fields: object) -> _Stop:
        self.mistakes.add(place, message, **fields)
        return _Stop()

    def _lines(self, source: str) -> list[_Line]:
        lines = []
        for number, whole in enumerate(source.split("\n"), 1):
            text = whole.removesuffix("\r")
            if len(text) > LINE_LENGTH_MAX:
                raise self._stop(Place(number, 1), "line_too_long", size=len(text), limit=LINE_LENGTH_MAX)
            wrong = _FORBIDDEN.search(text)
            if wrong:
                place = Place(number, wrong.start() + 1)
                raise self._stop(place, "character", shown=ascii(wrong.group()))
            bare = text.strip(" ")
            if bare and not bare.startswith("#"):
                lines.append(_Line(number, len(text) - len(text.lstrip(" ")), bare))
        return lines

    # ------------------------------------------------------------ blocks

    def _block(self, outer: int, depth: int) -> Node:
        """What stands at the indentation of the next line, which belongs to something at `outer`."""
        line = self.lines[self.index]
        if depth > DEPTH_MAX:
            raise self._stop(line.place, "deep")
        read = self._listing if line.is_item() else self._entries
        return read(line.indent, outer, depth)

    def _next(self, indent: int, outer: int) -> _Line | None:
        """The next line, if it is indented by `indent`; None where the block ends."""
        line = self.lines[self.index] if self.index < len(self.lines) else None
        if line is not None and line.indent != indent and line.indent > outer:
            raise self._stop(line.place, "indent", found=line.indent, wanted=indent)
        return line if line is not None and line.indent == indent else None

    def _entries(self, indent: int, outer: int, depth: int) -> Entries:
        found: list[tuple[Text, Node]] = []
        names: set[str] = set()
        start = self.lines[self.index].place
        while (line := self._next(indent, outer)) is not None:
            match = _KEY.match(line.text)
            if line.is_item() or match is None:
                raise self._stop(line.place, "key_needed")
            name = Text(match[1], line.place)
            if name.value in names:
                self.mistakes.add(line.place, "twice", name=name.value)
            names.add(name.value)
            self.index += 1
            rest = match["rest"]
            if rest is not None and not rest.startswith("#"):
                found.append((name, self._text(rest, Place(line.number, indent + 1 + match.start("rest")))))
            else:
                found.append((name, self._under(name, indent, depth)))
        return Entries(found, start)

    def _under(self, name: Text, indent: int, depth: int) -> Node:
        line = self.lines[self.index] if self.index < len(self.lines) else None
        if line is None or line.indent < indent or (line.indent == indent and not line.is_item()):
            self.mistakes.add(name.place, "nothing_under", name=name.value)
            return Text("", name.place)
        return self._block(indent, depth + 1)

    def _listing(self, indent: int, outer: int, depth: int) -> Listing:
        found: list[Node] = []
        start = self.lines[self.index].place
        while (line := self._next(indent, outer)) is not None and line.is_item():
            rest = line.text[1:].lstrip(" ")
            if not rest or rest.startswith("#"):
                raise self._stop(line.place, "nothing_under", name="-")
            line.indent += len(line.text) - len(rest)
            line.text = rest
            if line.is_item():
                raise self._stop(line.place, "deep")
            if _KEY.match(rest):
                if depth >= DEPTH_MAX:
                    raise self._stop(line.place, "deep")
                found.append(self._entries(line.indent, indent, depth + 1))
            else:
                self.index += 1
                found.append(self._text(rest, line.place))
        if line is not None and indent > outer:
            raise self._stop(line.place, "item_needed")
        return Listing(found, start)

    # ------------------------------------------------------------ texts

    def _text(self, text: str, place: Place) -> Text:
        if text[0] in "'\"":
            return self._quoted(text, place)
        comment = text.find(" #")
        if comment >= 0:
            text = text[:comment].rstrip(" ")
        if text.startswith(_NOT_PLAIN):
            self.mistakes.add(place, "start_of_text", shown=text[0])
        elif ": " in text or text.endswith(":"):
            self.mistakes.add(place, "colon")
        return Text(text, place)

    def _quoted(self, text: str, place: Place) -> Text:
        quote = text[0]
        pattern = r"'((?:[^']|'')*)'" if quote == "'" else r'"((?:[^"\\]|\\.)*)"'
        match = re.match(pattern, text)
        if match is None:
            self.mistakes.add(place, "quote_open")
            return Text("", place)
        rest = text[match.end() :]
        if rest and not re.match(r" +#", rest):
            self.mistakes.add(Place(place.line, place.column + match.end()), "quote_after")
        if quote == "'":
            return Text(match[1].replace("''", "'"), place, 1)
        if "\\" in _ESCAPES.sub("", match[1]):
            self.mistakes.add(place, "escape")
        return Text(_ESCAPES.sub(r"\1", match[1]), place, 1)
