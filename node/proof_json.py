"""The parts of a proof as JSON values, and read back with every field checked.

What can not be read raises ProofError or ConfigurationError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from consensus.certificates import check_certificate
from consensus.codec import DIGEST_BYTES, SIGNATURE_BYTES, T
from consensus.committee import Committee
from consensus.keys import Verifier
from consensus.messages import header_digest
from consensus.transactions import INTEGER_MAX
from consensus.types import Certificate, Digest, FinalBlock, Header, LaneTip, VoteKind
from contracts.errors import ProofError
from node.documents import fields, hex_bytes, text

FINAL_FIELDS = frozenset({"header", "descendants", "votes"})
"""What `final_json` writes."""
_HEADER = set(Header.__dataclass_fields__)
_HEADER_OTHER = {"parent", "cut", "exec_hash", "evidence", "next_set"}
"""Fields that are no integers."""


def final_json(block: FinalBlock) -> dict[str, Any]:
    """A final header, the headers down to the certified one, and the votes for that."""
    return {
        "header": _header_json(block.header),
        "descendants": [_header_json(header) for header in block.descendants],
        "votes": [{"voter": voter, "signature": vote.hex()} for voter, vote in block.certificate.votes],
    }


def read_final(entry: Mapping[str, Any], where: str, chain_id: Digest) -> FinalBlock:
    """The same read back; the certificate is for the last header, and says nothing until it is checked."""
    header = read_header(entry["header"], f"{where}header")
    descendants = tuple(read_list(entry["descendants"], f"{where}descendants", read_header))
    votes = tuple(read_list(entry["votes"], f"{where}votes", _read_vote))
    last = (header, *descendants)[-1]
    digest = header_digest(chain_id, last)
    return FinalBlock(
        header, descendants, Certificate(VoteKind.FINALISE, last.epoch, last.view, digest, votes)
    )


def check_final(block: FinalBlock, committee: Committee, chain_id: Digest, verifier: Verifier) -> None:
    """Whether a quorum of the committee made it final. Raises: ProofError, InvalidMessage."""
    digest = header_digest(chain_id, block.header)
    for descendant in block.descendants:
        require(descendant.parent == digest, "a descendant has another parent")
        digest = header_digest(chain_id, descendant)
    check_certificate(block.certificate, committee, chain_id, verifier)


def _header_json(header: Header) -> dict[str, Any]:
    return asdict(header) | {
        "parent": header.parent.hex(),
        "cut": [{"lane": tip.lane, "seq": tip.seq, "digest": tip.digest.hex()} for tip in header.cut],
        "exec_hash": header.exec_hash.hex(),
        "evidence": [item.hex() for item in header.evidence],
        "next_set": None if header.next_set is None else header.next_set.hex(),
    }


def read_header(value: Any, where: str) -> Header:
    """A header."""
    entry = fields(value, _HEADER, where)
    read = {name: read_integer(entry[name], f"{where}.{name}") for name in _HEADER - _HEADER_OTHER}
    return Header(
        **read,
        parent=read_digest(entry["parent"], f"{where}.parent"),
        cut=tuple(read_list(entry["cut"], f"{where}.cut", _read_tip)),
        exec_hash=read_digest(entry["exec_hash"], f"{where}.exec_hash"),
        evidence=tuple(read_list(entry["evidence"], f"{where}.evidence", read_blob)),
        next_set=None if entry["next_set"] is None else read_digest(entry["next_set"], f"{where}.next_set"),
    )


def _read_tip(value: Any, where: str) -> LaneTip:
    entry = fields(value, {"lane", "seq", "digest"}, where)
    return LaneTip(
        read_integer(entry["lane"], where),
        read_integer(entry["seq"], where),
        read_digest(entry["digest"], where),
    )


def _read_vote(value: Any, where: str) -> tuple[int, bytes]:
    entry = fields(value, {"voter", "signature"}, where)
    return read_integer(entry["voter"], where), hex_bytes(entry["signature"], SIGNATURE_BYTES, where)


def read_list(value: Any, where: str, read: Callable[[Any, str], T]) -> list[T]:
    """A list of what `read` reads."""
    require(type(value) is list, f"{where} must be a list")
    return [read(item, f"{where}[{index}]") for index, item in enumerate(value)]


def read_integer(value: Any, where: str) -> int:
    """An unsigned integer that JSON carries everywhere."""
    require(
        type(value) is int and 0 <= value <= INTEGER_MAX, f"{where} must be an unsigned integer below 2^53"
    )
    return int(value)


def read_digest(value: Any, where: str) -> Digest:
    """32 bytes."""
    return hex_bytes(value, DIGEST_BYTES, where)


def read_blob(value: Any, where: str) -> bytes:
    """Any bytes."""
    return hex_bytes(value, len(text(value, where)) // 2, where)


def require(condition: bool, what: str) -> None:
    """Go on only where it holds. Raises: ProofError."""
    if not condition:
        raise ProofError(f"proof: {what}")
