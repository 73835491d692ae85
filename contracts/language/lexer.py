"""Source text to tokens, by rules of our own.

Python's own tokenizer changes between versions (strings within f-strings, numbers before keywords, tabs,
encodings); a difference would split a chain. So the text is read here, with fewer rules: printable ASCII,
spaces for indentation, decimal integers, plain strings, no line continuation, one statement a line.
Whatever passes is tokenized in the same way by every Python from 3.11.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from contracts.errors import ContractError
from contracts.language.limits import (
    BLOCK_DEPTH_MAX,
    BRACKET_DEPTH_MAX,
    INTEGER_DIGITS_MAX,
    NAME_LENGTH_MAX,
    SOURCE_BYTES_MAX,
)
from contracts.language.problems import START, Place, Problems, refuse
from contracts.values import INT_MAX

NAME, KEYWORD, LITERAL, DOCUMENTATION, SIGN = "name", "keyword", "literal", "documentation", "sign"
NEWLINE, INDENT, DEDENT, END = "end of line", "indentation", "end of block", "end of file"

# fmt: off
KEYWORDS = frozenset({
    "False", "None", "True", "and", "break", "class", "continue", "def", "del", "elif", "else", "for", "from",
    "if", "import", "in", "is", "not", "or", "pass", "return", "while",
})
# fmt: on
_INSTEAD = {
    "as": "import names as they are",
    "assert": 'write require(condition, "what must hold")',
    "async": "a contract runs at once, from start to end",
    "await": "a contract runs at once, from start to end",
    "case": "write if and elif",
    "except": "a failed `require` undoes everything, there is nothing to catch",
    "finally": "a failed `require` undoes everything, there is nothing to catch",
    "global": "use a stored variable: `count: int = 0` in the class, then `self.count`",
    "lambda": "write a method",
    "match": "write if and elif",
    "nonlocal": "use a stored variable: `count: int = 0` in the class, then `self.count`",
    "raise": 'write require(False, "why this fails")',
    "try": "a failed `require` undoes everything, there is nothing to catch",
    "type": "write the type out",
    "with": "there is nothing to open or close",
    "yield": "return a list",
}
_SIGNS = "->|\\*\\*=|//=|\\*\\*|//|==|!=|<=|>=|\\+=|-=|\\*=|%=|[-+*%<>=()\\[\\]{},:.@|]"
_REFUSED = {
    ":=": "assign on a line of its own",
    "/": "there are no fractions: write // (rounded down), or Percent.of(money)",
    "\\": "put the expression in brackets to continue it on the next line",
    ";": "write one statement a line",
    "\t": "indent with spaces",
    "\r": "end lines with a line feed only (Unix style)",
    "!": "write `not`",
    "&": "write `and`",
}
_TOKEN = re.compile(
    rf"""
      (?P<space>\ +|\#[\ -~]*)
    | (?P<newline>\n)
    | (?P<documentation>\"\"\"(?:[^"\\]|"(?!""))*\"\"\")
    | (?P<string>[A-Za-z]{{0,3}}(?!\"\"\")(?:"(?:[^"\\\n]|\\[^\n])*"|'(?:[^'\\\n]|\\[^\n])*'))
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<number>[0-9][0-9A-Za-z_.]*)
    | (?P<refused>:=|[\\/;\t\r!&](?![/=]))
    | (?P<sign>{_SIGNS})
    """,
    re.VERBOSE,
)
_NUMBER = re.compile(r"(?:0|[1-9][0-9]*(?:_[0-9]+)*)\Z")
_ESCAPE = re.compile(r"\\(?:([nt\\'\"])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.?))")
_ESCAPED = {"n": "\n", "t": "\t", "\\": "\\", "'": "'", '"': '"'}
_UNPRINTABLE = re.compile(r"[^\n -~]")
_OPENING = {"(": ")", "[": "]", "{": "}"}


class Token(NamedTuple):
    """A token: `text` as written; `value` of a literal; `start` and `end` are offsets into the source."""

    kind: str
    text: str
    place: Place
    start: int
    end: int
    value: int | str | bytes | None = None


def tokenize(source: str) -> list[Token]:
    """The tokens of a source, indentation made explicit, ending with END. Raises: ContractError."""
    if len(source) > SOURCE_BYTES_MAX:
        raise refuse(START, f"the source has {len(source)} bytes; at most {SOURCE_BYTES_MAX} are allowed")
    return list(_Lexer(source).tokens())


class _Lexer:
    def __init__(self, source: str) -> None:
        self.source = source
        self.problems = Problems()
        self.line, self.line_start = 1, 0
        self.brackets: list[Token] = []
        self.indents = [0]
        self.at_line_start = True

    def tokens(self) -> Iterator[Token]:
        offset, size = 0, len(self.source)
        while offset < size:
            match = _TOKEN.match(self.source, offset)
            if match is None or match.lastgroup is None:
                raise self._unreadable(offset)
            kind, offset = match.lastgroup, match.end()
            if kind == "newline":
                yield from self._newline(match.start())
            elif kind != "space":
                if self.at_line_start and not self.brackets:
                    yield from self._indentation(match.start() - self.line_start, self._place(match.start()))
                self.at_line_start = False
                yield self._token(kind, match)
                self._skip_lines(match)
        if self.brackets:
            raise refuse(self.brackets[-1].place, f"`{self.brackets[-1].text}` is never closed")
        if not self.at_line_start:
            yield from self._newline(size)
        yield from self._indentation(0, self._place(size))
        yield Token(END, END, self._place(size), size, size)
        self.problems.raise_if_any()

    def _place(self, offset: int) -> Place:
        return Place(self.line, offset - self.line_start + 1)

    def _newline(self, offset: int) -> Iterator[Token]:
        if not self.at_line_start and not self.brackets:
            yield Token(NEWLINE, NEWLINE, self._place(offset), offset, offset)
            self.at_line_start = True
        self.line += 1
        self.line_start = offset + 1

    def _skip_lines(self, match: re.Match[str]) -> None:
        text = match.group()
        if "\n" in text:
            self.line += text.count("\n")
            self.line_start = match.start() + text.rindex("\n") + 1

    def _indentation(self, width: int, place: Place) -> Iterator[Token]:
        offset = self.line_start + width
        if width > self.indents[-1]:
            if len(self.indents) > BLOCK_DEPTH_MAX:
                raise refuse(
                    place, f"blocks are nested deeper than {BLOCK_DEPTH_MAX}; move some into a method"
                )
            self.indents.append(width)
            yield Token(INDENT, INDENT, place, offset, offset)
        while width < self.indents[-1]:
            self.indents.pop()
            yield Token(DEDENT, DEDENT, place, offset, offset)
        if width != self.indents[-1]:
            raise refuse(place, "this line is indented like no line before it")

    def _token(self, kind: str, match: re.Match[str]) -> Token:
        text, place = match.group(), self._place(match.start())
        token = Token(kind, text, place, match.start(), match.end())
        if kind == "sign":
            self._bracket(token)
        elif kind == "name":
            return token._replace(kind=self._name_kind(token))
        elif kind == "number":
            return token._replace(kind=LITERAL, value=self._number(token))
        elif kind == "string":
            return token._replace(kind=LITERAL, value=self._string(token))
        elif kind == "documentation":
            return token._replace(value=self._documentation(token))
        else:
            shown = {"\t": "a tab", "\r": "a carriage return"}.get(text, f"`{text}`")
            self.problems.add(place, f"{shown} is not part of the language: {_REFUSED[text]}")
        return token

    def _bracket(self, token: Token) -> None:
        if token.text in _OPENING:
            self.brackets.append(token)
            if len(self.brackets) > BRACKET_DEPTH_MAX:
                raise refuse(
                    token.place, f"brackets are nested deeper than {BRACKET_DEPTH_MAX}; name a part of it"
                )
        elif token.text in _OPENING.values():
            if not self.brackets:
                raise refuse(token.place, f"`{token.text}` closes nothing")
            opening = self.brackets.pop()
            if _OPENING[opening.text] != token.text:
                raise refuse(
                    token.place, f"`{opening.text}` of line {opening.place.line} is closed by `{token.text}`"
                )

    def _name_kind(self, token: Token) -> str:
        if token.text in KEYWORDS:
            return KEYWORD
        if token.text in _INSTEAD:
            self.problems.add(
                token.place, f"`{token.text}` is not part of the language: {_INSTEAD[token.text]}"
            )
        elif token.text.startswith("__") and token.text != "__future__":
            self.problems.add(token.place, "names that begin with `__` are Python's own: choose another name")
        elif len(token.text) > NAME_LENGTH_MAX:
            self.problems.add(token.place, f"a name has at most {NAME_LENGTH_MAX} characters")
        return NAME

    def _number(self, token: Token) -> int:
        if not _NUMBER.match(token.text):
            self.problems.add(
                token.place,
                f"`{token.text[:20]}` is no integer: write decimal digits, as in 1_000"
                " (amounts are whole minor units, shares are Percent)",
            )
            return 0
        digits = token.text.replace("_", "")
        if len(digits) > INTEGER_DIGITS_MAX or int(digits) > INT_MAX:
            self.problems.add(token.place, "the integer is larger than 2^255 - 1")
            return 0
        return int(digits)

    def _string(self, token: Token) -> str | bytes:
        quote = min(i for i in (token.text.find("'"), token.text.find('"')) if i >= 0)
        prefix, body = token.text[:quote], token.text[quote + 1 : -1]
        if prefix not in ("", "b"):
            instead = '"text " + str(value)' if "f" in prefix.lower() else 'plain "text" or b"bytes"'
            self.problems.add(
                token.place, f"strings with the prefix `{prefix}` are not available: write {instead}"
            )
        self._check_printable(token, body)
        value = _ESCAPE.sub(lambda match: self._escape(match, token, prefix == "b"), body)
        return value.encode("latin-1", "replace") if prefix == "b" else value

    def _escape(self, match: re.Match[str], token: Token, in_bytes: bool) -> str:
        simple, byte, point, _ = match.groups()
        if simple:
            return _ESCAPED[simple]
        if byte and (in_bytes or int(byte, 16) < 128):
            return chr(int(byte, 16))
        if point and not in_bytes and not 0xD800 <= int(point, 16) <= 0xDFFF:
            return chr(int(point, 16))
        allowed = r"\n \t \\ \' \" and \xHH" if in_bytes else r"\n \t \\ \' \" and \uHHHH for a character"
        self.problems.add(token.place, f"`{match.group()}` is no escape of this language: write {allowed}")
        return ""

    def _documentation(self, token: Token) -> str:
        text = token.text[3:-3]
        self._check_printable(token, text)
        return text

    def _check_printable(self, token: Token, text: str) -> None:
        if _UNPRINTABLE.search(text):
            self.problems.add(
                token.place, r"only printable ASCII is allowed: write \uHHHH for other characters"
            )

    def _unreadable(self, offset: int) -> ContractError:
        character, place = self.source[offset], self._place(offset)
        if self.source.startswith('"""', offset):
            return refuse(place, 'this """ is never closed, or the text within has a backslash')
        if character in "\"'":
            return refuse(place, f"this {character} is not closed on its line")
        if not " " <= character <= "~":
            return refuse(place, f"`{ascii(character)[1:-1]}` is no printable ASCII: in a text write \\uHHHH")
        return refuse(place, f"`{character}` is not part of the language")
