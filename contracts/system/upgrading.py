"""Upgrading an instance: all who signed it agree to other code, and to what a rehearsal of it showed.

A proposal names the code and terms that the instance has, those that it is to get, and the hash of what a
rehearsal on the proposer's node came to. Each signer rehearses on its own node and approves with the hash
that came out there; another hash is refused. An instance whose signers do not all approve keeps its code.

What is approved is carried out at the beginning of the first block from its activation height on, and never
before the block after the last approval.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from consensus.codec import DIGEST_BYTES
from consensus.transactions import INTEGER_MAX, Json, is_name
from contracts.cards import hex_bytes
from contracts.context import Context
from contracts.errors import InvalidCard, Revert
from contracts.layout import CODE, SIGNERS_MAX, VALUE, Code, InstanceStatus, code_key
from contracts.state import Overlay
from contracts.system.actions import refusal, text_argument
from contracts.system.code_approval import activation, code_id, usable
from contracts.system.decisions import (
    Ballot,
    Content,
    ProposalStatus,
    content_of,
    find_proposal,
    finish,
)
from contracts.system.terms import checked_terms, signing_parties, terms_hash
from contracts.upgrade import check_storage, merged_terms, perform_upgrade

if TYPE_CHECKING:
    from contracts.execution import Run

UPGRADES_PER_BLOCK_MAX = 64
"""Upgrades that one block carries out, within the gas of one batch; the others follow in the next."""
UPGRADE_GAS_MAX = 20_000_000
"""Gas of one upgrade with its migration, which nobody pays."""

UPGRADES = b"upgrade/"
TRIAL_RECEIPT = bytes(32)
"""Id of the receipt of a rehearsed upgrade; no hash is all zeros."""


@dataclass(frozen=True, slots=True)
class Trial:
    """An upgrade to be rehearsed: source that need not be deployed, and terms as JSON that differ."""

    instance: str
    source: str
    terms: Mapping[str, Json]


def upgrade_content(run: Run, arguments: Mapping[str, Json]) -> Content:
    """What a proposal to upgrade an instance says. Raises: Revert."""
    name, code = text_argument(arguments, "instance"), text_argument(arguments, "code")
    if not is_name(name):
        raise refusal("arguments", "instance must be the name of an instance")
    instance = run.context.instance(name)
    given = arguments.get("terms", {})
    if type(given) is not dict:
        raise refusal("arguments", "terms must be an object")
    if instance.status != InstanceStatus.ACTIVE:
        raise refusal("phase", f"{name} is {instance.status}; only what is active is upgraded")
    if instance.code == code and not given:
        raise refusal("arguments", f"{name} runs code {code} already")
    from_height, height = _span(run, instance.height, arguments)
    content: Content = {
        "kind": "upgrade",
        "instance": name,
        "from_code": instance.code,
        "from_terms_hash": instance.terms_hash.hex(),
        "code": code,
        "terms": given,
        "from_height": from_height,
        "height": height,
        "outcome": _outcome(arguments),
        "activate_height": activation(run, arguments),
    }
    content["terms_hash"], signers = prepare(run, content)
    content["signers"] = signers
    if run.signers[0] not in signers:
        raise refusal(
            "unauthorised", f"an upgrade of {name} is proposed by one who signs it ({', '.join(signers)})"
        )
    return content


def upgrade_ballot(overlay: Overlay, content: Content) -> Ballot:
    """All who signed the agreement, and all who would have signed it with its new terms."""
    signers = tuple(content["signers"])
    return Ballot(signers, len(signers), f"all who sign {content['instance']}")


def check_outcome(content: Content, arguments: Mapping[str, Json]) -> None:
    """Refuse an approval that saw another rehearsal, or none. Raises: Revert."""
    if content["kind"] != "upgrade":
        if "outcome" in arguments:
            raise refusal("arguments", "outcome belongs to the approval of an upgrade")
        return
    if "outcome" not in arguments:
        raise refusal("arguments", "an upgrade is approved with the outcome of a rehearsal on one's own node")
    if arguments["outcome"] != content["outcome"]:
        raise refusal(
            "arguments",
            f"the proposal is bound to the rehearsed outcome {content['outcome']}, this approval to another: "
            "one of the two nodes executes something else",
        )


def schedule(run: Run, number: int, content: Content) -> None:
    """Note an upgrade that all have approved. Raises: Revert where it can not be done any more."""
    _check_unchanged(run, content)
    prepare(run, content)
    height = max(run.context.height + 1, content["activate_height"] or 0)
    run.write(upgrade_key(height, number), True, VALUE, UPGRADES)
    fields = (("instance", content["instance"]), ("code", content["code"]), ("height", height))
    run.emit("contracts", "upgrade_scheduled", fields)


def due_upgrades(overlay: Overlay, height: int) -> list[tuple[bytes, int, str]]:
    """Key, proposal and instance of what is to be carried out in this block, in order."""
    found: list[tuple[bytes, int, str]] = []
    for key, waits in overlay.scan(UPGRADES, None, VALUE):
        due, number = _upgrade_of(key)
        if due > height or len(found) == UPGRADES_PER_BLOCK_MAX:
            break
        if waits:
            found.append((key, number, str(_content(overlay, number)["instance"])))
    return found


def scheduled_upgrades(overlay: Overlay) -> Iterator[tuple[int, int]]:
    """Height and proposal of what is approved and not carried out yet."""
    for key, waits in overlay.scan(UPGRADES, None, VALUE):
        if waits:
            yield _upgrade_of(key)


def carry_out_upgrade(run: Run, number: int) -> None:
    """Do what a proposal says, unless the instance changed since. Raises: Revert."""
    content = _content(run.context.overlay, number)
    _check_unchanged(run, content)
    _perform(run, content, number)
    finish(run, number, ProposalStatus.CARRIED_OUT)


def fail_upgrade(run: Run, number: int, instance: str, reason: str) -> None:
    """Note that an approved upgrade could not be done: the instance keeps its code."""
    finish(run, number, ProposalStatus.FAILED)
    run.emit(
        "contracts", "upgrade_failed", (("instance", instance), ("proposal", number), ("reason", reason))
    )


def begin_trial(context: Context, trial: Trial) -> None:
    """Put the code of a rehearsal where it can be used, as if it had been approved."""
    code = code_id(trial.source)
    record = context.code(code) or Code(trial.source, "", context.height, context.time_ms)
    context.overlay.put(code_key(code), replace(record, active_height=context.height), CODE)
    context.overlay.commit()


def carry_out_trial(run: Run, trial: Trial) -> None:
    """The upgrade that a rehearsal is about. Raises: Revert."""
    content = {"instance": trial.instance, "code": code_id(trial.source), "terms": dict(trial.terms)}
    _perform(run, content, 0)


def _perform(run: Run, content: Content, number: int) -> None:
    hashed, _ = prepare(run, content)
    terms = _terms(run, content)
    perform_upgrade(run, content["instance"], content["code"], terms, bytes.fromhex(hashed), number)


def prepare(run: Run, content: Content) -> tuple[str, list[str]]:
    """Check that the upgrade can be done; the new terms hash in hex, and who must approve. Raises: Revert."""
    name = content["instance"]
    usable(run, content["code"])
    context = run.context
    old, new = run.code(context.instance(name).code), run.code(content["code"])
    check_storage(run, name, old, new)
    terms = _terms(run, content)
    signers = sorted({*signing_parties(old, context.terms(name)), *signing_parties(new, terms)})
    if len(signers) > SIGNERS_MAX:
        raise refusal("size", f"{len(signers)} parties would have to sign, at most {SIGNERS_MAX} may")
    return terms_hash(new, terms).hex(), signers or [context.instance(name).creator]


def upgrade_key(height: int, number: int) -> bytes:
    """Holds true as VALUE; these keys sort by height, then by proposal."""
    return UPGRADES + height.to_bytes(8, "big") + number.to_bytes(8, "big")


def _upgrade_of(key: bytes) -> tuple[int, int]:
    rest = key.removeprefix(UPGRADES)
    return int.from_bytes(rest[:8], "big"), int.from_bytes(rest[8:], "big")


def _terms(run: Run, content: Content) -> dict[str, object]:
    name = content["instance"]
    old, new = run.code(run.context.instance(name).code), run.code(content["code"])
    return checked_terms(run, new, merged_terms(old, new, run.context.terms(name), content["terms"]))


def _check_unchanged(run: Run, content: Content) -> None:
    instance = run.context.instance(content["instance"])
    if (instance.code, instance.terms_hash.hex()) != (content["from_code"], content["from_terms_hash"]):
        raise refusal(
            "phase", f"{content['instance']} was upgraded since this was proposed: rehearse and propose anew"
        )


def _content(overlay: Overlay, number: int) -> Content:
    proposal = find_proposal(overlay, number)
    if proposal is None:
        raise Revert("unknown", f"there is no proposal {number}", consumes_all=False)
    return content_of(proposal)


def _span(run: Run, created: int, arguments: Mapping[str, Json]) -> tuple[int, int]:
    """The heights that were rehearsed."""
    from_height, height = arguments["from_height"], arguments["height"]
    if type(from_height) is not int or type(height) is not int:
        raise refusal("arguments", "from_height and height must be integers")
    if not created <= from_height <= height < min(run.context.height, INTEGER_MAX):
        raise refusal(
            "arguments",
            f"a rehearsal goes from {created} at the earliest to a block before {run.context.height}",
        )
    return from_height, height


def _outcome(arguments: Mapping[str, Json]) -> str:
    try:
        return hex_bytes(arguments["outcome"], DIGEST_BYTES, "outcome").hex()
    except InvalidCard as error:
        raise refusal("arguments", str(error)) from None
