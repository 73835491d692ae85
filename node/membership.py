"""This node among the members, while the chain changes who they are: connections, names, and its own part."""

from __future__ import annotations

from collections.abc import Callable

import structlog
import trio

from consensus.committee import Committee
from contracts.layout import Standing
from node.directory import NO_NUMBER, Directory
from node.known_members import KnownMembers
from node.network import REFUSED, Network, Peer

log = structlog.get_logger("membership")

PARTING_S = 10.0
"""How long who has left stays connected: it learns that it has, and hands over what it promised to order."""
LOOK_S = 15.0
"""How often it is looked whether the others still take this node for a member's."""


class Membership:
    """The newest directory, and what follows from it for the network and for this node. Lives in trio.

    `directory` is replaced as a whole, so any thread may read it.
    """

    def __init__(
        self,
        read: Callable[[], Directory],
        committee: Committee,
        keys: tuple[bytes, bytes],
        name: str,
        known: KnownMembers,
        height: Callable[[], int],
    ) -> None:
        """`keys`: network and validator key of this node, 32 bytes each; `name`: as its own card has it.

        `known` counts until `height()` has come to where it was written.
        """
        self._known = known
        self._height = height
        self.committee = committee
        """Who orders now: the state has it from the first block of the epoch on."""
        self._read = read
        self._keys = keys
        self._name = name
        self.directory = read()
        self.number = self._own_number()
        self.outdated = trio.Event()
        """Set when the chain has given this node its number: it has to start over under that."""
        self._changed = trio.Event()
        self._listed: dict[int, Peer] = {}
        self._parting: dict[int, tuple[Peer, float]] = {}
        self._said: str | None = None
        self._refused = False
        self._say_part()

    @property
    def name(self) -> str:
        """The member whose node this is."""
        me = self.directory.member(self.number)
        return self._name if me is None else me.id

    def role_of(self, number: int) -> str:
        """validator, observer or left; stranger where nobody has the number.

        Who leaves or is suspended stays a validator until the epoch ends.
        """
        member = self.directory.member(number)
        if member is None:
            return "stranger"
        if number in self.committee.numbers:
            return "validator"
        return "left" if member.standing is Standing.LEFT else "observer"

    def peers(self) -> list[Peer]:
        """Whom the network connects: all whose nodes are in it, without this one."""
        peers = {peer.member: peer for peer in self.directory.peers()}
        if self._height() < self._known.height:
            peers |= {peer.member: peer for peer in self._known.peers}
        by_key = {peer.network_key: peer for peer in peers.values() if peer.network_key != self._keys[0]}
        return list(by_key.values())

    def _own_number(self) -> int:
        """By the network key, else by the validator key, else by name: keys change, and may be lost."""
        network_key, validator_key = self._keys
        members = self.directory.members
        found = [
            *(member.number for member in members if member.network_key == network_key),
            *(member.number for member in members if member.validator_key == validator_key),
            *(member.number for member in members if member.id == self._name),
        ]
        return found[0] if found else NO_NUMBER

    def refresh(self) -> None:
        """A block has changed what the state says of members."""
        self.directory = self._read()
        self._changed.set()
        if self.number == NO_NUMBER and self._own_number() != NO_NUMBER:
            self.outdated.set()
        else:
            self._say_part()

    def epoch_began(self, committee: Committee, boundary_height: int) -> None:
        """Another committee orders from here on."""
        voted = self.number in self.committee.numbers
        self.committee = committee
        names = self.directory.names
        log.info(
            "epoch began",
            epoch=committee.epoch,
            height=boundary_height,
            validators=", ".join(names.get(number, str(number)) for number in committee.numbers),
        )
        if voted is not (self.number in committee.numbers):
            log.info(f"{self.name} votes from now on" if not voted else f"{self.name} votes no more")

    def _say_part(self) -> None:
        """One clear line on what this node is, where that is not simply one of the validators."""
        part = self._part()
        if part != self._said:
            self._said = part
            if part is not None:
                log.warning(part)

    def _part(self) -> str | None:
        me = self.directory.member(self.number)
        if me is None:
            return "no member has the keys of this node: it waits until the members admit it"
        if me.network_key != self._keys[0]:
            return (
                f"the network key here is not the one that the members know of {me.id}, and they refuse this "
                f"node: put that one in place ({me.network_key.hex()[:16]}...), or have them accept this one"
            )
        if me.standing is Standing.LEFT:
            return (
                f"{me.id} is no longer a member since height {me.since_height}: the others do not talk to "
                "this node any more; it goes on answering from the blocks it has"
            )
        if me.standing is Standing.SUSPENDED:
            return (
                f"{me.id} is suspended since height {me.since_height}: its accounts may not act, and "
                "when the epoch ends this node stops voting"
            )
        if me.number not in self.directory.committee.numbers:
            return f"{me.id} is an observer: this node follows, and does not vote"
        if self.directory.committee.key_of(me.number) != self._keys[1]:
            return (
                f"the validator key here is not the one with which {me.id} votes in this epoch: this node "
                "follows, and votes with it once the members accepted it and an epoch begins"
            )
        return None

    async def run(self, network: Network) -> None:
        """Keep the network's list of members at what the chain says, until cancelled."""
        while True:
            self._changed = trio.Event()
            self._update(network)
            ends_s = [end_s for _, end_s in self._parting.values()]
            with trio.move_on_at(min([trio.current_time() + LOOK_S, *ends_s])):
                await self._changed.wait()
            self._look_around(network)

    def _look_around(self, network: Network) -> None:
        """Notice that the others go on without this node; the block that says why may not have come here."""
        peers = network.status()
        refused = any(peer.last_error == REFUSED for peer in peers)
        if refused and not any(peer.connected for peer in peers) and not self._refused:
            log.warning(
                "the members' nodes refuse this one: it was removed, or got another network key, while it "
                f"was away, or is not admitted yet; a member can say: quorate member show {self.name}"
            )
        self._refused = refused

    def _update(self, network: Network) -> None:
        now_s = trio.current_time()
        listed = {peer.member: peer for peer in self.peers()}
        for number in self._listed.keys() - listed.keys():
            self._parting.setdefault(number, (self._listed[number], now_s + PARTING_S))
        self._parting = {
            number: (peer, end_s)
            for number, (peer, end_s) in self._parting.items()
            if number not in listed and end_s > now_s
        }
        self._listed = listed
        keys = {peer.network_key for peer in listed.values()}  # who left may have come again
        parting = [peer for peer, _ in self._parting.values() if peer.network_key not in keys]
        network.set_peers([*listed.values(), *parting])
