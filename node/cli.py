"""The command `quorate`.

Exit codes: 0 as asked; 1 it failed; 2 wrong use or configuration.
"""

from __future__ import annotations

import sys

import typer

from node.commands import (
    authoring,
    bench,
    chaos,
    contracts,
    demo,
    dev,
    doctor,
    genesis,
    home,
    incident,
    lifecycle,
    member_keys,
    members,
    nodes,
    proofs,
    transactions,
    verify,
    why,
)
from node.errors import CommandFailed, ConfigurationError

app = typer.Typer(
    name="quorate",
    help="""A blockchain node for organisations that cooperate without a middleman.

    See it at work: `quorate demo`. Write and try contracts on one node: `quorate dev`.

    Found a chain with partners: `quorate init`, `quorate genesis`, `quorate start`.

    Join one that runs, or take somebody in: `quorate member`.
    """,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(home.init)
app.add_typer(home.keys, name="keys")
app.add_typer(genesis.genesis, name="genesis")
members.member.command()(member_keys.rotate)
members.member.command()(member_keys.adopt)
app.add_typer(members.member, name="member")
app.command()(nodes.start)
app.command()(nodes.status)
app.add_typer(nodes.config, name="config")
app.add_typer(transactions.tx, name="tx")
app.command()(transactions.account)
authoring.add_to(contracts.contract)
lifecycle.add_to(contracts.contract)
app.add_typer(contracts.contract, name="contract")
app.command()(proofs.proof)
app.command()(verify.verify)
app.command()(why.why)
app.command()(doctor.doctor)
app.add_typer(incident.incident, name="incident")
app.command()(chaos.chaos)
app.add_typer(dev.dev, name="dev")
app.add_typer(demo.demo, name="demo")
app.command()(bench.bench)


def main() -> None:
    """Run the command line; never returns."""
    try:
        app(prog_name="quorate")
    except ConfigurationError as error:
        _fail(error, 2)
    except CommandFailed as error:
        _fail(error, 1)


def _fail(error: Exception, code: int) -> None:
    typer.secho(f"quorate: {error}", err=True, fg=typer.colors.RED)
    sys.exit(code)


if __name__ == "__main__":
    main()
