"""`quorate contract`, the life of code: propose, approve, rehearse, upgrade, pause, and what ran when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.commands.arguments import parse_arguments, span_ms
from node.commands.console import DataOption, JsonOption, NodeOption, good, say, say_json, table
from node.commands.decisions import DECISION_GAS, act_on, show_proposal, show_proposals
from node.commands.sending import Sending, node_time_ms, sends
from node.commands.session import connect
from node.commands.sources import read_source
from node.commands.transactions import ArgumentsArgument
from node.errors import CommandFailed

if TYPE_CHECKING:
    from api.client import Client
    from api.gateway import JsonObject
    from consensus.transactions import Json

InstanceArgument = Annotated[str, typer.Argument(help="Name of the instance.")]
CodeArgument = Annotated[str, typer.Argument(help="File with the new source, or the id of deployed code.")]
NumberArgument = Annotated[int, typer.Argument(min=1, help="Number of the proposal.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why, for those who decide.")]
ActivateOption = Annotated[
    int | None, typer.Option("--at-height", help="Active from this block on.", show_default=False)
]
FromOption = Annotated[
    int | None,
    typer.Option("--from-height", help="Rehearse from here; by default its creation.", show_default=False),
]


@sends
def propose(
    sending: Sending,
    file: Annotated[Path, typer.Argument(help="File with the contract's source.")],
    purpose: Annotated[str, typer.Option("--purpose", help="What the code is for.")],
    at_height: ActivateOption = None,
    reason: ReasonOption = "",
) -> None:
    """Propose source as code, where the members want to approve what runs on their chain.

    Example:

        quorate contract propose token.py --purpose "the euro of our region"
    """
    from node.commands.contracts import deploy_gas

    source = read_source(file)
    sending = replace(sending, gas_limit=sending.gas_limit or 2 * deploy_gas(source))
    arguments: dict[str, Json] = {"source": source, "purpose": purpose, "reason": reason}
    if at_height is not None:
        arguments["activate_height"] = at_height
    _propose(sending, "propose_code", arguments)


def proposals(node: NodeOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """What waits to be decided: each proposal, who approved it, and who is missing.

    Example:

        quorate contract proposals
    """
    with connect(node, data) as client:
        show_proposals(client, as_json=as_json, contract="contracts")


@sends
def approve(sending: Sending, number: NumberArgument) -> None:
    """Approve a proposal; an upgrade is rehearsed on your own node first, and must come out the same.

    Example:

        quorate contract approve 7
    """
    with sending.connect() as client:
        content = client.get(f"/v1/proposals/{number}")["content"]
        beside: dict[str, Json] = {}
        if content.get("kind") == "upgrade":
            source = client.get(f"/v1/contracts/{content['code']}")["source"]
            heights = content["from_height"], content["height"]
            found = _rehearse(client, content["instance"], source, content["terms"], *heights)
            if not sending.as_json:
                _say_rehearsal(found)
            if found["outcome"] != content["outcome"]:
                raise CommandFailed(
                    f"the rehearsal here came to {found['outcome']}, the proposal says {content['outcome']}: "
                    "one of the two nodes executes something else; nothing was approved"
                )
            beside["outcome"] = found["outcome"]
        act_on(sending, client, number, "approve", **beside)


@sends
def revoke(sending: Sending, number: NumberArgument) -> None:
    """Take back an approval, while the proposal is open.

    Example:

        quorate contract revoke 7
    """
    with sending.connect() as client:
        act_on(sending, client, number, "revoke")


@sends
def drop(sending: Sending, number: NumberArgument) -> None:
    """Withdraw a proposal of your own.

    Example:

        quorate contract drop 7
    """
    with sending.connect() as client:
        act_on(sending, client, number, "withdraw_proposal")


def rehearse(
    instance: InstanceArgument,
    code: CodeArgument,
    terms: ArgumentsArgument = None,
    from_height: FromOption = None,
    height: Annotated[int | None, typer.Option(help="The last block.", show_default=False)] = None,
    node: NodeOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what would have happened if an instance had run other code; nothing is changed.

    Example:

        quorate contract rehearse order-1 delivery_or_penalty_2.py
    """
    with connect(node, data) as client:
        source = _source(client, code)
        found = _rehearse(client, instance, source, _terms(client, source, terms), from_height, height)
    if as_json:
        say_json(found)
    else:
        _say_rehearsal(found)


