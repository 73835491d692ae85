"""Asks the other members whether this node's validator key signed before, and answers them when they ask.

A key that is bound to no journal is new, or comes from a backup and has voted. The others know: they hold
what it signed. Until a quorum, this node included, has answered, the key signs nothing; without a quorum
there would be nothing to sign either. One proof that it signed, which is checked here so that nobody can make
it up, and the key never votes again without its journal: the node follows, and the members give it a new key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import structlog
import trio

from consensus.codec import DIGEST, PUBLIC_KEY, SIGNATURE, decode, encode, optional, pair, record, uint
from consensus.errors import InvalidMessage
from consensus.keys import verify_ed25519
from consensus.messages import BATCH_HEADER, VOTE, Message, batch_payload, vote_payload
from consensus.types import BatchHeader, Digest, MemberNumber, Proposal, Status, Vote
from node.driver import Driver
from node.key_binding import ABANDONED, Binding
from node.network import Network, RequestFailed
from node.services import Service, addressed
from node.store import Store, View

log = structlog.get_logger("key")

REQUEST_TIMEOUT_MS = 5_000
PAUSE_S = 0.05
"""Between looks at who is connected and was not asked yet."""
ASK_AGAIN_S = 1.0
SEARCHED_BLOCKS_MAX = 256
"""Blocks, the newest, in whose certificates a key's votes are looked for."""
MESSAGE_BYTES_MAX = 4 * 1024

REMEDY = "have the members give this node a new key (quorate member rotate)"


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """Asks what a key (32 bytes) signed as this member, on the chain with this genesis hash (32 bytes)."""

    genesis: Digest
    member: MemberNumber
    key: bytes


@dataclass(frozen=True, slots=True)
class KeyAnswer:
    """The newest vote and the newest batch of that key, as far as they are known; signature of 64 bytes."""

    vote: Vote | None
    batch: tuple[BatchHeader, bytes] | None

    def proof(self, request: KeyRequest) -> str | None:
        """What of this the key really signed, in a few words; None where it is nothing."""
        vote, batch = self.vote, self.batch
        if vote is not None and vote.voter == request.member and _is_of_key(request, vote):
            return f"a vote in view {vote.view} of epoch {vote.epoch}"
        if batch is not None and batch[0].lane == request.member and _signed_batch(request, *batch):
            return f"batch {batch[0].seq} of its lane"
        return None


_REQUEST = record(KeyRequest, genesis=DIGEST, member=uint(2**16 - 1), key=PUBLIC_KEY)
_ANSWER = record(KeyAnswer, vote=optional(VOTE), batch=optional(pair(BATCH_HEADER, SIGNATURE)))


def encode_request(request: KeyRequest) -> bytes:
    """Canonical bytes."""
    return encode(_REQUEST, request)


def decode_request(data: bytes) -> KeyRequest:
    """Raises: DecodeError."""
    return decode(_REQUEST, data, "key request", MESSAGE_BYTES_MAX)


def encode_answer(answer: KeyAnswer) -> bytes:
    """Canonical bytes."""
    return encode(_ANSWER, answer)


def decode_answer(data: bytes) -> KeyAnswer:
    """Raises: DecodeError."""
    return decode(_ANSWER, data, "key answer", MESSAGE_BYTES_MAX)


def _is_of_key(request: KeyRequest, vote: Vote) -> bool:
    payload = vote_payload(request.genesis, vote.kind, vote.epoch, vote.view, vote.digest)
    return verify_ed25519(request.key, payload, vote.signature)


def _signed_batch(request: KeyRequest, header: BatchHeader, signature: bytes) -> bool:
    return verify_ed25519(request.key, batch_payload(request.genesis, header), signature)


class Witness:
    """What this node knows of the keys of others: from its ledger, and of votes that are in no block yet."""

    def __init__(self, chain_id: Digest, store: Store) -> None:
        self._chain_id = chain_id
        self._store = store
        self._votes: dict[MemberNumber, Vote] = {}

    def heard(self, member: MemberNumber, message: Message) -> None:
        """A message, unchecked, that a member sent; remembers the newest vote that it says is its own."""
        match message:
            case Vote():
                votes: tuple[Vote, ...] = (message,)
            case Proposal():
                votes = (message.vote,)
            case Status():
                votes = message.votes
            case _:
                return
        for vote in votes:
            known = self._votes.get(member)
            is_newer = known is None or (known.epoch, known.view) <= (vote.epoch, vote.view)
            if vote.voter == member and is_newer:
                self._votes[member] = vote

    async def on_request(self, member: MemberNumber, body: bytes) -> bytes:
        """Raises: InvalidMessage where the request is malformed or for another chain."""
        request = decode_request(body)
        if request.genesis != self._chain_id:
            raise InvalidMessage(f"member {member} asks for a key of another chain")
        return encode_answer(await trio.to_thread.run_sync(self.testify, request))

    def testify(self, request: KeyRequest) -> KeyAnswer:
        """What this key has signed, as far as it is known here. In any thread."""
        with self._store.snapshot() as view:
            own = (vote for vote in _votes(view, request.member) if _is_of_key(request, vote))
            return KeyAnswer(self._last_heard(request) or next(own, None), _last_batch(view, request))

    def _last_heard(self, request: KeyRequest) -> Vote | None:
        vote = self._votes.get(request.member)
        return vote if vote is not None and _is_of_key(request, vote) else None


