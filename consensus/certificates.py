"""What is proven: the certificates held, the view they lead to, and the block to build on.

`final_view` is the highest view known to be final, `top` the highest notarised or final one. The
*frontier*, the view this validator is in, is the lowest view above `top` without a skip certificate.
A notarisation therefore clears all views below its own at once: whoever fell behind needs it alone,
not one certificate for every view that it missed. (Rules 3 and 4 ask for the very certificates and do
not care about the frontier.)
"""

from __future__ import annotations

from itertools import pairwise

from consensus.committee import Committee
from consensus.errors import CorruptionError, InvalidMessage
from consensus.keys import Verifier
from consensus.messages import vote_payload
from consensus.types import Certificate, Digest, Header, VoteKind

N, S, F = VoteKind.NOTARISE, VoteKind.SKIP, VoteKind.FINALISE


def check_certificate(
    certificate: Certificate, committee: Committee, chain_id: bytes, verifier: Verifier
) -> None:
    """Raise InvalidMessage unless a quorum of the committee signed it."""
    place = f"certificate {certificate.kind.name} of view {certificate.view}"
    if certificate.epoch != committee.epoch or certificate.view == 0:
        raise InvalidMessage(f"{place}: not of this epoch")
    if (certificate.digest is None) != (certificate.kind is S):
        raise InvalidMessage(f"{place}: names a header where it must not, or none where it must")
    if len(certificate.votes) < committee.quorum:
        raise InvalidMessage(f"{place}: {len(certificate.votes)} votes, a quorum is {committee.quorum}")
    if any(a[0] >= b[0] for a, b in pairwise(certificate.votes)):
        raise InvalidMessage(f"{place}: voters must be sorted and appear once")
    message = vote_payload(
        chain_id, certificate.kind, certificate.epoch, certificate.view, certificate.digest
    )
    for voter, signature in certificate.votes:
        key = committee.key_of(voter)
        if key is None or not verifier(key, message, signature):
            raise InvalidMessage(f"{place}: the vote of {voter} is not valid")


class Certificates:
    """The certificates of one epoch that are held, above what is final and delivered."""

    def __init__(self, root: Digest) -> None:
        self.root = root
        """The first parent of this epoch: genesis, or the boundary of the epoch before."""
        self.final_view = 0
        self.top_view = 0
        self.top_digest = root
        self.frontier = 1
        self._held: dict[VoteKind, dict[int, Certificate]] = {kind: {} for kind in VoteKind}

    @property
    def progress(self) -> tuple[int, int, int]:
        """Grows whenever a certificate changes where this validator stands."""
        return self.frontier, self.top_view, self.final_view

    def get(self, kind: VoteKind, view: int) -> Certificate | None:
        """The certificate, if it is held."""
        return self._held[kind].get(view)

    def holds(self, certificate: Certificate) -> bool:
        """Whether an equal statement is already proven here, or is below what is final."""
        held = self.get(certificate.kind, certificate.view)
        if held is None:
            return certificate.kind is not F and certificate.view <= self.final_view
        return held.digest == certificate.digest

    def add(self, certificate: Certificate) -> None:
        """Take a certificate that was checked or counted here.

        Raises: CorruptionError where it contradicts one that is held, which takes more than f liars.
        """
        kind, view, digest = certificate.kind, certificate.view, certificate.digest
        for other in (N, F) if kind is not S else (F,):
            held = self.get(other, view)
            if held is not None and held.digest != digest:
                raise CorruptionError(
                    f"view {view} has two contradicting certificates: more than f validators lie"
                )
        if kind is F and self.get(S, view) is not None:
            raise CorruptionError(f"view {view} is both skipped and final: more than f validators lie")
        self._held[kind][view] = certificate
        if kind is F:
            self.final_view = max(self.final_view, view)
        if digest is not None and view > self.top_view:
            self.top_view, self.top_digest = view, digest
        self.frontier = max(self.frontier, self.top_view + 1)
        while self.frontier in self._held[S]:
            self.frontier += 1

    def proven(self, view: int, digest: Digest) -> Certificate | None:
        """The notarisation or finalisation of this very header, if there is one."""
        for kind in (F, N):
            held = self.get(kind, view)
            if held is not None and held.digest == digest:
                return held
        return None

    def justify(self, header: Header, followed: Digest) -> list[Certificate] | None:
        """Rule 3: a certificate of what a header follows and skips of all views between; None: one lacks."""
        found: list[Certificate] = []
        if header.parent_view > 0:
            parent = self.proven(header.parent_view, followed)
            if parent is None:
                return None
            found.append(parent)
        elif followed != self.root:
            return None
        for view in range(header.parent_view + 1, header.view):
            skip = self.get(S, view)
            if skip is None:
                return None
            found.append(skip)
        return found

    def of_kind(self, kind: VoteKind, above: int) -> list[Certificate]:
        """Those of one kind in views above `above`, by view."""
        held = self._held[kind]
        return [held[view] for view in sorted(held) if view > above]

    def all(self) -> list[Certificate]:
        """All that are held, by kind and view."""
        return [held[view] for held in self._held.values() for view in sorted(held)]

    def forget_below(self, view: int) -> None:
        """Blocks below `view` are final and delivered: drop what proved them, but for that view itself."""
        for held in self._held.values():
            for old in [v for v in held if v < view]:
                del held[old]
