"""A rule sheet's text to what it says; whether names and kinds fit is looked at in `checking`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from contracts.errors import ContractError
from contracts.language.lexer import NAME, tokenize
from contracts.language.limits import NAME_LENGTH_MAX, ORACLES_MAX
from contracts.language.problems import Problems
from contracts.language.types import BOOL, INT, PERCENT, SIGNERS, SPAN, STR, TIME
from contracts.language.vocabulary import SELF_NAMES, WORDS
from contracts.program import TypeSpec
from contracts.sheets import model, words
from contracts.sheets.layout import Entries, Listing, Node, Text, read_layout
from contracts.sheets.messages import Mistakes
from contracts.sheets.phrases import Line, PhraseError
from contracts.sheets.words import DECLARING, DUTCH, ENGLISH, KEYS, Language

T = TypeVar("T")

_NAME = re.compile(rf"[a-z][a-z0-9_]{{0,{NAME_LENGTH_MAX - 1}}}\Z")
_TITLE = re.compile(rf"[A-Z][A-Za-z0-9]{{0,{NAME_LENGTH_MAX - 1}}}\Z")
_PHASE = re.compile(r"(?=.{1,40}\Z)[a-z][a-z0-9_]*(?: [a-z][a-z0-9_]*)*\Z")
_DUTCH = re.compile(rf"^{KEYS['agreement'][1]}:", re.MULTILINE)
_PERCENT = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,4})?\Z")

_TOP = (
    "agreement",
    "meaning",
    "terms",
    "variables",
    "phases",
    "facts",
    "events",
    "actions",
    "rules",
    "questions",
)


def language_of(source: str) -> Language:
    """The language that a sheet is in, by its first word."""
    return DUTCH if _DUTCH.search(source) else ENGLISH


def read_sheet(source: str) -> tuple[model.Sheet, Mistakes]:
    """What a sheet says, and the mistakes found so far. Raises: ContractError."""
    mistakes = Mistakes(language_of(source), Problems())
    sheet = _SheetReader(mistakes).sheet(read_layout(source, mistakes))
    return sheet, mistakes


def is_word_of_the_language(name: str) -> bool:
    """True for what the contract language means something by, or refuses, as a name."""
    try:
        kinds = [token.kind for token in tokenize(name)]
    except ContractError:
        return True
    return kinds[0] != NAME or name in WORDS or name in SELF_NAMES


class _SheetReader:
    def __init__(self, mistakes: Mistakes) -> None:
        self.mistakes = mistakes
        self.language = mistakes.language
        self.keys = self.language.keys()

    # ------------------------------------------------------------ parts of the layout

    def _word(self, meaning: str) -> str:
        return self.language.word(KEYS, meaning)

    def _known(
        self, node: Node, name: str, allowed: tuple[str, ...], needed: tuple[str, ...]
    ) -> dict[str, Node]:
        """Entries whose names are words of the sheet, by their meaning."""
        if not isinstance(node, Entries):
            self.mistakes.add(node.place, "want_map", name=name)
            return {}
        found: dict[str, Node] = {}
        for key, value in node.entries:
            meaning = self.keys.get(key.value, "")
            if meaning in allowed:
                found[meaning] = value
            else:
                known = ", ".join(self._word(word) for word in allowed)
                self.mistakes.add(key.place, "unknown_key", name=key.value, known=known)
        for word in needed:
            if word not in found:
                self.mistakes.add(node.place, "missing_key", name=self._word(word))
        return found

    def _entries(self, node: Node | None, name: str) -> list[tuple[Text, Node]]:
        """Entries with names of the author's."""
        if node is None:
            return []
        if not isinstance(node, Entries):
            self.mistakes.add(node.place, "want_map", name=name)
            return []
        return list(node.entries)

    def _items(self, node: Node | None, name: str) -> list[Node]:
        if node is None:
            return []
        if not isinstance(node, Listing):
            self.mistakes.add(node.place, "want_list", name=name)
            return []
        return list(node.items)

    def _text(self, node: Node | None) -> Text | None:
        if node is None or isinstance(node, Text):
            return node
        self.mistakes.add(node.place, "want_text")
        return None

    def _meaning(self, found: Mapping[str, Node]) -> str:
        text = self._text(found.get("meaning"))
        return "" if text is None else text.value

    def _line(self, node: Node | None, read: Callable[[Line], T]) -> T | None:
        """What a line says, read to its end; None when it cannot be read, which has been told."""
        text = self._text(node)
        if text is None:
            return None
        try:
            line = Line(text, self.mistakes)
            value = read(line)
            line.end()
        except PhraseError:
            return None
        return value

    # ------------------------------------------------------------ names

    def _name(self, name: Text) -> str:
        if not _NAME.match(name.value):
            self.mistakes.add(name.place, "name_form", name=name.value, limit=NAME_LENGTH_MAX)
        elif name.value in words.RESERVED or is_word_of_the_language(name.value):
            self.mistakes.add(name.place, "name_taken", name=name.value)
        return name.value

    def _title(self, name: Text) -> str:
        if not _TITLE.match(name.value):
            self.mistakes.add(name.place, "title_form", name=name.value)
        elif is_word_of_the_language(name.value):
            self.mistakes.add(name.place, "name_taken", name=name.value)
        return name.value

    def _names(self, node: Node | None) -> list[Text]:
        """Names, or phases, separated by commas."""
        text = self._text(node)
        if text is None:
            return []
        found, index = [], 0
        for part in text.value.split(","):
            bare = part.strip(" ")
            place = text.at(index + len(part) - len(part.lstrip(" ")))
            found.append(Text(bare, place))
            index += len(part) + 1
        return found

    # ------------------------------------------------------------ the whole

    def sheet(self, entries: Entries) -> model.Sheet:
        found = self._known(entries, "", _TOP, ("agreement", "meaning"))
        title = self._text(found.get("agreement"))
        phases = self._names(found.get("phases"))
        for phase in phases:
            if not _PHASE.match(phase.value) or [other.value for other in phases].count(phase.value) > 1:
                self.mistakes.add(phase.place, "phase_form", name=phase.value)
        return model.Sheet(
            name="" if title is None else self._title(title),
            meaning=self._meaning(found),
            terms=self._each(found, "terms", self._term),
            variables=self._each(found, "variables", self._variable),
            phases=tuple(phase.value for phase in phases),
            facts=self._each(found, "facts", self._fact),
            events=self._each(found, "events", self._event),
            actions=self._each(found, "actions", self._action),
            rules=self._each(found, "rules", self._rule),
            questions=self._each(found, "questions", self._question),
            place=entries.place,
        )

    def _each(
        self, found: Mapping[str, Node], section: str, read: Callable[[Text, Node], T | None]
    ) -> tuple[T, ...]:
        parts = (read(name, node) for name, node in self._entries(found.get(section), self._word(section)))
        return tuple(part for part in parts if part is not None)

    # ------------------------------------------------------------ declarations

    def _term(self, name: Text, node: Node) -> model.Term | None:
        def read(line: Line) -> model.Term:
            place = line.token.place
            spec = line.type()
            signs = line.declares("signs") or line.declares("sign")
            guards = line.declares("guards")
            default = None
            while default is None and line.accept(","):
                if not guards and line.declares("guards"):
                    guards = True
                else:
                    line.expect(self.language.word(DECLARING, "default"))
                    default = self._value(line, spec)
            if (signs or guards) and spec not in SIGNERS:
                self.mistakes.add(place, "signs_wrong")
            return model.Term(self._name(name), spec, signs, default, guards, place=name.place)

        return self._line(node, read)

    def _variable(self, name: Text, node: Node) -> model.Variable | None:
        def read(line: Line) -> model.Variable:
            spec = line.type()
            line.expect(",")
            line.expect(self.language.word(DECLARING, "starts"))
            return model.Variable(self._name(name), spec, self._value(line, spec), place=name.place)

        return self._line(node, read)

    def _value(self, line: Line, spec: TypeSpec) -> model.Phrase:
        """A value that is known at once."""
        place = line.token.place
        if spec == PERCENT:
            token = line.token
            if token.kind == "number" and _PERCENT.match(token.text):
                line.index += 1
                line.expect("%")
                return model.Share(token.text, place=place)
        elif spec == SPAN:
            return line.length()
        elif spec == INT:
            return model.Number(line.whole(), place=place)
        elif spec == STR:
            return model.Text(line.text(), place=place)
        elif spec == BOOL:
            return self._truth(line)
        else:
            raise line.refuse(place, "no_default", kind=self.language.type(spec))
        raise line.refuse(place, "default_wrong", wanted=self.language.type(spec))

    def _truth(self, line: Line) -> model.Truth:
        """Yes or no."""
        place = line.token.place
        named = line.take({word: words.NAMED[word] for word in ("yes", "no")})
        if named is None:
            raise line.refuse(place, "default_wrong", wanted=self.language.type(BOOL))
        return model.Truth(named == "yes", place=place)

    def _fact(self, name: Text, node: Node) -> model.Fact | None:
        def read(line: Line) -> model.Fact:
            spec = line.type()
            if not line.declares("reported_by"):
                raise line.refuse(line.token.place, "fact_by")
            by = line.name()
            age: model.Length | None = None
            quorum: int | str | None = None
            agree = "equal"
            while line.accept(","):
                if line.declares("when"):
                    quorum = self._quorum(line)
                    line.expect(self.language.word(DECLARING, "agree"))
                elif line.declares("median"):
                    quorum, agree = self._quorum(line), "median"
                else:
                    age = self._age(line, spec)
            return model.Fact(self._name(name), spec, by.value, age, quorum, agree, place=name.place)

        return self._line(node, read)

    def _age(self, line: Line, spec: TypeSpec) -> model.Length:
        place = line.token.place
        if spec != TIME or not line.declares("age_max"):
            raise line.refuse(place, "age_wrong")
        age = line.length()
        line.expect(self.language.word(DECLARING, "old"))
        if age.count == 0:
            self.mistakes.add(age.place, "age_wrong")
        return age

    def _quorum(self, line: Line) -> int | str:
        """How many, or the term that says so."""
        place = line.token.place
        if line.token.kind == "word":
            return line.name().value
        count = line.whole()
        if not 1 <= count <= ORACLES_MAX:
            self.mistakes.add(place, "quorum_range", limit=ORACLES_MAX)
        return count

    def _given(self, node: Node | None, name: str) -> tuple[model.Given, ...]:
        found = []
        for key, value in self._entries(node, name):
            spec = self._line(value, Line.type)
            if spec is not None:
                found.append(model.Given(self._name(key), spec, place=key.place))
        return tuple(found)

    def _event(self, name: Text, node: Node) -> model.Event:
        found = self._known(node, name.value, ("meaning", "with"), ())
        given = self._given(found.get("with"), self._word("with"))
        return model.Event(self._title(name), self._meaning(found), given, place=name.place)

    # ------------------------------------------------------------ what happens

    def _action(self, name: Text, node: Node) -> model.Action:
        allowed = ("meaning", "by", "in_phase", "exit", "with", "then")
        found = self._known(node, name.value, allowed, ())
        is_exit = self._line(found.get("exit"), self._truth)
        return model.Action(
            self._name(name),
            self._meaning(found),
            tuple(each.value for each in self._names(found.get("by"))),
            tuple(each.value for each in self._names(found.get("in_phase"))),
            self._given(found.get("with"), self._word("with")),
            self._steps(found.get("then")),
            is_exit is not None and is_exit.value,
            place=name.place,
        )

    def _steps(self, node: Node | None) -> tuple[model.Step, ...]:
        steps = (self._line(item, Line.step) for item in self._items(node, self._word("then")))
        return tuple(step for step in steps if step is not None)

    def _rule(self, name: Text, node: Node) -> model.Rule:
        found = self._known(node, name.value, ("meaning", "in_phase", "cases"), ("cases",))
        cases = (self._case(item) for item in self._items(found.get("cases"), self._word("cases")))
        return model.Rule(
            self._name(name),
            self._meaning(found),
            tuple(each.value for each in self._names(found.get("in_phase"))),
            tuple(case for case in cases if case is not None),
            place=name.place,
        )

    def _case(self, node: Node) -> model.Case | None:
        found = self._known(node, "-", ("if", "then"), ("if", "then"))
        condition = self._line(found.get("if"), Line.condition)
        steps = self._steps(found.get("then"))
        return None if condition is None else model.Case(condition, steps, place=node.place)

    def _question(self, name: Text, node: Node) -> model.Question | None:
        found = self._known(node, name.value, ("meaning", "with", "answer"), ("answer",))
        answer = self._line(found.get("answer"), Line.value)
        if answer is None:
            return None
        given = self._given(found.get("with"), self._word("with"))
        return model.Question(self._name(name), self._meaning(found), given, answer, place=name.place)
