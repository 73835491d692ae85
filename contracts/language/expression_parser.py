"""Tokens to expressions, by precedence, from weak to strong:

a if t else b  <  or  <  and  <  not  <  == != < <= > >= in  <  + -  <  * // %  <  -x  <  **  <  x.y x[y] x(y)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from contracts.errors import ContractError
from contracts.language import syntax
from contracts.language.lexer import DEDENT, END, INDENT, KEYWORD, LITERAL, NAME, NEWLINE, Token
from contracts.language.limits import ARGUMENTS_MAX, DISPLAY_ITEMS_MAX, EXPRESSION_DEPTH_MAX
from contracts.language.problems import Place, refuse
from contracts.values import TEXT_BYTES_MAX

T = TypeVar("T")

_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=", "in", "not in")
_STRENGTH = {"+": 1, "-": 1, "*": 2, "//": 2, "%": 2}
_COMPARISONS_MAX = 4


class ExpressionParser:
    """A cursor over tokens that reads expressions."""

    def __init__(self, tokens: list[Token], source: str) -> None:
        self.tokens = tokens
        self.source = source
        self.index = 0
        self.token = tokens[0]

    # ------------------------------------------------------------ the cursor

    def advance(self) -> Token:
        token = self.token
        if token.kind != END:
            self.index += 1
            self.token = self.tokens[self.index]
        return token

    def accept(self, text: str) -> bool:
        """Step over a sign or keyword if it is next."""
        if self.token.text != text:
            return False
        self.advance()
        return True

    def expect(self, text: str) -> None:
        if not self.accept(text):
            raise self.unexpected(f"`{text}`")

    def name(self, what: str) -> syntax.Name:
        if self.token.kind != NAME:
            raise self.unexpected(what)
        token = self.advance()
        return syntax.Name(token.place, 1, token.text)

    def unexpected(self, wanted: str) -> ContractError:
        token = self.token
        if token.kind in (NEWLINE, INDENT, DEDENT, END):
            found = f"the {token.kind}"
        else:
            found = f"`{token.text[:20]}`"
        if token.text == "|":
            return refuse(
                token.place,
                "`|` stands at the end of a type only, in `type | None`: for a condition write `or`",
            )
        return refuse(token.place, f"found {found} where {wanted} was expected")

    def text_since(self, first: int) -> str:
        return self.text_of(first, self.index)

    def text_of(self, first: int, last: int) -> str:
        """Tokens `first` to `last` as written, in one line without comments."""
        parts: list[str] = []
        for before, token in zip([None, *self.tokens[first:last]], self.tokens[first:last], strict=False):
            if before is not None and before.end < token.start:
                broken = "\n" in self.source[before.end : token.start]
                if not (broken and (before.text in "([{" or token.text in ")]}")):
                    parts.append(" ")
            parts.append(token.text if token.kind != NEWLINE else "")
        return "".join(parts)

    def listed(
        self, closing: str, item: Callable[[], T], limit: int, what: str, first: tuple[T, ...] = ()
    ) -> tuple[T, ...]:
        """Items separated by commas up to the closing bracket; a comma may follow the last."""
        items = list(first)
        while not self.accept(closing):
            if len(items) == limit:
                raise refuse(self.token.place, f"there are at most {limit} {what} here")
            items.append(item())
            if not self.accept(","):
                self.expect(closing)
                break
        return tuple(items)

    def annotation(self) -> syntax.Expression:
        """A type, which may end with `| None`."""
        inner = self.expression()
        if not self.accept("|"):
            return inner
        self.expect("None")
        return syntax.Maybe(inner.place, inner.depth, inner)

    # ------------------------------------------------------------ expressions

    def expression(self) -> syntax.Expression:
        value = self._or()
        if self.token.text != "if":
            return value
        place = self.advance().place
        test = self._or()
        self.expect("else")
        otherwise = self._or()
        if self.token.text == "if":
            raise refuse(self.token.place, "put brackets around the inner `... if ... else ...`")
        depth = _depth(place, test, value, otherwise)
        return syntax.Conditional(value.place, depth, test, value, otherwise)

    def _or(self) -> syntax.Expression:
        return self._logic("or", lambda: self._logic("and", self._not))

    def _logic(self, word: str, operand: Callable[[], syntax.Expression]) -> syntax.Expression:
        first = self.index
        operands = [operand()]
        texts = [self.text_since(first)]
        place = self.token.place
        while self.accept(word):
            first = self.index
            operands.append(operand())
            texts.append(self.text_since(first))
        if len(operands) == 1:
            return operands[0]
        depth = _depth(place, *operands)
        return syntax.Logic(operands[0].place, depth, word, tuple(operands), tuple(texts))

    def _not(self) -> syntax.Expression:
        places = []
        while self.token.text == "not":
            places.append(self.advance().place)
        operand = self._comparison()
        for place in reversed(places):
            operand = syntax.Not(place, _depth(place, operand), operand)
        return operand

    def _comparison(self) -> syntax.Expression:
        first = self._binary(1)
        place = self.token.place
        if self.accept("is"):
            negative = self.accept("not")
            if not self.accept("None"):
                raise refuse(place, "`is` stands in `is None` and `is not None`: compare with == or !=")
            return syntax.IsNone(first.place, _depth(place, first), first, negative)
        rest: list[tuple[str, syntax.Expression]] = []
        while (sign := self._comparison_sign()) is not None:
            if len(rest) == _COMPARISONS_MAX:
                raise refuse(place, f"a comparison has at most {_COMPARISONS_MAX + 1} sides: use `and`")
            rest.append((sign, self._binary(1)))
        if not rest:
            return first
        depth = _depth(place, first, *(operand for _, operand in rest))
        return syntax.Compare(first.place, depth, first, tuple(rest))

    def _comparison_sign(self) -> str | None:
        if self.token.text == "not" and self.tokens[self.index + 1].text == "in":
            self.advance()
            self.advance()
            return "not in"
        if self.token.text in _COMPARISONS:
            return self.advance().text
        return None

    def _binary(self, strength: int) -> syntax.Expression:
        left = self._binary(strength + 1) if strength < 2 else self._unary()
        while _STRENGTH.get(self.token.text) == strength:
            token = self.advance()
            right = self._binary(strength + 1) if strength < 2 else self._unary()
            left = syntax.Binary(left.place, _depth(token.place, left, right), token.text, left, right)
        return left

    def _unary(self) -> syntax.Expression:
        places = []
        while self.token.text in ("-", "+"):
            if self.token.text == "+":
                raise refuse(self.token.place, "leave out this `+`")
            places.append(self.advance().place)
        operand = self._power()
        for place in reversed(places):
            operand = syntax.Negative(place, _depth(place, operand), operand)
        return operand

    def _power(self) -> syntax.Expression:
        base = self._primary()
        if self.token.text != "**":
            return base
        place = self.advance().place
        exponent = self._primary()
        if self.token.text == "**":
            raise refuse(self.token.place, "put brackets around one of the two powers")
        return syntax.Binary(base.place, _depth(place, base, exponent), "**", base, exponent)

    def _primary(self) -> syntax.Expression:
        value = self._atom()
        while True:
            place = self.token.place
            if self.accept("."):
                name = self.name("a name").name
                value = syntax.Attribute(value.place, _depth(place, value), value, name)
            elif self.accept("("):
                value = self._call(place, value)
            elif self.accept("["):
                value = self._subscript(place, value)
            else:
                return value

    def _call(self, place: Place, function: syntax.Expression) -> syntax.Expression:
        items = self.listed(")", self._argument, ARGUMENTS_MAX, "arguments")
        arguments = tuple(value for name, value in items if name is None)
        named = tuple((name, value) for name, value in items if name is not None)
        if [name is None for name, _ in items] != [True] * len(arguments) + [False] * len(named):
            raise refuse(place, "arguments by position come before arguments by name")
        if len({name for name, _ in named}) != len(named):
            raise refuse(place, "an argument is given twice")
        depth = _depth(place, function, *(value for _, value in items))
        return syntax.Call(function.place, depth, function, arguments, named)

    def _argument(self) -> tuple[str | None, syntax.Expression]:
        if self.token.kind == NAME and self.tokens[self.index + 1].text == "=":
            name = self.advance().text
            self.advance()
            return name, self.expression()
        return None, self.expression()

    def _subscript(self, place: Place, owner: syntax.Expression) -> syntax.Expression:
        first = None if self.token.text == ":" else self.expression()
        if self.accept(":"):
            last = None if self.token.text == "]" else self.expression()
            self.expect("]")
            depth = _depth(place, *(part for part in (owner, first, last) if part))
            return syntax.Slice(owner.place, depth, owner, first, last)
        index = self._pair_or(first or self.expression(), "]")
        return syntax.Subscript(owner.place, _depth(place, owner, index), owner, index)

    def _atom(self) -> syntax.Expression:
        token = self.token
        if token.kind == NAME:
            return self.name("a name")
        if token.kind == LITERAL:
            return self._literal()
        if token.kind == KEYWORD and token.text in ("True", "False", "None"):
            self.advance()
            value = {"True": True, "False": False, "None": None}[token.text]
            return syntax.Literal(token.place, 1, value)
        if self.accept("("):
            return self._bracketed()
        if self.accept("["):
            items = self.listed("]", self.expression, DISPLAY_ITEMS_MAX, "items")
            return syntax.ListDisplay(token.place, _depth(token.place, *items), items)
        if self.accept("{"):
            pairs = self.listed("}", self._pair, DISPLAY_ITEMS_MAX, "items")
            depth = _depth(token.place, *(part for pair in pairs for part in pair))
            return syntax.DictDisplay(token.place, depth, pairs)
        raise self.unexpected("a value")

    def _literal(self) -> syntax.Expression:
        token = self.advance()
        value = token.value
        while self.token.kind == LITERAL and (joined := _joined(value, self.token.value)) is not None:
            value = joined
            self.advance()
        if isinstance(value, str | bytes) and len(value) > TEXT_BYTES_MAX:
            raise refuse(token.place, f"a text has at most {TEXT_BYTES_MAX} bytes")
        return syntax.Literal(token.place, 1, value)

    def _bracketed(self) -> syntax.Expression:
        if self.token.text == ")":
            raise self.unexpected("a value")
        return self._pair_or(self.expression(), ")")

    def _pair_or(self, first: syntax.Expression, closing: str) -> syntax.Expression:
        """The expression in brackets, or a tuple that begins with it."""
        if self.accept(closing):
            return first
        self.expect(",")
        items = self.listed(closing, self.expression, ARGUMENTS_MAX, "items", (first,))
        return syntax.TupleDisplay(first.place, _depth(first.place, *items), items)

    def _pair(self) -> tuple[syntax.Expression, syntax.Expression]:
        key = self.expression()
        if not self.accept(":"):
            raise self.unexpected("`:`, as sets are not available; use a list or a dict")
        return key, self.expression()


def _depth(place: Place, *parts: syntax.Expression) -> int:
    depth = 1 + max((part.depth for part in parts), default=0)
    if depth > EXPRESSION_DEPTH_MAX:
        raise refuse(
            place, f"the expression is nested deeper than {EXPRESSION_DEPTH_MAX}; give a part a name"
        )
    return depth


def _joined(left: syntax.Constant, right: syntax.Constant) -> str | bytes | None:
    """Two texts that stand side by side are one."""
    if isinstance(left, str) and isinstance(right, str):
        return left + right
    if isinstance(left, bytes) and isinstance(right, bytes):
        return left + right
    return None
