"""A compiled contract: generated code with its runtime, run against a host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from types import CodeType
from typing import Any

from consensus.errors import ensure
from contracts.errors import Revert
from contracts.gas import ENTRY
from contracts.host import Host, Meter
from contracts.language import runtime_containers, runtime_decimals, runtime_values
from contracts.program import (
    ActionSpec,
    BranchState,
    EventSpec,
    FactSpec,
    FieldSpec,
    HandlerSpec,
    InterfaceSpec,
    MigrationSpec,
    QuerySpec,
    RuleSpec,
    RuleState,
    TermSpec,
    Value,
)
from contracts.values import MS_MAX, Money, escrow_account

FILE_NAME = "<contract>"
"""What the frames of generated code call their file."""

_FAULTS: dict[type[BaseException], tuple[str, str]] = {
    IndexError: ("index", "an index is outside of its list or text"),
    KeyError: ("key", "the dict has no such key"),
    ZeroDivisionError: ("division", "an integer is divided by zero"),
}
_SHARED = (list, dict, tuple)
_NAMES: dict[str, Any] = {
    name: helper
    for module in (runtime_values, runtime_containers, runtime_decimals)
    for name, helper in vars(module).items()
    if getattr(helper, "__module__", "") == module.__name__
} | {
    "HIGH": runtime_values.HIGH,
    "LOW": runtime_values.LOW,
    "MS_MAX": MS_MAX,
    "Money": Money,
    "escrow_account": escrow_account,
    "abs": abs,
    "len": len,
    "max": max,
    "min": min,
    "__builtins__": {},
}
"""All that generated code can name."""


@dataclass(eq=False)
class CompiledContract:
    """A `contracts.program.Program`.

    Invariant: generated code reaches only the host, its meter and the helpers of the language.
    """

    code_hash: bytes
    source: str
    name: str
    text: str
    phases: tuple[str, ...]
    terms: tuple[TermSpec, ...]
    fields: tuple[FieldSpec, ...]
    facts: tuple[FactSpec, ...]
    actions: tuple[ActionSpec, ...]
    rules: tuple[RuleSpec, ...]
    queries: tuple[QuerySpec, ...]
    handlers: tuple[HandlerSpec, ...]
    interfaces: tuple[InterfaceSpec, ...]
    events: tuple[EventSpec, ...]
    migration: MigrationSpec | None
    is_currency: bool
    code: CodeType = field(repr=False, compare=False)
    _rules: dict[str, RuleSpec] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._rules.update((rule.name, rule) for rule in self.rules)

    @cached_property
    def _functions(self) -> dict[str, Callable[..., Any]]:
        """Made where one is called: who only looks at a contract runs nothing of it."""
        names = dict(_NAMES)
        exec(self.code, names)  # noqa: S102 - our own generated text, no token of it is the author's
        return names

    def run_action(self, name: str, host: Host, arguments: Sequence[Value]) -> Value:
        return self._enter(f"f_{name}", host, arguments)

    def run_handler(self, name: str, host: Host, arguments: Sequence[Value]) -> None:
        self._enter(f"f_{name}", host, arguments)

    def run_query(self, name: str, host: Host, arguments: Sequence[Value]) -> Value:
        return self._enter(f"f_{name}", host, arguments)

    def run_rule(self, name: str, host: Host) -> int | None:
        rule = self._rules[name]
        if rule.phases and host.get_phase() not in rule.phases:
            return None
        host.meter.spend(ENTRY)
        for index in range(len(rule.branches)):
            if self._call(f"c_{name}_{index}", host, host.wake):
                self._call(f"b_{name}_{index}", host)
                return index
        return None

    def run_migration(self, host: Host, arguments: Sequence[Value]) -> None:
        spec = self.migration
        ensure(spec is not None, f"{self.name} has no migration")
        self._enter(f"f_{spec.name if spec else ''}", host, arguments)

    def inspect_rule(self, name: str, host: Host) -> RuleState:
        rule = self._rules[name]
        holds: list[bool | None] = [None] * len(rule.branches)
        wakes: list[int] = []
        in_phase = not rule.phases or host.get_phase() in rule.phases
        with suppress(Revert):
            for index in range(len(rule.branches)):
                holds[index] = self._call(f"c_{name}_{index}", host, wakes.append)
                if holds[index]:
                    break
        states = tuple(
            BranchState(
                branch.condition,
                held,
                self._leaves(name, index, host) if branch.part.word or held is None else (held,),
            )
            for index, (branch, held) in enumerate(zip(rule.branches, holds, strict=True))
        )
        return RuleState(name, in_phase, states, min(wakes, default=None))

    def _leaves(self, name: str, index: int, host: Host) -> tuple[bool | None, ...]:
        """What each part of a condition comes to by itself; None where it asks for what is not there."""
        found: list[bool | None] = []
        count = len(self._rules[name].branches[index].part.leaves())
        for place in range(count):
            function = f"p_{name}_{index}_{place}" if count > 1 else f"c_{name}_{index}"
            found.append(None)
            with suppress(Revert):
                found[-1] = self._call(function, host, _no_wake)
        return tuple(found)

    def _enter(self, name: str, host: Host, arguments: Sequence[Value]) -> Value:
        meter = host.meter
        meter.gas = left = meter.gas - ENTRY  # as `spend` does, for the shortest way in
        if left < 0:
            meter.out_of_gas()
        for value in arguments:
            if type(value) in _SHARED:
                return self._call(name, host, *(_own(meter, each) for each in arguments))
        return self._call(name, host, *arguments)

    def _call(self, name: str, host: Host, *arguments: Any) -> Any:
        try:
            return self._functions[name](host, host.meter, *arguments)
        except (IndexError, KeyError, ZeroDivisionError) as error:
            if not _raised_by_contract(error):
                raise
            code, text = _FAULTS[type(error)]
            raise Revert(code, text) from None


def _own(meter: Meter, value: Value) -> Value:
    """A list, dict or record as a copy, so that nobody changes it behind the caller or the called."""
    return runtime_containers.settle(meter, value) if type(value) in _SHARED else value


def _no_wake(_: int) -> None:
    """Who looks is not woken."""


def _raised_by_contract(error: BaseException) -> bool:
    """True when generated code itself failed; a fault within the host or a helper is ours and goes on."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code.co_filename == FILE_NAME