def _votes(view: View, member: MemberNumber) -> Iterator[Vote]:
    """A member's votes in the certificates of the newest blocks."""
    height = view.height()
    for at in range(height, max(0, height - SEARCHED_BLOCKS_MAX), -1):
        certificate = view.final_block(at).certificate
        for voter, signature in certificate.votes:
            if voter == member:
                kind, epoch = certificate.kind, certificate.epoch
                yield Vote(kind, epoch, certificate.view, certificate.digest, voter, signature)


def _last_batch(view: View, request: KeyRequest) -> tuple[BatchHeader, bytes] | None:
    """The newest batch of the member's lane in a block, if the key signed it."""
    cut = view.final_block(view.height()).header.cut if view.height() > 0 else ()
    digests: Iterable[Digest] = (tip.digest for tip in cut if tip.lane == request.member)
    for batch in map(view.batch, digests):
        if batch is not None and _signed_batch(request, batch.header, batch.signature):
            return batch.header, batch.signature
    return None


class KeyInquiry:
    """Finds out whether a key that is bound to no journal may vote, and lets it."""

    def __init__(
        self, *, driver: Driver, network: Network, witness: Witness, request: KeyRequest, binding: Binding,
        journal_id: bytes,
    ) -> None:  # fmt: skip
        self.settled = trio.Event()
        """Set when it is known."""
        self._driver = driver
        self._network = network
        self._witness = witness
        self._request = request
        self._binding = binding
        self._journal_id = journal_id
        self._clear: set[MemberNumber] = set()
        """Who answered that it knows of nothing."""
        self._asked_s: dict[MemberNumber, float] = {}
        self._proof: str | None = None

    @property
    def _answered(self) -> int:
        """Validators that know of nothing; an observer saw only votes that came into a block."""
        return len(self._clear.intersection(self._driver.replica.committee.numbers))

    @property
    def sentence(self) -> str | None:
        """For the operator, while the key does not vote."""
        if self._proof is not None:
            return self._proof
        if self.settled.is_set():
            return None
        return (
            f"does not vote yet: asks whether its new validator key signed before; {self._answered} of the "
            f"{self._needed} others that it takes have answered"
        )

    @property
    def _needed(self) -> int:
        """Answers of others that make a quorum, with this node itself where it is a validator."""
        committee = self._driver.replica.committee
        return committee.quorum - (self._request.member in committee.numbers)

    async def run(self) -> None:
        """Until it is known. Raises: ConfigurationError where the binding can not be written."""
        own = await trio.to_thread.run_sync(self._witness.testify, self._request)
        self._judge(None, own)
        async with trio.open_nursery() as nursery:
            while not self.settled.is_set() and self._answered < self._needed:
                for peer in self._network.status():
                    if peer.connected and self._is_time(peer.member):
                        self._asked_s[peer.member] = trio.current_time()
                        nursery.start_soon(self._ask, peer.member)
                await trio.sleep(PAUSE_S)
            nursery.cancel_scope.cancel()
        if not self.settled.is_set():
            self._binding.bind(self._journal_id)
            self._driver.put(self._driver.replica.take_part)
            self.settled.set()
            log.info("the validator key is new: it is bound to this journal and votes")

    def _is_time(self, member: MemberNumber) -> bool:
        asked_s = self._asked_s.get(member)
        return member not in self._clear and (asked_s is None or trio.current_time() - asked_s >= ASK_AGAIN_S)

    async def _ask(self, member: MemberNumber) -> None:
        request = addressed(Service.KEY_INQUIRY, encode_request(self._request))
        try:
            answer = decode_answer(await self._network.request(member, request, REQUEST_TIMEOUT_MS))
        except RequestFailed:
            return
        except InvalidMessage as error:
            self._network.report_bad(member, str(error))
            return
        self._judge(member, answer)

    def _judge(self, member: MemberNumber | None, answer: KeyAnswer) -> None:
        """Of this node's own ledger where there is no member."""
        proof = answer.proof(self._request)
        if proof is None:
            if member is not None:
                self._clear.add(member)
        elif not self.settled.is_set():
            self._proof = must_not_vote(f"it signed {proof} before, and the journal of that is not here")
            self._binding.bind(ABANDONED)
            self.settled.set()
            log.error(self._proof, peer=member)


def must_not_vote(reason: str) -> str:
    """One line for the operator of a node whose key is of no more use."""
    return f"does not vote, and its validator key must not again: {reason}. It follows the others; {REMEDY}"
