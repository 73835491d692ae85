"""Every operator, function and method of the language: types, generated text, price and effects.

In the text `h` is the host, `m` the meter, {0}, {1} … the operands, and other names are those of
the modules `runtime_values` and `runtime_containers`. `_t` holds a sum until its range is known to be right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from contracts import gas
from contracts.language.tree import CLOCK, MINTS, SIGNERS, WRITES, Operation
from contracts.language.types import (
    BOOL,
    BYTES,
    CALL,
    DECIMAL,
    INSTANCE,
    INT,
    MONEY,
    NAMES,
    NONE,
    ORDERED,
    PARTY,
    PERCENT,
    ROUNDING,
    SCALARS,
    SPAN,
    STR,
    TIME,
    fits,
    is_container,
    list_of,
)
from contracts.program import TypeSpec

_ARGUMENTS_OF_MIN_MAX = range(2, 9)


def _in_range(text: str, spec: TypeSpec) -> str:
    if spec in (TIME, SPAN):
        return f"(_t if -MS_MAX <= (_t := {text}) <= MS_MAX else no_time())"
    return f"(_t if LOW <= (_t := {text}) <= HIGH else overflow())"


def operation(
    parameters: tuple[TypeSpec, ...], result: TypeSpec, text: str, price: int = gas.HELPER, *effects: str
) -> Operation:
    """An operation that costs a function call of ours, unless `price` says otherwise."""
    return Operation(parameters, result, text, price, frozenset(effects))


def _plain(sign: str, left: TypeSpec, right: TypeSpec, result: TypeSpec) -> Operation:
    return operation((left, right), result, _in_range(f"{{0}} {sign} {{1}}", result), 1)


def _divided(sign: str, left: TypeSpec, right: TypeSpec, result: TypeSpec) -> Operation:
    return operation((left, right), result, f"({{0}} {sign} {{1}})", 2)


_BINARY: dict[str, tuple[Operation, ...]] = {
    "+": (
        _plain("+", INT, INT, INT),
        operation((MONEY, MONEY), MONEY, "money_add({0}, {1})", gas.MONEY),
        _plain("+", TIME, SPAN, TIME),
        _plain("+", SPAN, TIME, TIME),
        _plain("+", SPAN, SPAN, SPAN),
        _plain("+", PERCENT, PERCENT, PERCENT),
        _plain("+", DECIMAL, DECIMAL, DECIMAL),
        operation((STR, STR), STR, "join(m, {0}, {1})", gas.TEXT),
        operation((BYTES, BYTES), BYTES, "join(m, {0}, {1})", gas.TEXT),
    ),
    "-": (
        _plain("-", INT, INT, INT),
        operation((MONEY, MONEY), MONEY, "money_subtract({0}, {1})", gas.MONEY),
        _plain("-", TIME, TIME, SPAN),
        _plain("-", TIME, SPAN, TIME),
        _plain("-", SPAN, SPAN, SPAN),
        _plain("-", PERCENT, PERCENT, PERCENT),
        _plain("-", DECIMAL, DECIMAL, DECIMAL),
    ),
    "*": (
        _plain("*", INT, INT, INT),
        operation((MONEY, INT), MONEY, "money_multiply({0}, {1})", gas.MONEY),
        operation((INT, MONEY), MONEY, "multiply_money({0}, {1})", gas.MONEY),
        _plain("*", SPAN, INT, SPAN),
        _plain("*", INT, SPAN, SPAN),
        _plain("*", PERCENT, INT, PERCENT),
        _plain("*", INT, PERCENT, PERCENT),
        _plain("*", DECIMAL, INT, DECIMAL),
        _plain("*", INT, DECIMAL, DECIMAL),
    ),
    "//": (
        _divided("//", INT, INT, INT),
        operation((MONEY, INT), MONEY, "money_divide({0}, {1})", gas.MONEY),
        _divided("//", SPAN, INT, SPAN),
        _divided("//", SPAN, SPAN, INT),
    ),
    "%": (_divided("%", INT, INT, INT), _divided("%", SPAN, SPAN, SPAN)),
    "**": (operation((INT, INT), INT, "power({0}, {1})", gas.PRODUCT),),
}
_NEGATIVE = {spec: operation((spec,), spec, "(-{0})", 0) for spec in (INT, SPAN, DECIMAL)}

_HASH = operation((BYTES,), BYTES, "sha256(m, {0})", gas.HASH)
FUNCTIONS: dict[str, tuple[Operation, ...]] = {
    "now": (operation((), TIME, "h.now_ms", 1, CLOCK),),
    "sender": (operation((), PARTY, "h.sender", 1, SIGNERS),),
    "this": (operation((), INSTANCE, "h.instance", 1),),
    "signed": (operation((PARTY,), BOOL, "h.is_signer({0})", gas.READ, SIGNERS),),
    "days_started": (operation((SPAN,), INT, "days_started({0})"),),
    "abs": tuple(operation((spec,), spec, "abs({0})", 2) for spec in (INT, SPAN, DECIMAL)),
    "sum": tuple(operation((list_of(spec),), spec, "total(m, {0})") for spec in (INT, DECIMAL)),
    "sorted": tuple(
        operation((list_of(spec),), list_of(spec), "in_order(m, {0})")
        for spec in (INT, STR, PARTY, TIME, DECIMAL)
    ),
    "str": (
        *(operation((spec,), STR, "text_of(m, {0})", gas.TEXT) for spec in (INT, STR, *NAMES)),
        operation((DECIMAL,), STR, "decimal_text(m, {0})", gas.TEXT + gas.CALENDAR),
    ),
    "sha256": (_HASH,),
    "verify": (operation((BYTES, BYTES, BYTES), BOOL, "h.verify({0}, {1}, {2})", gas.SIGNATURE),),
    "account_of": (operation((INSTANCE,), PARTY, "escrow_account({0})", gas.TEXT),),
    "perform": (operation((CALL,), NONE, "h.perform({0})", gas.CROSS, WRITES),),
    "Decimal": (operation((INT,), DECIMAL, "decimal_of({0})"),),
    "muldiv": (operation((INT, INT, INT), INT, "muldiv({0}, {1}, {2})", gas.PRODUCT),),
    "require": (operation((BOOL, STR), NONE, "(None if {0} else fail({1}))", 2),),
    "Money": (operation((INT, INSTANCE), MONEY, "money({0}, {1})", gas.MONEY),),
}
"""Functions with fixed types. `len`, `min` and `max` take many: see `find_function`."""

METHODS: dict[tuple[TypeSpec, str], tuple[Operation, ...]] = {
    (PERCENT, "of"): (
        operation((PERCENT, MONEY), MONEY, "share_of_money({0}, {1})", gas.MONEY),
        operation((PERCENT, INT), INT, "share_of_int({0}, {1})"),
        operation((PERCENT, MONEY, ROUNDING), MONEY, "percent_of_money({0}, {1}, {2})", gas.CALENDAR),
        operation((PERCENT, INT, ROUNDING), INT, "percent_of_int({0}, {1}, {2})", gas.CALENDAR),
    ),
    (DECIMAL, "of"): (
        operation((DECIMAL, MONEY, ROUNDING), MONEY, "decimal_of_money({0}, {1}, {2})", gas.CALENDAR),
        operation((DECIMAL, INT, ROUNDING), INT, "decimal_of_int({0}, {1}, {2})", gas.CALENDAR),
    ),
    (DECIMAL, "times"): (
        operation((DECIMAL, DECIMAL, ROUNDING), DECIMAL, "decimal_times({0}, {1}, {2})", gas.CALENDAR),
    ),
    (DECIMAL, "over"): (
        operation((DECIMAL, DECIMAL, ROUNDING), DECIMAL, "decimal_over({0}, {1}, {2})", gas.CALENDAR),
    ),
    (DECIMAL, "rounded"): (operation((DECIMAL, ROUNDING), INT, "decimal_rounded({0}, {1})", gas.CALENDAR),),
    (MONEY, "over"): (operation((MONEY, INT, ROUNDING), MONEY, "money_over({0}, {1}, {2})", gas.CALENDAR),),
    (TIME, "start_of_day"): (operation((TIME,), TIME, "start_of_day({0})"),),
    (TIME, "add_months"): (operation((TIME, INT), TIME, "add_months({0}, {1})", 2 * gas.CALENDAR),),
    (STR, "encode"): (operation((STR,), BYTES, "encode(m, {0})", gas.TEXT),),
    (BYTES, "hex"): (operation((BYTES,), STR, "to_hex(m, {0})", gas.TEXT),),
}
"""Methods of values; the value itself is the first operand."""

ATTRIBUTES: dict[tuple[TypeSpec, str], Operation] = {
    (MONEY, "amount"): operation((MONEY,), INT, "{0}[0]", 1),
    (MONEY, "currency"): operation((MONEY,), INSTANCE, "{0}[1]", 1),
    (CALL, "contract"): operation((CALL,), INSTANCE, "{0}[0]", 1),
    (CALL, "action"): operation((CALL,), STR, "{0}[1]", 1),
    (TIME, "ms"): operation((TIME,), INT, "{0}", 0),
    (SPAN, "ms"): operation((SPAN,), INT, "{0}", 0),
    (TIME, "year"): operation((TIME,), INT, "year_of({0})", gas.CALENDAR),
    (TIME, "month"): operation((TIME,), INT, "month_of({0})", gas.CALENDAR),
    (TIME, "day"): operation((TIME,), INT, "day_of({0})", gas.CALENDAR),
    (TIME, "weekday"): operation((TIME,), INT, "weekday({0})"),
}

LEDGER: dict[str, tuple[Operation, ...]] = {
    "take": (operation((PARTY, MONEY), NONE, "h.take({0}, {1})", gas.TRANSFER, WRITES, SIGNERS),),
    "pay": (operation((PARTY, MONEY), NONE, "h.pay({0}, {1})", gas.TRANSFER, WRITES),),
    "held": (operation((INSTANCE,), MONEY, "held(h, {0})", gas.READ),),
}
"""`self.name(...)`: money that the instance itself holds, in the engine's ledger."""

