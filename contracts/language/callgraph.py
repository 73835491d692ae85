"""Who calls whom: no method reaches itself, chains of calls are short, and what a method may do holds for
everything that it calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from contracts.language.limits import CALL_DEPTH_MAX
from contracts.language.problems import Place, Problems
from contracts.language.tree import CLOCK, SIGNERS, WRITES


@dataclass(frozen=True, slots=True)
class Caller:
    """A method with its own effects and the methods that it calls: (place, name, in a rule's condition)."""

    kind: str
    place: Place
    effects: frozenset[str]
    calls: tuple[tuple[Place, str, bool], ...]


_REFUSED = {
    (
        "migrate",
        SIGNERS,
    ): "a migration is carried out by the chain: there is no sender(), no take and no move",
    ("query", WRITES): "a query changes nothing: make it an @action, or leave the change out",
    ("query", SIGNERS): "a query has no sender: give it a parameter",
    (
        "rule",
        SIGNERS,
    ): "a rule fires by itself: nobody has signed, so there is no sender(), no take and no move",
    (
        "on",
        SIGNERS,
    ): "an event comes by itself: nobody has signed, so there is no sender(), no take and no move",
}


def check_calls(callers: Mapping[str, Caller], problems: Problems) -> None:
    """Tells of recursion, of chains that are too long, and of effects where they may not be."""
    graph = _Graph(callers, problems)
    for name, caller in callers.items():
        reached = graph.effects(name)
        if graph.depth[name] > CALL_DEPTH_MAX:
            problems.add(
                caller.place, f"`{name}` calls methods more than {CALL_DEPTH_MAX} deep: join some of them"
            )
        for effect in sorted(reached):
            if (caller.kind, effect) in _REFUSED:
                problems.add(caller.place, _REFUSED[caller.kind, effect])
        for place, callee, in_condition in caller.calls:
            if in_condition:
                _check_condition(place, graph.effects(callee), problems)


def _check_condition(place: Place, effects: frozenset[str], problems: Problems) -> None:
    if WRITES in effects:
        problems.add(place, "a rule's condition changes nothing: this method does")
    if CLOCK in effects:
        problems.add(place, "this method asks now(): compare now() in the rule's condition itself")


class _Graph:
    """Effects and depth of every method, by a walk that visits each once."""

    def __init__(self, callers: Mapping[str, Caller], problems: Problems) -> None:
        self.callers = callers
        self.problems = problems
        self.depth: dict[str, int] = {}
        self.found: dict[str, frozenset[str]] = {}

    def effects(self, root: str) -> frozenset[str]:
        """What a method does by itself or through others."""
        open_, waiting = {root}, [root]
        while waiting:
            name = waiting[-1]
            unknown = (
                (place, callee) for place, callee, _ in self.callers[name].calls if callee not in self.found
            )
            place, callee = next(unknown, (None, ""))
            if name in self.found or place is None:
                waiting.pop()
                open_.discard(name)
                self._settle(name)
            elif callee in open_:
                self.problems.add(place, f"`{callee}` calls itself again through this: use a loop")
                self.found[callee], self.depth[callee] = frozenset(), 1
            else:
                open_.add(callee)
                waiting.append(callee)
        return self.found[root]

    def _settle(self, name: str) -> None:
        """All that a method calls is known: now it is, too."""
        if name not in self.found:
            callees = [callee for _, callee, _ in self.callers[name].calls]
            self.found[name] = self.callers[name].effects.union(*(self.found[callee] for callee in callees))
            self.depth[name] = 1 + max((self.depth[callee] for callee in callees), default=0)
