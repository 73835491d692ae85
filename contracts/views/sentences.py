"""A transaction as a sentence that a person can read before signing it, or in a list afterwards."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from consensus.transactions import Call, Json, Transaction
from contracts.execution import REPORT
from contracts.programs import LoadedContract
from contracts.system import SYSTEM

FindContract = Callable[[str], LoadedContract | None]
"""The contract that an instance runs, where there is such an instance."""

_VALUE_LENGTH_MAX = 48
_HASH_DIGITS = 8
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
        return known(call.args)
    contract = find_contract(call.contract)
    if contract is not None and call.action == REPORT and contract.facts:
        fact, value = _shown(call.args.get("fact")), _shown(call.args.get("value"))
        return f"reports to {call.contract} that {fact} is {value}"
    action = contract.actions.get(call.action) if contract is not None else None
    declared = [spec.name for spec in action.parameters] if action is not None else []
    names = sorted(call.args, key=lambda name: declared.index(name) if name in declared else len(declared))
    arguments = ", ".join(f"{name} {_shown(call.args[name])}" for name in names)
    plain = f"calls {call.action} on {call.contract}" + (f" ({arguments})" if arguments else "")
    return f"{plain}: {action.text.rstrip('.')}" if action is not None and action.text else plain


def _deploy(args: Mapping[str, Json]) -> str:
    source = str(args["source"])
    name = _CLASS.search(source)
    return f"deploys the contract {name[1] if name else 'without a name'} ({len(source)} characters)"


def _create(args: Mapping[str, Json]) -> str:
    terms = args["terms"] if isinstance(args["terms"], dict) else {}
    shown = ", ".join(f"{name} {_shown(value)}" for name, value in terms.items())
    signing = " and signs it" if args.get("sign") is True else ""
    return f"proposes the agreement {_shown(args['name'])} on code {_short(args['code'])}{signing} ({shown})"


def _sign(args: Mapping[str, Json]) -> str:
    return f"signs the agreement {_shown(args['instance'])} with the terms {_short(args['terms_hash'])}"


def _withdraw(args: Mapping[str, Json]) -> str:
    return f"withdraws the agreement {_shown(args['instance'])}"


def _register(args: Mapping[str, Json]) -> str:
    return f"opens the account {_shown(args['account'])} with {_keys(args['keys'])}"


def _set_keys(args: Mapping[str, Json]) -> str:
    return f"replaces the keys of {_shown(args['account'])} by {_keys(args['keys'])}"


_SYSTEM: dict[tuple[str, str], Callable[[Mapping[str, Json]], str]] = {
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
    text = str(value)
    return f"{text[:_HASH_DIGITS]}..." if len(text) > _HASH_DIGITS else text


def _shown(value: Json) -> str:
    """A value as a person would write it."""
    if isinstance(value, dict) and value.keys() == {"amount", "currency"}:
        text = f"{value['amount']} {value['currency']}"
    elif isinstance(value, dict):
        text = ", ".join(f"{name}: {_shown(item)}" for name, item in value.items())
    elif isinstance(value, list):
        text = ", ".join(map(_shown, value))
    elif isinstance(value, bool):
        text = "yes" if value else "no"
    else:
        text = "nothing" if value is None else str(value)
    return f"{text[:_VALUE_LENGTH_MAX]}..." if len(text) > _VALUE_LENGTH_MAX else text
