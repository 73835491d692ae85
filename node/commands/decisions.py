"""Deciding together from the command line, for contracts and for members: what is open, and approving it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from node.commands.console import say, say_json
from node.commands.sending import Sending
from node.errors import CommandFailed

if TYPE_CHECKING:
    from api.client import Client
    from consensus.transactions import Json

DECISION_GAS = 2_000_000
"""Gas limit where none is given: the last approval pays for what is decided."""


def show_proposals(client: Client, *, as_json: bool, contract: str | None = None) -> None:
    """What is open, each proposal in two sentences; only that of one system contract, if it is named."""
    found = client.get("/v1/proposals")["items"]
    found = [each for each in found if contract in (None, each["contract"])]
    if as_json:
        say_json(found)
        return
    if not found:
        say("Nothing waits to be decided.")
    for each in found:
        show_proposal(each)


def show_proposal(found: Mapping[str, Any]) -> None:
    """A proposal as people read it."""
    say(f"{found['proposal']}: {found['proposer']} proposes to {found['sentence']}.", strong=True)
    if found["reason"]:
        say(f"  Because: {found['reason']}")
    say(f"  {found['next']}")


def act_on(sending: Sending, client: Client, number: int, action: str, **beside: Json) -> None:
    """Approve a proposal, take an approval back, or withdraw it; says where it stands then."""
    from consensus.transactions import Call

    sending = replace(sending, gas_limit=sending.gas_limit or DECISION_GAS)
    found = client.get(f"/v1/proposals/{number}")
    arguments: dict[str, Json] = {"proposal": number, **beside}
    if action == "approve":
        arguments["hash"] = found["hash"]
        if not sending.as_json:
            show_proposal(found)
    sending.send(client, Call(found["contract"], action, arguments))
    if not sending.as_json:
        say(client.get(f"/v1/proposals/{number}")["next"])


def newest_of(client: Client, contract: str, proposer: str) -> Mapping[str, Any]:
    """The proposal that was made last by an account, and is open. Raises: CommandFailed."""
    found = [
        each
        for each in client.get("/v1/proposals")["items"]
        if (each["contract"], each["proposer"]) == (contract, proposer)
    ]
    if not found:
        raise CommandFailed(f"{proposer} has no open proposal")
    newest: Mapping[str, Any] = found[-1]
    return newest
