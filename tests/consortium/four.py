"""Four organisations' nodes with a currency, for tests and benchmarks that need the real thing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from api.client import Call
from node.commands.contracts import deploy_gas
from node.config import load_config
from node.demo.partner import Partner, execution_of_all, wait_until
from node.demo.processes import stop_all
from node.demo.stage import CAST, Actor, Seat, Stage, build
from node.genesis import load_genesis

CURRENCY = "euro"
START_S = 120.0
LEVEL_S = 90.0


class Consortium:
    """Partners n1 to n4 in order, or those of another cast; n1 issues the currency."""

    def __init__(self, folder: Path, cast: Sequence[Actor] = CAST, *, again: bool = False) -> None:
        """Made in `folder`, or found there `again` with its ledgers."""
        self.stage = _found(folder, cast) if again else build(folder, cast=cast)
        self.partners = [Partner(seat) for seat in self.stage.seats]

    @property
    def bank(self) -> Partner:
        return self.partners[0]

    def start(self, partners: Sequence[Partner] | None = None) -> None:
        """Start these nodes (all, by default) and wait until each answers."""
        chosen = self.partners if partners is None else partners
        for partner in chosen:
            partner.process.start()
        for partner in chosen:
            partner.await_start(START_S)

    def stop(self) -> None:
        for partner in self.partners:
            partner.close()
        stop_all([partner.process for partner in self.partners])

    def open_currency(self, amount: int) -> None:
        """Deploy the token and mint `amount` for each partner."""
        source = self.stage.sources[0].read_text()
        done = self.bank.act("contracts", "deploy", {"source": source}, deploy_gas(source))
        assert done.receipt is not None
        code = done.receipt["results"][0]
        create: dict[str, Any] = {
            "code": code, "name": CURRENCY, "terms": {"issuer": self.bank.name}, "sign": True,
        }  # fmt: skip
        mints = [
            Call(CURRENCY, "mint", {"to": partner.name, "amount": str(amount)}) for partner in self.partners
        ]
        minted = self.bank.act_all([Call("contracts", "create", create), *mints])
        for partner in self.partners:  # each reads its own node, which may be a moment behind the bank's
            assert minted.height is not None
            assert partner.await_height(minted.height, LEVEL_S)

    def transfer(self, source: Partner, target: str, amount: int) -> Any:
        return source.act(CURRENCY, "transfer", {"to": target, "amount": str(amount)})

    def assert_equal_execution(self) -> tuple[int, str]:
        """All four at one height with one execution hash; returns both."""
        seen = execution_of_all(self.partners, LEVEL_S)
        assert len(set(seen.values())) == 1, seen
        return next(iter(seen.values()))

    def await_idle(self) -> None:
        """All four at one height with nothing left to agree on: no block comes by itself after this."""
        heights: set[int] = set()

        def idle() -> bool:
            told = [partner.client.get("/v1/consensus/why") for partner in self.partners]
            heights.clear()
            heights.update(partner.height() for partner in self.partners)
            return len(heights) == 1 and all(one["phase"] == "idle" for one in told)

        assert wait_until(idle, LEVEL_S), heights

    def await_level(self) -> None:
        assert wait_until(lambda: len({partner.height() for partner in self.partners}) == 1, LEVEL_S)

    def mend(self) -> None:
        """Start who does not run, whatever a test that failed has left, and wait until all are level."""
        self.start([partner for partner in self.partners if not partner.process.is_running()])
        self.await_level()


def _found(folder: Path, cast: Sequence[Actor]) -> Stage:
    seats = []
    for number, actor in enumerate(cast, 1):
        home = folder / f"n{number}-{actor.member}"
        seats.append(Seat(f"n{number}", actor, home, load_config(home).config.api_port))
    chain = load_genesis(folder / "genesis.json").chain
    return Stage(folder, tuple(seats), chain, tuple(sorted((folder / "contracts").glob("token.py"))))


@contextmanager
def running(folder: Path) -> Iterator[Consortium]:
    """A consortium whose four nodes run for as long as the block of the `with`."""
    consortium = Consortium(folder)
    try:
        consortium.start()
        yield consortium
    finally:
        consortium.stop()
