"""From the journal and the store to a replica's state, and from the state to a fresh journal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from consensus import accusing, epochs
from consensus.ballot import Ballot
from consensus.batches import open_batch
from consensus.certificates import Certificates
from consensus.chain import Chain, Link, genesis_header
from consensus.delivery import deliver
from consensus.effects import Effect, EpochBegan
from consensus.errors import CorruptionError, InvalidMessage
from consensus.evidence import accuse
from consensus.execution import Execution
from consensus.keys import Signer, Verifier
from consensus.lanes import Lanes
from consensus.messages import batch_payload, header_digest
from consensus.parameters import Parameters
from consensus.records import Record, Succession, decode_record, encode_record
from consensus.rules import may_vote
from consensus.state import Anchor, Proposed, State
from consensus.tally import Tally
from consensus.types import Batch, Certificate, Digest, Evidence, Header, MemberNumber, Vote, VoteKind


def blank_state(
    *, chain_id: Digest, chain: str, me: MemberNumber, signer: Signer, verifier: Verifier,
    parameters: Parameters, genesis_time_ms: int, anchor: Anchor, abstains: bool,
) -> State:  # fmt: skip
    """What a replica knows from its store alone."""
    block, committee = anchor.block, anchor.committee
    if block is None:
        genesis = genesis_header(committee.epoch, genesis_time_ms, anchor.exec_hashes[0][1])
        floor = Link(chain_id, genesis)
    else:
        floor = Link(header_digest(chain_id, block.header), block.header)
    begins = block is not None and block.header.next_set is not None
    if committee.epoch != floor.header.epoch + begins:
        raise CorruptionError(
            f"the store's last block is of epoch {floor.header.epoch}, "
            f"its committee of epoch {committee.epoch}"
        )
    state = State(
        chain_id=chain_id,
        chain_name=chain,
        committee=committee,
        me=me,
        parameters=parameters,
        verifier=verifier,
        ballot=Ballot(chain_id, committee.epoch, me, signer),
        tally=Tally(committee, chain_id, verifier),
        certificates=Certificates(floor.digest),
        chain=Chain(chain_id, floor),
        lanes=Lanes(me, committee, parameters),
        execution=Execution(
            anchor.exec_hashes, anchor.changed_height, anchor.next_wakeup_ms, anchor.next_committee
        ),
        accused=set(anchor.accused),
        abstains=abstains,
    )
    if state.execution.height != floor.header.height:
        raise CorruptionError("the store's last block and its execution hashes do not belong together")
    if block is not None:
        state.lanes.advance(block.header.cut, ())
        if begins:
            state.ended = block
        else:
            for header in block.descendants:
                state.chain.add(header)
            state.certificates.add(block.certificate)
    return state


def replay(state: State, records: Iterable[bytes]) -> list[Effect]:
    """Put the journal's records into a state made from the store; what became final on the way is returned.

    Raises: CorruptionError where they contradict the rules of voting, a certificate or themselves.
    """
    effects: list[Effect] = []
    for data in records:
        effects += _replay_one(state, decode_record(data))
    _settle_votes(state)
    state.catching_up = state.is_behind
    return effects


def resume(state: State) -> list[Effect]:
    """An epoch began for which records were put aside; what became final by them is returned."""
    waiting, state.later = state.later, []
    effects = [effect for record in waiting for effect in _replay_one(state, record)]
    _settle_votes(state)
    return effects


def _settle_votes(state: State) -> None:
    state.ballot.forget_through(state.certificates.final_view)
    for vote in state.ballot.votes():
        header = state.chain.get(vote.digest or b"")
        if header is not None and vote.kind is VoteKind.NOTARISE:
            state.proposals[vote.view] = Proposed(Link(vote.digest or b"", header), header.time_ms)


def _replay_one(state: State, record: Record) -> list[Effect]:
    if isinstance(record, Batch):
        _replay_batch(state, record)
        return []
    epoch = record.committee.epoch if isinstance(record, Succession) else record.epoch
    if isinstance(record, Succession) and epoch <= state.committee.epoch + 1:
        return _succeed(state, record)
    if epoch > state.committee.epoch:
        state.later.append(record)
    if epoch != state.committee.epoch:
        return []
    match record:
        case Header():
            if record.height > state.chain.floor.header.height:
                state.chain.add(record)
        case Certificate():
            if record.view >= state.floor_view and not state.certificates.holds(record):
                state.certificates.add(record)
        case Evidence():
            if accuse(record).member not in state.accused:
                accusing.remember(state, record)
        case Vote():
            _replay_vote(state, record)
    return []


def _replay_vote(state: State, vote: Vote) -> None:
    cast = state.ballot.of(vote.view)
    if vote.voter != state.me or not (vote in cast.all() or may_vote(cast, vote.kind)):
        raise CorruptionError(
            f"the journal holds a vote in view {vote.view} that this validator cannot have cast: "
            "it is not this validator's journal, or it was changed"
        )
    state.ballot.remember(vote)


def _replay_batch(state: State, batch: Batch) -> None:
    """Batches carry no epoch: whose key is another one by now are void, but for their own author's sake."""
    header = batch.header
    lane = state.lanes.lane(header.lane)
    if lane is not None and header.seq <= lane.final.seq:
        return  # it is executed and in the store
    try:
        opened = open_batch(batch, state.chain_id, state.chain_name)
    except InvalidMessage as error:
        raise CorruptionError(f"the journal holds a batch that is not valid: {error}") from None
    payload = batch_payload(state.chain_id, header)
    keys = [state.committee.key_of(header.lane)]
    if header.lane == state.me:
        keys.append(state.ballot.public_key)
    signed_by = next((key for key in keys if key and state.verifier(key, payload, batch.signature)), None)
    if signed_by is not None:
        state.lanes.add(replace(opened, key=signed_by), named=True)
    elif header.lane == state.me:
        state.lanes.voided.append(opened)


