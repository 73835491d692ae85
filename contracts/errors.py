"""What can go wrong in a contract, and whose fault it is.

A `Revert` is an outcome: it undoes its transaction and becomes a receipt. A `ContractError` refuses
source text, with the place of every mistake. Anything else that escapes the engine is a fault of ours
and stops the node.
"""

from __future__ import annotations

from dataclasses import dataclass


class ExecutionError(Exception):
    """Root of the errors of the execution core."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a contract's source: `line` from 1, `column` from 1, and what to write instead."""

    line: int
    column: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.text}"


class ContractError(ExecutionError):
    """Source text that is no contract; `problems` is not empty and sorted by place."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


class Revert(ExecutionError):
    """Undoes the transaction. `code` is stable and machine readable; `text` is for the person.

    `code` is one of: require, unauthorised, phase, unknown, arguments, funds, overflow, index, key,
    division, size, schema, fact, exists, none, interface, gas, allocation, depth, rules, currency,
    readonly, contract_error, paused. (A receipt may also say expired, expiry_too_far or unauthorised: then
    it was not executed at all.)
    `consumes_all` says that the whole gas limit is used (out of gas and runtime faults), not only
    what ran.
    """

    def __init__(self, code: str, text: str, *, consumes_all: bool = True) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.consumes_all = consumes_all


class InvalidCard(ExecutionError):
    """A member's card that says what no card may say, or that its keys did not sign."""


class ProofError(ExecutionError):
    """A proof that does not prove what it claims."""


class UnsupportedVersion(ExecutionError):
    """The chain needs a version of execution that this node does not have: it must not go on."""


class StateCorruption(ExecutionError):
    """Stored state contradicts itself or its root: the node must stop."""
