"""The contracts of docs/examples, each played through on a development node by its accounts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from api.client import Account, Call, Client
from api.gateway import TransactionStatus
from node.commands.contracts import deploy_gas
from node.demo.partner import wait_until
from node.keystore import Keystore
from tests.docs.conftest import Workshop
from tests.docs.pages import ROOT

DAY_MS = 86_400_000
SETTLE_S = 60.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Players:
    """The four accounts of a development node, and what they may do."""

    def __init__(self, workshop: Workshop, client: Client) -> None:
        keys = Keystore(workshop.folder / "my-chain" / "keys")
        self.client = client
        self.accounts = {
            name: Account(name, keys.private(name)) for name in ("dev.alice", "dev.bob", "dev.carol")
        }
        self.accounts["dev"] = Account("dev", keys.private("administrator"))

    def act(
        self, who: str, contract: str, action: str, gas_limit: int | None = None, **args: Any
    ) -> TransactionStatus:
        """Let `who` call; the status, final."""
        call = Call(contract, action, args)
        return self.client.send(self.accounts[who], [call], gas_limit=gas_limit)

    def must(self, who: str, contract: str, action: str, **args: Any) -> TransactionStatus:
        """Let `who` call something that succeeds."""
        status = self.act(who, contract, action, **args)
        assert status.outcome == "ok", status
        return status

    def create(self, who: str, file: str, name: str, **terms: Any) -> str:
        """Deploy a source of the repository, and make an instance that `who` signs."""
        source = (ROOT / file).read_text()
        status = self.act(who, "contracts", "deploy", deploy_gas(source), source=source)
        assert status.receipt is not None, status
        code = status.receipt["results"][0]
        self.must(who, "contracts", "create", code=code, name=name, terms=terms, sign=True)
        return name

    def look(self, instance: str) -> Any:
        return self.client.get(f"/v1/instances/{instance}")

    def ask(self, instance: str, query: str, **arguments: str) -> Any:
        return self.client.get(f"/v1/instances/{instance}/query/{query}", **arguments)["value"]

    def in_ms(self, span_ms: int) -> int:
        """A time so far from now on the node's clock."""
        return int(self.client.get("/v1/status")["clock_ms"]) + span_ms

    def pass_days(self, days: int) -> None:
        self.client.advance_clock(days * DAY_MS)

    def becomes(self, instance: str, phase: str) -> bool:
        """Whether an instance reaches a phase without anybody doing anything."""
        return wait_until(lambda: self.look(instance)["phase"] == phase, SETTLE_S)

    def events(self, instance: str) -> list[tuple[str, Any]]:
        """(name, fields) of what an instance told, in order."""
        found = []
        for event in self.client.events(after="0.0", contract=instance):
            found.append((event["name"], event["fields"]))
            if event["name"] in ("Decided", "Ended"):
                break
        return found


@pytest.fixture
def players(workshop: Workshop) -> Iterator[Players]:
    with Client(workshop.url) as client:
        yield Players(workshop, client)


_NUMBERS = count(1)


@pytest.fixture
def name() -> str:
    """A new name for an instance."""
    return f"case-{next(_NUMBERS)}"


@pytest.fixture(scope="module")
def token(workshop: Workshop) -> str:
    """A currency of which alice and bob hold 1000 each."""
    with Client(workshop.url) as client:
        players = Players(workshop, client)
        players.create("dev", "contracts/library/token.py", "gold", issuer="dev")
        for holder in ("dev.alice", "dev.bob"):
            players.must("dev", "gold", "mint", to=holder, amount=1_000)
    return "gold"


def balance(players: Players, account: str) -> int:
    return int(players.ask("gold", "balance", account=account))


# ---------------------------------------------------------------- a decision by consent


def decision(players: Players, name: str) -> str:
    return players.create(
        "dev", "docs/examples/consent_decision.py", name, facilitator="dev",
        circle=["dev.alice", "dev.bob"], proposal="We paint the door red.", until=players.in_ms(3 * DAY_MS),
    )  # fmt: skip


def test_a_proposal_is_adopted_as_soon_as_all_consent(players: Players, name: str) -> None:
    roof = decision(players, name)
    players.must("dev.alice", roof, "object_because", reason="Blue!")
    players.must("dev.bob", roof, "consent")
    assert players.ask(roof, "open_objections") == [["dev.alice", "Blue!"]]
    assert players.look(roof)["phase"] == "open"
    players.must("dev.alice", roof, "consent")
    assert players.look(roof)["phase"] == "adopted"
    assert players.events(roof)[-1] == ("Decided", {"adopted": True, "reason": "all consent"})


