"""From calls to a final outcome: explain them to the person, sign here, post, wait, say what became of it.

The options that every sending command shares are the fields of `Sending`; `sends` adds them to a command.
"""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from node.commands.arguments import span_ms
from node.commands.console import DataOption, JsonOption, NodeOption, good, say, say_json
from node.commands.session import AsOption, KeyOption, connect, cosigner, signer
from node.errors import CommandFailed

if TYPE_CHECKING:
    from api.client import Account, Call, Client
    from api.gateway import JsonObject, TransactionStatus

WAIT_S = 30.0


@dataclass(frozen=True)
class Sending:
    """Who sends, through which node, and on which conditions."""

    node: NodeOption = None
    data: DataOption = None
    acting_as: AsOption = None
    key: KeyOption = None
    cosign: Annotated[
        list[str] | None,
        typer.Option(help="A further account that signs here: NAME, or NAME=KEYFILE.", show_default=False),
    ] = None
    expires_in: Annotated[str, typer.Option(help="How long it may wait before it can take no effect.")] = "5m"
    gas_limit: Annotated[int | None, typer.Option(help="Gas that it may use.", show_default=False)] = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would do; send nothing.")] = False
    as_json: JsonOption = False

    def connect(self, patience_s: float = 0.0) -> AbstractContextManager[Client]:
        """A client of the node that these options name."""
        return connect(self.node, self.data, patience_s)

    def accounts(self) -> list[Account]:
        """Sender and cosigners with their keys. Raises: ConfigurationError."""
        first = signer(self.acting_as, self.key, self.data)
        return [first, *(cosigner(text, self.data) for text in self.cosign or [])]

    def write(self, client: Client, accounts: Sequence[str], calls: Sequence[Call]) -> JsonObject:
        """The transaction, to be signed by these accounts."""
        from api.signing import build_transaction

        node = client.get("/v1/status")
        sender, *cosigners = accounts
        return build_transaction(
            node["chain"],
            sender,
            calls,
            node_time_ms(node) + span_ms(self.expires_in),
            cosigners=cosigners,
            gas_limit=self.gas_limit,
        )

    def send(self, client: Client, *calls: Call) -> TransactionStatus:
        """Explain, sign, post and wait. Raises: CommandFailed unless it is final and succeeded."""
        from api.signing import sign_transaction

        accounts = self.accounts()
        transaction = self.write(client, [account.name for account in accounts], calls)
        self.explain(client, transaction)
        return self.post(client, sign_transaction(transaction, [account.signer for account in accounts]))

    def explain(self, client: Client, transaction: JsonObject) -> None:
        """Say in the node's words what is about to be signed or sent. Raises: typer.Exit in a dry run."""
        from api.signing import id_of

        explained = client.post("/v1/transactions/explain", {"transaction": transaction})
        if explained["id"] != id_of(transaction):
            raise CommandFailed("the node explains other bytes than the ones to be signed: do not trust it")
        if not self.as_json:
            say(f"{explained['sentence'].rstrip('.')}.", strong=True)
        if self.dry_run:
            say_json(client.post("/v1/transactions/simulate", {"transaction": transaction}))
            raise typer.Exit

    def post(self, client: Client, submission: JsonObject) -> TransactionStatus:
        """Post a signed transaction and wait. Raises: CommandFailed unless it is final and succeeded."""
        from api.signing import id_of

        if not self.as_json:
            say(f"id {id_of(submission['transaction'])}")
        status = client.submit(submission, until="committed", timeout_s=WAIT_S)
        say_status(status, as_json=self.as_json)
        return status


def sends(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of `Sending`; it takes them, put together, as its first argument."""
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    hints = get_type_hints(Sending, include_extras=True)
    shared = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in fields(Sending)
    ]

    @functools.wraps(command)
    def with_options(**given: Any) -> Any:
        sending = Sending(**{field.name: given.pop(field.name) for field in fields(Sending)})
        return command(sending, **given)

    with_options.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
    with_options.__annotations__ = {}
    return with_options


def node_time_ms(node: JsonObject) -> int:
    """Now; a development node's clock may be ahead of ours."""
    return max(time.time_ns() // 1_000_000, int(node["clock_ms"]))


def say_status(status: TransactionStatus, *, as_json: bool) -> None:
    """Where a transaction stands. Raises: CommandFailed unless it is final and succeeded."""
    from api.gateway import TransactionState

    if as_json:
        say_json({name: value for name, value in asdict(status).items() if value is not None})
    if status.state is TransactionState.COMMITTED and status.outcome == "ok":
        if not as_json:
            good(f"Final at height {status.height}.")
        return
    if status.state is TransactionState.COMMITTED:
        raise CommandFailed(f"final at height {status.height}, but without effect: {_reason(status)}")
    if status.state in (TransactionState.REJECTED, TransactionState.EXPIRED):
        raise CommandFailed(f"{status.state}: {_reason(status)}")
    raise CommandFailed(f"not final yet: {status.state}. It is not lost; ask: quorate tx status {status.id}")


def _reason(status: TransactionStatus) -> str:
    return " ".join(part for part in (status.detail, status.code and f"[{status.code}]", status.hint) if part)
