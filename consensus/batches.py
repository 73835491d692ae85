"""Making and checking batches: what one validator may put into its lane, and what the others accept.

Checking is a pure function of its arguments and costs a signature check per transaction, so a driver
runs it in worker threads and hands only the result to the replica.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from consensus.errors import InvalidMessage
from consensus.keys import Signer, Verifier
from consensus.merkle_list import list_root
from consensus.messages import batch_digest, batch_payload
from consensus.parameters import Parameters
from consensus.transactions import EnvelopeReader, Found, Transaction, read_envelopes
from consensus.types import Batch, BatchHeader, Digest, LaneTip, MemberNumber


class InvalidBatch(InvalidMessage):
    """A batch that its author signed and no honest validator would: the author's fault for good."""


class UnknownSigner(InvalidMessage):
    """A batch under another key than its author has in this epoch: forged, or of another epoch."""


@dataclass(frozen=True, slots=True)
class CheckedBatch:
    """A batch that may be held and voted for, its digest (32 bytes) and its transactions, parsed.

    `key` is the validator key (32 bytes) under which its signature was checked; None: others vouch for it.
    """

    batch: Batch
    digest: Digest
    transactions: tuple[Transaction, ...]
    key: bytes | None = field(default=None, compare=False)

    @property
    def header(self) -> BatchHeader:
        return self.batch.header

    @property
    def tip(self) -> LaneTip:
        """The lane up to this batch."""
        return LaneTip(self.header.lane, self.header.seq, self.digest)


def make_batch(
    chain_id: bytes,
    lane: MemberNumber,
    previous: LaneTip,
    transactions: Sequence[Transaction],
    signer: Signer,
) -> CheckedBatch:
    """The next batch of the own lane, signed, over transactions that were verified at admission."""
    envelopes = tuple(transaction.envelope for transaction in transactions)
    header = BatchHeader(
        lane=lane,
        seq=previous.seq + 1,
        prev=previous.digest,
        root=list_root(envelopes),
        count=len(envelopes),
        size_bytes=sum(map(len, envelopes)),
        gas=sum(transaction.gas_limit for transaction in transactions),
    )
    signature = signer.sign(batch_payload(chain_id, header))
    return CheckedBatch(
        Batch(header, signature, envelopes), batch_digest(chain_id, header), tuple(transactions)
    )


def open_batch(
    batch: Batch, chain_id: bytes, chain: str, *, read: EnvelopeReader = read_envelopes
) -> CheckedBatch:
    """Check that a batch's content is what its header says, and parse it; no signature is checked.

    That is enough where a certificate names the batch's digest, or where it was checked before. `read` is
    how envelopes are read.
    Raises: InvalidMessage.
    """
    transactions = tuple(transaction for transaction, _ in _read_content(batch, chain, read))
    return CheckedBatch(batch, batch_digest(chain_id, batch.header), transactions)


def check_batch(
    batch: Batch,
    *,
    chain_id: bytes,
    chain: str,
    key: bytes,
    verifier: Verifier,
    parameters: Parameters,
    read: EnvelopeReader = read_envelopes,
) -> CheckedBatch:
    """Check all of a batch that arrived: limits, its author's signature, and every transaction in itself.

    `key` is the validator key (32 bytes) of the lane's owner; `read` is how envelopes are read, which may
    check their signatures too.
    Raises: UnknownSigner, InvalidBatch (the author's fault: it signed this), InvalidMessage (the sender's).
    """
    header, place = batch.header, _place(batch)
    payload = batch_payload(chain_id, header)
    if not verifier(key, payload, batch.signature):
        raise UnknownSigner(f"{place}: not signed by its author")
    if (
        header.count > parameters.batch_count_max
        or header.size_bytes > parameters.batch_bytes_max
        or header.gas > parameters.batch_gas_max
    ):
        raise InvalidBatch(f"{place}: beyond the limits of a batch")
    content = _read_content(batch, chain, read)
    for index, (_, found) in enumerate(content):
        if not found.is_signed(verifier):
            raise InvalidBatch(f"{place}: transaction {index} has an invalid signature")
    transactions = tuple(transaction for transaction, _ in content)
    return CheckedBatch(batch, batch_digest(chain_id, header), transactions, key)


def _read_content(batch: Batch, chain: str, read: EnvelopeReader) -> list[tuple[Transaction, Found]]:
    """The transactions of a batch, each with how it was found. Raises: InvalidMessage."""
    header, place = batch.header, _place(batch)
    if header.seq == 0 or not batch.envelopes:
        raise InvalidMessage(f"{place}: sequence and content must not be empty")
    sizes = header.count, header.size_bytes
    if sizes != (len(batch.envelopes), sum(map(len, batch.envelopes))) or header.root != list_root(
        batch.envelopes
    ):
        raise InvalidMessage(f"{place}: content does not match its header")
    content = []
    for found in read(batch.envelopes, chain):
        if not isinstance(found.content, Transaction):
            raise InvalidBatch(f"{place}: {found.content}")
        content.append((found.content, found))
    if header.gas != sum(transaction.gas_limit for transaction, _ in content):
        raise InvalidBatch(f"{place}: gas does not match its transactions")
    return content


def _place(batch: Batch) -> str:
    return f"batch {batch.header.seq} of lane {batch.header.lane}"
