"""Which journal the validator key is bound to, and what a key without its journal may still do: nothing.

A key that voted and forgot it would vote otherwise. So the first journal that a key votes with is named in
`keys/validator.journal`, beside the key, and no other will ever do:

    the journal is here       the key votes
    it is not here            the key must not vote again; the node follows, the members give it a new key
    none is named             a first start, or keys from a backup: the members know, so they are asked
                              (`node.key_inquiry`) before the key is bound to this journal and votes
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from consensus.errors import CorruptionError
from node.config import NodeConfig
from node.disk import Disk
from node.errors import ConfigurationError
from node.journal import JOURNAL_ID_BYTES, Journal, JournalLost, Recovery
from node.keystore import Role

BINDING_FILE = "validator.journal"
KEY_BYTES = 32
_BINDING = re.compile(
    rb"(?P<journal>[0-9a-f]{%d})( (?P<key>[0-9a-f]{%d})\n)?" % (2 * JOURNAL_ID_BYTES, 2 * KEY_BYTES)
)


class Binding:
    """The file that names the journal of a validator key (32 bytes)."""

    def __init__(self, path: Path, key: bytes) -> None:
        self._path = path
        self._key = key

    def journal_id(self) -> bytes | None:
        """The journal's id, 16 bytes; None where none is named, or that of a key of before.

        Raises: CorruptionError.
        """
        try:
            named = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigurationError(f"cannot read {self._path}: {error.strerror}") from None
        match = _BINDING.fullmatch(named)
        if match is None:
            raise CorruptionError(
                f"{self._path} does not name the journal of the validator key: it was changed or damaged; "
                "restore it from a backup, or have the members accept a new key"
            )
        if match["key"] is not None and bytes.fromhex(match["key"].decode()) != self._key:
            return None
        return bytes.fromhex(match["journal"].decode())

    def bind(self, journal_id: bytes) -> None:
        """Name the journal, durably. Raises: ConfigurationError."""
        draft = self._path.with_suffix(".draft")  # a crash must not leave a binding to nothing
        try:
            with draft.open("w") as file:
                file.write(f"{journal_id.hex()} {self._key.hex()}\n")
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
            Disk().sync_folder(self._path.parent)
        except OSError as error:
            raise ConfigurationError(
                f"cannot write {self._path}, which binds the validator key to its journal: {error.strerror}"
            ) from None


class NoJournal:
    """Stands in for the journal of a key that must not vote: who promises nothing need not remember it."""

    id = bytes(JOURNAL_ID_BYTES)
    recovery = Recovery(created=False, dropped_bytes=0)
    size_bytes = 0

    def append(self, records: Sequence[bytes]) -> None:
        """Keeps nothing."""

    def rotate(self, initial_records: Sequence[bytes]) -> None:
        """Keeps nothing."""

    def close(self) -> None:
        """Nothing to close."""


AnyJournal = Journal | NoJournal

ABANDONED = bytes(JOURNAL_ID_BYTES)
"""Named in place of a journal once it is known that the key signed before and its journal is lost."""


@dataclass(frozen=True, slots=True)
class OpenedJournal:
    """What a node starts with. The key votes where it is `bound`, and never where it is `lost`."""

    journal: AnyJournal
    records: list[bytes]
    binding: Binding
    bound: bool
    lost: str | None = None
    """Why the key must not vote, for the operator."""


def open_journal(config: NodeConfig) -> OpenedJournal:
    """The journal of the validator key. Raises: CorruptionError, JournalFailed, ConfigurationError."""
    binding = Binding(config.keys_dir / BINDING_FILE, config.keystore().public(Role.VALIDATOR))
    bound_id = binding.journal_id()
    if bound_id == ABANDONED:
        lost = "it signed before, as the others know, and the journal of that is lost"
        return OpenedJournal(NoJournal(), [], binding, bound=False, lost=lost)
    try:
        journal, records = Journal.open(config.journal_dir, bound_id)
    except JournalLost as error:
        return OpenedJournal(NoJournal(), [], binding, bound=False, lost=str(error))
    return OpenedJournal(journal, records, binding, bound=bound_id is not None)
