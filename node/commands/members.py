"""`quorate member`: who belongs to the consortium, who validates, and how the members decide it."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.commands.arguments import span_ms
from node.commands.console import (
    DataOption,
    JsonOption,
    NodeOption,
    good,
    group,
    say,
    say_fingerprint,
    say_json,
    table,
    warn,
)
from node.commands.decisions import DECISION_GAS, act_on, show_proposal, show_proposals
from node.commands.sending import Sending, sends
from node.commands.session import connect
from node.errors import CommandFailed, ConfigurationError

if TYPE_CHECKING:
    from api.client import Client

member = group(
    """Who belongs to the consortium, who validates, and how the members decide it.

    A new organisation joins in six steps:

    1. At home it makes its keys (`quorate init`) and sends its card, `member.json`, to a member.

    2. A member proposes it: `quorate member propose admit member.json`. The validators' members look, compare
       the fingerprint with it by telephone, and approve: `quorate member approve 1`.

    3. It puts the chain's `genesis.json` into its data folder and starts its node: an observer, which
       fetches all blocks and checks them.

    4. When the node has caught up: `quorate member ready`.

    5. A member proposes that it validates: `quorate member propose promote NAME`; the others approve.

    6. A new epoch begins, in which its node votes. `quorate member list` shows it.
    """
)

NameArgument = Annotated[str, typer.Argument(help="Id of a member, as greenfarm.")]
READY_BEHIND_MAX = 8
"""Blocks that a node may be behind when it says that it is ready; the chain takes far more."""
STARTS_OVER_S = 60.0
"""So long no answer may come from a node that starts over under the number that it has just been given."""
READY_POLL_S = 0.5
NumberArgument = Annotated[int, typer.Argument(min=1, help="Number of the proposal.")]


# ---------------------------------------------------------------- looking


@member.command("list")
def list_members(
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write them to this file, for a newcomer's data folder."),
    ] = None,
    node: NodeOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the members with their part, and what is to be decided.

    A newcomer's node knows the founders from the genesis. Where to find those who came later, or moved, it
    reads from `members.json` in its data folder, which any member can write.

    Example:

        quorate member list -o members.json
    """
    from node.documents import write_json

    with connect(node, data) as client:
        found, epochs = client.get("/v1/members"), client.get("/v1/epochs")
        proposals = client.get("/v1/proposals")["items"]
    if output is not None:
        write_json(output, found)
        good(f"{output} says where the members' nodes are. It belongs into a newcomer's data folder.")
        return
    if as_json:
        say_json(found | {"next": epochs["next"], "proposals": proposals})
        return
    rows = [
        (each["number"], each["id"], each["title"], _part(each), each["state"], _or_dash(each["height"]))
        for each in found["items"]
    ]
    table(("NO", "MEMBER", "TITLE", "PART", "NODE", "HEIGHT"), rows)
    now = epochs["items"][-1]
    say(f"Epoch {now['epoch']}: {now['quorum']} of {len(now['validators'])} validators make a block final.")
    if epochs["next"] is not None:
        names = ", ".join(validator["member"] for validator in epochs["next"]["validators"])
        say(f"Epoch {epochs['next']['epoch']} is decided and about to begin: {names}.")
    for proposal in proposals:
        show_proposal(proposal)


@member.command("show")
def show(
    name: NameArgument, node: NodeOption = None, data: DataOption = None, as_json: JsonOption = False
) -> None:
    """Show one member: its part, its keys, where its node is reached, and what is proven against it.

    Example:

        quorate member show greenfarm
    """
    with connect(node, data) as client:
        found = _find(client.get("/v1/members")["items"], name)
        proven = [each for each in client.get("/v1/evidence")["items"] if each["member"] == name]
    if as_json:
        say_json(found | {"evidence": proven})
        return
    say(f"{found['title']} ({found['id']}), member {found['number']}", strong=True)
    say(found["text"])
    for label in ("address", "validator_key", "network_key", "admin_key"):
        say(f"  {label.replace('_', ' '):14} {found[label]}")
    for evidence in proven:
        say(f"  {evidence['text']}")


