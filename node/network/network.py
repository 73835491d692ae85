"""The node's network: one listener, one supervised connection per member, messages in and out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import trio

from node.network.connection import Handlers
from node.network.errors import ConnectFailed, RequestFailed
from node.network.limits import NetworkLimits, TokenBucket
from node.network.member import Peer
from node.network.secure import Identity, SecureChannel, peer_id, secure_inbound, secure_outbound
from node.network.sockets import address_of, connect, listen
from node.network.supervisor import PeerStatus, Supervisor
from node.wire import StreamClass

ACCEPT_RETRY_S = 0.1  # after the system refused a socket, for example because too many files are open


@dataclass(frozen=True)
class DoorStatus:
    """Inbound connections as the listener sees them, strangers included."""

    pending: int
    """Connections that have not yet proven who they are."""

    admitted: int
    refused: int
    last_refusal: str | None


class Started(Protocol):
    """Trio's task status: whoever has started `run` is told once it serves."""

    def started(self, value: str) -> None: ...


def _ignore(*_: object) -> None:
    """Nobody wants to know."""


class Network:
    """Connections with the members, over libp2p's TCP, Noise and Yamux.

    Delivery is at most once and in order per member and stream class; what was under way when a connection
    broke is lost without a word, and a message handed over counts for the member whose authenticated stream
    brought it. Everything runs in trio, and every method is called there.

    Handlers:
    `on_message(member, stream_class, body)` must not block. It raises InvalidMessage for what an honest
    member never sends: that is counted, and who does it too often is disconnected for a while.
    `on_request(member, body)` returns the answer; it raises RequestRefused to decline with a reason, or
    InvalidMessage. It is cancelled when the connection is lost.
    `on_peer_change(member, connected)` is told of each new connection, also of one that replaces another, and
    of each loss. It must not block.
    `on_offence(member, reason, shut_out_s)` is told of each bad message, and for how long the member is now
    shut out: 0 for one that is forgiven; nothing is told of who is shut out already. It must not block.
    Any other exception of a handler is a fault of this node and leaves `run`.
    """

    def __init__(
        self,
        *,
        seed: bytes,
        listen: str,
        me: int,
        peers: Sequence[Peer],
        on_message: Callable[[int, StreamClass, bytes], None],
        on_request: Callable[[int, bytes], Awaitable[bytes]],
        on_peer_change: Callable[[int, bool], None] = _ignore,
        on_offence: Callable[[int, str, float], None] = _ignore,
        limits: NetworkLimits | None = None,
    ) -> None:
        """`seed`: 32 bytes, of the network key. `listen`: a multiaddr of /ip4 or /ip6 and /tcp.

        Raises: ValueError when the seed or a peer's key has another length, or two peers share a key.
        """
        self._identity = Identity(seed)
        self._listen = listen
        self._me = me
        self._limits = limits or NetworkLimits()
        self._handlers = Handlers(on_message, on_request, on_peer_change, on_offence)
        self._nursery: trio.Nursery | None = None
        self._supervisors: dict[int, Supervisor] = {}
        self._by_peer_id: dict[str, Supervisor] = {}
        self._pending: dict[trio.CancelScope, None] = {}
        self._admitted = 0
        self._refused = 0
        self._last_refusal: str | None = None
        self._peers = self._checked(peers)

    @property
    def peer_id(self) -> str:
        """This node's libp2p peer id."""
        return self._identity.peer_id

    async def run(self, *, task_status: Started = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled; reports the address it really listens on once it does. Runs once.

        Raises: ListenFailed.
        """
        listener = await listen(self._listen)
        async with listener, trio.open_nursery() as nursery:
            self._nursery = nursery
            self.set_peers(self._peers)
            nursery.start_soon(self._accept_all, listener, nursery)
            task_status.started(address_of(listener))
            await trio.sleep_forever()

    def send(self, member: int, stream_class: StreamClass, body: bytes) -> bool:
        """Queue a message for a member; False when it is not queued: queue full, member away or unknown.

        Raises: ValueError when the body is empty or too long for its class, or the class is SYNC.
        """
        if stream_class is StreamClass.SYNC:
            raise ValueError("nothing is sent on a SYNC stream but requests: use `request`")
        supervisor = self._supervisors.get(member)
        return supervisor is not None and supervisor.state.outboxes[stream_class].put(body)

    def broadcast(self, stream_class: StreamClass, body: bytes) -> None:
        """Queue a message for every other member. Raises: ValueError as `send`."""
        for member in self._supervisors:
            self.send(member, stream_class, body)

    async def request(self, member: int, body: bytes, timeout_ms: int) -> bytes:
        """Ask a member on its SYNC stream and return its answer.

        Raises: RequestFailed; ValueError when `body` is too long.
        """
        supervisor = self._supervisors.get(member)
        if supervisor is None:
            raise RequestFailed(f"member {member} is unknown")
        return await supervisor.state.requester.request(body, timeout_ms)

    def queue_bytes(self, member: int) -> int:
        """Bytes that wait to be sent to a member; 0 for one that is unknown."""
        supervisor = self._supervisors.get(member)
        return 0 if supervisor is None else supervisor.state.queued_bytes

    def report_bad(self, member: int, reason: str = "a bad message") -> None:
        """Hold a bad message against a member, found out after its handler had returned."""
        if supervisor := self._supervisors.get(member):
            supervisor.report_bad(reason)

    def is_shut_out(self, member: int) -> bool:
        """Whether a member has sent too many bad messages and stays out for a while."""
        supervisor = self._supervisors.get(member)
        return supervisor is not None and supervisor.state.shut_out_s > 0

    def status(self) -> list[PeerStatus]:
        """A snapshot of each other member, in order of their numbers."""
        return [supervisor.status() for _, supervisor in sorted(self._supervisors.items())]

    def door_status(self) -> DoorStatus:
        """A snapshot of inbound connections."""
        return DoorStatus(len(self._pending), self._admitted, self._refused, self._last_refusal)

    def set_peers(self, peers: Sequence[Peer]) -> None:
        """Replace the list of members: new ones are dialled, those no longer listed are disconnected.

        A member with a new key is disconnected and found again under it; one with a new address is dialled
        there next time, and what connects it now stays.
        Raises: ValueError when a key has another length than 32 bytes or two peers share one.
        """
        self._peers = self._checked(peers)
        if self._nursery is None:
            return
        wanted = {peer.member: peer for peer in self._peers}
        for member, supervisor in list(self._supervisors.items()):
            listed = wanted.get(member)
            if listed is not None and listed.network_key == supervisor.state.peer.network_key:
                supervisor.state.peer = listed
            else:
                supervisor.stop("the list of members has changed")
                del self._supervisors[member], self._by_peer_id[supervisor.peer_id]
        for member, peer in wanted.items():
            if member not in self._supervisors:
                supervisor = Supervisor(
                    peer,
                    own_key=self._identity.network_key,
                    dial=self._dial,
                    handlers=self._handlers,
                    limits=self._limits,
                    nursery=self._nursery,
                )
                self._supervisors[member] = self._by_peer_id[supervisor.peer_id] = supervisor
                self._nursery.start_soon(supervisor.run)

    def _checked(self, peers: Sequence[Peer]) -> list[Peer]:
        others = [peer for peer in peers if peer.member != self._me]
        ids = {peer_id(peer.network_key): peer.member for peer in others} | {self.peer_id: self._me}
        if len(ids) != len(others) + 1 or len({peer.member for peer in others}) != len(others):
            raise ValueError("two members have the same number or the same network key")
        return others

    async def _dial(self, peer: Peer) -> SecureChannel:
        with trio.move_on_after(self._limits.dial_timeout_ms / 1000):
            stream = await connect(peer.address)
            return await secure_outbound(stream, self._identity, peer_id(peer.network_key))
        raise ConnectFailed(f"{peer.address} does not answer within {self._limits.dial_timeout_ms} ms")

    # The door: whoever has not proven to be a member costs a bounded amount of memory, time and work.

    async def _accept_all(self, listener: trio.SocketListener, nursery: trio.Nursery) -> None:
        rate = TokenBucket(self._limits.handshakes_per_s, self._limits.handshakes_per_s)
        while True:
            try:
                stream = await listener.accept()
            except OSError as error:
                self._last_refusal = f"the system refuses a connection: {error}"
                await trio.sleep(ACCEPT_RETRY_S)
                continue
            if len(self._pending) >= self._limits.pending_handshakes_max:
                oldest = next(iter(self._pending))
                del self._pending[oldest]
                oldest.cancel()
            timeout_s = self._limits.handshake_timeout_ms / 1000
            deadline = trio.CancelScope(deadline=trio.current_time() + timeout_s)
            self._pending[deadline] = None
            nursery.start_soon(self._welcome, stream, deadline)
            if delay_s := rate.take(1, trio.current_time()):
                await trio.sleep(delay_s)

    async def _welcome(self, stream: trio.SocketStream, deadline: trio.CancelScope) -> None:
        refusal = "did not say who it is in time, or others came meanwhile"
        with deadline:
            try:
                channel = await secure_inbound(stream, self._identity, self._admit)
                self._adopt(channel)
                refusal = ""
            except ConnectFailed as error:
                refusal = str(error)
        self._pending.pop(deadline, None)
        if refusal:
            self._refused += 1
            self._last_refusal = refusal
        else:
            self._admitted += 1

    def _admit(self, proven_peer_id: str) -> None:
        supervisor = self._by_peer_id.get(proven_peer_id)
        if supervisor is None:
            raise ConnectFailed(f"{proven_peer_id} is not a member")
        supervisor.admit(dialled_here=False)

    def _adopt(self, channel: SecureChannel) -> None:
        supervisor = self._by_peer_id.get(channel.peer_id)
        if supervisor is None:  # taken off the list during the handshake
            channel.abort()
            raise ConnectFailed(f"{channel.peer_id} is no longer a member")
        supervisor.adopt(channel)