def _succeed(state: State, record: Succession) -> list[Effect]:
    """The journal says that an epoch began: either the store knows that already, or it is behind."""
    if record.committee.epoch < state.committee.epoch:
        return []
    if record.committee.epoch == state.committee.epoch:
        state.former, state.ended = record.former, record.boundary
        return []
    boundary = record.boundary
    for header in (boundary.header, *boundary.descendants):
        state.chain.add(header)
    if not state.certificates.holds(boundary.certificate):
        state.certificates.add(boundary.certificate)
    effects: list[Effect] = list(deliver(state))
    if state.chain.floor.header != boundary.header:
        state.later.append(record)  # the store lost blocks that the journal no longer holds
        return effects
    epochs.begin(state, record)
    return [*effects, EpochBegan(record.committee, boundary.header.height)]


def snapshot(state: State) -> list[bytes]:
    """The records that a fresh journal must begin with, the store holding every executed block."""
    executed, epoch = state.execution.height, state.committee.epoch
    headers = [link.header for link in state.chain.above(executed)]
    before: list[Record] = [batch.batch for batch in state.lanes.voided]
    boundary = state.ended.header if state.ended is not None else None
    if (
        state.ended is not None
        and boundary is not None
        and state.former is not None
        and boundary.epoch < epoch
    ):
        before += [header for header in headers if header.epoch < epoch]
        for height, digests in sorted(state.unexecuted.items()):
            if height <= boundary.height:
                held = [state.lanes.get(digest) for digest in digests]
                before += [batch.batch for batch in held if batch is not None]
        before.append(Succession(state.former, state.ended, state.committee))
    first = {encode_record(record): None for record in before}
    rest: list[Record] = [
        *state.certificates.all(),
        *(header for header in headers if header.epoch == epoch),
        *(state.ended.descendants if state.ended is not None and state.epoch_is_over else ()),
        *(held.batch for held in state.lanes.all()),
        *state.ballot.votes(),
        *(evidence for _, evidence in sorted(state.evidence.items())),
        *state.later,
    ]
    return [*first, *(data for data in map(encode_record, rest) if data not in first)]
