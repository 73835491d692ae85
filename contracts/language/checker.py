"""The checker: from a source to everything that is known about its contract, or to all its mistakes."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.language import syntax, tree
from contracts.language.callgraph import Caller, check_calls
from contracts.language.declarations import Declarations, first_line
from contracts.language.module_reader import read_declarations
from contracts.language.parser import parse
from contracts.language.problems import Problems
from contracts.language.statements import MethodChecker
from contracts.program import Branch, Part, RuleSpec


@dataclass(frozen=True, slots=True)
class Checked:
    """A contract without mistakes."""

    declared: Declarations
    methods: tuple[tree.Method, ...]
    rules: tuple[tree.Rule, ...]
    rule_specs: tuple[RuleSpec, ...]
    mints: bool


def check_source(source: str) -> Checked:
    """The contract that a source is. Raises: ContractError with every mistake found, sorted by place."""
    problems = Problems()
    declared = read_declarations(parse(source), problems)
    methods: list[tree.Method] = []
    rules: list[tree.Rule] = []
    callers: dict[str, Caller] = {}
    for signature in declared.methods.values():
        checker = MethodChecker(problems, declared, signature)
        if signature.kind == "rule":
            rules.append(checker.rule())
        else:
            methods.append(checker.method())
        place, effects = signature.node.place, frozenset(checker.effects)
        callers[signature.name] = Caller(signature.kind, place, effects, tuple(checker.calls))
    check_calls(callers, problems)
    problems.raise_if_any()
    mints = any(tree.MINTS in caller.effects for caller in callers.values())
    specs = tuple(_rule_spec(declared, rule) for rule in rules)
    return Checked(declared, tuple(methods), tuple(rules), specs, mints)


def _part(node: syntax.Expression, text: str) -> Part:
    if not isinstance(node, syntax.Logic):
        return Part(text)
    return Part(text, node.word, tuple(map(_part, node.operands, node.texts)))


def _rule_spec(declared: Declarations, rule: tree.Rule) -> RuleSpec:
    signature = declared.methods[rule.name]
    node = next(part for part in signature.node.body if isinstance(part, syntax.If))
    branches = tuple(
        Branch(
            test.text,
            tuple(step.text for step in test.body if step.text),
            test.condition.place.line,
            _part(test.condition, test.text),
        )
        for test in node.tests
    )
    return RuleSpec(
        rule.name, signature.phases, branches, first_line(signature.node), signature.node.place.line
    )
