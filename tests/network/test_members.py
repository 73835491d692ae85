"""Who is connected with whom: members only, one connection each, found again after it was lost."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest
import trio
import trio.lowlevel
from libp2p.peer.id import ID
from nacl.signing import SigningKey

from node.network import ListenFailed, Network, Peer, peer_id
from node.network.errors import ConnectFailed, ConnectionLost
from node.network.secure import Socket
from node.network.sockets import address_of
from node.wire import StreamClass
from tests.network.support import (
    ANY_PORT,
    NOWHERE,
    QUICK,
    Node,
    all_connected,
    channel_to,
    consortium,
    introduce,
    network_key,
    peer,
    read_for_ever,
    run,
    seed,
    started,
    until,
)

SOON_S = 10.0
"""For what takes a moment, on a machine that does other things."""


def network(**changes: object) -> Network:
    async def on_request(member: int, body: bytes) -> bytes:
        return body

    arguments = {
        "seed": seed(0),
        "listen": ANY_PORT,
        "me": 0,
        "peers": [],
        "on_message": lambda *message: None,
        "on_request": on_request,
    }
    return Network(**(arguments | changes))  # type: ignore[arg-type]


def test_peer_ids_are_libp2ps_of_the_same_ed25519_key() -> None:
    key = bytes(SigningKey(seed(0)).verify_key)
    assert network().peer_id == peer_id(key)
    identity_multihash_of_the_protobuf = bytes.fromhex("002408011220") + key
    assert ID.from_string(peer_id(key)).to_bytes() == identity_multihash_of_the_protobuf


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_seed_or_key_of_another_length_is_refused(length: int) -> None:
    """Trap: py-libp2p takes an empty seed for a wish to have a random key."""
    with pytest.raises(ValueError, match="32 bytes"):
        network(seed=bytes(length))
    with pytest.raises(ValueError, match="32 bytes"):
        network(peers=[Peer(1, bytes(length), NOWHERE)])


@pytest.mark.parametrize(
    "peers",
    [
        [peer(1, NOWHERE), peer(1, NOWHERE)],
        [peer(1, NOWHERE), Peer(2, network_key(1), NOWHERE)],
        [Peer(1, network_key(0), NOWHERE)],
    ],
    ids=["number twice", "key twice", "our key"],
)
def test_members_must_be_told_apart(peers: list[Peer]) -> None:
    with pytest.raises(ValueError, match="same"):
        network(peers=peers)


def test_members_connect_once_each_and_the_lower_key_dials() -> None:
    async def main() -> None:
        nodes = [Node(member) for member in range(4)]
        async with consortium(*nodes):
            assert [node.network.door_status().admitted for node in nodes] == [0, 1, 2, 3]
            for node in nodes:
                others = [other.member for other in nodes if other is not node]
                assert node.connected() == others
                assert sorted(node.changes) == [(other, True) for other in others]
                for status in node.network.status():
                    assert status.peer_id == nodes[status.member].network.peer_id
                    assert status.address == nodes[status.member].address
                    assert status.connected_since_ms is not None

    run(main)


def test_a_stranger_is_refused_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    async def main() -> None:
        node, stranger = Node(0), Node(1)
        async with started(node, stranger):
            stranger.network.set_peers([peer(0, node.address)])  # it knows us, we do not know it
            await until(lambda: node.network.door_status().refused)
            assert "not a member" in str(node.network.door_status().last_refusal)
            assert node.network.status() == []
            assert stranger.connected() == []
            await until(lambda: "does it list this node?" in str(stranger.status_of(0).last_error))

    run(main)
    assert capfd.readouterr() == ("", "")


def test_whoever_answers_at_a_members_address_must_have_its_key() -> None:
    async def main() -> None:
        node, other = Node(0), Node(2)
        async with started(node, other):
            other.network.set_peers([peer(0, NOWHERE)])  # even if the one who answers takes us for a member
            node.network.set_peers([peer(1, other.address)])
            await until(lambda: node.status_of(1).last_error)
            assert "handshake failed" in str(node.status_of(1).last_error)
            assert node.connected() == []
            assert other.connected() == []

    run(main)


def test_only_noise_is_offered() -> None:
    """Trap: py-libp2p's default offers /plaintext/2.0.0, with which a stranger poses as a member."""

    async def main() -> None:
        node = Node(0)
        async with started(node):
            stream = await trio.open_tcp_stream("127.0.0.1", int(node.address.rsplit("/", 1)[1]))
            async with stream:
                await stream.send_all(b"\x13/multistream/1.0.0\n\x11/plaintext/2.0.0\n\x03ls\n")
                received = b""
                while received.count(b"\n") < 4:
                    received += await stream.receive_some()
                assert received == b"\x13/multistream/1.0.0\n\x03na\n\x08/noise\n\n"

    run(main)


