"""A rule sheet as the source of a contract: the same bytes, whatever the language of the sheet was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from contracts.language.problems import START, Place
from contracts.language.types import NEVER_FALSE
from contracts.program import TypeSpec
from contracts.sheets import model

_OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _ATOM = range(1, 8)
"""How tightly things bind."""
_SIGNS = {"+": _SUM, "-": _SUM, "*": _PRODUCT, "//": _PRODUCT}
_IMPORT_LINE_MAX = 100


class Source(NamedTuple):
    """The source of a contract, and where in the sheet each of its lines comes from."""

    text: str
    places: Sequence[Place]


def write_source(sheet: model.Sheet, answers: Mapping[str, TypeSpec]) -> Source:
    """The contract that a sheet is; its kinds must fit, and `answers` are those of its questions."""
    return _Writer(sheet, answers).write()


def text_of(text: str) -> str:
    """A text as a literal of the contract language."""
    escaped = (
        {"\\": "\\\\", '"': '\\"'}.get(character, character)
        if " " <= character <= "~"
        else f"\\u{ord(character):04x}"
        for character in text
    )
    return f'"{"".join(escaped)}"'


class _Writer:
    def __init__(self, sheet: model.Sheet, answers: Mapping[str, TypeSpec]) -> None:
        self.sheet = sheet
        self.answers = answers
        self.members = {
            *(term.name for term in sheet.terms),
            *(variable.name for variable in sheet.variables),
            *(fact.name for fact in sheet.facts),
        }
        self.fact_types = {fact.name: fact.type for fact in sheet.facts}
        self.imports: set[str] = {"Contract"}
        self.lines: list[str] = []
        self.places: list[Place] = []

    def write(self) -> Source:
        for event in self.sheet.events:
            self._event(event)
        self._contract()
        head = [text_of(self.sheet.meaning), "", *self._import()]
        return Source("\n".join([*head, *self.lines]) + "\n", [*(START for _ in head), *self.places])

    def _import(self) -> list[str]:
        names = sorted(self.imports)
        line = f"from contracts import {', '.join(names)}"
        if len(line) <= _IMPORT_LINE_MAX:
            return [line]
        return ["from contracts import (", *(f"    {name}," for name in names), ")"]

    def _line(self, depth: int, text: str, place: Place) -> None:
        self.lines.append("    " * depth + text)
        self.places.append(place)

    def _blank(self, count: int = 1) -> None:
        self.lines += [""] * count
        self.places += [START] * count

    def _use(self, name: str) -> str:
        self.imports.add(name)
        return name

    def _type(self, spec: TypeSpec) -> str:
        for part in (spec, *spec.items):
            if part.name[0].isupper():
                self.imports.add(part.name)
        return str(spec)

    # ------------------------------------------------------------ declarations

    def _event(self, event: model.Event) -> None:
        self._blank(2)
        self._line(0, f"class {event.name}({self._use('Event')}):", event.place)
        self._documentation(1, event.meaning, event.place)
        for field in event.fields:
            self._line(1, f"{field.name}: {self._type(field.type)}", field.place)
        if not event.fields and not event.meaning:
            self._line(1, "pass", event.place)

    def _documentation(self, depth: int, text: str, place: Place) -> None:
        if text:
            self._line(depth, text_of(text), place)

    def _contract(self) -> None:
        sheet = self.sheet
        self._blank(2)
        self._line(0, f"class {sheet.name}(Contract):", sheet.place)
        self._documentation(1, sheet.meaning, sheet.place)
        if sheet.terms:
            self._blank()
        for term in sheet.terms:
            self._line(1, f"{term.name}: {self._type(term.type)} = {self._term(term)}", term.place)
        if sheet.phases or sheet.variables or sheet.facts:
            self._blank()
        if sheet.phases:
            names = ", ".join(map(text_of, sheet.phases))
            self._line(1, f"phase = {self._use('phases')}({names})", sheet.place)
        for variable in sheet.variables:
            value = self._phrase(variable.initial)
            if isinstance(variable.initial, model.Share):
                value = f"{self._use('Percent')}({value})"
            self._line(1, f"{variable.name}: {self._type(variable.type)} = {value}", variable.place)
        for fact in sheet.facts:
            self._line(1, f"{fact.name}: {self._type(fact.type)} = {self._fact(fact)}", fact.place)
        for action in sheet.actions:
            self._action(action)
        for rule in sheet.rules:
            self._rule(rule)
        for question in sheet.questions:
            self._question(question)

    def _term(self, term: model.Term) -> str:
        named = ["signs=True"] if term.signs else []
        named += ["guards=True"] if term.guards else []
        if term.default is not None:
            named.append(f"default={self._phrase(term.default)}")
        return f"{self._use('term')}({', '.join(named)})"

    def _fact(self, fact: model.Fact) -> str:
        named = [f"by={text_of(fact.by)}"]
        if fact.max_age is not None:
            named.append(f"max_age={self._phrase(fact.max_age)}")
        if fact.quorum is not None:
            quorum = text_of(fact.quorum) if isinstance(fact.quorum, str) else str(fact.quorum)
            named.append(f"quorum={quorum}")
        if fact.agree != "equal":
            named.append(f"agree={text_of(fact.agree)}")
        return f"{self._use('fact')}({', '.join(named)})"

    # ------------------------------------------------------------ methods

    def _action(self, action: model.Action) -> None:
        named = self._named("by", action.by) + self._named("phase", action.phases)
        named += ["exit=True"] if action.is_exit else []
        self._blank()
        self._line(1, f"@{self._use('action')}({', '.join(named)})", action.place)
        self._method(action.name, action.given, "None", action.meaning, action.place)
        self._steps(2, action.steps, action.place)

    def _named(self, name: str, values: Sequence[str]) -> list[str]:
        texts = [text_of(value) for value in values]
        return [f"{name}={texts[0] if len(texts) == 1 else '(' + ', '.join(texts) + ')'}"] if texts else []

    def _method(
        self, name: str, given: Sequence[model.Given], returns: str, meaning: str, place: Place
    ) -> None:
        parameters = ["self", *(f"{each.name}: {self._type(each.type)}" for each in given)]
        self._line(1, f"def {name}({', '.join(parameters)}) -> {returns}:", place)
        self._documentation(2, meaning, place)

    def _rule(self, rule: model.Rule) -> None:
        named = self._named("phase", rule.phases)
        self._blank()
        self._line(1, f"@{self._use('rule')}({', '.join(named)})", rule.place)
        self._method(rule.name, (), "None", rule.meaning, rule.place)
        for index, case in enumerate(rule.cases):
            word = "elif" if index else "if"
            self._line(2, f"{word} {self._phrase(case.condition)}:", case.place)
            self._steps(3, case.steps, case.place)

    def _question(self, question: model.Question) -> None:
        self._blank()
        self._line(1, f"@{self._use('query')}", question.place)
        returns = self._type(self.answers[question.name])
        self._method(question.name, question.given, returns, question.meaning, question.place)
        self._line(2, f"return {self._phrase(question.answer)}", question.answer.place)

    def _steps(self, depth: int, steps: Sequence[model.Step], place: Place) -> None:
        for step in steps:
            self._line(depth, self._step(step), step.place)
        if not steps:
            self._line(depth, "pass", place)

    def _step(self, step: model.Step) -> str:
        match step:
            case model.Require():
                condition = self._phrase(step.condition)
                return f"{self._use('require')}({condition}, {text_of(step.otherwise)})"
            case model.Let():
                return f"{step.name} = {self._phrase(step.value)}"
            case model.Set():
                return f"self.{step.name} = {self._phrase(step.value)}"
            case model.Collect():
                return f"self.take({self._phrase(step.account)}, {self._phrase(step.money)})"
            case model.Pay():
                return f"self.pay({self._phrase(step.account)}, {self._phrase(step.money)})"
            case model.Become():
                return f"self.phase = {text_of(step.phase)}"
            case model.Tell():
                fields = ", ".join(f"{name}={self._phrase(value)}" for name, value in step.fields)
                return f"{self._use('emit')}({step.event}({fields}))"
        raise TypeError(f"no step: {step}")

    # ------------------------------------------------------------ values and conditions

    def _phrase(self, phrase: model.Phrase, binding: int = 0) -> str:
        text, binds = self._bound(phrase)
        return f"({text})" if binds < binding else text

    def _bound(self, phrase: model.Phrase) -> tuple[str, int]:
        """The text of a phrase, and how tightly it binds."""
        match phrase:
            case model.Logic():
                binds = _OR if phrase.word == "or" else _AND
                parts = (self._phrase(part, binds + 1) for part in phrase.conditions)
                return f" {phrase.word} ".join(parts), binds
            case model.Not():
                return f"not {self._phrase(phrase.condition, _NOT)}", _NOT
            case model.Compare():
                left, right = self._phrase(phrase.left, _SUM), self._phrase(phrase.right, _SUM)
                return f"{left} {phrase.sign} {right}", _COMPARE
            case model.Operation() if phrase.sign == "of":
                return f"{self._phrase(phrase.left, _ATOM)}.of({self._phrase(phrase.right)})", _ATOM
            case model.Operation():
                binds = _SIGNS[phrase.sign]
                left, right = self._phrase(phrase.left, binds), self._phrase(phrase.right, binds + 1)
                return f"{left} {phrase.sign} {right}", binds
            case model.Length():
                unit = self._use(phrase.unit)
                return (unit, _ATOM) if phrase.count == 1 else (f"{phrase.count} * {unit}", _PRODUCT)
        return self._atom(phrase), _ATOM

    def _atom(self, phrase: model.Phrase) -> str:
        match phrase:
            case model.Name():
                return f"self.{phrase.name}" if phrase.name in self.members else phrase.name
            case model.Number():
                return str(phrase.value)
            case model.Text():
                return text_of(phrase.value)
            case model.Truth():
                return str(phrase.value)
            case model.Share():
                return text_of(phrase.text)
            case model.Word():
                return f"{self._use({'now': 'now', 'caller': 'sender'}[phrase.word])}()"
            case model.Reported():
                own = f"self.{phrase.fact}"
                plain = self.fact_types[phrase.fact] in NEVER_FALSE
                return own if plain else f"{self._use('reported')}({own})"
            case model.Function():
                operands = ", ".join(map(self._phrase, phrase.operands))
                return f"{self._function(phrase.function)}({operands})"
        raise TypeError(f"no phrase: {phrase}")

    def _function(self, name: str) -> str:
        if name == "held":
            return "self.held"
        return name if name in ("min", "max", "len") else self._use(name)
