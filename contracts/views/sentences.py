"""A transaction as a sentence that a person can read before signing it, or in a list afterwards."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from consensus.transactions import Call, Json, Transaction
from contracts.arguments import readable
from contracts.execution import REPORT
from contracts.program import ParameterSpec, TermSpec
from contracts.programs import LoadedContract
from contracts.system import SYSTEM

FindContract = Callable[[str], LoadedContract | None]
"""The contract that an instance of this name runs, or the code of this id; None where there is neither."""

_VALUE_LENGTH_MAX = 48
_HASH_DIGITS = 8
_PLAIN = re.compile(r"[A-Za-z0-9._:+-]+\Z")
_CLASS = re.compile(r"^class ([A-Za-z][A-Za-z0-9_]*)\(Contract\)", re.MULTILINE)


def sentence(transaction: Transaction, find_contract: FindContract) -> str:
    """What the transaction does, in plain English; never fails, whatever its arguments are."""
    who = transaction.sender
    if transaction.cosigners:
        who = f"{who} together with {_listed(transaction.cosigners)}"
    return f"{who} {'; then '.join(_call(call, find_contract) for call in transaction.calls)}"


def _call(call: Call, find_contract: FindContract) -> str:
    known = _SYSTEM.get((call.contract, call.action))
    if known is not None and call.args.keys() >= set(SYSTEM[call.contract].actions[call.action].required):
        return known(call.args, find_contract)
    contract = find_contract(call.contract)
    if contract is not None and call.action == REPORT and contract.facts:
        fact = call.args.get("fact")
        types = {name: spec.type.name for name, spec in contract.facts.items()}
        value = _shown(call.args.get("value"), types.get(str(fact), ""))
        return f"reports to {call.contract} that {_shown(fact)} is {value}"
    action = contract.actions.get(call.action) if contract is not None else None
    arguments = _named(call.args, action.parameters if action is not None else ())
    plain = f"calls {call.action} on {call.contract}" + (f" ({arguments})" if arguments else "")
    return f"{plain}: {action.text.rstrip('.')}" if action is not None and action.text else plain


def _named(values: Mapping[str, Json], declared: Iterable[ParameterSpec | TermSpec]) -> str:
    """Arguments or terms by name, in the order and as the types in which they are declared."""
    types = {spec.name: spec.type.name for spec in declared}
    places = {name: place for place, name in enumerate(types)}
    names = sorted(values, key=lambda name: places.get(name, len(places)))
    return ", ".join(f"{name} {_shown(values[name], types.get(name, ''))}" for name in names)


def _deploy(args: Mapping[str, Json], _: FindContract) -> str:
    source = str(args["source"])
    name = _CLASS.search(source)
    return f"deploys the contract {name[1] if name else 'without a name'} ({len(source)} characters)"


def _create(args: Mapping[str, Json], find_contract: FindContract) -> str:
    contract = find_contract(str(args["code"]))
    terms = args["terms"] if isinstance(args["terms"], dict) else {}
    shown = _named(terms, contract.terms.values() if contract is not None else ())
    signing = " and signs it" if args.get("sign") is True else ""
    return f"proposes the agreement {_shown(args['name'])} on code {_short(args['code'])}{signing} ({shown})"


def _sign(args: Mapping[str, Json], _: FindContract) -> str:
    return f"signs the agreement {_shown(args['instance'])} with the terms {_short(args['terms_hash'])}"


def _withdraw(args: Mapping[str, Json], _: FindContract) -> str:
    return f"withdraws the agreement {_shown(args['instance'])}"


def _register(args: Mapping[str, Json], _: FindContract) -> str:
    return f"opens the account {_shown(args['account'])} with {_keys(args['keys'])}"


def _set_keys(args: Mapping[str, Json], _: FindContract) -> str:
    return f"replaces the keys of {_shown(args['account'])} by {_keys(args['keys'])}"


_SYSTEM: dict[tuple[str, str], Callable[[Mapping[str, Json], FindContract], str]] = {
    ("accounts", "register"): _register,
    ("accounts", "set_keys"): _set_keys,
    ("contracts", "deploy"): _deploy,
    ("contracts", "create"): _create,
    ("contracts", "sign"): _sign,
    ("contracts", "withdraw"): _withdraw,
}


def _keys(value: Json) -> str:
    keys = value if isinstance(value, list) else [value]
    return f"the key{'s' if len(keys) > 1 else ''} {_listed([_short(key) for key in keys])}"


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def _short(value: Json) -> str:
    if not isinstance(value, str) or len(value) <= _HASH_DIGITS:
        return _shown(value)
    return f"{_shown(value[:_HASH_DIGITS])}..."


def _shown(value: Json, type_: str = "") -> str:
    """A value as a person would write it; `type_` is the name of its type, where that is known."""
    if isinstance(value, dict) and value.keys() == {"amount", "currency"}:
        return f"{_shown(value['amount'])} {_shown(value['currency'])}"
    if isinstance(value, dict):
        return _cut(", ".join(f"{name}: {_shown(item)}" for name, item in value.items()))
    if isinstance(value, list):
        return _cut(", ".join(map(_shown, value)))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value if _PLAIN.match(value) and len(value) <= _VALUE_LENGTH_MAX else _quoted(value)
    return "nothing" if value is None else str(readable(value, type_))


def _quoted(text: str) -> str:
    """In quotes, with nothing in it that could pass for its end and for the rest of the sentence."""
    plain = "".join(character if character.isprintable() else " " for character in text)
    return '"' + _cut(plain.replace('"', "'")) + '"'


def _cut(text: str) -> str:
    return f"{text[:_VALUE_LENGTH_MAX]}..." if len(text) > _VALUE_LENGTH_MAX else text