@sends
def upgrade(
    sending: Sending,
    instance: InstanceArgument,
    code: CodeArgument,
    terms: ArgumentsArgument = None,
    from_height: FromOption = None,
    at_height: ActivateOption = None,
    reason: ReasonOption = "",
) -> None:
    """Rehearse an upgrade and propose it to all who sign the agreement, bound to what the rehearsal showed.

    Example:

        quorate contract upgrade order-1 delivery_or_penalty_2.py --reason "a fairer rate"
    """
    from contracts.system.code_approval import code_id

    sending = replace(sending, gas_limit=sending.gas_limit or DECISION_GAS)
    with sending.connect() as client:
        source = _source(client, code)
        given = _terms(client, source, terms)
        found = _rehearse(client, instance, source, given, from_height, None)
        if not sending.as_json:
            _say_rehearsal(found)
        rehearsed = found["rehearsal"]
        if rehearsed["migration"]["status"] != "ok":
            raise CommandFailed(f"{instance} cannot take this code, so nothing was proposed")
    arguments: dict[str, Json] = {
        "instance": instance,
        "code": code_id(source),
        "terms": given,
        "from_height": rehearsed["from_height"],
        "height": rehearsed["height"],
        "outcome": found["outcome"],
        "reason": reason,
    }
    if at_height is not None:
        arguments["activate_height"] = at_height
    _propose(sending, "propose_upgrade", arguments)


@sends
def pause(
    sending: Sending,
    instance: InstanceArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why, for everybody to read.")],
    span: Annotated[str, typer.Option("--for", help="How long, 7d at most.")] = "1d",
) -> None:
    """Stop an instance for a while, as its guardian; actions marked as exits stay open.

    Example:

        quorate contract pause order-1 --reason "pays twice" --for 2d
    """
    with sending.connect() as client:
        until_ms = node_time_ms(client.get("/v1/status")) + span_ms(span)
        arguments: dict[str, Json] = {"instance": instance, "reason": reason, "until_ms": until_ms}
        _send(sending, client, "pause", arguments)


@sends
def resume(sending: Sending, instance: InstanceArgument) -> None:
    """End a pause before its time, as a guardian.

    Example:

        quorate contract resume order-1
    """
    with sending.connect() as client:
        _send(sending, client, "resume", {"instance": instance})


def versions(
    instance: InstanceArgument,
    node: NodeOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """What an instance runs and ran, and whether it is paused.

    Example:

        quorate contract versions order-1
    """
    with connect(node, data) as client:
        found = client.get(f"/v1/instances/{instance}/versions")
    if as_json:
        say_json(found)
        return
    columns = ("version", "contract", "code", "from_height", "until_height", "proposal")
    table(
        ["NO", "CONTRACT", "CODE", "FROM", "UNTIL", "PROPOSAL"],
        [["" if each[column] is None else each[column] for column in columns] for each in found["items"]],
    )
    if found["pause"]["paused"]:
        say(f"{found['pause']['text']}.", strong=True)


def add_to(group: typer.Typer) -> None:
    """Give `quorate contract` these commands."""
    for command in (propose, proposals, approve, revoke, drop, rehearse, upgrade, pause, resume, versions):
        group.command(command.__name__)(command)


def _propose(sending: Sending, action: str, arguments: Mapping[str, Json]) -> None:
    """Propose, and say where it stands."""
    with sending.connect() as client:
        status = _send(sending, client, action, arguments)
        if sending.as_json or status is None:
            return
        number = status["results"][0]
        good(f"This is proposal {number}.")
        show_proposal(client.get(f"/v1/proposals/{number}"))


def _send(sending: Sending, client: Client, action: str, arguments: Mapping[str, Json]) -> JsonObject | None:
    from consensus.transactions import Call

    return sending.send(client, Call("contracts", action, arguments)).receipt


def _rehearse(
    client: Client,
    instance: str,
    source: str,
    terms: Mapping[str, Json],
    from_height: int | None,
    height: int | None,
) -> dict[str, Any]:
    body: dict[str, Any] = {"source": source, "terms": dict(terms)}
    body |= {name: at for name, at in (("from_height", from_height), ("height", height)) if at is not None}
    found: dict[str, Any] = client.post(f"/v1/instances/{instance}/rehearsal", body)
    return found


def _say_rehearsal(found: Mapping[str, Any]) -> None:
    rehearsed = found["rehearsal"]
    span = f"heights {rehearsed['from_height']} to {rehearsed['height']}"
    say(f"Rehearsed on this node, {span}:", strong=True)
    for sentence in rehearsed["sentences"]:
        say(f"  {sentence}")
    say(f"Outcome {found['outcome']}")


def _source(client: Client, code: str) -> str:
    """The source in a file, or of deployed code."""
    if Path(code).is_file():
        return read_source(Path(code))
    return str(client.get(f"/v1/contracts/{code}")["source"])


def _terms(client: Client, source: str, given: list[str] | None) -> dict[str, Json]:
    """Terms that are new or change, with the types that the new code declares."""
    from contracts.compiler import compile_contract

    if not given:
        return {}
    declared = {spec.name: str(spec.type) for spec in compile_contract(source).terms}
    return parse_arguments(given, declared, node_time_ms(client.get("/v1/status")))
