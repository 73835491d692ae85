"""The system contract `contracts`: from source text to an agreement that all of its parties signed.

Code is deployed, or approved where the members want that; anyone may create an instance of it with terms. A
party signs the hash of exactly this code and these terms; when the last has signed, the instance is active.
Until then it holds no money and fires nothing, and whoever created it or is to sign may withdraw it. An
instance that nobody has to sign is active at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from consensus.transactions import Json, is_name
from contracts.layout import (
    INSTANCE,
    SIGNERS_MAX,
    TERMS,
    Instance,
    InstanceStatus,
    instance_key,
    terms_key,
)
from contracts.listening import listen
from contracts.programs import LoadedContract
from contracts.state import Overlay
from contracts.system.actions import SYSTEM_NAMES, SystemAction, SystemContract, refusal, text_argument
from contracts.system.code_approval import approve_code, deploy, propose_content, usable
from contracts.system.decisions import Ballot, Content, Deciding, ProposalStatus, propose
from contracts.system.pausing import PAUSING
from contracts.system.policy import code_ballot
from contracts.system.terms import checked_terms, signing_parties, terms_hash
from contracts.system.upgrading import check_outcome, schedule, upgrade_ballot, upgrade_content

if TYPE_CHECKING:
    from contracts.execution import Run

_NAME = "contracts"


def _propose_code(run: Run, arguments: Mapping[str, Json]) -> int:
    return propose(run, DECIDING, propose_content(run, arguments), arguments)


def _propose_upgrade(run: Run, arguments: Mapping[str, Json]) -> int:
    return propose(run, DECIDING, upgrade_content(run, arguments), arguments)


def _carry_out(run: Run, number: int, content: Content) -> ProposalStatus:
    if content["kind"] == "code":
        approve_code(run, content)
        return ProposalStatus.CARRIED_OUT
    schedule(run, number, content)
    return ProposalStatus.APPROVED


def _ballot(overlay: Overlay, content: Content) -> Ballot:
    return code_ballot(overlay) if content["kind"] == "code" else upgrade_ballot(overlay, content)


def _create(run: Run, arguments: Mapping[str, Json]) -> str:
    code, name = text_argument(arguments, "code"), text_argument(arguments, "name")
    sign = arguments.get("sign", False)
    if type(sign) is not bool:
        raise refusal("arguments", "sign must be true or false")
    usable(run, code)
    _check_new_name(run, name)
    contract = run.code(code)
    terms = checked_terms(run, contract, arguments["terms"])
    parties = signing_parties(contract, terms)
    if len(parties) > SIGNERS_MAX:
        raise refusal("size", f"{len(parties)} parties would have to sign, at most {SIGNERS_MAX} may")
    hashed = terms_hash(contract, terms)
    instance = Instance(
        code=code,
        creator=run.signers[0],
        height=run.context.height,
        time_ms=run.context.time_ms,
        terms_hash=hashed,
        status=InstanceStatus.PROPOSED,
        phase=contract.program.phases[0],
        wake_ms=None,
        signed=(),
    )
    run.write(terms_key(name), terms, TERMS)
    run.write(instance_key(name), instance, INSTANCE)
    created = (("instance", name), ("code", code), ("terms_hash", hashed.hex()), ("by", run.signers[0]))
    run.emit(_NAME, "created", created)
    if sign or not parties:
        _sign_for(run, name, instance, parties)
    return hashed.hex()


def _sign(run: Run, arguments: Mapping[str, Json]) -> str:
    name, instance, contract = _proposed(run, arguments)
    if arguments["terms_hash"] != instance.terms_hash.hex():
        stated = instance.terms_hash.hex()
        raise refusal("arguments", f"{name} has terms_hash {stated}: look at its terms before you sign")
    parties = signing_parties(contract, run.context.terms(name))
    if not any(signer in parties and signer not in instance.signed for signer in run.signers):
        missing = ", ".join(party for party in parties if party not in instance.signed)
        raise refusal("unauthorised", f"{name} waits for {missing}, not for {', '.join(run.signers)}")
    return _sign_for(run, name, instance, parties)


def _sign_for(run: Run, name: str, instance: Instance, parties: list[str]) -> str:
    """Add the signatures of all who signed the transaction; the last one makes the instance active."""
    signing = [signer for signer in run.signers if signer in parties and signer not in instance.signed]
    signed = tuple(sorted((*instance.signed, *signing)))
    complete = len(signed) == len(parties)
    status = InstanceStatus.ACTIVE if complete else InstanceStatus.PROPOSED
    run.write(instance_key(name), replace(instance, signed=signed, status=status), INSTANCE)
    for signer in signing:
        signature = (("instance", name), ("party", signer), ("terms_hash", instance.terms_hash.hex()))
        run.emit(_NAME, "signed", signature)
    if complete:
        run.emit(_NAME, "activated", (("instance", name),))
        listen(run, name)
        run.touched[name] = None
    return status.value


def _withdraw(run: Run, arguments: Mapping[str, Json]) -> None:
    name, instance, contract = _proposed(run, arguments)
    sender = run.signers[0]
    parties = signing_parties(contract, run.context.terms(name))
    if sender != instance.creator and sender not in parties:
        raise refusal(
            "unauthorised", f"{name} may be withdrawn by {instance.creator} or {', '.join(parties)}"
        )
    run.write(instance_key(name), replace(instance, status=InstanceStatus.WITHDRAWN), INSTANCE)
    run.emit(_NAME, "withdrawn", (("instance", name), ("by", sender)))


def _proposed(run: Run, arguments: Mapping[str, Json]) -> tuple[str, Instance, LoadedContract]:
    name = text_argument(arguments, "instance")
    if not is_name(name):
        raise refusal("arguments", "instance must be the name of an instance")
    instance = run.context.instance(name)
    if instance.status != InstanceStatus.PROPOSED:
        raise refusal("phase", f"{name} is {instance.status}; only what is proposed is signed or withdrawn")
    return name, instance, run.code(instance.code)


def _check_new_name(run: Run, name: str) -> None:
    if not is_name(name):
        raise refusal(
            "arguments", "name must be lower-case letters and digits, joined by . _ or -, 64 at most"
        )
    if name in SYSTEM_NAMES:
        raise refusal("exists", f"{name} is the name of a system contract")
    if run.context.has_instance(name):
        raise refusal("exists", f"there is an instance {name}")
    owner = _member_of_name(run, name)
    account = run.context.account(run.signers[0])
    if owner is not None and (account is None or account.member != owner):
        raise refusal("unauthorised", f"only {owner} and its accounts may use the name {name}")


def _member_of_name(run: Run, name: str) -> str | None:
    """The member with whose name, up to a dot, this one begins: nobody else takes it first."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        prefix = ".".join(parts[:count])
        if run.has_member(prefix):
            return prefix
    return None


DECIDING = Deciding(
    contract=_NAME, ballot=_ballot, carry_out=_carry_out, check=check_outcome, beside=("outcome",)
)
CONTRACTS = SystemContract(
    name=_NAME,
    text="Code, agreements made from it, and who signed them.",
    actions={
        "deploy": SystemAction("make source text available as code", ("source",), deploy),
        "propose_code": SystemAction(
            "propose source text as code",
            ("source", "purpose"),
            _propose_code,
            ("activate_height", "reason", "expires_ms"),
        ),
        "propose_upgrade": SystemAction(
            "propose other code for an instance",
            ("instance", "code", "from_height", "height", "outcome"),
            _propose_upgrade,
            ("terms", "activate_height", "reason", "expires_ms"),
        ),
        **DECIDING.actions(),
        **PAUSING,
        "create": SystemAction(
            "propose an agreement: code with terms", ("code", "name", "terms"), _create, ("sign",)
        ),
        "sign": SystemAction("agree to exactly this code and these terms", ("instance", "terms_hash"), _sign),
        "withdraw": SystemAction("take back what not all have signed", ("instance",), _withdraw),
    },
)
