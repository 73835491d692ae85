"""The story: one agreement, delivered on time, late, and never; then what all four nodes make of it.

Green Farm buys from Mill Works. The price lies in the agreement until Swift Ship reports the delivery.
Nobody decides what happens then: the rule that both signed does, on four nodes alike.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from api.client import Call
from api.gateway import TransactionStatus
from consensus.transactions import Json
from contracts.encoding import encode_value
from node.commands.contracts import deploy_gas
from node.demo.narrator import Narrator
from node.demo.partner import Partner, execution_of_all, wait_until
from node.demo.stage import COOPBANK, GREENFARM, MILLWORKS, SWIFTSHIP, Stage

CURRENCY = "euro"
MINTED = 1_000_000
PRICE = 250_000
PENALTY = PRICE // 100
"""One day started, at the contract's default rate of 1 % a day."""
DAY_MS = 86_400_000
DEADLINE_MS = 3_000
"""How far ahead the deadline of the late and of the never delivered order is."""
GIVE_UP_MS = 2_000
SETTLE_S = 60.0
"""Longest wait for what the nodes do by themselves."""


@dataclass(frozen=True)
class Company:
    """The four partners by their parts."""

    bank: Partner
    buyer: Partner
    seller: Partner
    carrier: Partner

    @staticmethod
    def of(partners: list[Partner]) -> Company:
        by_actor = {partner.seat.actor: partner for partner in partners}
        return Company(*(by_actor[actor] for actor in (COOPBANK, GREENFARM, MILLWORKS, SWIFTSHIP)))


