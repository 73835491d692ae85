"""The table: every decoder by its name."""

from __future__ import annotations

from tests.fuzz.decoders import clients, consensus, contracts, files, network, wall
from tests.fuzz.harness import Decoder

_PARTS = (consensus, contracts, network, files, clients, wall)
DECODERS: dict[str, Decoder] = {decoder.name: decoder for part in _PARTS for decoder in part.decoders()}
