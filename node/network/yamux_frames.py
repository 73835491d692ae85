"""The wire format of Yamux: a header of 12 bytes, and after a DATA header as many bytes as it says.

Source: https://github.com/hashicorp/yamux/blob/master/spec.md
"""

from __future__ import annotations

import struct

from node.network.limits import KIB

PROTOCOL_ID = "/yamux/1.0.0"

HEADER = struct.Struct("!BBHII")  # version, type, flags, stream id, value: length, window increment or nonce
VERSION = 0
DATA, WINDOW_UPDATE, PING, GO_AWAY = range(4)
SYN, ACK, FIN, RST = 1, 2, 4, 8

INITIAL_WINDOW_BYTES = 256 * KIB  # what may be sent on a stream before its reader grants more
WINDOW_BYTES_MAX = 2**32 - 1
STREAM_ID_MAX = 2**32 - 1


def frame(kind: int, flags: int, stream_id: int, value: int) -> bytes:
    """A frame without data, or the header of a DATA frame; 12 bytes."""
    return HEADER.pack(VERSION, kind, flags, stream_id, value)
