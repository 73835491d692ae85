"""`quorate contract`: write, check, deploy, agree on, use and inspect contracts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.commands.arguments import parse_arguments, parse_value
from node.commands.console import DataOption, JsonOption, NodeOption, group, say, say_json, table, warn
from node.commands.sending import Sending, node_time_ms, sends
from node.commands.session import connect, items
from node.commands.sources import read_source
from node.commands.transactions import ArgumentsArgument
from node.errors import CommandFailed

if TYPE_CHECKING:
    from api.client import Client
    from consensus.transactions import Call, Json

LISTED_MAX = 1_000

contract = group(
    """Write, check, deploy, agree on, use and inspect contracts.

    A contract's way: `check` the file, `deploy` it, `create` an instance with terms, every party's `sign`,
    then `call` its actions and `report` its facts. Rules fire by themselves.
    """
)

FileArgument = Annotated[Path, typer.Argument(help="File with the contract's source.")]
InstanceArgument = Annotated[str, typer.Argument(help="Name of the instance.")]


@contract.command("deploy")
@sends
def deploy(sending: Sending, file: FileArgument) -> None:
    """Put a contract's source on the chain; its code id is a hash of it, so deploying twice is once.

    Example:

        quorate contract deploy delivery_or_penalty.py
    """
    from dataclasses import replace

    from contracts.system.code_approval import code_id

    source = read_source(file)
    sending = replace(sending, gas_limit=sending.gas_limit or deploy_gas(source))
    with sending.connect() as client:
        sending.send(client, _registry("deploy", {"source": source}))
    if not sending.as_json:
        say(f"Code {code_id(source)}. Next: quorate contract create {file} NAME term=value ...")


@contract.command("create")
@sends
def create(
    sending: Sending,
    code: Annotated[str, typer.Argument(help="Code id, or the file that was deployed.")],
    name: Annotated[str, typer.Argument(help="Name of the new instance; for a token, of the currency.")],
    terms: ArgumentsArgument = None,
    sign_too: Annotated[bool, typer.Option("--sign", help="Sign it in the same step.")] = False,
) -> None:
    """Propose an agreement: an instance of deployed code, with terms. It is active once all parties signed.

    Example:

        quorate contract create delivery_or_penalty.py order-1 buyer=greenfarm seller=millworks
        carrier=swiftship price="250000 euro" deadline=+2d --sign
    """
    identifier = _code_id(code)
    with sending.connect() as client:
        declared = _types(client.get(f"/v1/contracts/{identifier}")["terms"])
        given = parse_arguments(terms or [], declared, node_time_ms(client.get("/v1/status")))
        arguments: dict[str, Json] = {"code": identifier, "name": name, "terms": given}
        if sign_too:
            arguments["sign"] = True
        sending.send(client, _registry("create", arguments))
        if sending.as_json:
            return
        created = client.get(f"/v1/instances/{name}")
        say(f"{name} is {created['status']}.")
        if created["status"] == "proposed":
            say(f"Its parties sign with: quorate contract sign {name}")


@contract.command("sign")
@sends
def sign(
    sending: Sending,
    instance: InstanceArgument,
    terms_hash: Annotated[
        str | None, typer.Option(help="Sign only if the terms have this hash.", show_default=False)
    ] = None,
) -> None:
    """Sign an agreement: exactly this code with exactly these terms, which are shown first.

    Example:

        quorate contract sign order-1
    """
    with sending.connect() as client:
        found = client.get(f"/v1/instances/{instance}")
        if not sending.as_json:
            say(f"{instance}: {found['contract']} (code {found['code']})", strong=True)
            _say_values(found["terms"])
            say(f"  terms_hash: {found['terms_hash']}")
        chosen = terms_hash or found["terms_hash"]
        sending.send(client, _registry("sign", {"instance": instance, "terms_hash": chosen}))


@contract.command("withdraw")
@sends
def withdraw(sending: Sending, instance: InstanceArgument) -> None:
    """Take back an agreement that not all parties have signed.

    Example:

        quorate contract withdraw order-1
    """
    with sending.connect() as client:
        sending.send(client, _registry("withdraw", {"instance": instance}))


@contract.command("call")
@sends
def call(
    sending: Sending,
    instance: InstanceArgument,
    action: Annotated[str, typer.Argument(help="The action.")],
    arguments: ArgumentsArgument = None,
) -> None:
    """Call an action of an instance. Rules that it makes true fire in the same step.

    Example:

        quorate contract call order-1 fund

        quorate contract call euro mint to=greenfarm amount=1000000
    """
    with sending.connect() as client:
        declared = _types(_declaration(client, instance, "actions", action)["parameters"])
        given = parse_arguments(arguments or [], declared, node_time_ms(client.get("/v1/status")))
        sending.send(client, _call(instance, action, given))


@contract.command("report")
@sends
def report(
    sending: Sending,
    instance: InstanceArgument,
    fact: Annotated[str, typer.Argument(help="The fact, as delivered.")],
    value: Annotated[str, typer.Argument(help="Its value; for a time also: now.")],
) -> None:
    """Report a fact as its oracle. A fact is reported once, and rules that it makes true fire at once.

    Example:

        quorate contract report order-1 delivered now
    """
    with sending.connect() as client:
        declared = _declaration(client, instance, "facts", fact)["type"]
        now_ms = node_time_ms(client.get("/v1/status"))
        text = str(now_ms) if declared == "Time" and value == "now" else value
        given = parse_value(fact, text, declared, now_ms)
        sending.send(client, _call(instance, "report", {"fact": fact, "value": given}))


@contract.command("query")
def query(
    instance: InstanceArgument,
    name: Annotated[str, typer.Argument(help="The query.")],
    arguments: ArgumentsArgument = None,
    node: NodeOption = None,
    data: DataOption = None,
) -> None:
    """Ask a query of an instance; nothing is changed. The answer is JSON.

    Example:

        quorate contract query euro supply
    """
    with connect(node, data) as client:
        declared = _types(_declaration(client, instance, "queries", name)["parameters"])
        given = parse_arguments(arguments or [], declared, node_time_ms(client.get("/v1/status")))
        say_json(client.post(f"/v1/instances/{instance}/query/{name}", {"arguments": given})["value"])


@contract.command("list")
def list_all(
    codes: Annotated[bool, typer.Option("--codes", help="List deployed code instead of instances.")] = False,
    node: NodeOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the instances on the chain, or the deployed code.

    Example:

        quorate contract list --codes
    """
    with connect(node, data) as client:
        found = items(client, "/v1/contracts" if codes else "/v1/instances", LISTED_MAX)
    columns = ("code", "name", "author", "height") if codes else ("name", "contract", "status", "phase")
    if as_json:
        say_json(found)
    else:
        table(
            [column.upper() for column in columns], [[item[column] for column in columns] for item in found]
        )
    if len(found) == LISTED_MAX:
        warn(f"Only the first {LISTED_MAX} are shown; the API lists all of them, page after page.")


