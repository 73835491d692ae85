"""One line of a rule sheet to a value, a condition or a step."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from contracts.language.limits import INTEGER_DIGITS_MAX
from contracts.language.problems import Place
from contracts.program import TypeSpec
from contracts.sheets import model, words
from contracts.sheets.layout import Text
from contracts.sheets.messages import Mistakes
from contracts.sheets.words import (
    COMPARING,
    COMPUTING,
    DECLARING,
    FUNCTIONS,
    JOINING,
    NAMED,
    OF_MOMENTS,
    STEPS,
    WITHIN,
    Language,
)

OPERATIONS_MAX = 28
"""Operations in one line."""
BRACKETS_MAX = 8
"""Brackets within brackets."""

_TOKEN = re.compile(
    r'(?P<space> +)|(?P<text>"(?:[^"\\]|\\["\\])*")|(?P<word>[A-Za-z_][A-Za-z0-9_]*)'
    r"|(?P<number>[0-9][0-9.]*)|(?P<sign>[(),=%])"
)
_DIGITS = re.compile(rf"(?:0|[1-9][0-9]{{0,{INTEGER_DIGITS_MAX - 1}}})\Z")
_END = "end"


class Token(NamedTuple):
    """A piece of a line."""

    kind: str
    text: str
    place: Place


class PhraseError(Exception):
    """The rest of this line cannot be read; the mistake is noted."""


class Line:
    """Reads one line from left to right."""

    def __init__(self, text: Text, mistakes: Mistakes) -> None:
        self.mistakes = mistakes
        self.language: Language = mistakes.language
        self.tokens = self._tokens(text)
        self.index = 0
        self.operations = 0
        self.brackets = 0

    def _tokens(self, text: Text) -> list[Token]:
        tokens, index = [], 0
        while index < len(text.value):
            match = _TOKEN.match(text.value, index)
            if match is None or match.lastgroup is None:
                raise self.refuse(text.at(index), "token", shown=ascii(text.value[index]))
            if match.lastgroup != "space":
                tokens.append(Token(match.lastgroup, match.group(), text.at(index)))
            index = match.end()
        return [*tokens, Token(_END, "", text.at(len(text.value)))]

    # ------------------------------------------------------------ tokens

    def refuse(self, place: Place, message: str, **fields: object) -> PhraseError:
        """Note a mistake after which this line cannot be read on."""
        self.mistakes.add(place, message, **fields)
        return PhraseError()

    @property
    def token(self) -> Token:
        return self.tokens[self.index]

    @property
    def found(self) -> str:
        """What stands here, for a message."""
        return f"`{self.token.text}`" if self.token.kind != _END else self.mistakes.text("end")

    def _is(self, phrase: tuple[str, ...]) -> bool:
        ahead = self.tokens[self.index : self.index + len(phrase)]
        return [token.text for token in ahead] == list(phrase)

    def accept(self, phrase: str) -> bool:
        """Step over these words, if they come next."""
        parts = tuple(phrase.split())
        if not self._is(parts):
            return False
        self.index += len(parts)
        return True

    def expect(self, phrase: str) -> None:
        """Step over these words, which must come next."""
        if not self.accept(phrase):
            raise self.refuse(self.token.place, "expected", word=phrase, found=self.found)

    def take(self, table: dict[str, tuple[str, str]]) -> str | None:
        """The meaning of the longest phrase of a table that comes next."""
        for phrase, meaning in self.language.phrases(table):
            if self._is(phrase):
                self.index += len(phrase)
                return meaning
        return None

    def name(self) -> Text:
        """A name that the author has given."""
        token = self.token
        if token.kind != "word" or token.text in words.RESERVED:
            raise self.refuse(token.place, "expected_name", found=self.found)
        self.index += 1
        return Text(token.text, token.place)

    def words_until_comma(self) -> Text:
        """Words as they are, up to a comma or the end: the name of a phase."""
        first = self.index
        while self.token.kind == "word":
            self.index += 1
        return Text(
            " ".join(token.text for token in self.tokens[first : self.index]), self.tokens[first].place
        )

    def text(self) -> str:
        """A text in double quotes."""
        token = self.token
        if token.kind != "text":
            raise self.refuse(token.place, "expected_text")
        self.index += 1
        return re.sub(r"\\(.)", r"\1", token.text[1:-1])

    def whole(self) -> int:
        """A whole number."""
        token = self.token
        if token.kind != "number" or not _DIGITS.match(token.text):
            raise self.refuse(token.place, "digits", limit=INTEGER_DIGITS_MAX)
        self.index += 1
        return int(token.text)

    def end(self) -> None:
        """Nothing more may come."""
        if self.token.kind != _END:
            raise self.refuse(self.token.place, "rest", text=self.token.text)

    # ------------------------------------------------------------ declarations

    def type(self) -> TypeSpec:
        """A kind of value."""
        for spec, pair in sorted(words.TYPES.items(), key=lambda item: -len(item[1][self.language.place])):
            if self.accept(pair[self.language.place]):
                return spec
        known = ", ".join(pair[self.language.place] for pair in words.TYPES.values())
        raise self.refuse(self.token.place, "type_unknown", known=known)

    def declares(self, word: str) -> bool:
        """Step over a word of declarations, if it comes next."""
        return self.accept(DECLARING[word][self.language.place])

    def length(self) -> model.Length:
        """A length of time."""
        place, count = self.token.place, self.whole()
        unit = self.language.units().get(self.token.text)
        if unit is None:
            forms = ", ".join(self.language.unit(name, 2) for name in words.UNITS)
            raise self.refuse(self.token.place, "expected", word=forms, found=self.found)
        self.index += 1
        return model.Length(count, unit, place=place)

    # ------------------------------------------------------------ conditions

    def condition(self) -> model.Phrase:
        """Conditions joined by `or`."""
        return self._joined("or", lambda: self._joined("and", self._unit))

    def _joined(self, word: str, read: Callable[[], model.Phrase]) -> model.Phrase:
        place, parts = self.token.place, [read()]
        while self.accept(JOINING[word][self.language.place]):
            self._count()
            parts.append(read())
        return parts[0] if len(parts) == 1 else model.Logic(word, tuple(parts), place=place)

    def _unit(self) -> model.Phrase:
        place = self.token.place
        if self.accept(JOINING["not"][self.language.place]):
            self._count()
            return model.Not(self._unit(), place=place)
        left = self.value()
        if isinstance(left, model.Logic | model.Not | model.Compare | model.Reported):
            return left  # in brackets
        meaning = self.take(COMPARING)
        if meaning is None:
            return left
        self._count()
        if meaning in ("reported", "unreported"):
            if not isinstance(left, model.Name):
                raise self.refuse(place, "expected_name", found="...")
            reported = model.Reported(left.name, place=place)
            return reported if meaning == "reported" else model.Not(reported, place=place)
        right = self.value()
        of_moments = meaning in OF_MOMENTS
        return model.Compare(
            OF_MOMENTS.get(meaning, meaning), left, right, of_moments=of_moments, place=place
        )

    def _count(self) -> None:
        self.operations += 1
        if self.operations > OPERATIONS_MAX:
            raise self.refuse(self.token.place, "too_many")

    # ------------------------------------------------------------ values

    def value(self) -> model.Phrase:
        """A sum."""
        return self._chain(("+", "-"), lambda: self._chain(("*", "//"), self._share))

    def _chain(self, signs: tuple[str, ...], read: Callable[[], model.Phrase]) -> model.Phrase:
        place, left = self.token.place, read()
        table = {sign: COMPUTING[sign] for sign in signs}
        while (sign := self.take(table)) is not None:
            self._count()
            left = model.Operation(sign, left, read(), place=place)
        return left

    def _share(self) -> model.Phrase:
        place, left = self.token.place, self._atom()
        if isinstance(left, model.Name | model.Function | model.Operation) and self.accept(
            COMPUTING["of"][self.language.place]
        ):
            self._count()
            return model.Operation("of", left, self._share(), place=place)
        return left

    def _atom(self) -> model.Phrase:
        token = self.token
        if token.kind == _END:
            raise self.refuse(token.place, "expected_value", found=self.found)
        if token.kind == "number":
            return self._number()
        if token.kind == "text":
            return model.Text(self.text(), place=token.place)
        if self.accept("("):
            self._open()
            inside = self.condition()
            self.expect(")")
            self.brackets -= 1
            return inside
        function = self.take(FUNCTIONS) if self.tokens[self.index + 1].text == "(" else None
        if function is not None:
            return self._function(function, token.place)
        named = self.take(NAMED)
        if named in ("yes", "no"):
            return model.Truth(named == "yes", place=token.place)
        if named is not None:
            return model.Word(named, place=token.place)
        if token.kind != "word" or token.text in words.RESERVED:
            raise self.refuse(token.place, "expected_value", found=self.found)
        self.index += 1
        return model.Name(token.text, place=token.place)

    def _open(self) -> None:
        self.brackets += 1
        if self.brackets > BRACKETS_MAX:
            raise self.refuse(self.token.place, "too_many")

    def _number(self) -> model.Phrase:
        token, after = self.token, self.tokens[self.index + 1]
        if after.text == "%":
            raise self.refuse(token.place, "share_here", text=token.text)
        if after.text in self.language.units():
            return self.length()
        return model.Number(self.whole(), place=token.place)

    def _function(self, function: str, place: Place) -> model.Phrase:
        self._count()
        self.expect("(")
        self._open()
        operands = [self.value()]
        while self.accept(","):
            self._count()
            operands.append(self.value())
        self.expect(")")
        self.brackets -= 1
        return model.Function(function, tuple(operands), place=place)

    # ------------------------------------------------------------ steps

    def step(self) -> model.Step:
        """What is done."""
        place = self.token.place
        kind = self.take(STEPS)
        if kind is None:
            known = ", ".join(f"`{pair[self.language.place]}`" for pair in STEPS.values())
            raise self.refuse(place, "step_unknown", known=known)
        return _READERS[kind](self, place)

    def within(self, word: str) -> None:
        """Step over a word that parts a step, which must come next."""
        self.expect(WITHIN[word][self.language.place])

    def _require(self, place: Place) -> model.Step:
        condition = self.condition()
        self.within("otherwise")
        return model.Require(condition, self.text(), place=place)

    def _let(self, place: Place) -> model.Step:
        name = self.name()
        self.expect("=")
        return model.Let(name.value, self.value(), place=name.place)

    def _set(self, place: Place) -> model.Step:
        name = self.name()
        self.within("set_to")
        return model.Set(name.value, self.value(), place=name.place)

    def _collect(self, place: Place) -> model.Step:
        money = self.value()
        self.within("collect_from")
        return model.Collect(money, self.value(), place=place)

    def _pay(self, place: Place) -> model.Step:
        money = self.value()
        self.within("pay_to")
        return model.Pay(money, self.value(), place=place)

    def _become(self, place: Place) -> model.Step:
        name = self.words_until_comma()
        return model.Become(name.value, place=name.place)

    def _tell(self, place: Place) -> model.Step:
        name, fields = self.name(), []
        if self.accept(WITHIN["tell_with"][self.language.place]):
            while True:
                field = self.name()
                self.expect("=")
                fields.append((field.value, self.value()))
                if not self.accept(","):
                    break
        return model.Tell(name.value, tuple(fields), place=name.place)


_READERS: Mapping[str, Callable[[Line, Place], model.Step]] = {
    "require": Line._require,  # noqa: SLF001
    "let": Line._let,  # noqa: SLF001
    "set": Line._set,  # noqa: SLF001
    "collect": Line._collect,  # noqa: SLF001
    "pay": Line._pay,  # noqa: SLF001
    "become": Line._become,  # noqa: SLF001
    "tell": Line._tell,  # noqa: SLF001
}
