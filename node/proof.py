"""Proofs that the chain's state has an entry or lacks it: made of what is stored, checked with genesis alone.

    key, value, siblings -> state root -> execution hash -> header -> descendants -> a quorum's signatures

A header names the execution of an earlier block, so a proof joins the two with the execution links from the
proven height up to the one that the header names. `docs/proofs.md` specifies the JSON and the checks, and
`docs/verify_proof.py` does them without anything of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from consensus.certificates import check_certificate
from consensus.codec import DIGEST_BYTES, SIGNATURE_BYTES, T
from consensus.committee import Committee
from consensus.errors import InvalidMessage, ensure
from consensus.keys import Verifier
from consensus.messages import header_digest
from consensus.transactions import INTEGER_MAX
from consensus.types import Certificate, Digest, FinalBlock, Header, LaneTip, VoteKind
from contracts.errors import ProofError
from contracts.merkle import EMPTY, StateProof, Tree, check_proof
from contracts.receipts import ExecLink
from node.documents import fields, hex_bytes, shown, text
from node.errors import ConfigurationError
from node.store import View

PROOF_FORMAT = "quorate-proof-1"

_PROOF = {"format", "chain", "genesis_hash", "key_hex", "value_hex", "state", "exec", "header", "descendants",
          "votes"}  # fmt: skip
_HEADER = set(Header.__dataclass_fields__)
_HEADER_OTHER = {"parent", "cut", "exec_hash", "evidence", "next_set"}
"""Fields that are no integers."""
_ROOTS = ("state_root", "receipts_root", "events_root")


@dataclass(frozen=True, slots=True)
class Entry:
    """What one committed state says of a key: its value (None: none), and the way to the root (32 bytes)."""

    height: int
    root: Digest
    key: bytes
    value: bytes | None
    proof: StateProof


@dataclass(frozen=True, slots=True)
class Proven:
    """What a valid proof shows: after block `height`, `key` had `value` (None: none).

    `time_ms` is the time of the later block that vouches for it.
    """

    height: int
    key: bytes
    value: bytes | None
    time_ms: int


def before_genesis(genesis_hash: Digest) -> ExecLink:
    """What the link at height 0 follows."""
    return ExecLink(-1, genesis_hash, EMPTY, EMPTY, EMPTY)


def read_entry(view: View, key: bytes) -> Entry:
    """What the newest state of `view` says of `key`. Raises: StateCorruption."""
    height = view.height()
    root = view.link(height).state_root
    return Entry(height, root, key, view.state.get(key), Tree(view.tree, root).prove(key))


def certify(view: View, entry: Entry, *, chain: str, genesis_hash: Digest) -> dict[str, Any] | None:
    """The proof of an entry that was read before, or None until a block of `view` vouches for its state.

    A block vouches for an execution before its own; that is early enough where nothing has changed since.
    """
    for at in range(max(1, entry.height), view.height() + 1):
        block = view.final_block(at)
        proven = min(entry.height, block.header.exec_height)
        if view.link(proven).state_root == entry.root:
            before = view.link(proven - 1) if proven > 0 else before_genesis(genesis_hash)
            links = [view.link(height) for height in range(proven, block.header.exec_height + 1)]
            return build_proof(chain, genesis_hash, entry, [before, *links], block)
    return None


def build_proof(
    chain: str, genesis_hash: Digest, entry: Entry, links: Sequence[ExecLink], block: FinalBlock
) -> dict[str, Any]:
    """The proof as a JSON object; `links` run from before the proven height to what the block names."""
    ensure(
        len(links) > 1 and links[-1].height == block.header.exec_height, "the links must lead to the header"
    )
    other = entry.proof.other
    return {
        "format": PROOF_FORMAT,
        "chain": chain,
        "genesis_hash": genesis_hash.hex(),
        "key_hex": entry.key.hex(),
        "value_hex": None if entry.value is None else entry.value.hex(),
        "state": {
            "siblings": [sibling.hex() for sibling in entry.proof.siblings],
            "other": None if other is None else {"path": other[0].hex(), "value_hash": other[1].hex()},
        },
        "exec": {
            "height": links[1].height,
            "previous": links[0].exec_hash.hex(),
            "links": [{root: getattr(link, root).hex() for root in _ROOTS} for link in links[1:]],
        },
        "header": _header_json(block.header),
        "descendants": [_header_json(header) for header in block.descendants],
        "votes": [{"voter": voter, "signature": vote.hex()} for voter, vote in block.certificate.votes],
    }


def verify_proof(
    proof: Any, *, chain: str, genesis_hash: Digest, committee: Committee, verifier: Verifier
) -> Proven:
    """What a proof, a JSON value, shows on the chain with this genesis.

    Raises: ProofError saying at which step it fails.
    """
    try:
        return _verify(proof, chain, genesis_hash, committee, verifier)
    except (
        ConfigurationError,
        InvalidMessage,
    ) as error:  # a malformed document, or a certificate that is none
        raise ProofError(f"proof: {error}") from None


def _verify(proof: Any, chain: str, genesis_hash: Digest, committee: Committee, verifier: Verifier) -> Proven:
    outer = fields(proof, _PROOF, "it")
    _require(outer["format"] == PROOF_FORMAT, f"has format {shown(outer['format'])}, not {PROOF_FORMAT}")
    same_chain = outer["chain"] == chain and _digest(outer["genesis_hash"], "genesis_hash") == genesis_hash
    _require(same_chain, f"is not of chain {chain} with genesis {genesis_hash.hex()}")
    key = _blob(outer["key_hex"], "key_hex")
    value = None if outer["value_hex"] is None else _blob(outer["value_hex"], "value_hex")
    execution = fields(outer["exec"], {"height", "previous", "links"}, "exec")
    height = _integer(execution["height"], "exec.height")
    links = _list(execution["links"], "exec.links", _roots)
    _require(len(links) > 0, "has no execution link")
    state_proof = _state_proof(outer["state"], "state")
    _require(check_proof(links[0][0], key, value, state_proof), "key and value are not in the state")

    link = ExecLink(height - 1, _digest(execution["previous"], "exec.previous"), EMPTY, EMPTY, EMPTY)
    for roots in links:
        link = link.next(*roots)
    header = _header(outer["header"], "header")
    _require(header.exec_hash == link.exec_hash, "the header vouches for another execution")

    certified, digest = header, header_digest(genesis_hash, header)
    for descendant in _list(outer["descendants"], "descendants", _header):
        _require(descendant.parent == digest, "a descendant has another parent")
        certified, digest = descendant, header_digest(genesis_hash, descendant)

    votes = tuple(_list(outer["votes"], "votes", _vote))
    certificate = Certificate(VoteKind.FINALISE, certified.epoch, certified.view, digest, votes)
    check_certificate(certificate, committee, genesis_hash, verifier)
    return Proven(height, key, value, header.time_ms)


# ---------------------------------------------------------------- JSON


def _header_json(header: Header) -> dict[str, Any]:
    return asdict(header) | {
        "parent": header.parent.hex(),
        "cut": [{"lane": tip.lane, "seq": tip.seq, "digest": tip.digest.hex()} for tip in header.cut],
        "exec_hash": header.exec_hash.hex(),
        "evidence": [item.hex() for item in header.evidence],
        "next_set": None if header.next_set is None else header.next_set.hex(),
    }


def _header(value: Any, where: str) -> Header:
    entry = fields(value, _HEADER, where)
    read = {name: _integer(entry[name], f"{where}.{name}") for name in _HEADER - _HEADER_OTHER}
    return Header(
        **read,
        parent=_digest(entry["parent"], f"{where}.parent"),
        cut=tuple(_list(entry["cut"], f"{where}.cut", _tip)),
        exec_hash=_digest(entry["exec_hash"], f"{where}.exec_hash"),
        evidence=tuple(_list(entry["evidence"], f"{where}.evidence", _blob)),
        next_set=None if entry["next_set"] is None else _digest(entry["next_set"], f"{where}.next_set"),
    )


def _tip(value: Any, where: str) -> LaneTip:
    entry = fields(value, {"lane", "seq", "digest"}, where)
    return LaneTip(
        _integer(entry["lane"], where), _integer(entry["seq"], where), _digest(entry["digest"], where)
    )


def _roots(value: Any, where: str) -> tuple[Digest, Digest, Digest]:
    entry = fields(value, set(_ROOTS), where)
    state_root, receipts_root, events_root = (_digest(entry[root], f"{where}.{root}") for root in _ROOTS)
    return state_root, receipts_root, events_root


def _vote(value: Any, where: str) -> tuple[int, bytes]:
    entry = fields(value, {"voter", "signature"}, where)
    return _integer(entry["voter"], where), hex_bytes(entry["signature"], SIGNATURE_BYTES, where)


def _state_proof(value: Any, where: str) -> StateProof:
    entry = fields(value, {"siblings", "other"}, where)
    siblings = tuple(_list(entry["siblings"], f"{where}.siblings", _digest))
    if entry["other"] is None:
        return StateProof(siblings, None)
    other = fields(entry["other"], {"path", "value_hash"}, f"{where}.other")
    return StateProof(siblings, (_digest(other["path"], where), _digest(other["value_hash"], where)))


def _list(value: Any, where: str, read: Callable[[Any, str], T]) -> list[T]:
    _require(type(value) is list, f"{where} must be a list")
    return [read(item, f"{where}[{index}]") for index, item in enumerate(value)]


def _integer(value: Any, where: str) -> int:
    _require(
        type(value) is int and 0 <= value <= INTEGER_MAX, f"{where} must be an unsigned integer below 2^53"
    )
    return int(value)


def _digest(value: Any, where: str) -> Digest:
    return hex_bytes(value, DIGEST_BYTES, where)


def _blob(value: Any, where: str) -> bytes:
    return hex_bytes(value, len(text(value, where)) // 2, where)


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise ProofError(f"proof: {what}")