def test_the_higher_key_dials_when_the_lower_cannot() -> None:
    async def main() -> None:
        lower, higher = Node(0), Node(1)
        async with started(lower, higher):
            lower.network.set_peers([peer(1, NOWHERE)])
            began = trio.current_time()
            higher.network.set_peers([peer(0, lower.address)])
            await until(lambda: lower.connected() and higher.connected())
            assert trio.current_time() - began >= QUICK.start_grace_ms / 1000
            assert lower.network.door_status().admitted == 1

    run(main)


def test_whoever_starts_later_dials_at_once() -> None:
    """The other may be waiting before it tries again, so both would be alone for a while after each start."""

    async def main() -> None:
        slow = replace(QUICK, backoff_min_ms=60_000, backoff_max_ms=60_000, dial_grace_ms=60_000)
        lower, higher = Node(0, slow), Node(1, slow)
        async with started(lower):
            lower.network.set_peers([peer(1, NOWHERE)])
            await until(lambda: lower.status_of(1).last_error)
            async with started(higher):
                higher.network.set_peers([peer(0, lower.address)])
                await until(lambda: lower.connected() and higher.connected())

    run(main)


def test_two_nodes_that_dial_at_once_keep_one_connection() -> None:
    async def main() -> None:
        impatient = replace(QUICK, dial_grace_ms=0)
        for _ in range(10):
            lower, higher = Node(0, impatient), Node(1, impatient)
            async with consortium(lower, higher):
                await trio.sleep(0.05)
                await all_connected(lower, higher)
                # What counts: messages pass both ways over what both take for the connection.
                assert lower.network.send(1, StreamClass.BATCHES, b"down")
                assert higher.network.send(0, StreamClass.BATCHES, b"up")
                await lower.until_received(1)
                await higher.until_received(1)
                # Told of once more where one replaced the other: what was under way is lost then.
                assert (set(lower.changes), set(higher.changes)) == ({(1, True)}, {(0, True)})

    run(main)


def test_the_connection_dialled_by_the_lower_key_wins() -> None:
    async def main() -> None:
        lower, higher = Node(0), Node(1)
        async with started(lower, higher):
            lower.network.set_peers([peer(1, NOWHERE)])
            higher.network.set_peers([peer(0, lower.address)])
            await until(lambda: lower.connected() and higher.connected())
            async with channel_to(higher, as_member=0) as second:  # as if the lower one could dial at last
                await until(lambda: lower.connected() == [])  # the first one was closed
                assert higher.connected() == [0]
                assert higher.changes == [(0, True)] * 2, "the second in place of the first"
                async with channel_to(higher, as_member=0) as third:  # and of two such, the newer
                    with pytest.raises(ConnectionLost):
                        await read_for_ever(second)
                    assert await third.read()  # it is being served

    run(main)


def test_the_higher_keys_second_connection_is_refused() -> None:
    async def main() -> None:
        lower, higher = Node(0), Node(1)
        async with consortium(lower, higher):
            with pytest.raises(ConnectFailed):
                await channel_to(lower, as_member=1).__aenter__()
            assert lower.connected() == [1]
            assert "better connection" in str(lower.network.door_status().last_refusal)

    run(main)


def test_a_restarted_member_is_found_again() -> None:
    """Trap: a peer lost silently and restarted with the same key stays in a black hole."""

    async def main() -> None:
        nodes = {member: Node(member) for member in (0, 1)}
        async with consortium(*nodes.values()) as nursery:
            for member in (0, 1, 0, 1):
                other = nodes[1 - member]
                await nodes[member].stop()
                await until(lambda other=other: other.connected() == [])  # type: ignore[misc]
                nodes[member] = Node(member, listen=nodes[member].address)
                await nodes[member].start(nursery)
                introduce(*nodes.values())
                await all_connected(*nodes.values())
                other.network.send(member, StreamClass.VOTES, b"welcome back")
                await nodes[member].until_received(1, other.member)

    run(main)


