"""A transaction as a sentence that a person can read before signing it, or in a list afterwards."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from consensus.transactions import Call, Json, Transaction
from contracts.execution import REPORT
from contracts.program import ParameterSpec, TermSpec
from contracts.programs import LoadedContract
from contracts.system import SYSTEM
from contracts.views.proposals import change_text
from contracts.views.words import keys_text, listed, short, shown

FindContract = Callable[[str], LoadedContract | None]
"""The contract that an instance of this name runs, or the code of this id; None where there is neither."""

_CLASS = re.compile(r"^class ([A-Za-z][A-Za-z0-9_]*)\(Contract\)", re.MULTILINE)


def sentence(transaction: Transaction, find_contract: FindContract) -> str:
    """What the transaction does, in plain English; never fails, whatever its arguments are."""
    who = transaction.sender
    if transaction.cosigners:
        who = f"{who} together with {listed(transaction.cosigners)}"
    return f"{who} {'; then '.join(_call(call, find_contract) for call in transaction.calls)}"


def _call(call: Call, find_contract: FindContract) -> str:
    known = _SYSTEM.get((call.contract, call.action))
    if known is not None and call.args.keys() >= set(SYSTEM[call.contract].actions[call.action].required):
        return known(call.args, find_contract)
    contract = find_contract(call.contract)
    if contract is not None and call.action == REPORT and contract.facts:
        fact = call.args.get("fact")
        types = {name: spec.type.name for name, spec in contract.facts.items()}
        value = shown(call.args.get("value"), types.get(str(fact), ""))
        return f"reports to {call.contract} that {shown(fact)} is {value}"
    action = contract.actions.get(call.action) if contract is not None else None
    arguments = _named(call.args, action.parameters if action is not None else ())
    plain = f"calls {call.action} on {call.contract}" + (f" ({arguments})" if arguments else "")
    return f"{plain}: {action.text.rstrip('.')}" if action is not None and action.text else plain


def _named(values: Mapping[str, Json], declared: Iterable[ParameterSpec | TermSpec]) -> str:
    """Arguments or terms by name, in the order and as the types in which they are declared."""
    types = {spec.name: spec.type.name for spec in declared}
    places = {name: place for place, name in enumerate(types)}
    names = sorted(values, key=lambda name: places.get(name, len(places)))
    return ", ".join(f"{name} {shown(values[name], types.get(name, ''))}" for name in names)


def _deploy(args: Mapping[str, Json], _: FindContract) -> str:
    source = str(args["source"])
    name = _CLASS.search(source)
    return f"deploys the contract {name[1] if name else 'without a name'} ({len(source)} characters)"


def _create(args: Mapping[str, Json], find_contract: FindContract) -> str:
    contract = find_contract(str(args["code"]))
    terms = args["terms"] if isinstance(args["terms"], dict) else {}
    given = _named(terms, contract.terms.values() if contract is not None else ())
    signing = " and signs it" if args.get("sign") is True else ""
    return f"proposes the agreement {shown(args['name'])} on code {short(args['code'])}{signing} ({given})"


def _sign(args: Mapping[str, Json], _: FindContract) -> str:
    return f"signs the agreement {shown(args['instance'])} with the terms {short(args['terms_hash'])}"


def _withdraw(args: Mapping[str, Json], _: FindContract) -> str:
    return f"withdraws the agreement {shown(args['instance'])}"


def _register(args: Mapping[str, Json], _: FindContract) -> str:
    return f"opens the account {shown(args['account'])} with {keys_text(args['keys'])}"


def _set_keys(args: Mapping[str, Json], _: FindContract) -> str:
    return f"replaces the keys of {shown(args['account'])} by {keys_text(args['keys'])}"


def _propose_code(args: Mapping[str, Json], _: FindContract) -> str:
    name = _CLASS.search(str(args["source"]))
    return f"proposes the contract {name[1] if name else 'without a name'} as code: {shown(args['purpose'])}"


def _propose(args: Mapping[str, Json], _: FindContract) -> str:
    changes = args["changes"] if isinstance(args["changes"], list) else [args["changes"]]
    return f"proposes to {listed([change_text(change) for change in changes])}"


def _approve(args: Mapping[str, Json], _: FindContract) -> str:
    return f"approves proposal {shown(args['proposal'])} with the hash {short(args['hash'])}"


def _revoke(args: Mapping[str, Json], _: FindContract) -> str:
    return f"takes back its approval of proposal {shown(args['proposal'])}"


def _withdraw_proposal(args: Mapping[str, Json], _: FindContract) -> str:
    return f"withdraws its proposal {shown(args['proposal'])}"


def _ready(args: Mapping[str, Json], _: FindContract) -> str:
    return f"shows that its node has executed block {shown(args['height'])}, to {short(args['exec_hash'])}"


def _set_address(args: Mapping[str, Json], _: FindContract) -> str:
    return f"says that its node is reached at {shown(args['address'])}"


_SYSTEM: dict[tuple[str, str], Callable[[Mapping[str, Json], FindContract], str]] = {
    ("accounts", "register"): _register,
    ("accounts", "set_keys"): _set_keys,
    ("contracts", "deploy"): _deploy,
    ("contracts", "propose_code"): _propose_code,
    ("contracts", "approve"): _approve,
    ("contracts", "revoke"): _revoke,
    ("contracts", "withdraw_proposal"): _withdraw_proposal,
    ("members", "propose"): _propose,
    ("members", "approve"): _approve,
    ("members", "revoke"): _revoke,
    ("members", "withdraw_proposal"): _withdraw_proposal,
    ("members", "ready"): _ready,
    ("members", "set_address"): _set_address,
    ("contracts", "create"): _create,
    ("contracts", "sign"): _sign,
    ("contracts", "withdraw"): _withdraw,
}
