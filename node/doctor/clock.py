"""Is the clock right, as far as the other members can tell?"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import trio

from node.announcement import announced_url
from node.clock import Clock
from node.config import NodeConfig
from node.doctor.findings import Finding, fail, ok, warn
from node.errors import ConfigurationError
from node.genesis import Genesis
from node.keystore import Role
from node.network import Network, NetworkLimits, Peer, RequestRefused
from node.peer_clocks import PeerClocks

PEERS_S_MAX = 6.0
"""Longest wait for peers that are asked what time it is."""
POLL_S = 0.1


def clock(config: NodeConfig, genesis: Genesis, pid: int | None) -> Iterator[Finding]:
    """Compare with the others: as the running node measured it, or by asking them."""
    if len(genesis.members) == 1:
        yield ok("clock", "no other member to compare with")
        return
    offsets = _offsets_of_node(config) if pid is not None else _offsets_of_peers(config, genesis)
    precision_ms = genesis.parameters.precision_ms
    if not offsets:
        yield warn(
            "clock", "no member can be asked what time it is", "is the network there? Keep NTP running"
        )
        return
    told = ", ".join(f"{name} {offset_ms:+} ms" for name, offset_ms in sorted(offsets.items()))
    wrong = [name for name, offset_ms in offsets.items() if abs(offset_ms) > precision_ms]
    if 2 * len(wrong) > len(offsets):
        advice = f"set your clock and keep NTP running: {precision_ms} ms are allowed"
        yield fail("clock", f"yours differs from most others': {told}", advice)
    elif wrong:
        yield warn("clock", f"that of {', '.join(sorted(wrong))} is wrong: {told}", "tell them")
    else:
        yield ok("clock", told)


def _offsets_of_node(config: NodeConfig) -> dict[str, int]:
    """What the running node measured."""
    try:
        url = announced_url(config.node_file)
        peers = httpx.get(f"{url}/v1/status", timeout=5).json()["peers"]
    except (ConfigurationError, KeyError, ValueError, httpx.HTTPError):
        return {}
    return {
        peer["member"]: peer["clock_offset_ms"] for peer in peers if peer.get("clock_offset_ms") is not None
    }


def _offsets_of_peers(config: NodeConfig, genesis: Genesis) -> dict[str, int]:
    """Connect with this node's network key, as the node would, and ask."""
    keys = config.keystore()
    me = genesis.member_of_key(keys.public(Role.VALIDATOR))

    async def refuse(_member: int, _body: bytes) -> bytes:
        raise RequestRefused("this is not the node, only its doctor")

    async def ask() -> dict[str, int]:
        network = Network(
            seed=keys.private(Role.NETWORK).seed,
            listen="/ip4/127.0.0.1/tcp/0",
            me=-1 if me is None else me.number,
            peers=[Peer(m.number, m.card.network_key, m.card.address) for m in genesis.members],
            on_message=lambda *_: None,
            on_request=refuse,
            limits=NetworkLimits(dial_grace_ms=0),
        )
        clocks = PeerClocks(network, Clock())
        async with trio.open_nursery() as nursery:
            await nursery.start(network.run)
            nursery.start_soon(clocks.run)
            with trio.move_on_after(PEERS_S_MAX):
                while len(clocks.offsets()) < len(genesis.members) - 1:  # noqa: ASYNC110 - nobody tells
                    await trio.sleep(POLL_S)
            nursery.cancel_scope.cancel()
        names = {member.number: member.id for member in genesis.members}
        return {names[who]: seen.offset_ms for who, seen in clocks.offsets().items()}

    return trio.run(ask)
