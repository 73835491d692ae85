"""Ledgers of a size that a chain has after years, written in minutes.

    python -m tests.bench.big_ledger <new folder> [--accounts 1000000] [--blocks 1000000] [--members 1]

The beginning is executed by the real engine. Accounts then come into the state through the store's own
`commit`, but with no transaction. Of many blocks only the newest are such that every hash, signature and
certificate holds, though they repeat the receipt and the events of one transfer without moving money again.
Those before are *hollow*: rows under the keys and of the sizes of that transfer's block, with digests drawn
at random where it has digests. Nodes start on such a ledger, check it as at any start, and go on; a whole
check finds it out, and nobody can catch up through it. Nothing is synced: a crash means to begin anew.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from consensus.batches import make_batch
from consensus.keys import Ed25519Signer, Signer
from consensus.merkle_list import list_root
from consensus.transactions import (
    Transaction,
    canonical_json,
    make_envelope,
    parse_transaction,
    signed_bytes,
    transaction_id,
)
from consensus.types import NO_DIGEST, FinalBlock, Header, LaneTip
from contracts.layout import ACCOUNT, VALUE, Account, account_key, balance_key, supply_key
from contracts.merkle import Tree, Write
from contracts.receipts import Event, Receipt
from contracts.tree_pages import PageCache
from node.demo.stage import CAST
from node.executor import subjects
from node.integrity import START_BLOCKS_MAX
from node.store import BlockCommit, Place, Store
from tests.bench.hollow_blocks import Progress, add_hollow_blocks
from tests.consortium.four import CURRENCY, Consortium
from tests.faults.long_chain import LongChain

ACCOUNTS_A_BLOCK = 20_000
HOLDING = 1_000_000
"""Minor units that each account holds."""
PAGES_AT_HAND_BYTES = 2**30
"""Of the state's tree while accounts are written: all of a million accounts."""
NEWEST_BLOCKS = 2 * START_BLOCKS_MAX
"""Blocks that are not hollow: more than a starting node checks."""


def holder(number: int) -> str:
    """The name of an account of the first member."""
    return f"{CAST[0].member}.holder-{number:07}"


def holder_key(number: int) -> Ed25519Signer:
    """The only key that acts for it."""
    return Ed25519Signer(sha256(holder(number).encode()).digest())


def hollow_heights(blocks: int) -> range:
    """Which heights are hollow in a ledger that was made with so many blocks and no accounts."""
    return range(3, 3 + max(0, blocks - 1 - NEWEST_BLOCKS))


class UnsyncedStore(Store):
    """Leaves it to the system when blocks reach the disk."""

    def _write(self, rows: Iterable[Write]) -> None:
        with self._source.write_batch() as batch:
            for key, value in rows:
                if value is None:
                    batch.delete(key)
                else:
                    batch.put(key, value)


class BigLedger(LongChain):
    """Grows the first partner's ledger directly, after at least one block that was executed."""

    def add_accounts(self, count: int) -> None:
        """Holders 0 to `count` - 1, who have nothing yet, each with a key and HOLDING."""
        progress = Progress("accounts", count)
        cache = PageCache(PAGES_AT_HAND_BYTES)
        with closing(UnsyncedStore.open(self.ledger_dir)) as store:
            supply = VALUE.decode(store.state.get(supply_key(CURRENCY)) or b"")
            for first in range(0, count, ACCOUNTS_A_BLOCK):
                last = min(count, first + ACCOUNTS_A_BLOCK)
                writes = sorted(
                    [*_accounts(first, last), (supply_key(CURRENCY), VALUE.encode(supply + last * HOLDING))]
                )
                before = store.link(store.height())
                top, pages = Tree(store.tree, store.top(before.state_root), cache).update(writes)
                link = before.next(top.root, list_root(()), list_root(()))
                commit = BlockCommit(
                    link, self._next_final(store), state_writes=tuple(writes), tree_writes=pages, top=top
                )
                store.commit(commit)
                progress.tell(last)

    def add_blocks(self, count: int) -> None:
        """Blocks of one transfer each, hollow but for the newest."""
        self.grow(1)
        with closing(UnsyncedStore.open(self.ledger_dir)) as store:
            like = self.like_newest(store)
            hollow = max(0, count - 1 - NEWEST_BLOCKS)
            if hollow and self._last is not None:
                add_hollow_blocks(store, hollow, like.transaction, like.subjects)
                height = store.height()
                self._last = replace(self._last, view=height, height=height)
            for _ in range(count - 1 - hollow):
                store.commit(self.next_transfer(store, like))

    def next_transfer(self, store: Store, like: Transfer) -> BlockCommit:
        """A block of one transfer, to be committed before the next is made."""
        height = store.height() + 1
        transaction, receipt, events = like.again(height)
        lane = height % len(self._keys)
        tip = self._tips.get(lane, LaneTip(lane, 0, NO_DIGEST))
        batch = make_batch(self._genesis.hash, lane, tip, [transaction], self._keys[lane])
        self._tips[lane] = batch.tip
        before = store.link(height - 1)
        return BlockCommit(
            before.next(before.state_root, list_root([receipt]), list_root(events)),
            self._next_final(store),
            batches=((batch.digest, batch.batch),),
            transactions=((transaction.id, Place(height, 0, batch.digest, 0, executed=True)),),
            mentions=tuple((subject, 0) for subject in like.subjects),
            receipts=(receipt,),
            events=events,
        )

    def like_newest(self, store: Store) -> Transfer:
        """The transfer that more blocks can be made from."""
        return Transfer(store, self._genesis.chain, self._account_keys)

    def _next_final(self, store: Store) -> FinalBlock:
        header = self._header(store)
        return FinalBlock(header, (), self._certificate(header))

    def _header(self, store: Store) -> Header:
        """As one that was executed, but written faster than one a millisecond some have the same time."""
        header = super()._header(store)
        if header.time_ms > time.time_ns() // 1_000_000:
            header = self._last = replace(header, time_ms=header.time_ms - 1)
        return header