def test_the_list_of_members_may_change() -> None:
    async def main() -> None:
        nodes = a, b, c = Node(0), Node(1), Node(2)
        async with consortium(*nodes):
            introduce(a, b)  # c leaves
            await until(lambda: c.connected() == [])
            await until(lambda: c.network.status()[0].last_error)
            assert (a.connected(), b.connected()) == ([1], [0])
            assert not a.network.send(2, StreamClass.VOTES, b"nobody")
            with pytest.raises(ConnectFailed):
                await channel_to(a, as_member=2).__aenter__()
            introduce(*nodes)  # and comes back
            await all_connected(*nodes)

    run(main)


def test_a_member_with_a_new_key_is_known_by_it_alone() -> None:
    async def main() -> None:
        a, old, new = Node(0), Node(1), Node(2)  # `new` has the key that member 1 changes to
        async with consortium(a, old) as nursery:
            await new.start(nursery)
            new.network.set_peers([peer(0, a.address)])
            await until(lambda: a.network.door_status().refused)  # not before the members say so
            a.network.set_peers([Peer(1, network_key(2), new.address)])
            await until(lambda: old.connected() == [] and new.connected() == [0])
            assert a.status_of(1).peer_id == new.network.peer_id
            with pytest.raises(ConnectFailed):
                await channel_to(a, as_member=1).__aenter__()
            assert a.network.send(1, StreamClass.BATCHES, b"to the new key")
            await new.until_received(1, 0)

    run(main)


def test_a_member_that_moves_keeps_its_connection_and_is_found_at_its_new_address() -> None:
    async def main() -> None:
        mover, other = Node(1), Node(0)  # the lower key dials
        async with consortium(mover, other) as nursery:
            changes = list(other.changes)
            await mover.stop()
            moved = Node(1)
            await moved.start(nursery)
            assert moved.address != mover.address
            other.network.set_peers([peer(1, moved.address)])
            moved.network.set_peers([peer(0, NOWHERE)])
            await until(lambda: other.connected() == [1])
            other.network.set_peers([peer(1, NOWHERE)])  # told of a move while connected
            assert other.status_of(1).address == NOWHERE
            await trio.sleep(3 * QUICK.heartbeat_ms / 1000)
            assert other.changes == [*changes, (1, False), (1, True)]
            assert other.network.send(1, StreamClass.BATCHES, b"still here")
            await moved.until_received(1, 0)

    run(main)


def test_whoever_is_added_at_run_time_may_connect_in_either_direction() -> None:
    """An observer, say: the network asks whether somebody is a member, not whether it votes."""

    async def main() -> None:
        a, b, observer = Node(0), Node(1), Node(2)
        async with consortium(a, b) as nursery:
            await observer.start(nursery)
            observer.network.set_peers([peer(0, a.address), peer(1, b.address)])
            await until(lambda: a.network.door_status().refused)
            a.network.set_peers([peer(1, b.address), peer(2, NOWHERE)])  # has to wait for its call
            b.network.set_peers([peer(0, a.address), peer(2, observer.address)])
            await until(lambda: observer.connected() == [0, 1])
            assert await observer.network.request(0, b"blocks", 30_000) == b"2:blocks"
            assert (a.connected(), b.connected()) == ([1, 2], [0, 2])

    run(main)


def test_cancelling_closes_everything_soon() -> None:
    async def main() -> None:
        nodes = [Node(member) for member in range(3)]
        async with consortium(*nodes) as nursery:
            for node in nodes:
                nursery.start_soon(flood, node)
            await nodes[0].until_received(100)
            began = trio.current_time()
            await nodes[0].stop()
            assert trio.current_time() - began < SOON_S
            await until(lambda: all(0 not in node.connected() for node in nodes[1:]))
            again = Node(0, listen=nodes[0].address)  # the port is free
            await again.start(nursery)

    async def flood(node: Node) -> None:
        while True:
            node.network.broadcast(StreamClass.VOTES, bytes(1000))
            await trio.lowlevel.checkpoint()

    run(main)


@pytest.mark.parametrize("reuse_port", [False, True])
def test_a_port_that_is_taken_is_an_error_that_says_so(*, reuse_port: bool) -> None:
    """Trap: py-libp2p's listeners share a port with any other that sets SO_REUSEPORT, without a word."""

    async def main() -> None:
        with socket.socket() as taken:
            if reuse_port:
                taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            await network(listen=f"/ip4/127.0.0.1/tcp/{taken.getsockname()[1]}").run()

    with pytest.raises(ListenFailed, match="taken by another program"):
        run(main)


