"""A consortium of any size on this machine, with a currency of which every member has plenty."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from api.client import Call
from consensus.transactions import CALLS_MAX
from node.commands.contracts import deploy_gas
from node.demo.partner import Partner
from node.demo.processes import stop_all
from node.demo.stage import Actor, Stage, build
from node.errors import CommandFailed

CURRENCY = "coin"
MINTED = 10**15
"""Minor units for each member, of which each transfer moves one."""
START_S = 60.0
"""Longest time until all nodes answer, and again until all have the currency."""


@contextmanager
def running(folder: Path, nodes: int) -> Iterator[tuple[Stage, list[Partner]]]:
    """`nodes` nodes with the currency, until the end of the `with`. Raises: CommandFailed."""
    cast = [Actor(f"member{number:02}", f"Member {number}", "transfers") for number in range(1, nodes + 1)]
    stage = build(folder, cast=cast)
    partners = [Partner(seat) for seat in stage.seats]
    try:
        for partner in partners:
            partner.process.start()
        for partner in partners:
            partner.await_start(START_S)
        _open_currency(stage, partners)
        yield stage, partners
    finally:
        for partner in partners:
            partner.close()
        stop_all([partner.process for partner in partners])


def _open_currency(stage: Stage, partners: list[Partner]) -> None:
    issuer = partners[0]
    source = stage.sources[0].read_text()
    receipt = issuer.act("contracts", "deploy", {"source": source}, deploy_gas(source)).receipt or {}
    create = {"code": receipt["results"][0], "name": CURRENCY, "terms": {"issuer": issuer.name}, "sign": True}
    mints = [Call(CURRENCY, "mint", {"to": partner.name, "amount": str(MINTED)}) for partner in partners]
    calls = [Call("contracts", "create", create), *mints]
    minted_at = 0
    for first in range(0, len(calls), CALLS_MAX):
        minted_at = issuer.act_all(calls[first : first + CALLS_MAX]).height or 0
    for partner in partners:
        if not partner.await_height(minted_at, START_S):
            raise CommandFailed(f"{partner.called} does not follow; see {partner.process.log_path}")