class Story:
    """Told once, in order; every step goes through the REST API of the node of whoever takes it."""

    def __init__(self, stage: Stage, partners: list[Partner], narrator: Narrator) -> None:
        self._stage = stage
        self._partners = partners
        self._who = Company.of(partners)
        self._tell = narrator

    def tell(self, further: list[Path]) -> None:
        """All of it; `further` are contract sources that are deployed too. Raises: CommandFailed."""
        self._money(self._stage.sources[0])
        code = self._deploy(self._who.buyer, self._stage.sources[1])
        for source in further:
            self._deploy(self._who.buyer, source)
        self._on_time(code)
        self._late_and_never(code)
        self._agreement_of_nodes()
        self._proof()

    # ---------------------------------------------------------------- scenes

    def _money(self, source: Path) -> None:
        bank, buyer = self._who.bank, self._who.buyer
        code = self._deploy(bank, source)
        create: dict[str, Json] = {
            "code": code,
            "name": CURRENCY,
            "terms": {"issuer": bank.name},
            "sign": True,
        }
        mint = {"to": buyer.name, "amount": str(MINTED)}
        done = bank.act_all([Call("contracts", "create", create), Call(CURRENCY, "mint", mint)])
        self._tell.step(
            f"{bank.name} opens the token {CURRENCY} and mints {money(MINTED)} for {buyer.name}.", done.height
        )

    def _on_time(self, code: str) -> None:
        seller, carrier = self._who.seller, self._who.carrier
        self._agree(code, "order-1", now_ms() + DAY_MS, "30d", "due tomorrow")
        before = seller.balance(CURRENCY)
        done = self._report("order-1")
        paid = self._seen_by_all(done, "order-1") and seller.balance(CURRENCY) - before == PRICE
        self._tell.check(
            paid,
            f"{carrier.name} reports the delivery, in time: the rule pays {seller.name} {money(PRICE)}.",
            f"{seller.name} has {money(seller.balance(CURRENCY) - before)} more, not {money(PRICE)}",
            done.height,
        )
        self._tell_why(done)

    def _late_and_never(self, code: str) -> None:
        buyer, seller, carrier = self._who.buyer, self._who.seller, self._who.carrier
        when = f"due in {DEADLINE_MS // 1000} s"
        deadline_ms = now_ms() + DEADLINE_MS
        self._agree(code, "order-2", deadline_ms, "30d", when)
        self._agree(code, "order-3", now_ms() + DEADLINE_MS, f"{GIVE_UP_MS // 1000}s", when)
        time.sleep(max(0.0, (deadline_ms - now_ms()) / 1000 + 0.1))
        before = seller.balance(CURRENCY)
        done = self._report("order-2")
        settled = self._seen_by_all(done, "order-2")
        gained = seller.balance(CURRENCY) - before
        self._tell.check(
            settled and gained == PRICE - PENALTY,
            f"{carrier.name} reports order-2, late: {buyer.name} gets {money(PENALTY)} as a penalty, "
            f"{seller.name} the rest.",
            f"the late report brought {seller.name} {money(gained)}, not {money(PRICE - PENALTY)}",
            done.height,
        )
        self._tell_why(done)
        self._never("order-3", left=MINTED - 2 * PRICE + PENALTY)

    def _never(self, order: str, left: int) -> None:
        """Nobody does anything; in the end the buyer has its price back, and so `left` in all."""
        buyer = self._who.buyer
        self._tell.step(f"Nobody reports {order}, and from here on nobody sends anything.")
        closed = wait_until(lambda: self._phase(order) == "closed", SETTLE_S)
        self._tell.check(
            closed and buyer.balance(CURRENCY) == left,
            f"The nodes wake {order} by themselves when it is due: {buyer.name} gets {money(PRICE)} back.",
            f"{order} is {self._phase(order)}, and {buyer.name} has {money(buyer.balance(CURRENCY))}",
            buyer.height(),
        )

    def _agreement_of_nodes(self) -> None:
        seen = execution_of_all(self._partners, SETTLE_S)
        height, value = next(iter(seen.values()))
        self._tell.check(
            len(set(seen.values())) == 1 and height > 0,
            f"All four nodes have executed the same: exec hash {value[:16]}... at height {height}.",
            f"the nodes differ: {seen}",
            height,
        )

    def _proof(self) -> None:
        """A proof from one node, checked by a file that needs no node, no library and nothing of ours."""
        folder, seller = self._stage.folder, self._who.seller
        key = f"balance/{seller.name}/{CURRENCY}"
        proof = self._who.carrier.client.get(f"/v1/proof/{key.encode().hex()}")
        path = folder / "proof.json"
        path.write_text(json.dumps(proof, indent=1))
        (folder / "verify_proof.py").write_bytes(files("node.demo").joinpath("verify_proof.txt").read_bytes())
        amount = seller.balance(CURRENCY)
        code, said = self._verify(path, key, amount)
        self._tell.check(
            code == 0,
            f"{self._who.carrier.name}'s node proves that {seller.name} has {money(amount)}: "
            "verify_proof.py checked it with the genesis alone.",
            f"the proof does not verify: {said}",
        )
        self._tell.detail(said)
        forged = folder / "proof-forged.json"
        forged.write_text(json.dumps(proof | {"value_hex": forge(proof["value_hex"])}, indent=1))
        code, said = self._verify(forged, key, None)
        self._tell.check(
            code == 1, "The same proof with another amount is refused.", f"a forged proof passed: {said}"
        )
        self._tell.detail(said)

    # ---------------------------------------------------------------- what the scenes are made of

    def _deploy(self, who: Partner, source: Path) -> str:
        text = source.read_text()
        done = who.act("contracts", "deploy", {"source": text}, deploy_gas(text))
        code = str(done.receipt["results"][0]) if done.receipt else ""
        self._tell.step(f"{who.name} deploys {source} as code {code[:8]}.", done.height)
        return code

    def _agree(self, code: str, order: str, deadline_ms: int, give_up: str, when: str) -> None:
        """Propose an order, have both sign it, and fund it."""
        buyer, seller = self._who.buyer, self._who.seller
        terms = {
            "buyer": buyer.name,
            "seller": seller.name,
            "carrier": self._who.carrier.name,
            "price": {"amount": str(PRICE), "currency": CURRENCY},
            "deadline": deadline_ms,
            "give_up": give_up,
        }
        done = buyer.act("contracts", "create", {"code": code, "name": order, "terms": terms, "sign": True})
        self._tell.step(
            f"{buyer.name} proposes {order} ({when}) to {seller.name}, and signs it.",
            done.height,
        )
        seller.await_height(done.height or 0, SETTLE_S)
        terms_hash = seller.client.get(f"/v1/instances/{order}")["terms_hash"]
        done = seller.act("contracts", "sign", {"instance": order, "terms_hash": terms_hash})
        self._tell.step(
            f"{seller.name} signs the same terms ({terms_hash[:8]}): {order} is active.", done.height
        )
        buyer.await_height(done.height or 0, SETTLE_S)
        done = buyer.act(order, "fund", {})
        self._tell.step(
            f"{buyer.name} pays {money(PRICE)} into {order}, where nobody can take it from.", done.height
        )
        self._who.carrier.await_height(done.height or 0, SETTLE_S)

    def _report(self, order: str) -> TransactionStatus:
        return self._who.carrier.act(order, "report", {"fact": "delivered", "value": now_ms()})

    def _seen_by_all(self, done: TransactionStatus, order: str) -> bool:
        """True once every node has executed it and finds the order closed."""
        return all(
            partner.await_height(done.height or 0, SETTLE_S)
            and partner.client.get(f"/v1/instances/{order}")["phase"] == "closed"
            for partner in self._partners
        )

    def _phase(self, order: str) -> str:
        return str(self._who.buyer.client.get(f"/v1/instances/{order}")["phase"])

    def _tell_why(self, done: TransactionStatus) -> None:
        """The conditions that made the rule fire, which every node has put into the receipt."""
        for firing in done.receipt["firings"] if done.receipt else []:
            tried = [(item["condition"], item["held"]) for item in firing["conditions"]]
            reasons = [text if held else f"not ({text})" for text, held in tried]
            self._tell.detail(f"because {', and '.join(reasons)}")

    def _verify(self, proof: Path, key: str, amount: int | None) -> tuple[int, str]:
        """Exit code and first line of the standalone verifier, in a process with Python's own library only.

        `amount` is what the proof must show; None: whatever it claims.
        """
        folder = self._stage.folder
        command = [
            sys.executable,
            "-IS",
            str(folder / "verify_proof.py"),
            str(proof),
            str(self._stage.genesis_path),
        ]
        expected = ["--key", key]
        if amount is not None:
            expected += ["--value", f"0x{encode_value(amount).hex()}"]
        done = subprocess.run([*command, *expected], capture_output=True, text=True, check=False)
        return done.returncode, (done.stdout + done.stderr).splitlines()[0]


def forge(value_hex: str) -> str:
    """The bytes of another value: the last bit is turned over."""
    data = bytearray.fromhex(value_hex)
    data[-1] ^= 1
    return data.hex()


def money(amount: int) -> str:
    """Minor units as people write them."""
    return f"{amount // 100:,}.{amount % 100:02d} {CURRENCY}"


def now_ms() -> int:
    """This machine's time."""
    return time.time_ns() // 1_000_000
