"""What a rule sheet says, written out in a language in its one normal form."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.language.problems import Place
from contracts.sheets import model
from contracts.sheets.words import (
    COMPARING,
    COMPUTING,
    DECLARING,
    FUNCTIONS,
    JOINING,
    KEYS,
    NAMED,
    OF_MOMENTS,
    STEPS,
    WITHIN,
    Language,
)

_OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _SHARE, _ATOM = range(1, 9)
_SIGNS = {"+": _SUM, "-": _SUM, "*": _PRODUCT, "//": _PRODUCT}
_MOMENT_WORDS = {sign: word for word, sign in OF_MOMENTS.items()}
_PLAIN_START = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789(")


def write_sheet(sheet: model.Sheet, moments: frozenset[Place], language: Language) -> str:
    """A sheet in a language; `moments` are the places of comparisons of moments."""
    return _Writer(language, Wording(language, moments)).write(sheet)


class Wording:
    """Says values, conditions and steps in a language."""

    def __init__(self, language: Language, moments: frozenset[Place] = frozenset()) -> None:
        self.language = language
        self.moments = moments

    def step(self, step: model.Step) -> str:
        """A step in words."""
        match step:
            case model.Require():
                otherwise = self.language.word(WITHIN, "otherwise")
                return self._step(
                    "require", f"{self.phrase(step.condition)} {otherwise} {quoted(step.otherwise)}"
                )
            case model.Let():
                return self._step("let", f"{step.name} = {self.phrase(step.value)}")
            case model.Set():
                to = self.language.word(WITHIN, "set_to")
                return self._step("set", f"{step.name} {to} {self.phrase(step.value)}")
            case model.Collect():
                source = self.language.word(WITHIN, "collect_from")
                return self._step(
                    "collect", f"{self.phrase(step.money)} {source} {self.phrase(step.account)}"
                )
            case model.Pay():
                to = self.language.word(WITHIN, "pay_to")
                return self._step("pay", f"{self.phrase(step.money)} {to} {self.phrase(step.account)}")
            case model.Become():
                return self._step("become", step.phase)
            case model.Tell():
                fields = ", ".join(f"{name} = {self.phrase(value)}" for name, value in step.fields)
                told = (
                    f"{step.event} {self.language.word(WITHIN, 'tell_with')} {fields}"
                    if fields
                    else step.event
                )
                return self._step("tell", told)
        raise TypeError(f"no step: {step}")

    def _step(self, kind: str, rest: str) -> str:
        return f"{self.language.word(STEPS, kind)} {rest}"

    def phrase(self, phrase: model.Phrase, binding: int = 0) -> str:
        """A value or condition in words."""
        text, binds = self._bound(phrase)
        return f"({text})" if binds < binding else text

    def _bound(self, phrase: model.Phrase) -> tuple[str, int]:
        match phrase:
            case model.Logic():
                binds = _OR if phrase.word == "or" else _AND
                word = self.language.word(JOINING, phrase.word)
                return f" {word} ".join(self.phrase(part, binds + 1) for part in phrase.conditions), binds
            case model.Not(condition=model.Reported(fact=fact)):
                return f"{fact} {self.language.word(COMPARING, 'unreported')}", _COMPARE
            case model.Not():
                return f"{self.language.word(JOINING, 'not')} {self.phrase(phrase.condition, _NOT)}", _NOT
            case model.Reported():
                return f"{phrase.fact} {self.language.word(COMPARING, 'reported')}", _COMPARE
            case model.Compare():
                of_moments = phrase.place in self.moments
                meaning = _MOMENT_WORDS.get(phrase.sign, phrase.sign) if of_moments else phrase.sign
                left, right = self.phrase(phrase.left, _SUM), self.phrase(phrase.right, _SUM)
                return f"{left} {self.language.word(COMPARING, meaning)} {right}", _COMPARE
            case model.Operation() if phrase.sign == "of":
                of = self.language.word(COMPUTING, "of")
                return f"{self.phrase(phrase.left, _ATOM)} {of} {self.phrase(phrase.right, _SHARE)}", _SHARE
            case model.Operation():
                binds, word = _SIGNS[phrase.sign], self.language.word(COMPUTING, phrase.sign)
                return (
                    f"{self.phrase(phrase.left, binds)} {word} {self.phrase(phrase.right, binds + 1)}",
                    binds,
                )
        return self._atom(phrase), _ATOM

    def _atom(self, phrase: model.Phrase) -> str:
        match phrase:
            case model.Name():
                return phrase.name
            case model.Number():
                return str(phrase.value)
            case model.Text():
                return quoted(phrase.value)
            case model.Truth():
                return self.language.word(NAMED, "yes" if phrase.value else "no")
            case model.Share():
                return f"{phrase.text}%"
            case model.Length():
                return f"{phrase.count} {self.language.unit(phrase.unit, phrase.count)}"
            case model.Word():
                return self.language.word(NAMED, phrase.word)
            case model.Function():
                operands = ", ".join(map(self.phrase, phrase.operands))
                return f"{self.language.word(FUNCTIONS, phrase.function)}({operands})"
        raise TypeError(f"no phrase: {phrase}")


def quoted(text: str) -> str:
    """A text in double quotes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class _Writer:
    def __init__(self, language: Language, wording: Wording) -> None:
        self.language = language
        self.wording = wording
        self.lines: list[str] = []

    def write(self, sheet: model.Sheet) -> str:
        self._entry(0, "agreement", sheet.name)
        self._entry(0, "meaning", sheet.meaning)
        self._declarations("terms", [(term.name, self._term(term)) for term in sheet.terms])
        self._declarations("variables", [(each.name, self._variable(each)) for each in sheet.variables])
        if sheet.phases:
            self.lines.append("")
            self._entry(0, "phases", ", ".join(sheet.phases))
        self._declarations("facts", [(fact.name, self._fact(fact)) for fact in sheet.facts])
        self._section("events", sheet.events, self._event)
        self._section("actions", sheet.actions, self._action)
        self._section("rules", sheet.rules, self._rule)
        self._section("questions", sheet.questions, self._question)
        return "\n".join(self.lines) + "\n"

    def _line(self, depth: int, text: str) -> None:
        self.lines.append("  " * depth + text)

    def _key(self, meaning: str) -> str:
        return self.language.word(KEYS, meaning)

    def _entry(self, depth: int, meaning: str, text: str) -> None:
        if text:
            self._line(depth, f"{self._key(meaning)}: {scalar(text)}")

    def _declarations(self, section: str, parts: Sequence[tuple[str, str]]) -> None:
        if parts:
            self.lines += ["", f"{self._key(section)}:"]
            for name, text in parts:
                self._line(1, f"{name}: {scalar(text)}")

    def _section(self, section: str, parts: Sequence[object], write: object) -> None:
        if parts:
            self.lines += ["", f"{self._key(section)}:"]
            for part in parts:
                write(part)  # type: ignore[operator]

    # ------------------------------------------------------------ declarations

    def _declaring(self, word: str) -> str:
        return self.language.word(DECLARING, word)

    def _term(self, term: model.Term) -> str:
        text = self.language.type(term.type)
        if term.signs:
            text += " " + self._declaring("sign" if term.type.items else "signs")
        if term.guards:
            text += f"{',' if term.signs else ''} {self._declaring('guards')}"
        if term.default is not None:
            text += f", {self._declaring('default')} {self.wording.phrase(term.default)}"
        return text

    def _variable(self, variable: model.Variable) -> str:
        starts, initial = self._declaring("starts"), self.wording.phrase(variable.initial)
        return f"{self.language.type(variable.type)}, {starts} {initial}"

    def _fact(self, fact: model.Fact) -> str:
        text = f"{self.language.type(fact.type)} {self._declaring('reported_by')} {fact.by}"
        if fact.max_age is not None:
            age = self.wording.phrase(fact.max_age)
            text += f", {self._declaring('age_max')} {age} {self._declaring('old')}"
        if fact.agree == "median":
            text += f", {self._declaring('median')} {fact.quorum}"
        elif fact.quorum is not None:
            text += f", {self._declaring('when')} {fact.quorum} {self._declaring('agree')}"
        return text

    def _given(self, given: Sequence[model.Given]) -> None:
        if given:
            self._line(2, f"{self._key('with')}:")
            for each in given:
                self._line(3, f"{each.name}: {self.language.type(each.type)}")

    # ------------------------------------------------------------ what happens

    def _event(self, event: model.Event) -> None:
        self._line(1, f"{event.name}:")
        self._entry(2, "meaning", event.meaning)
        self._given(event.fields)

    def _action(self, action: model.Action) -> None:
        self._line(1, f"{action.name}:")
        self._entry(2, "meaning", action.meaning)
        self._entry(2, "by", ", ".join(action.by))
        self._entry(2, "in_phase", ", ".join(action.phases))
        self._entry(2, "exit", self.language.word(NAMED, "yes") if action.is_exit else "")
        self._given(action.given)
        self._steps(2, action.steps)

    def _rule(self, rule: model.Rule) -> None:
        self._line(1, f"{rule.name}:")
        self._entry(2, "meaning", rule.meaning)
        self._entry(2, "in_phase", ", ".join(rule.phases))
        self._line(2, f"{self._key('cases')}:")
        for case in rule.cases:
            self._line(3, f"- {self._key('if')}: {scalar(self.wording.phrase(case.condition))}")
            self._steps(4, case.steps)

    def _question(self, question: model.Question) -> None:
        self._line(1, f"{question.name}:")
        self._entry(2, "meaning", question.meaning)
        self._given(question.given)
        self._entry(2, "answer", self.wording.phrase(question.answer))

    def _steps(self, depth: int, steps: Sequence[model.Step]) -> None:
        if not steps:
            return
        self._line(depth, f"{self._key('then')}:")
        for step in steps:
            self._line(depth + 1, f"- {scalar(self.wording.step(step))}")


def scalar(text: str) -> str:
    """A text as it stands in the file: plain where that is possible, else in single quotes."""
    plain = text[0] in _PLAIN_START and ": " not in text and " #" not in text
    if plain and not text.endswith(":") and text == text.strip(" "):
        return text
    doubled = text.replace("'", "''")
    return f"'{doubled}'"
