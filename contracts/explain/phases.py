"""How an instance moves from phase to phase: which action or rule leads where."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from contracts.language import syntax
from contracts.language.declarations import Declarations, Signature
from contracts.language.syntax import own_name


class Transition(NamedTuple):
    """One way from a phase to another; `branch` is that of a rule, from 0, and None for an action."""

    source: str
    target: str
    method: str
    branch: int | None


def transitions(declared: Declarations) -> Iterator[Transition]:
    """Every way that the source has, in its order; whether a condition can come true is not looked at."""
    for method in declared.methods.values():
        for branch, body in _bodies(method):
            targets = list(dict.fromkeys(_targets(body, declared, ())))
            for source in method.phases or declared.phases:
                for target in targets:
                    if target != source:
                        yield Transition(source, target, method.name, branch)


def _bodies(method: Signature) -> Iterator[tuple[int | None, syntax.Block]]:
    if method.kind in ("action", "on"):
        yield None, method.node.body
    elif method.kind == "rule":
        for statement in method.node.body:
            if isinstance(statement, syntax.If):
                yield from ((index, test.body) for index, test in enumerate(statement.tests))


def _targets(body: syntax.Block, declared: Declarations, within: tuple[str, ...]) -> Iterator[str]:
    """The phases that a block sets, also by the methods that it calls."""
    for part in _parts(body):
        if isinstance(part, syntax.Assign) and own_name(part.target) == "phase":
            if isinstance(part.value, syntax.Literal) and isinstance(part.value.value, str):
                yield part.value.value
        elif isinstance(part, syntax.Call):
            name = own_name(part.function)
            method = declared.methods.get(name or "")
            if method is not None and name not in within:
                yield from _targets(method.node.body, declared, (*within, method.name))


def _parts(body: object) -> Iterator[object]:
    """All statements and expressions within a block, in the order of the source."""
    waiting = [body]
    while waiting:
        part = waiting.pop()
        if isinstance(part, tuple):
            waiting.extend(reversed(part))
        elif isinstance(part, syntax.Statement | syntax.Expression | syntax.Test):
            yield part
            waiting.extend(
                getattr(part, name) for kind in reversed(type(part).__mro__) for name in _slots(kind)[::-1]
            )


def _slots(kind: type) -> tuple[str, ...]:
    return tuple(getattr(kind, "__slots__", ()))
