"""The words of the language: what each name means before an author defines any."""

from __future__ import annotations

from contracts.language.operations import FUNCTION_NAMES, LEDGER
from contracts.language.types import ROUNDING, SCALARS, SPAN
from contracts.program import TypeSpec
from contracts.values import CEILING, DAY, FLOOR, HALF_EVEN, HALF_UP, HOUR, MINUTE, SECOND

UNITS: dict[str, tuple[TypeSpec, int]] = {
    "MILLISECOND": (SPAN, 1),
    "SECOND": (SPAN, SECOND),
    "MINUTE": (SPAN, MINUTE),
    "HOUR": (SPAN, HOUR),
    "DAY": (SPAN, DAY),
    "WEEK": (SPAN, 7 * DAY),
    "FLOOR": (ROUNDING, FLOOR),
    "CEILING": (ROUNDING, CEILING),
    "HALF_UP": (ROUNDING, HALF_UP),
    "HALF_EVEN": (ROUNDING, HALF_EVEN),
}
"""Constants that every contract knows."""
DECORATORS = ("action", "query", "rule", "on", "migrate")
DECLARATIONS = ("term", "phases", "fact", "table")
BASES = ("Contract", "Event", "Interface", "Record")
FORMS = ("emit", "reported", "range", "replace")
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
    {
        *UNITS,
        *DECORATORS,
        *DECLARATIONS,
        *BASES,
        *FORMS,
        *FUNCTION_NAMES,
        *SCALARS,
        "Table",
        "Optional",
        *_PYTHON_OWN,
    }
)
"""Names that an author cannot define anew."""
IMPORTABLE = WORDS - _PYTHON_OWN - {"Optional"}
"""Names that `from contracts import ...` offers."""
MODULES = ("contracts", "contracts.lang")
ENGINE_ACTIONS = frozenset({"report"})
"""Actions that the engine gives every instance; no method can have their name."""
