"""A member gone bad: it has its real keys, speaks the real protocol, and says what no honest node says.

It takes the place of the member's own node, which must be down. Each attack is one small generator of
messages; `attack` sends them to every other member for some seconds, in a thread of its own.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import trio

from consensus.batches import make_batch
from consensus.messages import (
    decode_message,
    encode_message,
    executed_payload,
    header_digest,
    vote_payload,
)
from consensus.transactions import canonical_json, make_envelope, parse_transaction, signed_bytes
from consensus.types import (
    NO_DIGEST,
    BatchRange,
    Certificate,
    ExecutedTip,
    Get,
    Have,
    Header,
    LaneTip,
    Proposal,
    Status,
    Vote,
    VoteKind,
)
from node.demo.partner import Partner
from node.genesis import load_signed_genesis
from node.keystore import Role
from node.network import Network, NetworkError, Peer
from node.services import Service, addressed
from node.sync_messages import BlocksRequest, encode_request
from node.wire import VOTES_FRAME_BYTES_MAX, StreamClass
from tests.consortium.four import CURRENCY

VOTES, BATCHES, SYNC = StreamClass
Shot = tuple[StreamClass, bytes]
CONNECT_S = 60.0
PAUSE_S = 0.002


class Hostile:
    """The member of a partner whose node is down."""

    def __init__(self, partner: Partner, seed: int = 1) -> None:
        home, keys = partner.seat.home, partner.seat.keys
        genesis = load_signed_genesis(home / "genesis.json").genesis
        card = genesis.member_of_key(keys.public(Role.VALIDATOR))
        assert card is not None
        self.me, self.name = card.number, partner.name
        self._chain_id, self._chain = genesis.hash, genesis.chain
        self._signer, self._owner = keys.private(Role.VALIDATOR), keys.private(Role.ADMINISTRATOR)
        self._chance = random.Random(seed)
        self._members = len(genesis.members)
        self._seed = keys.private(Role.NETWORK).seed
        self._listen = card.card.address
        self._peers = [Peer(m.number, m.card.network_key, m.card.address) for m in genesis.members]
        self._view = 1
        self._have: dict[int, LaneTip] = {}
        self._reached: set[int] = set()
        self._heard = trio.Event()

    # -- what it says -------------------------------------------------------------------------------
    def garbage(self) -> Iterator[Shot]:
        """Bytes that are no message, on every class of stream."""
        while True:
            for stream_class in StreamClass:
                yield stream_class, self._noise(self._chance.randint(1, 2_000))
            yield VOTES, self._noise(VOTES_FRAME_BYTES_MAX)
            yield VOTES, b"\x92\x01" + b"\x91" * 100_000
            yield SYNC, addressed(Service.BLOCKS, encode_request(BlocksRequest(self._noise(32), 1, 9)))

    def forged_votes(self) -> Iterator[Shot]:
        """Its own votes with other signatures, and what others said as if it were its own."""
        while True:
            yield VOTES, encode_message(self._vote(VoteKind.NOTARISE, self._noise(32), self._noise(64)))

    def contradictions(self) -> Iterator[Shot]:
        """Properly signed votes for ever other headers of one view ahead."""
        while True:
            yield VOTES, encode_message(self._vote(VoteKind.NOTARISE, self._noise(32)))

    def false_proofs(self) -> Iterator[Shot]:
        """Certificates and proposals that nothing supports, for any view and height."""
        while True:
            votes = tuple((voter, self._noise(64)) for voter in range(3))
            made_up = Certificate(VoteKind.NOTARISE, 1, self._view + 5, self._noise(32), votes)
            yield VOTES, encode_message(made_up)
            for view in range(self._view, self._view + self._members):
                header = Header(
                    1, view, self._chance.getrandbits(60), view - 1, self._noise(32), _now_ms(), (), 0,
                    self._noise(32), tuple(self._noise(4096) for _ in range(8)), None,
                )  # fmt: skip
                vote = self._vote(VoteKind.NOTARISE, header_digest(self._chain_id, header), view=view)
                yield VOTES, encode_message(Proposal(header, vote, ()))

    def lies_of_progress(self) -> Iterator[Shot]:
        """Executions and batches that do not exist, at absurd heights."""
        while True:
            height, exec_hash = self._chance.getrandbits(60), self._noise(32)
            signature = self._signer.sign(executed_payload(self._chain_id, height, exec_hash))
            tip = ExecutedTip(self.me, height, exec_hash, signature)
            yield VOTES, encode_message(Status(1, self._chance.getrandbits(50), 0, tip, ()))
            tips = tuple(LaneTip(lane, self._chance.randint(1, 120), self._noise(32)) for lane in range(4))
            yield BATCHES, encode_message(Have(tips))

    def requests(self) -> Iterator[Shot]:
        """Everything that there is, again and again."""
        while True:
            ranges = tuple(BatchRange(tip.digest, 0) for tip in self._have.values()) * 4
            yield BATCHES, encode_message(Get((), ranges))
            asked = BlocksRequest(self._chain_id, self._chance.choice((0, 1, 2**64 - 1)), 2**64 - 1)
            yield SYNC, addressed(Service.BLOCKS, encode_request(asked))

    def batches(self) -> Iterator[Shot]:
        """Rivals for one place, far ahead of the lane, and with a transaction that nobody signed."""
        while True:
            tip = self._own_tip
            far = LaneTip(self.me, tip.seq + self._chance.randint(1, 250), self._noise(32))
            for previous, owner_signs in ((tip, True), (far, True), (tip, False)):
                content = [parse_transaction(self._envelope(owner_signs), self._chain) for _ in range(20)]
                batch = make_batch(self._chain_id, self.me, previous, content, self._signer)
                yield BATCHES, encode_message(batch.batch)

    def junk(self) -> Iterator[Shot]:
        """Everything for which it must be shut out, in turn."""
        kinds = [self.garbage(), self.forged_votes(), self.false_proofs(), self.batches()]
        while True:
            for kind in kinds:
                yield next(kind)

    def copy_of(self, body: bytes) -> Iterator[Shot]:
        """A lane that goes on with a copy of somebody's transaction, signed by a key that may not."""
        envelope = make_envelope(body, [(self._owner.public_key, self._owner.sign(signed_bytes(body)))])
        content = [parse_transaction(envelope, self._chain)]
        batch = make_batch(self._chain_id, self.me, self._own_tip, content, self._signer)
        yield BATCHES, encode_message(batch.batch)
        while True:
            yield BATCHES, encode_message(Have((batch.tip,)))

    # -- how it says it -----------------------------------------------------------------------------
    def attack(self, shots: Callable[[], Iterator[Shot]], for_s: float) -> threading.Thread:
        """Start sending; join the thread for the end."""
        thread = threading.Thread(target=trio.run, args=(self._attack, shots(), for_s), daemon=True)
        thread.start()
        return thread

    async def _attack(self, shots: Iterator[Shot], for_s: float) -> None:
        network = Network(
            seed=self._seed,
            listen=self._listen,
            me=self.me,
            peers=self._peers,
            on_message=self._listen_to,
            on_request=self._answer,
        )
        self._reached, self._heard = set(), trio.Event()
        async with trio.open_nursery() as nursery:
            await nursery.start(network.run)
            with trio.fail_after(CONNECT_S):
                await self._heard.wait()
            with trio.move_on_after(for_s):
                for stream_class, body in shots:
                    for peer in network.status():
                        if stream_class is SYNC:
                            nursery.start_soon(_ask, network, peer.member, body)
                        else:
                            network.send(peer.member, stream_class, body)
                    await trio.sleep(PAUSE_S)
            nursery.cancel_scope.cancel()

    def _listen_to(self, member: int, stream_class: StreamClass, body: bytes) -> None:
        self._reached.add(member)
        if len(self._reached) == self._members - 1:
            self._heard.set()
        message = decode_message(body)
        if isinstance(message, Vote):
            self._view = max(self._view, message.view)
        elif isinstance(message, Have):
            self._have |= {tip.lane: tip for tip in message.tips}

    async def _answer(self, member: int, body: bytes) -> bytes:
        return self._noise(1_000)

    # -- parts --------------------------------------------------------------------------------------
    @property
    def _own_tip(self) -> LaneTip:
        """Where its lane ends, by what the others say."""
        return self._have.get(self.me, LaneTip(self.me, 0, NO_DIGEST))

    def _vote(
        self, kind: VoteKind, digest: bytes, signature: bytes | None = None, view: int | None = None
    ) -> Vote:
        view = self._view + 20 if view is None else view
        payload = vote_payload(self._chain_id, kind, 1, view, digest)
        return Vote(kind, 1, view, digest, self.me, signature or self._signer.sign(payload))

    def _envelope(self, owner_signs: bool) -> bytes:
        transfer = {"contract": CURRENCY, "action": "transfer", "args": {"to": "coopbank", "amount": "1"}}
        body = canonical_json(
            {
                "calls": [transfer],
                "chain": self._chain,
                "expires_ms": _now_ms() + 60_000,
                "salt": self._noise(8).hex(),
                "sender": self.name,
            }
        )
        signature = self._owner.sign(signed_bytes(body)) if owner_signs else self._noise(64)
        return make_envelope(body, [(self._owner.public_key, signature)])

    def _noise(self, length: int) -> bytes:
        return self._chance.randbytes(length)


async def _ask(network: Network, member: int, body: bytes) -> None:
    with suppress(NetworkError):
        await network.request(member, body, 2_000)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