@contract.command("show")
def show(
    name: Annotated[str, typer.Argument(help="An instance, a code id, or a deployed file.")],
    node: NodeOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show an agreement: terms, signatures, money, and what each rule waits for; or deployed code.

    Example:

        quorate contract show order-1
    """
    with connect(node, data) as client:
        if _is_code(name):
            found = client.get(f"/v1/contracts/{_code_id(name)}")
            if as_json:
                say_json(found)
            else:
                say(found["source"].rstrip("\n"))
            return
        found = client.get(f"/v1/instances/{name}")
    if as_json:
        say_json(found)
        return
    say(f"{name}: {found['contract']}, {found['status']}, phase {found['phase']}", strong=True)
    say(found["text"])
    for heading in ("terms", "facts", "fields"):
        if found[heading]:
            say(heading.capitalize(), strong=True)
            _say_values(found[heading])
    say("Holds", strong=True)
    _say_values({balance["currency"]: balance["amount"] for balance in found["balances"]})
    for rule in found["rules"]:
        say(f"Rule {rule['name']}", strong=True)
        for branch in rule["branches"]:
            state = {True: "holds", False: "does not hold", None: "not reached"}[branch["holds"]]
            say(f"  if {branch['condition']}   ({state})")
            for consequence in branch["consequence"]:
                say(f"    {consequence}")


@contract.command("why")
def why(
    name: InstanceArgument, node: NodeOption = None, data: DataOption = None, as_json: JsonOption = False
) -> None:
    """Say of every rule what holds and what does not, part by part, and what would happen next and when.

    Example:

        quorate contract why order-1
    """
    with connect(node, data) as client:
        found = client.get(f"/v1/instances/{name}")
    if as_json:
        say_json({part: found[part] for part in ("name", "status", "phase", "rules", "handlers")})
        return
    say(f"{name}: {found['contract']}, {found['status']}, phase {found['phase']}", strong=True)
    for rule in found["rules"]:
        say(f"Rule {rule['name']} {rule['next']}.", strong=True)
        for branch in rule["branches"]:
            _say_part(branch["parts"], "  if ")
            for consequence in branch["consequence"]:
                say(f"    then {consequence}")
        if rule["reads"]:
            say(f"  with {', '.join(f'{read} = {_shown(value)}' for read, value in rule['reads'].items())}")
    for handler in found["handlers"]:
        say(
            f"On {handler['event']} of {handler['emitter']}, {handler['name']} {handler['next']}.",
            strong=True,
        )


_HOLDS = {True: "holds", False: "does not hold", None: "can not be told"}


def _say_part(part: Mapping[str, Any], lead: str) -> None:
    """A condition, and under it what it is made of."""
    say(f"{lead}{part['text']}   ({_HOLDS[part['holds']]})")
    for place, inner in enumerate(part.get("parts", ())):
        _say_part(inner, " " * len(lead) + (f"{part['word']} " if place else " " * (len(part["word"]) + 1)))


def _registry(action: str, args: Mapping[str, Json]) -> Call:
    """A call of the system contract that keeps code and agreements."""
    return _call("contracts", action, args)


def _call(contract: str, action: str, args: Mapping[str, Json]) -> Call:
    from consensus.transactions import Call

    return Call(contract, action, args)


def deploy_gas(source: str) -> int:
    """A gas limit that is enough for deploying this source."""
    from consensus.transactions import GAS_LIMIT_DEFAULT
    from contracts.system.code_approval import COMPILE_GAS_PER_BYTE

    return GAS_LIMIT_DEFAULT + COMPILE_GAS_PER_BYTE * len(source.encode())


def _is_code(text: str) -> bool:
    return Path(text).is_file() or (len(text) == 64 and all(digit in "0123456789abcdef" for digit in text))


def _code_id(text: str) -> str:
    """A code id as it is, or that of a file's source."""
    from contracts.system.code_approval import code_id

    return code_id(read_source(Path(text))) if Path(text).is_file() else text


def _declaration(client: Client, instance: str, kind: str, name: str) -> dict[str, Any]:
    """What an instance's code declares of an action, a query or a fact. Raises: CommandFailed."""
    code = client.get(f"/v1/contracts/{client.get(f'/v1/instances/{instance}')['code']}")
    for item in code[kind]:
        if item["name"] == name:
            found: dict[str, Any] = item
            return found
    names = ", ".join(item["name"] for item in code[kind]) or "none"
    raise CommandFailed(f"{instance} ({code['name']}) has no {name} among its {kind}; there is {names}")


def _types(parameters: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    return {parameter["name"]: parameter["type"] for parameter in parameters}


def _say_values(values: Any) -> None:
    """A name and its value a line: of an object, or of a list of {name, value} or {name, rows}."""
    pairs = values.items() if isinstance(values, dict) else ((item["name"], _value(item)) for item in values)
    for name, value in pairs:
        say(f"  {name}: {_shown(value)}")


def _shown(value: Any) -> Any:
    return (
        f"{value['amount']} {value['currency']}" if isinstance(value, dict) and "currency" in value else value
    )


def _value(item: Mapping[str, Any]) -> Any:
    """What a listed item holds; a table has rows."""
    if "rows" not in item:
        return item["value"]
    rows = ", ".join(f"{key} = {value!r}" for key, value in item["rows"])
    return f"{rows}, ..." if item["more"] else rows or "empty"
