"""From a TCP connection to an authenticated, encrypted channel between two members: libp2p's own layers.

multistream-select, Noise (XX), multistream-select again for the muxer; peer ids and keys as libp2p has them,
so that any libp2p node whose key is on the members' list can connect. Only members get through, in both
directions, and Noise is all that is offered: py-libp2p's default would also offer `/plaintext/2.0.0`, with
which a stranger poses as a member.

This is the only module that imports libp2p. Its code raises whatever it likes on a peer's bytes
(UnicodeDecodeError, ValueError, protobuf and cipher errors); here that becomes ConnectFailed or
NegotiationFailed, and never reaches the node.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

import trio
from libp2p.abc import IRawConnection, ISecureConn
from libp2p.connection_types import ConnectionType
from libp2p.crypto.ed25519 import Ed25519PublicKey, create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as create_x25519_key_pair
from libp2p.custom_types import TProtocol
from libp2p.io.abc import ReadWriteCloser
from libp2p.peer.id import ID
from libp2p.protocol_muxer.multiselect import Multiselect
from libp2p.protocol_muxer.multiselect_client import MultiselectClient
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE_ID
from libp2p.security.noise.transport import Transport as NoiseTransport
from multiaddr import Multiaddr

from consensus.errors import InvalidMessage
from node.network.errors import REFUSED, ConnectFailed, ConnectionLost, StreamEnded
from node.network.limits import KIB
from node.network.yamux_frames import PROTOCOL_ID as YAMUX_ID

Result = TypeVar("Result")

KEY_BYTES = 32
RECEIVE_BYTES = 128 * KIB  # one system call for many small messages
NEGOTIATION_BYTES_MAX = 1 * KIB  # multistream-select needs some dozens; a peer may announce 2**64

logging.getLogger("libp2p").addHandler(logging.NullHandler())  # else its errors go to the operator's terminal


class NegotiationFailed(InvalidMessage):
    """The peer answers a multistream-select negotiation with something else, or not in time."""


class Identity:
    """A node's key and what follows from it."""

    def __init__(self, seed: bytes) -> None:
        """`seed`: 32 bytes, the Ed25519 seed of the network key. Raises: ValueError at another length."""
        if len(seed) != KEY_BYTES:
            raise ValueError(f"a network key's seed has {KEY_BYTES} bytes, this one has {len(seed)}")
        key_pair = create_new_key_pair(seed)
        self.network_key = key_pair.public_key.to_bytes()
        self.peer_id = peer_id(self.network_key)
        self.noise = NoiseTransport(key_pair, create_x25519_key_pair().private_key)


def peer_id(network_key: bytes) -> str:
    """The libp2p peer id of an Ed25519 public key of 32 bytes, in its usual text form.

    Raises: ValueError at another length.
    """
    if len(network_key) != KEY_BYTES:
        raise ValueError(f"a network key has {KEY_BYTES} bytes, this one has {len(network_key)}")
    return str(ID.from_pubkey(Ed25519PublicKey.from_bytes(network_key)))


