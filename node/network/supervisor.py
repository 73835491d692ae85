"""Keeps one connection with one member: dials, accepts, chooses between two, and backs off."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio

from node.network.connection import Connection, Handlers
from node.network.errors import ConnectFailed, NetworkError
from node.network.limits import NetworkLimits
from node.network.member import MemberState, Peer
from node.network.secure import SecureChannel, peer_id


@dataclass(frozen=True)
class PeerStatus:
    """What an operator wants to know of a member. Times in Unix ms."""

    member: int
    peer_id: str
    address: str
    connected: bool
    connected_since_ms: int | None
    last_heard_ms: int | None
    rtt_ms: float | None
    bytes_in: int
    bytes_out: int
    queued_bytes: int
    dropped: int
    bad_messages: int
    last_error: str | None


class Supervisor:
    """One member, as seen by this node.

    The one with the lower key (hence the lower peer id) dials; after a grace time without a connection the
    other dials too, because a firewall may block one direction. When there are two connections, both nodes
    keep the one that the lower one has dialled, and of two with the same dialler the newer.
    """

    def __init__(
        self,
        peer: Peer,
        *,
        own_key: bytes,
        dial: Callable[[Peer], Awaitable[SecureChannel]],
        handlers: Handlers,
        limits: NetworkLimits,
        nursery: trio.Nursery,
    ) -> None:
        self.peer_id = peer_id(peer.network_key)
        self.state = MemberState(peer, limits, handlers.on_offence)
        self.connection: Connection | None = None
        self._we_are_lower = own_key < peer.network_key
        self._dial = dial
        self._handlers = handlers
        self._limits = limits
        self._nursery = nursery
        self._scope = trio.CancelScope()
        self._connected = trio.Event()
        self._backoff_s = limits.backoff_min_ms / 1000
        self._grace_s = 0 if self._we_are_lower else limits.dial_grace_ms / 1000
        self._grace_ends_s = trio.current_time() + self._grace_s
        # A member that was there before us may be waiting to try again: whoever has just started dials.
        self._next_dial_at_s = trio.current_time() + min(self._grace_s, limits.start_grace_ms / 1000)
        self._past_bytes_in = 0
        self._past_bytes_out = 0
        self._last_heard_at_s: float | None = None

    async def run(self) -> None:
        """Dial whenever there should be a connection and there is none, until `stop`."""
        with self._scope:
            while True:
                if self.connection is not None:
                    await self.connection.ended.wait()
                elif (wait_s := max(self._next_dial_at_s - trio.current_time(), self.state.shut_out_s)) > 0:
                    with trio.move_on_after(wait_s):
                        await self._connected.wait()
                else:
                    await self._dial_once()

    def stop(self, reason: str) -> None:
        """The member is no longer one."""
        self._scope.cancel()
        if self.connection is not None:
            self.connection.close(reason)

    def admit(self, dialled_here: bool) -> None:
        """Whether another connection would be kept. Raises: ConnectFailed."""
        if self._scope.cancel_called:
            raise ConnectFailed("no longer a member")
        if self.state.shut_out_s:
            raise ConnectFailed(f"shut out for {self.state.shut_out_s:.0f} s after too many bad messages")
        have_preferred = self.connection is not None and self._is_preferred(
            self.connection.channel.dialled_here
        )
        if have_preferred and not self._is_preferred(dialled_here):
            raise ConnectFailed("there is a better connection already")

    def adopt(self, channel: SecureChannel) -> None:
        """Use `channel`, in place of the connection that there may be. Raises: ConnectFailed."""
        try:
            self.admit(channel.dialled_here)
        except ConnectFailed:
            channel.abort()
            raise
        replaced = self.connection
        self.connection = Connection(channel, self.state, self._handlers, self._limits)
        if replaced is not None:
            replaced.close("replaced by a newer connection")
        self.state.came()
        self._connected.set()
        self._nursery.start_soon(self._run_connection, self.connection, replaced)
        # Also where it replaces another, because what was under way on that one is lost.
        self._handlers.on_peer_change(self.state.peer.member, True)

    def report_bad(self, reason: str) -> None:
        """The member has sent something that it should not have, as found out above the network."""
        self.state.blame(reason)
        if self.connection is not None and self.state.shut_out_s:
            self.connection.close(f"too many bad messages, the last one: {reason}")

    def status(self) -> PeerStatus:
        """A snapshot for operators."""
        connection = self.connection
        opened_at_s = connection.opened_at_s if connection else None
        heard_at_s = connection.session.heard_at_s if connection else self._last_heard_at_s
        rtt_s = connection.session.rtt_s if connection else None
        return PeerStatus(
            member=self.state.peer.member,
            peer_id=self.peer_id,
            address=self.state.peer.address,
            connected=connection is not None,
            connected_since_ms=_unix_ms(opened_at_s),
            last_heard_ms=_unix_ms(heard_at_s),
            rtt_ms=None if rtt_s is None else round(rtt_s * 1000, 3),
            bytes_in=self._past_bytes_in + (connection.channel.bytes_in if connection else 0),
            bytes_out=self._past_bytes_out + (connection.channel.bytes_out if connection else 0),
            queued_bytes=self.state.queued_bytes,
            dropped=self.state.dropped,
            bad_messages=self.state.bad_messages,
            last_error=self.state.last_error,
        )

    def _is_preferred(self, dialled_here: bool) -> bool:
        return dialled_here is self._we_are_lower

    async def _dial_once(self) -> None:
        self._schedule_dial()
        try:
            channel = await self._dial(self.state.peer)
            self.adopt(channel)
        except NetworkError as error:
            if self.connection is None:
                self.state.last_error = str(error)
                self._next_dial_at_s = max(self._next_dial_at_s, self._grace_ends_s)

    def _schedule_dial(self) -> None:
        """The next attempt follows after a random part of a delay that doubles each time."""
        self._next_dial_at_s = trio.current_time() + self._backoff_s * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        self._backoff_s = min(2 * self._backoff_s, self._limits.backoff_max_ms / 1000)

    async def _run_connection(self, connection: Connection, replaced: Connection | None) -> None:
        try:
            if replaced is not None:
                await replaced.ended.wait()  # so that only one connection takes from the queues
            await connection.run()
        finally:
            connection.close("the node is shutting down")
            self._past_bytes_in += connection.channel.bytes_in
            self._past_bytes_out += connection.channel.bytes_out
            self._last_heard_at_s = connection.session.heard_at_s
            if self.connection is connection:
                self._lost(connection)

    def _lost(self, connection: Connection) -> None:
        self.connection = None
        self.state.went()
        self._connected = trio.Event()
        now_s = trio.current_time()
        if now_s - connection.opened_at_s >= self._limits.backoff_max_ms / 1000:  # it was a real one
            self._backoff_s = self._limits.backoff_min_ms / 1000
        self._schedule_dial()
        self._grace_ends_s = now_s + self._grace_s
        self._next_dial_at_s = max(self._next_dial_at_s, self._grace_ends_s)
        self._handlers.on_peer_change(self.state.peer.member, False)


def _unix_ms(at_s: float | None) -> int | None:
    """A time of trio's clock as Unix time in ms."""
    if at_s is None:
        return None
    return time.time_ns() // 1_000_000 - round((trio.current_time() - at_s) * 1000)