def test_two_networks_do_not_share_a_port() -> None:
    async def main() -> None:
        node = Node(0)
        async with started(node):
            with pytest.raises(ListenFailed, match="taken"):
                await network(listen=node.address).run()

    run(main)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("/ip4/203.0.113.9/tcp/4001", "no such address"),
        ("/ip4/127.0.0.1/udp/4001", "expected"),
        ("/dns4/localhost/tcp/4001", "expected"),
        ("/ip4/127.0.0.1/tcp/4001/ws", "expected"),
        ("/ip4/127.0.0.1/tcp/70000", "70000"),
        ("localhost:4001", "localhost:4001"),
    ],
)
def test_where_nobody_can_listen_is_an_error_that_says_why(address: str, message: str) -> None:
    with pytest.raises(ListenFailed, match=message):
        run(network(listen=address).run)


@pytest.mark.parametrize(
    "address", ["/ip4/127.0.0.1/udp/1", "nonsense", "/dns4/nobody.invalid/tcp/1", NOWHERE]
)
def test_an_address_that_does_not_work_is_reported_and_tried_again(address: str) -> None:
    async def main() -> None:
        node, other = Node(0), Node(1)
        async with started(node, other):
            node.network.set_peers([peer(1, address)])
            await until(lambda: node.status_of(1).last_error)
            assert address in str(node.status_of(1).last_error)
            introduce(node, other)
            await all_connected(node, other)

    run(main)


def test_a_member_that_does_not_answer_is_given_up_in_time() -> None:
    async def main() -> None:
        node = Node(0, replace(QUICK, dial_timeout_ms=200))
        with socket.create_server(("127.0.0.1", 0)) as silent:
            async with started(node):
                node.network.set_peers([peer(1, f"/ip4/127.0.0.1/tcp/{silent.getsockname()[1]}")])
                await until(lambda: "does not answer within 200 ms" in str(node.status_of(1).last_error))

    run(main)


def test_names_are_dialled_too() -> None:
    async def main() -> None:
        node, other = Node(0), Node(1)
        async with started(node, other):
            port = other.address.rsplit("/", 1)[1]
            other.network.set_peers([peer(0, NOWHERE)])
            node.network.set_peers([peer(1, f"/dns4/localhost/tcp/{port}")])
            await until(lambda: node.connected() == [1])

    run(main)


def test_attempts_to_dial_become_rarer_and_begin_anew_after_a_connection_that_lasted() -> None:
    async def main() -> None:
        attempts = 0

        async def hang_up(stream: trio.SocketStream) -> None:
            nonlocal attempts
            attempts += 1
            await stream.aclose()

        node = Node(0)
        async with started(node) as nursery:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            address = address_of(listener)
            async with trio.open_nursery() as listening:
                listening.start_soon(trio.serve_listeners, hang_up, [listener])
                node.network.set_peers([peer(1, address)])
                began = trio.current_time()
                await until(lambda: attempts >= 4)
                await trio.sleep(1)
                elapsed_s = trio.current_time() - began
                listening.cancel_scope.cancel()
            assert attempts <= 8 * elapsed_s  # 20 in each second without backing off
            other = Node(1, listen=address)
            await other.start(nursery)
            introduce(node, other)
            await all_connected(node, other)
            await trio.sleep(QUICK.backoff_max_ms / 1000)
            await other.stop()
            await until(lambda: not node.connected())
            assert node.network._supervisors[1]._backoff_s <= 4 * QUICK.backoff_min_ms / 1000

    run(main)


def test_a_connection_that_comes_in_single_bytes_is_read() -> None:
    """Trap: py-libp2p gives up on a message that the network has cut into more than a hundred pieces."""

    async def main() -> None:
        near, far = socket.socketpair()
        pieces = Socket(trio.SocketStream(trio.socket.from_stdlib_socket(near)), is_initiator=False)
        sent = bytes(range(250)) * 2

        async def dribble() -> None:
            for octet in sent:
                await trio.to_thread.run_sync(far.send, bytes([octet]))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(dribble)
            assert await pieces.read(len(sent)) == sent
        far.close()
        with pytest.raises(ConnectionLost, match="closed"):
            await pieces.read(1)
        pieces.abort()

    run(main)
