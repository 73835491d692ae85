"""The types of the language and how they relate.

A type is a `TypeSpec`, the same that a compiled contract shows to the world.
"""

from __future__ import annotations

from contracts.program import TypeSpec

INT, BOOL, STR, BYTES = TypeSpec("int"), TypeSpec("bool"), TypeSpec("str"), TypeSpec("bytes")
MONEY, TIME, SPAN, PERCENT = TypeSpec("Money"), TypeSpec("Time"), TypeSpec("Span"), TypeSpec("Percent")
PARTY, ORACLE, INSTANCE = TypeSpec("Party"), TypeSpec("Oracle"), TypeSpec("Instance")
NONE = TypeSpec("None")
UNKNOWN = TypeSpec("?")
"""The type of what is wrong already: it fits everywhere, so that one mistake is told once."""

SCALARS = {
    spec.name: spec for spec in (INT, BOOL, STR, BYTES, MONEY, TIME, SPAN, PERCENT, PARTY, ORACLE, INSTANCE)
}
NAMES = (PARTY, ORACLE, INSTANCE)
KEYS = (INT, STR, BYTES, PARTY, ORACLE, INSTANCE)
"""What a dict or Table may be keyed by."""
ORDERED = (INT, STR, BYTES, TIME, SPAN, PERCENT)
"""What `<` compares as Python does; Money needs a check of the currency first."""
NEVER_FALSE = (TIME, PARTY, ORACLE, INSTANCE)
"""Types of facts for which `if self.fact` can only mean that it is reported."""


def list_of(item: TypeSpec) -> TypeSpec:
    """list[item]."""
    return TypeSpec("list", (item,))


def dict_of(key: TypeSpec, value: TypeSpec) -> TypeSpec:
    """dict[key, value]."""
    return TypeSpec("dict", (key, value))


def is_scalar(spec: TypeSpec) -> bool:
    """True for what is not made of parts; Money counts as one."""
    return spec.name in SCALARS


def is_container(spec: TypeSpec) -> bool:
    """True for a list and a dict."""
    return spec.name in ("list", "dict")


def fits(given: TypeSpec, wanted: TypeSpec) -> bool:
    """True when a value of type `given` may stand where `wanted` is expected: an Oracle is a Party too."""
    return given == wanted or UNKNOWN in (given, wanted) or (given, wanted) == (ORACLE, PARTY)


ACCOUNTS = (PARTY, ORACLE, list_of(PARTY), list_of(ORACLE), UNKNOWN)
"""What a term may be that says who may do something."""
SIGNERS = (PARTY, list_of(PARTY), UNKNOWN)
"""What a term may be whose accounts sign."""
