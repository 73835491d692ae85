"""The terms of an agreement: read from JSON, checked against the code, hashed, and who must sign them."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING

from consensus.transactions import Json, canonical_json
from contracts.arguments import checked_copy, from_json, to_json
from contracts.context import parties
from contracts.encoding import size_bytes
from contracts.facts import check_quorums
from contracts.program import Value
from contracts.programs import LoadedContract
from contracts.system.actions import refusal

if TYPE_CHECKING:
    from contracts.execution import Run

TERMS_BYTES_MAX = 32 * 1024
"""All terms of one instance, as `contracts.encoding.size_bytes` counts."""

_TERMS_PREFIX = b"quorate-terms-v1\n"


def terms_hash(contract: LoadedContract, terms: Mapping[str, Value]) -> bytes:
    """What parties sign, 32 bytes: SHA-256 over the canonical JSON of the code's hash and all terms."""
    values = {name: to_json(terms[name], spec.type) for name, spec in contract.terms.items()}
    document = {"code": contract.program.code_hash.hex(), "terms": values}
    return sha256(_TERMS_PREFIX + canonical_json(document)).digest()


def signing_parties(contract: LoadedContract, terms: Mapping[str, Value]) -> list[str]:
    """The accounts that must sign, sorted."""
    signing = [spec.name for spec in contract.terms.values() if spec.signs]
    return sorted({party for term in signing for party in parties(terms[term])})


def checked_terms(run: Run, contract: LoadedContract, given: Json) -> dict[str, Value]:
    """The terms with their types; those not given take their defaults. Raises: Revert."""
    if type(given) is not dict:
        raise refusal("arguments", "terms must be an object")
    unknown = sorted(given.keys() - contract.terms.keys())
    missing = [
        spec.name for spec in contract.terms.values() if spec.name not in given and not spec.has_default
    ]
    if unknown or missing:
        problem = f"has no terms {', '.join(unknown)}" if unknown else f"needs the terms {', '.join(missing)}"
        raise refusal("arguments", f"{contract.program.name} {problem}")
    terms = {
        name: from_json(spec.type, given[name], f"terms.{name}", run)
        if name in given
        else checked_copy(spec.type, spec.default, f"terms.{name}", run)
        for name, spec in contract.terms.items()
    }
    check_quorums(contract, terms)
    run.check_interfaces(contract, terms)
    size = size_bytes(terms)
    if size > TERMS_BYTES_MAX:
        raise refusal("size", f"the terms have {size} bytes, at most {TERMS_BYTES_MAX} are allowed")
    return terms
