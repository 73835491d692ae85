"""Reads what a contract's class declares beside its methods: phases, terms, facts, variables, tables."""

from __future__ import annotations

import re

from contracts.language import syntax
from contracts.language.declarations import documentation, in_words
from contracts.language.limits import DEFINITIONS_MAX, ORACLES_MAX
from contracts.language.reader import Reader
from contracts.language.syntax import called_name
from contracts.language.types import CALL, INT, MEDIANS, PERCENT, SIGNERS, SPAN, TIME, UNKNOWN
from contracts.program import FactSpec, FieldSpec, TermSpec, TypeSpec

_PHASE = re.compile(r"[a-z][a-z0-9 _-]{0,39}\Z")


class MemberReader(Reader):
    """Reads the class line by line; facts last, because they name terms."""

    def read(self, node: syntax.Class) -> None:
        self.declared.name = node.name
        self.declared.text = documentation(node.body) or in_words(node.name)
        if len(node.body) > DEFINITIONS_MAX:
            self.problems.add(node.body[-1].place, f"a class has at most {DEFINITIONS_MAX} definitions")
        facts: list[syntax.Assign] = []
        for statement in node.body:
            if isinstance(statement, syntax.Assign) and isinstance(statement.target, syntax.Name):
                if called_name(statement.value) == "fact":
                    facts.append(statement)
                else:
                    self._member(statement, statement.target)
            elif not isinstance(statement, syntax.Function | syntax.Pass | syntax.Documentation):
                self.problems.add(
                    statement.place, "a class holds declarations and methods: move this into one"
                )
        for statement in facts:
            if isinstance(statement.target, syntax.Name):
                self._member(statement, statement.target)

    def _member(self, statement: syntax.Assign, target: syntax.Name) -> None:
        name, annotation, value = target.name, statement.annotation, statement.value
        form = called_name(value)
        if form == "phases" and isinstance(value, syntax.Call):
            self._phases(target, value)
            return
        self.check_public(target.place, name)
        if not self.is_new_member(target.place, name):
            return
        if annotation is None or value is None or statement.sign != "=":
            self.problems.add(
                statement.place,
                f"give `{name}` a type and a value, as in `{name}: int = 0` or `{name}: Party = term()`",
            )
        elif form == "term" and isinstance(value, syntax.Call):
            self.declared.terms[name] = self._term(name, annotation, value)
        elif form == "fact" and isinstance(value, syntax.Call):
            self.declared.facts[name] = self._fact(name, annotation, value)
        elif form == "table" and isinstance(value, syntax.Call):
            self.named_arguments(value, "table", ())
            self.declared.fields[name] = FieldSpec(name, self.annotations.table(annotation), None)
        else:
            spec = self.annotations.read(annotation)
            initial = self.constants.value_of(value, spec) if spec is not UNKNOWN else None
            self.declared.fields[name] = FieldSpec(name, spec, initial)

    def _phases(self, target: syntax.Name, node: syntax.Call) -> None:
        if target.name != "phase" or self.declared.has_phases or node.named or not node.arguments:
            self.problems.add(target.place, 'declare phases once, as in `phase = phases("open", "closed")`')
            return
        names = [self.text(argument) for argument in node.arguments]
        for argument, name in zip(node.arguments, names, strict=True):
            if not _PHASE.match(name) or names.count(name) > 1:
                self.problems.add(
                    argument.place, "a phase is a short text in small letters, unlike the others"
                )
        self.declared.phases, self.declared.has_phases = tuple(names), True

    def _term(self, name: str, annotation: syntax.Expression, node: syntax.Call) -> TermSpec:
        spec = self.annotations.read(annotation)
        named = self.named_arguments(node, "term", ("signs", "guards", "default"))
        signing, guards = self.flag(named, "signs"), self.flag(named, "guards")
        if (signing or guards) and spec not in SIGNERS:
            self.problems.add(annotation.place, "only a Party or a list[Party] can sign or guard")
        default = named.get("default")
        if default is None:
            return TermSpec(name, spec, signing, False, None, guards)
        if spec == PERCENT and isinstance(default, syntax.Literal):
            return TermSpec(name, spec, signing, True, self.constants.percent(default)[1], guards)
        return TermSpec(name, spec, signing, True, self.constants.value_of(default, spec), guards)

    def _fact(self, name: str, annotation: syntax.Expression, node: syntax.Call) -> FactSpec:
        spec = self.annotations.scalar(annotation)
        named = self.named_arguments(node, "fact", ("by", "max_age", "quorum", "agree"))
        reporter = ""
        if "by" in named:
            reporter = self.account_term(named["by"].place, self.text(named["by"]), reports=True)
        else:
            self.problems.add(node.place, 'say which term reports the fact, as in `fact(by="carrier")`')
        if spec.name == "Optional" or spec == CALL:
            self.problems.add(annotation.place, "a fact that is reported is a value: leave out `| None`")
        quorum, agree = self._quorum(spec, reporter, named)
        max_age = named.get("max_age")
        if max_age is None:
            return FactSpec(name, spec, reporter, None, quorum, agree)
        age = self.constants.value_of(max_age, SPAN)
        if spec not in (TIME, UNKNOWN):
            self.problems.add(max_age.place, "only a fact that is a Time has an age")
        if type(age) is int and age <= 0:
            self.problems.add(max_age.place, "the age must be longer than nothing")
        return FactSpec(name, spec, reporter, age, quorum, agree)

    def _quorum(
        self, spec: TypeSpec, reporter: str, named: dict[str, syntax.Expression]
    ) -> tuple[int | str | None, str]:
        """How many of several must report, and whether they have to say the same."""
        node, agree_node = named.get("quorum"), named.get("agree")
        agree = self.text(agree_node) if agree_node else "equal"
        if agree_node and agree not in ("equal", "median"):
            self.problems.add(agree_node.place, '`agree` is "equal" or "median"')
        if agree_node and agree == "median" and spec not in (*MEDIANS, UNKNOWN):
            self.problems.add(agree_node.place, f"there is no middle one of {spec}: leave out `agree`")
        if node is None:
            if agree_node:
                self.problems.add(agree_node.place, "say how many must report: quorum=3")
            return None, agree
        term = self.declared.terms.get(reporter)
        if term is not None and term.type.name != "list":
            self.problems.add(node.place, f"the term `{reporter}` is one account: make it list[Oracle]")
        if isinstance(node, syntax.Literal) and isinstance(node.value, str):
            counted = self.declared.terms.get(node.value)
            if counted is None or counted.type != INT:
                self.problems.add(node.place, f"`{node.value}` is no term of this contract that is an int")
            return node.value, agree
        number = self.constants.value_of(node, INT)
        if type(number) is not int or not 1 <= number <= ORACLES_MAX:
            self.problems.add(node.place, f"the quorum is a number from 1 to {ORACLES_MAX}, or an int term")
            return None, agree
        return number, agree
