"""The words of the language: what each name means before an author defines any."""

from __future__ import annotations

from contracts.language.operations import FUNCTION_NAMES, LEDGER
from contracts.language.types import SCALARS, SPAN
from contracts.program import TypeSpec
from contracts.values import DAY, HOUR, MINUTE, SECOND

UNITS: dict[str, tuple[TypeSpec, int]] = {
    "SECOND": (SPAN, SECOND),
    "MINUTE": (SPAN, MINUTE),
    "HOUR": (SPAN, HOUR),
    "DAY": (SPAN, DAY),
    "WEEK": (SPAN, 7 * DAY),
}
"""Constants that every contract knows."""
DECORATORS = ("action", "query", "rule")
DECLARATIONS = ("term", "phases", "fact", "table")
BASES = ("Contract", "Event")
FORMS = ("emit", "reported", "range")
"""Called like functions, with an argument of a form of its own."""
SELF_NAMES = frozenset({*LEDGER, "currency", "phase", "self"})
"""What `self.` means in every contract, and `self`."""
# fmt: off
_PYTHON_OWN = frozenset({
    "abs", "bool", "bytes", "dict", "int", "len", "list", "max", "min", "range", "sorted", "str", "sum",
    "tuple",
})
# fmt: on
WORDS = frozenset(
    {*UNITS, *DECORATORS, *DECLARATIONS, *BASES, *FORMS, *FUNCTION_NAMES, *SCALARS, "Table", *_PYTHON_OWN}
)
"""Names that an author cannot define anew."""
IMPORTABLE = WORDS - _PYTHON_OWN
"""Names that `from contracts import ...` offers."""
MODULES = ("contracts", "contracts.lang")
ENGINE_ACTIONS = frozenset({"report"})
"""Actions that the engine gives every instance; no method can have their name."""
