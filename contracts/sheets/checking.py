"""Whether what a rule sheet says fits together: names, kinds of values, facts that are known, who may act.

Kinds are worked out by the same tables as those of contracts; what passes here compiles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from contracts.language.operations import find_binary, find_comparison, find_function, find_method
from contracts.language.problems import Place
from contracts.language.types import (
    BOOL,
    INT,
    MEDIANS,
    MONEY,
    NONE,
    PARTY,
    PERCENT,
    SPAN,
    STR,
    TIME,
    UNKNOWN,
    fits,
    is_acting,
)
from contracts.program import TypeSpec
from contracts.sheets import model
from contracts.sheets.messages import Mistakes
from contracts.sheets.words import COMPARING, COMPUTING, FUNCTIONS, NAMED, OF_MOMENTS, STEPS

Facts = frozenset[str]
_NONE: Facts = frozenset()


class Learned(NamedTuple):
    """Which facts are known to be reported when a condition holds, and when it does not."""

    when_true: Facts = _NONE
    when_false: Facts = _NONE


class Kinds(NamedTuple):
    """What checking has found out: where moments are compared, which has words of its own, and the kinds of
    values that questions answer with."""

    moments: frozenset[Place]
    answers: Mapping[str, TypeSpec]


def check_sheet(sheet: model.Sheet, mistakes: Mistakes) -> Kinds:
    """Tell what does not fit, and what kinds values are of."""
    checker = _Checker(sheet, mistakes)
    checker.check()
    return Kinds(frozenset(checker.moments), checker.answers)


class _Checker:
    def __init__(self, sheet: model.Sheet, mistakes: Mistakes) -> None:
        self.sheet = sheet
        self.mistakes = mistakes
        self.language = mistakes.language
        self.moments: list[Place] = []
        self.answers: dict[str, TypeSpec] = {}
        self.members: dict[str, TypeSpec] = {}
        self.fact_names = [fact.name for fact in sheet.facts]
        self.variables = [variable.name for variable in sheet.variables]
        self.events = {event.name: event for event in sheet.events}
        self.locals: dict[str, TypeSpec] = {}
        self.named: dict[str, TypeSpec] = {}
        """What steps have named, in all cases of a rule: a name has one kind."""
        self.known: Facts = _NONE
        self.signed = True
        """Somebody has signed what is being looked at."""
        self.in_case = False
        """A rule's condition is being looked at."""

    # ------------------------------------------------------------ declarations

    def check(self) -> None:
        sheet = self.sheet
        for parts in (sheet.terms, sheet.variables, sheet.facts):
            for part in parts:
                self._declare(part.name, part.place, part.type)
        for methods in (sheet.actions, sheet.rules, sheet.questions):
            for method in methods:
                self._declare(method.name, method.place, NONE)
        titles = [sheet.name]
        for event in sheet.events:
            if event.name in titles:
                self.mistakes.add(event.place, "name_taken", name=event.name)
            titles.append(event.name)
            self._unlike_each_other(event.fields)
        for fact in sheet.facts:
            self._account(fact.by, fact.place)
            self._quorum(fact)
        for action in sheet.actions:
            self._action(action)
        for rule in sheet.rules:
            self._rule(rule)
        for question in sheet.questions:
            self._begin(question.given, signed=False)
            self.answers[question.name] = self._value(question.answer)

    def _declare(self, name: str, place: Place, spec: TypeSpec) -> None:
        if name in self.members:
            self.mistakes.add(place, "name_taken", name=name)
        self.members.setdefault(name, spec)

    def _unlike_each_other(self, given: Sequence[model.Given]) -> None:
        names = [each.name for each in given]
        for each in given:
            if names.count(each.name) > 1:
                self.mistakes.add(each.place, "twice", name=each.name)

    def _account(self, name: str, place: Place) -> None:
        terms = {term.name: term.type for term in self.sheet.terms}
        if name not in terms or not is_acting(terms[name]):
            self.mistakes.add(place, "not_account", name=name)

    def _quorum(self, fact: model.Fact) -> None:
        if fact.quorum is None:
            return
        terms = {term.name: term.type for term in self.sheet.terms}
        if fact.by in terms and not terms[fact.by].items:
            self.mistakes.add(fact.place, "quorum_of_one", name=fact.by)
        if isinstance(fact.quorum, str) and terms.get(fact.quorum) != INT:
            self.mistakes.add(fact.place, "quorum_term", name=fact.quorum)
        if fact.agree == "median" and fact.type not in MEDIANS:
            self.mistakes.add(fact.place, "no_median", kind=self.language.type(fact.type))

    def _phase(self, name: str, place: Place) -> None:
        if name not in self.sheet.phases:
            known = self.mistakes.listed(self.sheet.phases)
            self.mistakes.add(place, "no_phase", name=name, known=known)

    # ------------------------------------------------------------ what happens

    def _begin(self, given: Sequence[model.Given], *, signed: bool) -> None:
        self.locals, self.named, self.known, self.signed = {}, {}, _NONE, signed
        self._unlike_each_other(given)
        for each in given:
            if each.name in self.members:
                self.mistakes.add(each.place, "name_taken", name=each.name)
            self.locals[each.name] = each.type

    def _action(self, action: model.Action) -> None:
        for name in action.by:
            self._account(name, action.place)
        for phase in action.phases:
            self._phase(phase, action.place)
        self._begin(action.given, signed=True)
        self._steps(action.steps)

    def _rule(self, rule: model.Rule) -> None:
        for phase in rule.phases:
            self._phase(phase, rule.place)
        known: Facts = _NONE
        self._begin((), signed=False)
        for case in rule.cases:
            self.locals, self.known, self.in_case = {}, known, True
            learned = self._condition(case.condition)
            self.in_case = False
            self.known = known | learned.when_true
            if not any(isinstance(step, model.Pay | model.Set | model.Become) for step in case.steps):
                word = self.language.word(STEPS, "become")
                self.mistakes.add(case.place, "changes_nothing", word=word)
            self._steps(case.steps)
            known |= learned.when_false

    def _steps(self, steps: Sequence[model.Step]) -> None:
        for step in steps:
            self._step(step)

    def _step(self, step: model.Step) -> None:
        match step:
            case model.Require():
                self.known |= self._condition(step.condition).when_true
            case model.Let():
                self._let(step)
            case model.Set():
                if step.name in self.variables:
                    self._wanted(step.value, self.members[step.name])
                else:
                    known = self.mistakes.listed(self.variables)
                    self.mistakes.add(step.place, "not_variable", name=step.name, known=known)
            case model.Collect() | model.Pay():
                if isinstance(step, model.Collect) and not self.signed:
                    word = self.language.word(STEPS, "collect")
                    self.mistakes.add(step.place, "nobody_acts", word=word)
                self._wanted(step.money, MONEY)
                self._wanted(step.account, PARTY)
            case model.Become():
                self._phase(step.phase, step.place)
            case model.Tell():
                self._tell(step)

    def _let(self, step: model.Let) -> None:
        spec = self._value(step.value)
        if step.name in self.members:
            self.mistakes.add(step.place, "name_taken", name=step.name)
        elif not fits(spec, self.named.setdefault(step.name, self.locals.get(step.name, spec))):
            self.mistakes.add(step.place, "named_twice", name=step.name)
        self.locals.setdefault(step.name, spec)

    def _tell(self, step: model.Tell) -> None:
        event = self.events.get(step.event)
        if event is None:
            known = self.mistakes.listed(list(self.events))
            self.mistakes.add(step.place, "no_event", name=step.event, known=known)
            return
        types = {field.name: field.type for field in event.fields}
        names = [name for name, _ in step.fields]
        if sorted(names) != sorted(types):
            known = self.mistakes.listed(list(types))
            self.mistakes.add(step.place, "event_fields", name=step.event, known=known)
        for name, value in step.fields:
            self._wanted(value, types.get(name, UNKNOWN))

    # ------------------------------------------------------------ conditions

    def _condition(self, phrase: model.Phrase) -> Learned:
        match phrase:
            case model.Not():
                inner = self._condition(phrase.condition)
                return Learned(inner.when_false, inner.when_true)
            case model.Logic():
                return self._logic(phrase)
            case model.Compare():
                self._compare(phrase)
                return Learned()
            case model.Reported():
                if phrase.fact not in self.fact_names:
                    self.mistakes.add(phrase.place, "not_fact", name=phrase.fact)
                return Learned(frozenset({phrase.fact}))
        spec = self._value(phrase)
        if spec not in (BOOL, UNKNOWN):
            self.mistakes.add(phrase.place, "not_condition", found=self.language.type(spec))
        return Learned()

    def _logic(self, phrase: model.Logic) -> Learned:
        before, gathered, leaving = self.known, _NONE, list[Facts]()
        for part in phrase.conditions:
            learned = self._condition(part)
            on, off = learned if phrase.word == "and" else (learned.when_false, learned.when_true)
            leaving.append(gathered | off)
            gathered |= on
            self.known |= on
        self.known = before
        shared = leaving[0].intersection(*leaving[1:])
        return Learned(gathered, shared) if phrase.word == "and" else Learned(shared, gathered)

    def _compare(self, phrase: model.Compare) -> None:
        left, right = self._side(phrase, phrase.left), self._side(phrase, phrase.right)
        if phrase.sign == "in":
            if UNKNOWN not in (left, right) and (right.name != "list" or not fits(left, right.items[0])):
                self._apart(phrase, COMPARING["in"], left, right)
            return
        if UNKNOWN in (left, right):
            return
        if find_comparison(phrase.sign, left, right) is None:
            self._apart(phrase, COMPARING[phrase.sign], left, right)
            return
        of_moments = left == TIME and phrase.sign in OF_MOMENTS.values()
        if of_moments:
            self.moments.append(phrase.place)
        if phrase.of_moments is not None and phrase.of_moments != of_moments:
            self._wrong_words(phrase, left, of_moments)

    def _wrong_words(self, phrase: model.Compare, kind: TypeSpec, of_moments: bool) -> None:
        place = self.language.place
        if of_moments:
            known = ", ".join(f"`{COMPARING[word][place]}`" for word in OF_MOMENTS)
            self.mistakes.add(phrase.place, "moments", known=known)
        else:
            used = next(word for word, sign in OF_MOMENTS.items() if sign == phrase.sign)
            known = f"`{COMPARING[phrase.sign][place]}`"
            word, shown = COMPARING[used][place], self.language.type(kind)
            self.mistakes.add(phrase.place, "not_moments", word=word, kind=shown, known=known)

    def _side(self, phrase: model.Compare, side: model.Phrase) -> TypeSpec:
        """One side of a comparison; in a rule's condition only there `now` may stand, alone."""
        if isinstance(side, model.Word) and side.word == "now" and phrase.sign in OF_MOMENTS.values():
            return TIME
        return self._value(side)

    # ------------------------------------------------------------ values

    def _wanted(self, phrase: model.Phrase, wanted: TypeSpec) -> None:
        spec = self._value(phrase)
        if not fits(spec, wanted):
            kinds = {"wanted": self.language.type(wanted), "found": self.language.type(spec)}
            self.mistakes.add(phrase.place, "want_kind", **kinds)

    def _value(self, phrase: model.Phrase) -> TypeSpec:
        match phrase:
            case model.Number():
                return INT
            case model.Text():
                return STR
            case model.Truth():
                return BOOL
            case model.Length():
                return SPAN
            case model.Name():
                return self._name(phrase)
            case model.Word():
                return self._word(phrase)
            case model.Operation():
                return self._operation(phrase)
            case model.Function():
                return self._function(phrase)
        self.mistakes.add(phrase.place, "condition_here")
        return UNKNOWN

    def _name(self, phrase: model.Name) -> TypeSpec:
        name = phrase.name
        if name in self.fact_names and name not in self.known:
            word = self.language.word(COMPARING, "reported")
            self.mistakes.add(phrase.place, "fact_unknown", name=name, word=word)
        spec = self.locals.get(name, self.members.get(name, NONE))
        if spec == NONE:
            values = [*(name for name, kind in self.members.items() if kind != NONE), *self.locals]
            known = self.mistakes.listed(values)
            self.mistakes.add(phrase.place, "unknown_name", name=name, known=known)
            return UNKNOWN
        return spec

    def _word(self, phrase: model.Word) -> TypeSpec:
        word = self.language.word(NAMED, phrase.word)
        if phrase.word == "caller":
            if not self.signed:
                self.mistakes.add(phrase.place, "nobody_acts", word=word)
            return PARTY
        if self.in_case:
            after = self.language.word(COMPARING, "after")
            self.mistakes.add(phrase.place, "now_compared", word=word, after=after)
        return TIME

    def _operation(self, phrase: model.Operation) -> TypeSpec:
        left, right = self._value(phrase.left), self._value(phrase.right)
        if UNKNOWN in (left, right):
            return UNKNOWN
        word = COMPUTING[phrase.sign]
        if phrase.sign == "of":
            found = find_method("of", (left, right)) if left == PERCENT else None
            if found is None:
                self.mistakes.add(phrase.place, "of_kind", word=word[self.language.place])
        else:
            found = find_binary(phrase.sign, left, right)
            if found is None:
                self._apart(phrase, word, left, right)
        return UNKNOWN if found is None else found.result

    def _function(self, phrase: model.Function) -> TypeSpec:
        types = [self._value(operand) for operand in phrase.operands]
        if UNKNOWN in types:
            return UNKNOWN
        if phrase.function == "held":
            result = MONEY if [spec.name for spec in types] == ["Instance"] else None
        else:
            found = find_function(phrase.function, types)
            result = None if found is None else found.result
        if result is None:
            word = FUNCTIONS[phrase.function][self.language.place]
            kinds = self.mistakes.listed([self.language.type(spec) for spec in types])
            self.mistakes.add(phrase.place, "function_kinds", word=word, kinds=kinds)
            return UNKNOWN
        return result

    def _apart(
        self,
        phrase: model.Compare | model.Operation,
        pair: tuple[str, str],
        left: TypeSpec,
        right: TypeSpec,
    ) -> None:
        kinds = {"left": self.language.type(left), "right": self.language.type(right)}
        self.mistakes.add(phrase.place, "kinds", word=pair[self.language.place], **kinds)