def test_silence_is_consent_and_a_standing_objection_is_not(players: Players, name: str) -> None:
    silent, contested = decision(players, name), decision(players, f"{name}-b")
    players.must("dev.bob", contested, "object_because", reason="No.")
    stranger = players.act("dev.carol", contested, "consent")
    assert (stranger.outcome, stranger.code) == ("failed", "unauthorised")
    empty = players.act("dev.alice", contested, "object_because", reason="")
    assert (empty.code, empty.detail) == ("require", "an objection needs a reason")
    players.pass_days(4)
    assert players.becomes(silent, "adopted")
    assert players.becomes(contested, "not adopted")


# ---------------------------------------------------------------- a register of members


def test_the_register_takes_and_gives_back_the_share(players: Players, name: str, token: str) -> None:
    share = {"amount": "100", "currency": token}
    register = players.create("dev", "docs/examples/member_register.py", name, board=["dev"], share=share)
    before = balance(players, "dev.alice")
    players.must("dev.alice", register, "apply")
    players.must("dev.bob", register, "apply")
    assert players.act("dev.alice", register, "apply").detail == "you have applied already"
    assert players.act("dev.alice", register, "admit", applicant="dev.alice").code == "unauthorised"
    players.must("dev", register, "admit", applicant="dev.alice")
    players.must("dev", register, "decline", applicant="dev.bob")
    assert players.ask(register, "is_member", account="dev.alice") is True
    assert players.ask(register, "is_member", account="dev.bob") is False
    assert [row[0] for row in players.ask(register, "first_members")] == ["dev.alice"]
    assert players.ask(register, "members_after", member="dev.alice") == []
    assert balance(players, "dev.alice") == before - 100
    assert players.look(register)["balances"] == [{"currency": token, "amount": "100"}]
    players.must("dev.alice", register, "leave")
    assert balance(players, "dev.alice") == before
    assert players.act("dev.carol", register, "apply").code == "funds"


# ---------------------------------------------------------------- a joint purchase


def purchase(players: Players, name: str, token: str) -> str:
    players.create(
        "dev.carol", "docs/examples/joint_purchase.py", name, seller="dev.carol", inspector="dev",
        token=token, price=300, until=players.in_ms(5 * DAY_MS),
    )  # fmt: skip
    players.must("dev.alice", name, "pledge", amount=200)
    return name


def test_the_seller_is_paid_when_all_is_pledged_and_accepted(players: Players, name: str, token: str) -> None:
    deal = purchase(players, name, token)
    before = balance(players, "dev.carol")
    assert players.ask(deal, "missing") == 100
    assert players.act("dev.bob", deal, "pledge", amount=101).detail == "pledge at least 1, at most 100"
    players.must("dev.bob", deal, "pledge", amount=100)
    assert players.look(deal)["phase"] == "ordered"
    players.must("dev", deal, "report", fact="accepted", value=True)
    assert players.look(deal)["phase"] == "paid"
    assert balance(players, "dev.carol") == before + 300


@pytest.mark.parametrize("refused", [True, False])
def test_all_get_back_what_was_refused_or_never_inspected(
    players: Players, name: str, token: str, refused: bool
) -> None:
    deal = purchase(players, name, token)
    players.must("dev.bob", deal, "pledge", amount=100)
    before = balance(players, "dev.bob")
    if refused:
        players.must("dev", deal, "report", fact="accepted", value=False)
    else:
        players.pass_days(20)
    assert players.becomes(deal, "called off")
    reason = "refused" if refused else "never inspected"
    assert players.events(deal)[-1] == ("Ended", {"outcome": reason})
    players.must("dev.bob", deal, "refund")
    assert balance(players, "dev.bob") == before + 100
    assert players.act("dev.bob", deal, "refund").detail == "nothing of yours is here"


def test_all_get_back_when_too_little_is_pledged_in_time(players: Players, name: str, token: str) -> None:
    deal = purchase(players, name, token)
    before = balance(players, "dev.alice")
    players.pass_days(6)
    assert players.becomes(deal, "called off")
    assert players.events(deal)[-1] == ("Ended", {"outcome": "too little pledged"})
    players.must("dev.alice", deal, "refund")
    assert balance(players, "dev.alice") == before + 200
