"""A consortium of real nodes that grows and changes: what partners do, by way of their own nodes' APIs."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from api.client import Call
from node import genesis
from node.commands.contracts import deploy_gas
from node.demo.partner import Partner, execution_of_all, wait_until
from node.demo.processes import stop_all
from node.demo.stage import Actor, Seat
from node.documents import read_json
from node.home import CARD_FILE, make_home
from node.keystore import Role
from node.members import parse_card
from node.ports import free_ports
from tests.consortium.four import CURRENCY

ROOT = Path(__file__).resolve().parents[2]
START_S = 120.0
SETTLE_S = 90.0
LEVEL_S = 240.0
"""For a newcomer, who executes all that there is while the chain goes on."""
LEVEL_BLOCKS = 20
"""So near to the others a newcomer is when it says that it is ready; the chain goes on meanwhile."""
NAMES = ("alpha", "bravo", "coast", "delta", "ember", "fjord", "grove")


class Growing:
    """Members in the order in which they came; the first founders' genesis is everybody's."""

    def __init__(self, folder: Path, founders: int, parameters: dict[str, int] | None = None) -> None:
        self.folder = folder
        self.partners: list[Partner] = []
        folder.mkdir(parents=True)
        seats = [self.home(name) for name in NAMES[:founders]]
        cards = [parse_card(read_json(seat.home / CARD_FILE), seat.label) for seat in seats]
        body = genesis.assemble("growing", time.time_ns() // 1_000_000, cards, parameters)
        blank = genesis.SignedGenesis(body, {})
        signed = [(seat.label, genesis.sign(blank, seat.keys.private(Role.ADMINISTRATOR))) for seat in seats]
        self.genesis_path = folder / "genesis.json"
        genesis.write_genesis(self.genesis_path, genesis.merge(signed))
        self.chain = body.chain
        for seat in seats:
            self.seat(seat)

    def home(self, name: str, folder: Path | None = None) -> Seat:
        """Keys and a card at home."""
        listen, api = free_ports(2)
        home = folder or self.folder / name
        make_home(
            home,
            member=name,
            title=f"The {name.title()}",
            address=f"/ip4/127.0.0.1/tcp/{listen}",
            settings={"api_port": api, "ops_address": "off"},
        )
        return Seat(name, Actor(name, name.title(), ""), home, api)

    def seat(self, seat: Seat) -> Partner:
        """With the chain's genesis it can start."""
        shutil.copy(self.genesis_path, seat.home / "genesis.json")
        partner = Partner(seat)
        self.partners.append(partner)
        return partner

    def __getitem__(self, name: str) -> Partner:
        return next(partner for partner in reversed(self.partners) if partner.name == name)

    def start(self, *partners: Partner) -> None:
        for partner in partners:
            partner.process.start()
        for partner in partners:
            partner.await_start(START_S)

    def close(self) -> None:
        for partner in self.partners:
            partner.close()
        stop_all([partner.process for partner in self.partners])

    # -- deciding -----------------------------------------------------------------------------------
    def decide(self, proposer: Partner, *changes: dict[str, Any]) -> int:
        """Propose it, and have as many approve as are needed; the height at which it was carried out."""
        done = proposer.act("members", "propose", {"changes": list(changes)}, gas_limit=5_000_000)
        assert done.receipt is not None
        number = done.receipt["results"][0]
        while (proposal := proposer.client.get(f"/v1/proposals/{number}"))["status"] == "open":
            voter = next(self[name] for name in proposal["missing"] if self[name].process.is_running())
            assert done.height is not None
            assert voter.await_height(done.height, SETTLE_S)
            approval = {"proposal": number, "hash": proposal["hash"]}
            done = voter.act("members", "approve", approval, gas_limit=5_000_000)
            assert done.height is not None
            assert proposer.await_height(done.height, SETTLE_S)
        assert proposal["status"] == "carried out", proposal
        height: int = proposal["closed_height"]
        return height

    def admit(self, name: str, by: Partner) -> Partner:
        """A newcomer sends its card, is admitted, and starts its node as an observer."""
        newcomer = self.seat(self.home(name))
        card = read_json(newcomer.seat.home / CARD_FILE)
        self.decide(by, {"kind": "admit", "card": card})
        self.start(newcomer)
        return newcomer

    def promote(self, newcomer: Partner, by: Partner) -> int:
        """It has caught up, says so, and gets a vote; the epoch in which it has it."""
        self.say_ready(newcomer, by)
        self.decide(by, {"kind": "promote", "member": newcomer.name})
        return self.await_epoch(newcomer.name, True)

    def say_ready(self, newcomer: Partner, by: Partner) -> None:
        """A newcomer catches up with one that runs, and posts `ready` to its own node."""

        def level() -> bool:
            knows_itself = newcomer.client.get("/v1/status")["role"] == "observer"
            return knows_itself and newcomer.height() > by.height() - LEVEL_BLOCKS

        assert wait_until(level, LEVEL_S), newcomer.process.last_words()
        status = newcomer.client.get("/v1/status")
        said = {"height": status["height"], "exec_hash": status["exec_hash"]}
        done = newcomer.act("members", "ready", said)
        assert done.height is not None
        assert by.await_height(done.height, SETTLE_S)

    def await_epoch(self, name: str, votes: bool, partners: Sequence[Partner] | None = None) -> int:
        """Wait until these nodes (all that run) are in an epoch in which the member votes, or does not."""
        running = [each for each in partners or self.partners if each.process.is_running()]

        def begun() -> bool:
            return all((name in validators(partner)) is votes for partner in running)

        assert wait_until(begun, SETTLE_S), {each.name: validators(each) for each in running}
        return max(epoch(partner) for partner in running)

    # -- money --------------------------------------------------------------------------------------
    def open_currency(self, issuer: Partner, amount: int) -> None:
        """Deploy the token and mint `amount` for the issuer."""
        source = (ROOT / "contracts" / "library" / "token.py").read_text()
        done = issuer.act("contracts", "deploy", {"source": source}, deploy_gas(source))
        assert done.receipt is not None
        code, terms = done.receipt["results"][0], {"issuer": issuer.name}
        create = {"code": code, "name": CURRENCY, "terms": terms, "sign": True}
        issuer.act_all(
            [
                Call("contracts", "create", create),
                Call(CURRENCY, "mint", {"to": issuer.name, "amount": str(amount)}),
            ]
        )

    def assert_equal_execution(self, partners: Sequence[Partner] | None = None) -> tuple[int, str]:
        """All of these (all that run) at one height with one execution hash."""
        running = [each for each in partners or self.partners if each.process.is_running()]
        seen = execution_of_all(running, SETTLE_S)
        assert len(set(seen.values())) == 1, seen
        return next(iter(seen.values()))