CURRENCY: dict[str, tuple[Operation, ...]] = {
    "mint": (operation((PARTY, INT), NONE, "h.mint({0}, {1})", gas.TRANSFER, WRITES, MINTS),),
    "burn": (operation((PARTY, INT), NONE, "h.burn({0}, {1})", gas.TRANSFER, WRITES),),
    "move": (operation((PARTY, PARTY, INT), NONE, "h.move({0}, {1}, {2})", gas.TRANSFER, WRITES, SIGNERS),),
    "balance": (operation((PARTY,), INT, "h.balance(h.instance, {0})", gas.READ),),
    "supply": (operation((), INT, "h.supply(h.instance)", gas.READ),),
}
"""`self.currency.name(...)`: the money that this contract itself makes."""


def _select(overloads: Sequence[Operation], types: Sequence[TypeSpec]) -> Operation | None:
    for candidate in overloads:
        if len(candidate.parameters) == len(types) and all(map(fits, types, candidate.parameters)):
            return candidate
    return None


def find_binary(sign: str, left: TypeSpec, right: TypeSpec) -> Operation | None:
    """`left sign right`."""
    return _select(_BINARY[sign], (left, right))


def find_negative(spec: TypeSpec) -> Operation | None:
    """`-operand`."""
    return _NEGATIVE.get(spec)


