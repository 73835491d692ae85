"""How a system contract describes and dispatches its actions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from consensus.transactions import Json
from contracts.errors import Revert
from contracts.program import Value

if TYPE_CHECKING:
    from contracts.execution import Run

SYSTEM_NAMES = ("accounts", "contracts", "members")
"""The names of all system contracts."""


@dataclass(frozen=True, slots=True)
class SystemAction:
    """One action: what it does in words, its arguments, and the function that performs it."""

    text: str
    required: tuple[str, ...]
    perform: Callable[[Run, Mapping[str, Any]], Value]
    optional: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SystemContract:
    """A native contract."""

    name: str
    text: str
    actions: Mapping[str, SystemAction]

    def call(self, run: Run, action: str, arguments: Mapping[str, Json]) -> Value:
        """Perform an action. Raises: Revert."""
        known = self.actions.get(action)
        if known is None:
            raise refusal("unknown", f"{self.name} has no action {action}; it has {', '.join(self.actions)}")
        if not set(known.required) <= arguments.keys() <= {*known.required, *known.optional}:
            optional = f", and may have {', '.join(known.optional)}" if known.optional else ""
            raise refusal("arguments", f"{action} needs the arguments {', '.join(known.required)}{optional}")
        return known.perform(run, arguments)


def refusal(code: str, text: str) -> Revert:
    """A Revert that charges only for what ran."""
    return Revert(code, text, consumes_all=False)


def text_argument(arguments: Mapping[str, Json], name: str) -> str:
    """Raises: Revert("arguments")."""
    value = arguments[name]
    if type(value) is not str:
        raise refusal("arguments", f"{name} must be text")
    return value