def epoch(partner: Partner) -> int:
    """The epoch that its node's ordering is in."""
    found: int = partner.client.get("/v1/status")["consensus"]["epoch"]
    return found


def validators(partner: Partner) -> list[str]:
    """Who votes in the newest epoch that its node knows."""
    newest = partner.client.get("/v1/epochs")["items"][-1]
    return [validator["member"] for validator in newest["validators"]]


def connected(partner: Partner) -> list[str]:
    """Whose nodes its node has a connection with."""
    return [peer["member"] for peer in partner.client.get("/v1/status")["peers"] if peer["connected"]]


def await_ends(partner: Partner, identifiers: Iterable[str], *ends: str) -> None:
    """Each of these transactions comes to one of these ends on its node, and to no other."""

    def ended(identifier: str) -> bool:
        found = partner.client.get(f"/v1/transactions/{identifier}")
        assert found["state"] in ("pending", "available", *ends), found
        return found["state"] in ends

    for identifier in identifiers:
        assert wait_until(partial(ended, identifier), SETTLE_S), identifier


def role(partner: Partner, name: str) -> str:
    """A member's part, as its node tells it."""
    members = partner.client.get("/v1/members")["items"]
    return next(str(member["role"]) for member in members if member["id"] == name)


@contextmanager
def growing(folder: Path, founders: int) -> Iterator[Growing]:
    """Founders whose nodes run, and whoever comes later, until the end of the `with`."""
    consortium = Growing(folder / "chain", founders)
    try:
        consortium.start(*consortium.partners)
        yield consortium
    finally:
        consortium.close()