class Transfer:
    """The newest that is alone in its block, as it would be with another salt, in another block."""

    def __init__(self, store: Store, chain: str, keys: Sequence[Signer]) -> None:
        height = next(at for at in range(store.height(), 0, -1) if len(store.places_of(at)) == 1)
        ((envelope,),) = (batch.envelopes for batch in store.batches_of(height))
        self.transaction = parse_transaction(envelope, chain)
        signed_by = {public for public, _ in self.transaction.signatures}
        self._keys = [key for key in keys if key.public_key in signed_by]
        self._salt = canonical_json({"salt": self.transaction.salt})[1:-1]
        (receipt,) = store.receipts(height)
        self._receipt = Receipt.decode(receipt)
        self._events = [Event.decode(event) for event in store.events(height)]
        self.subjects = subjects(self.transaction)

    def again(self, height: int) -> tuple[Transaction, bytes, tuple[bytes, ...]]:
        """The transaction, its receipt, and its events."""
        salt = f"again-{height}"
        body = self.transaction.body.replace(self._salt, canonical_json({"salt": salt})[1:-1])
        identifier, message = transaction_id(body), signed_bytes(body)
        signatures = tuple((key.public_key, key.sign(message)) for key in self._keys)
        transaction = self.transaction._replace(
            envelope=make_envelope(body, signatures),
            body=body,
            id=identifier,
            salt=salt,
            signatures=signatures,
        )
        events = tuple(
            replace(event, height=height, transaction=identifier).encode() for event in self._events
        )
        return transaction, self._receipt._replace(id=identifier).encode(), events


def _accounts(first: int, last: int) -> Iterator[Write]:
    for number in range(first, last):
        account = Account((holder_key(number).public_key,), CAST[0].member)
        yield account_key(holder(number)), ACCOUNT.encode(account)
        yield balance_key(holder(number), CURRENCY), VALUE.encode(HOLDING)


def obtain(folder: Path, *, accounts: int = 0, blocks: int = 0, members: int = 1) -> Consortium:
    """A consortium that does not run, every member with the same ledger: as it is in `folder`, or made there.

    `blocks` come on top of those that bring the accounts.
    """
    if folder.exists():
        return Consortium(folder, CAST[:members], again=True)
    consortium = Consortium(folder, CAST[:members])
    ledger = BigLedger(consortium)
    ledger.grow(1)
    if accounts:
        ledger.add_accounts(accounts)
    if blocks:
        ledger.add_blocks(blocks)
    ledger.share(consortium.partners[1:])
    return consortium


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--accounts", type=int, default=0)
    parser.add_argument("--blocks", type=int, default=0)
    parser.add_argument("--members", type=int, default=1, choices=range(1, len(CAST) + 1))
    given = parser.parse_args()
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    consortium = obtain(given.folder, accounts=given.accounts, blocks=given.blocks, members=given.members)
    for partner in consortium.partners:
        print(f"quorate start --data {partner.seat.home}")
        partner.close()
    took_s, cpu_s = time.monotonic() - began_s, time.process_time() - began_cpu_s
    print(f"made in {took_s:.0f} s, {cpu_s:.0f} s of processor")


if __name__ == "__main__":
    main()