class Socket(IRawConnection):
    """A TCP connection with a read buffer of its own, in the form that libp2p's layers expect."""

    def __init__(self, stream: trio.SocketStream, *, is_initiator: bool) -> None:
        self.is_initiator = is_initiator
        self.bytes_in = 0
        self.bytes_out = 0
        self._stream = stream
        self._buffer = bytearray()

    async def read(self, n: int | None = None) -> bytes:
        """Exactly `n` bytes: libp2p's own loop gives up after a hundred pieces. Raises: ConnectionLost."""
        wanted = 1 if n is None else n
        while len(self._buffer) < wanted:
            try:
                data = await self._stream.receive_some(RECEIVE_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise ConnectionLost("the connection broke") from error
            if not data:
                raise ConnectionLost("the peer closed the connection")
            self.bytes_in += len(data)
            self._buffer += data
        data = bytes(self._buffer[:wanted])
        del self._buffer[:wanted]
        return data

    async def write(self, data: bytes) -> None:
        """Send all of `data`. Raises: ConnectionLost."""
        try:
            await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ConnectionLost("the connection broke") from error
        self.bytes_out += len(data)

    def abort(self) -> None:
        """Close the socket now; whoever waits on it is woken."""
        self._stream.socket.close()

    async def close(self) -> None:
        """As `abort`; libp2p's layers expect a coroutine."""
        self.abort()

    def get_remote_address(self) -> tuple[str, int] | None:
        """Not told: a member is known by its key alone."""
        return None

    def get_transport_addresses(self) -> list[Multiaddr]:
        """Not told: see `get_remote_address`."""
        return []

    def get_connection_type(self) -> ConnectionType:
        """Always direct: there are no relays here."""
        return ConnectionType.DIRECT


class SecureChannel:
    """An authenticated and encrypted connection with the peer `peer_id`, on which Yamux has been agreed."""

    def __init__(self, socket: Socket, session: ISecureConn) -> None:
        self.peer_id = str(session.get_remote_peer())
        self.dialled_here = socket.is_initiator
        self._socket = socket
        self._session = session

    @property
    def bytes_in(self) -> int:
        """Bytes received on the wire."""
        return self._socket.bytes_in

    @property
    def bytes_out(self) -> int:
        """Bytes sent on the wire."""
        return self._socket.bytes_out

    async def read(self) -> bytes:
        """The plaintext of the next message. Raises: ConnectionLost."""
        return await _or_lost(self._session.read)

    async def write(self, data: bytes) -> None:
        """Send `data` as one message. Raises: ConnectionLost."""
        await _or_lost(lambda: self._session.write(data))

    def abort(self) -> None:
        """Close the socket now."""
        self._socket.abort()


async def secure_outbound(stream: trio.SocketStream, identity: Identity, expected_peer: str) -> SecureChannel:
    """The channel over a connection that this node has dialled, to `expected_peer` and nobody else.

    Raises: ConnectFailed; the connection is closed then.
    """

    async def handshake(socket: Socket) -> ISecureConn:
        await propose(socket, NOISE_ID)
        session = await identity.noise.secure_outbound(socket, ID.from_string(expected_peer))
        try:
            await propose(session, YAMUX_ID)
        except ConnectionLost as error:
            raise ConnectFailed(REFUSED) from error
        return session

    return await _secured(Socket(stream, is_initiator=True), handshake)


async def secure_inbound(
    stream: trio.SocketStream, identity: Identity, admit: Callable[[str], None]
) -> SecureChannel:
    """The channel over a connection that somebody has dialled, if `admit` does not raise ConnectFailed at
    the peer id that this somebody has proven.

    Raises: ConnectFailed; the connection is closed then.
    """

    async def handshake(socket: Socket) -> ISecureConn:
        await accept(socket, [NOISE_ID])
        session = await identity.noise.secure_inbound(socket)
        admit(str(session.get_remote_peer()))
        await accept(session, [YAMUX_ID])
        return session

    return await _secured(Socket(stream, is_initiator=False), handshake)


class Pipe(Protocol):
    """What a negotiation runs on: a socket, a channel or a stream."""

    async def read(self, n: int, /) -> bytes:
        """At least one byte, at most `n`; b"" at the end."""

    async def write(self, data: bytes, /) -> None:
        """Send all of `data`."""


async def propose(pipe: Pipe, protocol: str, timeout_ms: int = 10_000) -> None:
    """Agree with the peer on `protocol`.

    Raises: NegotiationFailed, StreamEnded, ConnectionLost.
    """
    client, communicator = MultiselectClient(), MultiselectCommunicator(_Negotiation(pipe))
    with trio.move_on_after(timeout_ms / 1000):
        await _or_not_agreed(lambda: client.select_one_of([TProtocol(protocol)], communicator))
        return
    raise NegotiationFailed(f"no answer to the proposal of {protocol} within {timeout_ms} ms")


async def accept(pipe: Pipe, protocols: Sequence[str], timeout_ms: int = 10_000) -> str:
    """The one of `protocols` that the peer asks for.

    Raises: NegotiationFailed, StreamEnded, ConnectionLost.
    """
    offer = Multiselect({TProtocol(protocol): None for protocol in protocols})
    communicator = MultiselectCommunicator(_Negotiation(pipe))
    with trio.move_on_after(timeout_ms / 1000):
        chosen, _ = await _or_not_agreed(lambda: offer.negotiate(communicator))
        return str(chosen)
    raise NegotiationFailed(f"the peer asked for no protocol within {timeout_ms} ms")


class _Negotiation(ReadWriteCloser):
    """A pipe during multistream-select, from which only NEGOTIATION_BYTES_MAX bytes can be read."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._bytes_left = NEGOTIATION_BYTES_MAX

    async def read(self, n: int | None = None) -> bytes:
        if n == 0:
            return b""
        if n is None or n > self._bytes_left:
            raise NegotiationFailed(f"a negotiation takes at most {NEGOTIATION_BYTES_MAX} bytes")
        data = await self._pipe.read(n)
        if not data:
            raise StreamEnded("ended during a negotiation")
        self._bytes_left -= len(data)
        return data

    async def write(self, data: bytes) -> None:
        await self._pipe.write(data)

    async def close(self) -> None:
        """Left to the pipe's owner."""

    def get_remote_address(self) -> tuple[str, int] | None:
        return None


async def _secured(socket: Socket, handshake: Callable[[Socket], Awaitable[ISecureConn]]) -> SecureChannel:
    try:
        return SecureChannel(socket, await handshake(socket))
    except ConnectFailed:
        socket.abort()
        raise
    except Exception as error:  # libp2p's layers let anything through that a peer's bytes provoke
        socket.abort()
        raise ConnectFailed(f"handshake failed: {_words(error)}") from error
    except BaseException:
        socket.abort()
        raise


async def _or_lost(operation: Callable[[], Awaitable[Result]]) -> Result:
    try:
        return await operation()
    except ConnectionLost:
        raise
    except Exception as error:  # a message that cannot be decrypted ends a connection, whatever is raised
        raise ConnectionLost(f"the encrypted channel failed: {_words(error)}") from error


async def _or_not_agreed(operation: Callable[[], Awaitable[Result]]) -> Result:
    try:
        return await operation()
    except (NegotiationFailed, StreamEnded, ConnectionLost):
        raise
    except Exception as error:  # UnicodeDecodeError and the like, from a peer's bytes
        raise NegotiationFailed(f"no agreement on a protocol: {_words(error)}") from error


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