def find_method(name: str, types: Sequence[TypeSpec]) -> Operation | None:
    """The method `name` of a value of the first type."""
    overloads = METHODS.get((types[0], name), ())
    return _select(overloads or _container_methods(types[0], name), types)


def _container_methods(spec: TypeSpec, name: str) -> tuple[Operation, ...]:
    if (spec.name, name) == ("list", "append"):
        return (operation((spec, spec.items[0]), NONE, "append(m, {0}, {1})"),)
    if (spec.name, name) == ("list", "pop"):
        return (operation((spec,), spec.items[0], "pop({0})"),)
    if (spec.name, name) == ("dict", "get"):
        return (operation((spec, *spec.items), spec.items[1], "{0}.get({1}, {2})", 4),)
    return ()


def find_ledger(name: str, types: Sequence[TypeSpec]) -> Operation | None:
    """`self.name(...)`."""
    return _select(LEDGER[name], types)


def find_currency(name: str, types: Sequence[TypeSpec]) -> Operation | None:
    """`self.currency.name(...)`."""
    return _select(CURRENCY.get(name, ()), types)


def find_function(name: str, types: Sequence[TypeSpec]) -> Operation | None:
    """The function `name` for arguments of these types, or None."""
    generic = _GENERIC.get(name)
    return generic(name, types) if generic else _select(FUNCTIONS[name], types)


def _length(name: str, types: Sequence[TypeSpec]) -> Operation | None:
    if len(types) == 1 and (types[0] in (STR, BYTES) or is_container(types[0])):
        return operation(tuple(types), INT, f"{name}({{0}})", 2)
    return None


def _extreme(name: str, types: Sequence[TypeSpec]) -> Operation | None:
    if len(types) == 1 and types[0].name == "list" and types[0].items[0] in (*ORDERED, MONEY):
        return operation(tuple(types), types[0].items[0], f"{name}_of(m, {{0}})")
    if len(types) in _ARGUMENTS_OF_MIN_MAX and len(set(types)) == 1:
        operands = ", ".join(f"{{{i}}}" for i in range(len(types)))
        if types[0] in ORDERED:
            price = gas.TEXT if types[0] in (STR, BYTES) else 2
            return operation(tuple(types), types[0], f"{name}({operands})", price * len(types))
        if types[0] == MONEY:
            return operation(tuple(types), MONEY, f"money_{name}({operands})", gas.HELPER * len(types))
    return None


_GENERIC: dict[str, Callable[[str, Sequence[TypeSpec]], Operation | None]] = {
    "len": _length,
    "min": _extreme,
    "max": _extreme,
}
FUNCTION_NAMES = frozenset({*FUNCTIONS, *_GENERIC})


def comparison_price(spec: TypeSpec) -> int:
    """Of comparing two values of this type as Python does."""
    return gas.TEXT if spec in (STR, BYTES) else 1


def is_chainable(sign: str, left: TypeSpec, right: TypeSpec) -> bool:
    """True where a chain as in `low <= x < high` means to Python what it means here."""
    return sign not in ("in", "not in") and left == right and left in ORDERED


def find_comparison(sign: str, left: TypeSpec, right: TypeSpec) -> Operation | None:
    """`==`, `!=` of scalars of one type, `<` and its like where there is an order."""
    if not (fits(left, right) or fits(right, left)) or left.name not in SCALARS or right.name not in SCALARS:
        return None
    if CALL in (left, right):
        return None
    if sign in ("==", "!=") or left in ORDERED:
        return operation((left, right), BOOL, f"({{0}} {sign} {{1}})", comparison_price(left))
    if left == MONEY:
        return operation((left, right), BOOL, f"(money_difference({{0}}, {{1}}) {sign} 0)")
    return None
