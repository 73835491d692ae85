"""`quorate tx` and `quorate account`: send transactions and see what became of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from node.commands.arguments import parse_arguments
from node.commands.console import DataOption, JsonOption, NodeOption, good, group, say, say_json, table
from node.commands.sending import Sending, node_time_ms, say_status, sends
from node.commands.session import connect
from node.errors import ConfigurationError

tx = group(
    """Send transactions and see what became of them.

    A transaction is written, explained and signed here, then posted to a node. What it says is what you sign.

    When several organisations must sign: `tx call ... --write deal.json`, each `tx sign deal.json`, and one
    `tx send deal.json`.
    """
)

ArgumentsArgument = Annotated[
    list[str] | None, typer.Argument(help="Arguments as name=value, or name:=JSON.", show_default=False)
]
IdArgument = Annotated[str, typer.Argument(help="The transaction's id, 64 hex digits.")]


@tx.command("transfer")
@sends
def transfer(
    sending: Sending,
    to: Annotated[str, typer.Argument(help="Account that receives.")],
    amount: Annotated[int, typer.Argument(min=1, help="In minor units, as 2500 for 25.00 euro.")],
    currency: Annotated[str, typer.Argument(help="Name of the token.")],
) -> None:
    """Transfer money of a token.

    Example:

        quorate tx transfer millworks 2500 euro
    """
    from consensus.transactions import Call

    with sending.connect() as client:
        sending.send(client, Call(currency, "transfer", {"to": to, "amount": str(amount)}))


@tx.command("call")
@sends
def call(
    sending: Sending,
    contract: Annotated[str, typer.Argument(help="An instance, or accounts or contracts.")],
    action: Annotated[str, typer.Argument(help="What to do.")],
    arguments: ArgumentsArgument = None,
    write: Annotated[
        Path | None,
        typer.Option(help="Write it to a file for others to sign; send nothing.", show_default=False),
    ] = None,
    others: Annotated[
        list[str] | None,
        typer.Option("--with", help="An account that will sign the file elsewhere.", show_default=False),
    ] = None,
) -> None:
    """Call an action of any contract.

    Example:

        quorate tx call accounts set_keys account=greenfarm.buying keys:='["<public key>"]'
    """
    from api.signing import sign_transaction
    from consensus.transactions import Call
    from node.documents import write_json

    with sending.connect() as client:
        given = parse_arguments(arguments or [], {}, node_time_ms(client.get("/v1/status")))
        planned = Call(contract, action, given)
        if write is None:
            sending.send(client, planned)
            return
        accounts = sending.accounts()
        names = [*(account.name for account in accounts), *(others or [])]
        transaction = sending.write(client, names, [planned])
        sending.explain(client, transaction)
        write_json(write, sign_transaction(transaction, [account.signer for account in accounts]))
        good(f"{write} is signed by {', '.join(names[: len(accounts)])}. The others: quorate tx sign {write}")


@tx.command("sign")
@sends
def sign(
    sending: Sending, file: Annotated[Path, typer.Argument(help="A transaction that others wrote.")]
) -> None:
    """Add your signature to a transaction in a file.

    Example:

        quorate tx sign deal.json
    """
    from api.signing import sign_transaction
    from node.documents import write_json

    submission = _read_submission(file)
    with sending.connect() as client:
        sending.explain(client, submission["transaction"])
        added = sign_transaction(
            submission["transaction"], [account.signer for account in sending.accounts()]
        )
    keys = {signature["key"] for signature in added["signatures"]}
    kept = [signature for signature in submission["signatures"] if signature["key"] not in keys]
    write_json(file, {**added, "signatures": kept + added["signatures"]})
    good(f"{file} has {len(kept) + len(keys)} signatures. When all have signed: quorate tx send {file}")


@tx.command("send")
@sends
def send(sending: Sending, file: Annotated[Path, typer.Argument(help="A signed transaction.")]) -> None:
    """Post a signed transaction and wait until it is final. Posting it again does no harm.

    Example:

        quorate tx send deal.json
    """
    submission = _read_submission(file)
    with sending.connect() as client:
        sending.explain(client, submission["transaction"])
        sending.post(client, submission)


@tx.command("register")
@sends
def register(
    sending: Sending,
    account: Annotated[
        str, typer.Argument(help="Account whose key is in the data folder, as greenfarm.buying.")
    ],
) -> None:
    """Make one of your member's accounts known to the chain, with the key that is in your data folder.

    Example:

        quorate tx register greenfarm.buying
    """
    from consensus.transactions import Call
    from node.commands.secrets import open_keystore

    key = open_keystore(sending.data).public(account).hex()
    with sending.connect() as client:
        sending.send(client, Call("accounts", "register", {"account": account, "keys": [key]}))


@tx.command("status")
def status(
    transaction: IdArgument,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait, for a minute at most, until it is final.")
    ] = False,
    node: NodeOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say where a transaction stands. Exit code 0 when it is final and succeeded.

    Example:

        quorate tx status 6ef7a1a3... --wait
    """
    from api.gateway import TransactionState, TransactionStatus

    query = {"wait": "committed", "timeout": "60"} if wait else {}
    with connect(node, data) as client:
        found = client.get(f"/v1/transactions/{transaction}", **query)
    known = ("height", "index", "outcome", "code", "detail", "hint", "receipt")
    values = {name: found[name] for name in known if name in found}
    say_status(TransactionStatus(found["id"], TransactionState(found["state"]), **values), as_json=as_json)


@tx.command("show")
def show(transaction: IdArgument, node: NodeOption = None, data: DataOption = None) -> None:
    """Print a transaction with its sentence, its signatures and its receipt, as JSON.

    Example:

        quorate tx show 6ef7a1a3...
    """
    with connect(node, data) as client:
        say_json(client.get(f"/v1/transactions/{transaction}"))


def account(
    name: Annotated[str, typer.Argument(help="Name of the account.")],
    node: NodeOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show an account: its keys and its money.

    Example:

        quorate account millworks
    """
    with connect(node, data) as client:
        found = client.get(f"/v1/accounts/{name}")
    if as_json:
        say_json(found)
        return
    say(f"{found['id']}: acts by {', '.join(found['keys'])}", strong=True)
    table(("CURRENCY", "AMOUNT"), [(item["currency"], item["amount"]) for item in found["balances"]])


def _read_submission(file: Path) -> dict[str, Any]:
    """A {transaction, signatures} document, whose form the node will judge. Raises: ConfigurationError."""
    from node.documents import fields, key_bytes, read_json

    submission = fields(read_json(file), {"transaction", "signatures"}, str(file))
    if type(submission["transaction"]) is not dict or type(submission["signatures"]) is not list:
        raise ConfigurationError(f"{file} is no transaction: it needs an object and a list of signatures")
    for signature in submission["signatures"]:
        key_bytes(fields(signature, {"key", "signature"}, f"{file}: a signature")["key"], f"{file}: a key")
    return submission
