"""A request reaches the part of the node that it names, and no other."""

from __future__ import annotations

import pytest
import trio

from consensus.errors import InvalidMessage
from node.services import Service, Services, addressed


def test_the_first_byte_says_who_answers() -> None:
    async def blocks(member: int, body: bytes) -> bytes:
        return b"blocks %d %s" % (member, body)

    services = Services({Service.BLOCKS: blocks})
    assert trio.run(services.on_request, 3, addressed(Service.BLOCKS, b"from 7")) == b"blocks 3 from 7"
    for body in (b"", b"\x00", b"\xff", addressed(Service.SUBMIT, b"nobody answers this here")):
        with pytest.raises(InvalidMessage, match="member 3"):
            trio.run(services.on_request, 3, body)
