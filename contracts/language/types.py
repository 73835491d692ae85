"""The types of the language and how they relate.

A type is a `TypeSpec`, the same that a compiled contract shows to the world.
"""

from __future__ import annotations

from contracts.program import TypeSpec

INT, BOOL, STR, BYTES = TypeSpec("int"), TypeSpec("bool"), TypeSpec("str"), TypeSpec("bytes")
MONEY, TIME, SPAN, PERCENT = TypeSpec("Money"), TypeSpec("Time"), TypeSpec("Span"), TypeSpec("Percent")
DECIMAL, CALL = TypeSpec("Decimal"), TypeSpec("Call")
PARTY, ORACLE, INSTANCE = TypeSpec("Party"), TypeSpec("Oracle"), TypeSpec("Instance")
NONE = TypeSpec("None")
ROUNDING = TypeSpec("Rounding")
"""A way of rounding: stands as an argument only."""
UNKNOWN = TypeSpec("?")
"""The type of what is wrong already: it fits everywhere, so that one mistake is told once."""

SCALARS = {
    spec.name: spec
    for spec in (INT, BOOL, STR, BYTES, MONEY, TIME, SPAN, PERCENT, DECIMAL, CALL, PARTY, ORACLE, INSTANCE)
}
NAMES = (PARTY, ORACLE, INSTANCE)
KEYS = (INT, STR, BYTES, PARTY, ORACLE, INSTANCE)
"""What a dict or Table may be keyed by."""
ORDERED = (INT, STR, BYTES, TIME, SPAN, PERCENT, DECIMAL)
"""What `<` compares as Python does; Money needs a check of the currency first."""
MEDIANS = (INT, TIME, SPAN, PERCENT, DECIMAL)
"""Types of facts of which there is a middle one."""
NEVER_FALSE = (TIME, PARTY, ORACLE, INSTANCE)
"""Types of facts for which `if self.fact` can only mean that it is reported."""


def list_of(item: TypeSpec) -> TypeSpec:
    """list[item]."""
    return TypeSpec("list", (item,))


def dict_of(key: TypeSpec, value: TypeSpec) -> TypeSpec:
    """dict[key, value]."""
    return TypeSpec("dict", (key, value))


def instance_of(interface: str) -> TypeSpec:
    """An Instance that is used by an interface of the source."""
    return TypeSpec("Instance", (TypeSpec(interface),))


def interface_of(spec: TypeSpec) -> str | None:
    """The interface by which an instance of this type is used."""
    return spec.items[0].name if spec.name == "Instance" and spec.items else None


def optional_of(inner: TypeSpec) -> TypeSpec:
    """inner | None."""
    return TypeSpec("Optional", (inner,))


def is_optional(spec: TypeSpec) -> bool:
    """True for what may be None."""
    return spec.name == "Optional"


def is_record(spec: TypeSpec) -> bool:
    """True for a record of the source."""
    return bool(spec.fields)


def is_scalar(spec: TypeSpec) -> bool:
    """True for what is not made of parts; Money counts as one."""
    return spec.name in SCALARS


def is_container(spec: TypeSpec) -> bool:
    """True for a list and a dict."""
    return spec.name in ("list", "dict")


def fits(given: TypeSpec, wanted: TypeSpec) -> bool:
    """True when a value of type `given` may stand where `wanted` is expected.

    An Oracle is a Party too, an instance with an interface is an Instance, and None is any optional value.
    """
    if given == wanted or UNKNOWN in (given, wanted) or (given, wanted) == (ORACLE, PARTY):
        return True
    if is_optional(wanted):
        return given == NONE or fits(given, wanted.items[0])
    return wanted == INSTANCE and given.name == "Instance"


SIGNERS = (PARTY, list_of(PARTY), UNKNOWN)
"""What a term may be whose accounts sign."""
_ACTING = ("Party", "Oracle", "Instance")


def is_acting(spec: TypeSpec, *, of_contracts: bool = False) -> bool:
    """True for what a term may be that says who may do something; `of_contracts`: where it is an instance."""
    inner = spec.items[0] if spec.name == "list" else spec
    return inner.name == "Instance" if of_contracts else inner == UNKNOWN or inner.name in _ACTING
