"""Saying where one stands, hearing where others stand, and helping who is behind."""

from __future__ import annotations

from consensus import catchup
from consensus.delivery import is_held_back
from consensus.effects import Broadcast, Outgoing, Send, SyncNeeded
from consensus.errors import InvalidMessage
from consensus.keys import Signer
from consensus.messages import executed_payload
from consensus.rules import crowd
from consensus.state import Now, Peer, State
from consensus.types import ExecutedTip, MemberNumber, Status

ANSWERS_PER_T0 = 8
"""A peer's Status is answered, and ours sent to a peer that is further, at most so often."""

TOLD_T0_MAX = 10
"""Among however many, each tells all how far it is at least every so many T0, while that changes."""


class Standing:
    """One validator's Status messages, and its calls for catch-up."""

    def __init__(self, state: State, out: Outgoing, signer: Signer, now: Now) -> None:
        self.peers: dict[MemberNumber, Peer] = {}
        self._state = state
        self._out = out
        self._signer = signer
        self._executed: ExecutedTip | None = None
        self._told_ms = now.mono_ms
        self._told_height = state.execution.height
        self._behind_since_ms: int | None = None
        self._sync_asked_ms: int | None = None

    def peer(self, number: MemberNumber) -> Peer:
        """What is known of another member, validator or not."""
        return self.peers.setdefault(number, Peer())

    def hear(self, sender: MemberNumber, status: Status, now: Now) -> None:
        """Take a peer's Status (its votes excepted) and answer it. Raises: InvalidMessage."""
        self._hear_execution(sender, status.executed)
        peer, certificates, epoch = self.peer(sender), self._state.certificates, self._state.committee.epoch
        peer.epoch, peer.frontier, peer.final_view = status.epoch, status.frontier, status.final_view
        if self._is_time(peer.answered_ms, now):
            peer.answered_ms = now.mono_ms
            for part in catchup.answer_status(self._state, status):
                self._out.add(Send(sender, part))
        is_further = status.frontier > certificates.frontier or status.final_view > certificates.final_view
        if status.epoch == epoch and is_further and self._is_time(peer.asked_ms, now):
            self.tell_one(sender, now)
        self.hear_epoch(sender, status.epoch, now)

    def hear_epoch(self, sender: MemberNumber, epoch: int, now: Now) -> None:
        """A peer speaks from this epoch: if a later one, it may have what ended ours; if earlier, help it."""
        peer, state = self.peer(sender), self._state
        peer.epoch = epoch
        long_ago = peer.asked_ms is None or now.mono_ms - peer.asked_ms >= state.parameters.base_timeout_ms
        if epoch != state.committee.epoch and long_ago:
            self.tell_one(sender, now)

    def _in_later_epochs(self) -> list[MemberNumber]:
        """Members that say to be in a later epoch, if they are too many to be all liars."""
        state = self._state
        later = [
            (-peer.epoch, number) for number, peer in self.peers.items() if peer.epoch > state.committee.epoch
        ]
        return [number for _, number in sorted(later)] if len(later) > state.committee.faults_max else []

    def _is_time(self, last_ms: int | None, now: Now) -> bool:
        interval_ms = self._state.parameters.base_timeout_ms // ANSWERS_PER_T0
        return last_ms is None or now.mono_ms - last_ms >= interval_ms

    def _hear_execution(self, sender: MemberNumber, tip: ExecutedTip) -> None:
        state = self._state
        known = state.execution.tip_of(sender)
        if tip.voter != sender:
            raise InvalidMessage("a status must carry its sender's own execution")
        if known is not None and known.height >= tip.height:
            return
        key = state.committee.key_of(sender)
        payload = executed_payload(state.chain_id, tip.height, tip.exec_hash)
        if key is not None and state.verifier(key, payload, tip.signature):
            state.execution.heard(tip)  # else an observer's word, or one under another epoch's key

    def tell_one(self, member: MemberNumber, now: Now) -> None:
        """Send our Status to one peer."""
        self.peer(member).asked_ms = now.mono_ms
        self._out.add(Send(member, self._status()))

    def tell_all(self, now: Now, stuck: bool) -> None:
        """To everybody: when stuck, to be helped; else now and then, so that others know how far we are."""
        state = self._state
        often = min(crowd(len(state.committee.numbers)) ** 2, TOLD_T0_MAX)
        due_ms = self._told_ms + often * state.parameters.base_timeout_ms
        news = self._told_height != self._state.execution.height
        if stuck or (news and now.mono_ms >= due_ms):
            self._told_ms, self._told_height = now.mono_ms, self._state.execution.height
            self._out.add(Broadcast(self._status()))
        elif news:
            self._out.wake(due_ms)

    def _status(self) -> Status:
        state = self._state
        execution, certificates = state.execution, state.certificates
        if self._executed is None or self._executed.height != execution.height:
            signature = self._signer.sign(executed_payload(state.chain_id, execution.height, execution.hash))
            self._executed = ExecutedTip(state.me, execution.height, execution.hash, signature)
        return Status(
            epoch=state.committee.epoch,
            frontier=certificates.frontier,
            final_view=certificates.final_view,
            executed=self._executed,
            votes=catchup.current_votes(state),
        )

    def seek_sync(self, now: Now, delivered: bool) -> None:
        """Ask the driver for whole blocks where the final one is far ahead, or near and does not come.

        `delivered`: a block was delivered just now.
        """
        state, floor = self._state, self._state.chain.floor.header
        if delivered:
            self._behind_since_ms = None
        later = self._in_later_epochs()
        if is_held_back(state) or state.epoch_is_over or not (state.is_behind or later):
            self._behind_since_ms = None
            return
        if self._behind_since_ms is None:
            self._behind_since_ms = now.mono_ms
        interval_ms = 2 * state.parameters.base_timeout_ms
        due_ms = self._behind_since_ms + (0 if catchup.is_far_behind(state) else interval_ms)
        if self._sync_asked_ms is not None:
            due_ms = max(due_ms, self._sync_asked_ms + interval_ms)
        if due_ms > now.mono_ms:
            self._out.wake(due_ms)
            return
        self._sync_asked_ms = now.mono_ms
        self._out.add(SyncNeeded(floor.height + 1, catchup.sync_peers(state, later)))
