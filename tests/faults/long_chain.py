"""A long chain in seconds: real blocks, executed by the real engine, with certificates of the real keys.

`grow` writes the ledger of one member as if its node had taken part for days, `share` gives it to others.
Each of these gets the journal that its key is bound to, as any node has after its first start.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

from api.client import Call
from api.signing import build_transaction, sign_transaction
from consensus.batches import CheckedBatch, make_batch
from consensus.chain import genesis_header
from consensus.effects import Finalise
from consensus.messages import header_digest, vote_payload
from consensus.transactions import Transaction, envelope_from_json, parse_transaction
from consensus.types import NO_DIGEST, Certificate, FinalBlock, Header, LaneTip, VoteKind
from contracts.engine import Engine
from node.commands.contracts import deploy_gas
from node.config import load_config
from node.demo.partner import Partner
from node.executor import Executor
from node.genesis import load_genesis
from node.journal import Journal
from node.key_binding import open_journal
from node.keystore import Role
from node.store import Store
from tests.consortium.four import CURRENCY, Consortium

GAS_OF_A_TRANSFER = 20_000
MINTED = 10_000_000
THROUGH_ITS_CHILD_EVERY = 7
"""Every so many blocks one is final only through the next."""


class LongChain:
    """Grows a ledger for the members of a consortium whose nodes do not run."""

    def __init__(self, consortium: Consortium) -> None:
        self._partners = consortium.partners
        self._source = consortium.stage.sources[0].read_text()
        self._genesis = load_genesis(consortium.stage.genesis_path)
        self._keys = [partner.seat.keys.private(Role.VALIDATOR) for partner in self._partners]
        self._account_keys = [partner.account.signer for partner in self._partners]
        self._last = self._last_header()
        self._tips = {} if self._last is None else {tip.lane: tip for tip in self._last.cut}
        self._unfinished: tuple[Header, CheckedBatch] | None = None

    def _last_header(self) -> Header | None:
        """Where a ledger that was grown before goes on from."""
        if not self.ledger_dir.exists():
            return None
        with closing(Store.open(self.ledger_dir)) as store:
            return store.final_block(store.height()).header

    @property
    def ledger_dir(self) -> Path:
        """Of the first partner."""
        return self._partners[0].seat.home / "ledger"

    def grow(self, blocks: int, transfers: int = 1) -> None:
        """`blocks` more in the first partner's ledger, each with one batch, of `transfers` transfers."""
        with closing(Store.open(self.ledger_dir)) as store:
            executor = self.executor(store)
            for number in range(1, blocks + 1):
                height = 1 if self._last is None else self._last.height + 1
                content = self._opening() if height == 1 else self._transfers(height, transfers)
                batch = self._batch(height, content)
                header = self._header(store)
                for final, ordered in self._finals(header, batch, is_last=number == blocks):
                    named = [(ordered.digest, ordered.batch, ordered.transactions)]
                    executor.execute(Finalise(final, (ordered.digest,)), named)  # as its task does
        _bind(self._partners[0])

    def executor(self, store: Store) -> Executor:
        """Executes in a store that has at least genesis afterwards."""
        engine = Engine(chain=self._genesis.chain, parameters=self._genesis.parameters, code_cache=None)
        executor = Executor(engine, store, self._genesis)
        executor.start()
        return executor

    def share(self, partners: Sequence[Partner]) -> None:
        """Give these partners the same ledger."""
        for partner in partners:
            shutil.copytree(self._partners[0].seat.home / "ledger", partner.seat.home / "ledger")
            _bind(partner)

    def _opening(self) -> list[Transaction]:
        """The token, and money for each partner."""
        bank = self._partners[0]
        code = sha256(self._source.encode()).hexdigest()
        create: dict[str, Any] = {
            "code": code,
            "name": CURRENCY,
            "terms": {"issuer": bank.name},
            "sign": True,
        }
        mints = [
            Call(CURRENCY, "mint", {"to": partner.name, "amount": str(MINTED)}) for partner in self._partners
        ]
        deploy = self._transaction(
            bank, [Call("contracts", "deploy", {"source": self._source})], deploy_gas(self._source), "deploy"
        )
        opened = self._transaction(
            bank, [Call("contracts", "create", create), *mints], 100 * GAS_OF_A_TRANSFER, "open"
        )
        return [deploy, opened]

    def _transfers(self, height: int, count: int) -> list[Transaction]:
        source, target = (self._partners[(height + step) % len(self._partners)] for step in (0, 1))
        call = Call(CURRENCY, "transfer", {"to": target.name, "amount": "1"})
        return [
            self._transaction(source, [call], GAS_OF_A_TRANSFER, f"{height}.{number}")
            for number in range(count)
        ]

    def _transaction(self, source: Partner, calls: list[Call], gas: int, salt: str) -> Transaction:
        expires_ms = self._genesis.time_ms + self._genesis.parameters.expiry_ms_max
        body = build_transaction(
            self._genesis.chain, source.name, calls, expires_ms, gas_limit=gas, salt=salt
        )
        signed = sign_transaction(body, [source.account.signer])
        signatures = [
            (bytes.fromhex(item["key"]), bytes.fromhex(item["signature"])) for item in signed["signatures"]
        ]
        return parse_transaction(envelope_from_json(body, signatures), self._genesis.chain)

    def _batch(self, height: int, transactions: Sequence[Transaction]) -> CheckedBatch:
        lane = height % len(self._keys)
        before = self._tips.get(lane, LaneTip(lane, 0, NO_DIGEST))
        batch = make_batch(self._genesis.hash, lane, before, transactions, self._keys[lane])
        self._tips[lane] = batch.tip
        return batch

    def _header(self, store: Store) -> Header:
        """The next: one view a block, execution two blocks behind; 1 ms apart, so none is in the future."""
        parent, parent_digest = self._last, self._genesis.hash
        if parent is None:
            parent = genesis_header(1, self._genesis.time_ms, store.link(0).exec_hash)
        else:
            parent_digest = header_digest(self._genesis.hash, parent)
        height = parent.height + 1
        executed = store.link(max(0, height - 2))
        self._last = Header(
            epoch=1,
            view=height,
            height=height,
            parent_view=parent.view,
            parent=parent_digest,
            time_ms=parent.time_ms + 1,
            cut=tuple(self._tips[lane] for lane in sorted(self._tips)),
            exec_height=executed.height,
            exec_hash=executed.exec_hash,
            evidence=(),
            next_set=None,
        )
        return self._last

    def _finals(
        self, header: Header, batch: CheckedBatch, *, is_last: bool
    ) -> Iterator[tuple[FinalBlock, CheckedBatch]]:
        """What is final once `header` is proposed."""
        if header.height % THROUGH_ITS_CHILD_EVERY == 0 and not is_last:
            self._unfinished = header, batch
            return
        certificate = self._certificate(header)
        if self._unfinished is not None:
            before, ordered = self._unfinished
            self._unfinished = None
            yield FinalBlock(before, (header,), certificate), ordered
        yield FinalBlock(header, (), certificate), batch

    def _certificate(self, header: Header) -> Certificate:
        """By a quorum, another one each time."""
        digest = header_digest(self._genesis.hash, header)
        payload = vote_payload(self._genesis.hash, VoteKind.FINALISE, 1, header.view, digest)
        members = len(self._keys)
        quorum = members - (members - 1) // 3
        voters = sorted((header.height + 1 + place) % members for place in range(quorum))
        votes = tuple((number, self._keys[number].sign(payload)) for number in voters)
        return Certificate(VoteKind.FINALISE, 1, header.view, digest, votes)


def _bind(partner: Partner) -> None:
    """What its first start does."""
    opened = open_journal(load_config(partner.seat.home).config)
    assert isinstance(opened.journal, Journal)
    opened.binding.bind(opened.journal.id)
    opened.journal.close()