@member.command("card")
def card(
    file: Annotated[
        Path | None, typer.Argument(help="A card; by default the one in your data folder.")
    ] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read a member's card and check that its keys signed it. Compare the fingerprint by telephone.

    Example:

        quorate member card solarcoop.json
    """
    from node.config import data_dir_of
    from node.documents import read_json
    from node.home import CARD_FILE
    from node.members import parse_card

    path = file or data_dir_of(data) / CARD_FILE
    given = read_json(path)
    read = parse_card(given, str(path))
    if as_json:
        say_json(given)
        return
    say(f"{read.title} ({read.id}), reached at {read.address}", strong=True)
    for label, key in zip(("validator", "network", "administrator"), read.keys, strict=True):
        say(f"  {label:14} {key.hex()}")
    for account in read.accounts:
        say(f"  brings {account.id}")
    say("All three keys signed it. Its fingerprint is")
    say_fingerprint(read.fingerprint)


@member.command("proposals")
def proposals(
    number: Annotated[int | None, typer.Argument(help="One of them, open or not.")] = None,
    node: NodeOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what members propose, who approved it and who still may.

    Example:

        quorate member proposals
    """
    with connect(node, data) as client:
        if number is None:
            show_proposals(client, as_json=as_json, contract="members")
            return
        found = client.get(f"/v1/proposals/{number}")
    if as_json:
        say_json(found)
    else:
        show_proposal(found)


# ---------------------------------------------------------------- deciding


@member.command("propose")
@sends
def propose(
    sending: Sending,
    kind: Annotated[
        str, typer.Argument(help="admit, promote, remove, suspend, reinstate or rotate.", show_default=False)
    ],
    subject: Annotated[
        str, typer.Argument(help="A member's id; for admit its card, for rotate its request: a file.")
    ],
    reason: Annotated[str, typer.Option(help="Why, for those who decide.")] = "",
) -> None:
    """Propose a change of the members; a quorum of the validators' members decides it.

    Your own approval is in it, if yours counts.

    - admit FILE: take in the organisation with this card, as an observer.

    - promote NAME: let it validate. It must have said `ready`.

    - remove NAME: its node votes until the epoch ends, then the others do not talk to it any more.

    - suspend NAME, reinstate NAME: its accounts may not act, and may again.

    - rotate FILE: give a member another validator or network key; see `quorate member rotate`.

    Example:

        quorate member propose admit solarcoop.json --reason "Our new supplier of power"
    """
    from consensus.transactions import Call

    change = _change(kind, subject)
    sending = replace(sending, gas_limit=sending.gas_limit or DECISION_GAS)
    with sending.connect() as client:
        arguments: dict[str, Any] = {"changes": [change]}
        if reason:
            arguments["reason"] = reason
        status = sending.send(client, Call("members", "propose", arguments))
        if status.receipt is not None and not sending.as_json:
            number = status.receipt["results"][0]
            show_proposal(client.get(f"/v1/proposals/{number}"))


@member.command("approve")
@sends
def approve(sending: Sending, number: NumberArgument) -> None:
    """Approve a proposal, once you have read it (`quorate member proposals`).

    The last approval that is needed carries it out at once.

    Example:

        quorate member approve 3
    """
    with sending.connect() as client:
        act_on(sending, client, number, "approve")


@member.command("revoke")
@sends
def revoke(sending: Sending, number: NumberArgument) -> None:
    """Take back your approval, while the proposal is open.

    Example:

        quorate member revoke 3
    """
    with sending.connect() as client:
        act_on(sending, client, number, "revoke")


@member.command("withdraw")
@sends
def withdraw(sending: Sending, number: NumberArgument) -> None:
    """Take back a proposal of your own.

    Example:

        quorate member withdraw 3
    """
    with sending.connect() as client:
        act_on(sending, client, number, "withdraw_proposal")


@member.command("ready")
@sends
def ready(
    sending: Sending,
    wait: Annotated[str, typer.Option(help="How long to wait until your node has caught up.")] = "10m",
) -> None:
    """Show the others that your node has executed what they have, so that they can let it validate.

    Waits until it has caught up. It must be your own node that answers: what it says of its newest block is
    what you sign.

    Example:

        quorate member ready
    """
    from consensus.transactions import Call

    with sending.connect(STARTS_OVER_S) as client:
        status = _caught_up(client, span_ms(wait) / 1000)
        said = {"height": status["height"], "exec_hash": status["exec_hash"]}
        sending.send(client, Call("members", "ready", said))
        if not sending.as_json:
            say(f"A member can now propose it: quorate member propose promote {status['member']}")


@member.command("move")
@sends
def move(
    sending: Sending,
    address: Annotated[str, typer.Argument(help="As /dns4/node.greenfarm.example/tcp/4001.")],
) -> None:
    """Tell the others where your node is reached from now on. What is connected stays connected.

    Example:

        quorate member move /dns4/new.greenfarm.example/tcp/4001
    """
    from consensus.transactions import Call

    with sending.connect() as client:
        sending.send(client, Call("members", "set_address", {"address": address}))


# ---------------------------------------------------------------- parts


def _change(kind: str, subject: str) -> dict[str, Any]:
    """A change as the chain wants it. Raises: ConfigurationError."""
    from node.documents import fields, read_json
    from node.members import parse_card

    if kind == "admit":
        given = read_json(Path(subject))
        parse_card(given, subject)
        return {"kind": "admit", "card": given}
    if kind == "rotate":
        return fields(read_json(Path(subject)), {"kind", "member", "role", "key", "signature"}, subject)
    if kind in ("promote", "remove", "suspend", "reinstate"):
        return {"kind": kind, "member": subject}
    raise ConfigurationError(
        f"{kind!r} is no change: it is admit, promote, remove, suspend, reinstate or rotate"
    )


def _find(members: list[dict[str, Any]], name: str) -> dict[str, Any]:
    for found in members:
        if found["id"] == name:
            return found
    raise CommandFailed(f"there is no member {name}; there are {', '.join(each['id'] for each in members)}")


def _caught_up(client: Client, wait_s: float) -> dict[str, Any]:
    """The node's status once it is where its peers are. Raises: CommandFailed when time is up."""
    end_s, said = time.monotonic() + wait_s, ""
    while True:
        status: dict[str, Any] = client.get("/v1/status")
        heights = [
            peer["height"] for peer in status["peers"] if peer["connected"] and peer["height"] is not None
        ]
        behind = max(heights, default=status["height"]) - status["height"]
        if status["role"] != "stranger" and heights and behind <= READY_BEHIND_MAX:
            return status
        reason = _not_ready(status, behind, reached=bool(heights))
        if time.monotonic() >= end_s:
            raise CommandFailed(reason)
        if reason.partition(":")[0] != said:
            said = reason.partition(":")[0]
            warn(f"Waiting: {reason}")
        time.sleep(READY_POLL_S)


def _not_ready(status: dict[str, Any], behind: int, *, reached: bool) -> str:
    if not reached:
        return "your node reaches nobody: do the members let it in, and is its address right?"
    if status["role"] == "stranger":
        return "your node has not come to the block yet in which it was admitted"
    return f"your node is behind: {behind} blocks at height {status['height']}"


def _part(member: dict[str, Any]) -> str:
    suspended = member["standing"] == "suspended"
    return f"{member['role']}, suspended" if suspended else str(member["role"])


def _or_dash(value: object) -> object:
    return "-" if value is None else value
