"""From the journal and the store to a replica's state, and from the state to a fresh journal."""

from __future__ import annotations

from collections.abc import Iterable

from consensus.ballot import Ballot
from consensus.batches import open_batch
from consensus.certificates import Certificates
from consensus.chain import Chain, Link, genesis_header
from consensus.errors import CorruptionError, InvalidMessage
from consensus.execution import Execution
from consensus.keys import Signer, Verifier
from consensus.lanes import Lanes
from consensus.messages import header_digest
from consensus.parameters import Parameters
from consensus.records import Record, decode_record, encode_record
from consensus.rules import may_vote
from consensus.state import Anchor, Proposed, State
from consensus.tally import Tally
from consensus.types import Batch, Certificate, Digest, Header, MemberNumber, Vote, VoteKind


def blank_state(
    *, chain_id: Digest, me: MemberNumber, signer: Signer, verifier: Verifier,
    parameters: Parameters, genesis_time_ms: int, anchor: Anchor,
) -> State:  # fmt: skip
    """What a replica knows from its store alone."""
    block, committee = anchor.block, anchor.committee
    if block is None:
        genesis = genesis_header(committee.epoch, genesis_time_ms, anchor.exec_hashes[0][1])
        floor = Link(chain_id, genesis)
    else:
        floor = Link(header_digest(chain_id, block.header), block.header)
    state = State(
        chain_id=chain_id,
        committee=committee,
        me=me,
        parameters=parameters,
        verifier=verifier,
        ballot=Ballot(chain_id, committee.epoch, me, signer),
        tally=Tally(committee, chain_id, verifier),
        certificates=Certificates(chain_id),
        chain=Chain(chain_id, floor),
        lanes=Lanes(sorted({*committee.numbers, me}), parameters),
        execution=Execution(anchor.exec_hashes, anchor.changed_height, anchor.next_wakeup_ms),
    )
    if state.execution.height != floor.header.height:
        raise CorruptionError("the store's last block and its execution hashes do not belong together")
    if block is not None:
        for header in block.descendants:
            state.chain.add(header)
        state.certificates.add(block.certificate)
        state.lanes.advance(block.header.cut, ())
    return state


def replay(state: State, records: Iterable[bytes], chain: str) -> None:
    """Put the journal's records into a state made from the store.

    Raises: CorruptionError where they contradict the rules of voting, a certificate or themselves.
    """
    for data in records:
        _replay_one(state, decode_record(data), chain)
    state.ballot.forget_through(state.certificates.final_view)
    for vote in state.ballot.votes():
        header = state.chain.get(vote.digest or b"")
        if header is not None and vote.kind is VoteKind.NOTARISE:
            state.proposals[vote.view] = Proposed(Link(vote.digest or b"", header), header.time_ms)


def _replay_one(state: State, record: Record, chain: str) -> None:
    floor = state.chain.floor.header
    match record:
        case Batch():
            lane = state.lanes.lane(record.header.lane)
            if lane is not None and record.header.seq <= lane.final.seq:
                return  # it is executed and in the store
            try:
                state.lanes.add(open_batch(record, state.chain_id, chain), named=True)
            except InvalidMessage as error:
                raise CorruptionError(f"the journal holds a batch that is not valid: {error}") from None
        case Header():
            if record.height > floor.height:
                state.chain.add(record)
        case Certificate():
            if record.view >= floor.view and not state.certificates.holds(record):
                state.certificates.add(record)
        case Vote():
            cast = state.ballot.of(record.view)
            if record.voter != state.me or not (record in cast.all() or may_vote(cast, record.kind)):
                raise CorruptionError(
                    f"the journal holds a vote in view {record.view} that this validator cannot have cast: "
                    "it is not this validator's journal, or it was changed"
                )
            state.ballot.remember(record)


def snapshot(state: State) -> list[bytes]:
    """The records that a fresh journal must begin with, the store holding every executed block."""
    executed = state.execution.height
    headers = [link.header for link in state.chain.above(executed)]
    batches = [held.batch for held in state.lanes.all()]
    records: list[Record] = [*state.certificates.all(), *headers, *batches, *state.ballot.votes()]
    return [encode_record(record) for record in records]
