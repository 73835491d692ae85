"""What a block reads and writes: the committed state with the changes made so far on top.

The overlay keeps *decoded* values, so a balance that a thousand transfers touch is decoded once and encoded
once. A savepoint is a place in the journal of changes; rolling back to it undoes them, the last one first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from consensus.errors import DecodeError, ensure
from contracts.errors import StateCorruption
from contracts.merkle import TreeReader, Write
from contracts.neighbours import Neighbours, OrderedRows
from contracts.sorted_keys import SortedKeys
from contracts.tree_pages import NO_STATE, Top

T = TypeVar("T")

READ_BYTES_MAX = 32 * 1024 * 1024
"""Committed rows that are kept at hand from one transaction to the next, in bytes of keys and values."""
_READ_BYTES = 256
"""What a row that was read takes in memory, beside its bytes."""


class StateReader(OrderedRows, Protocol):
    """Committed rows, by key."""


class RowsReader(Protocol):
    """The rows that execution reads of a committed block.

    Those of `state` are authenticated by a tree; those of `aux` are pinned by leaves of the state, or only
    explain it.
    """

    @property
    def state(self) -> StateReader: ...

    @property
    def aux(self) -> StateReader: ...


class LedgerReader(RowsReader, Protocol):
    """All that is read of a committed block: the store, or a snapshot of it."""

    @property
    def tree(self) -> TreeReader: ...

    def top(self, root: bytes) -> Top:
        """What is kept in memory of the tree that has this root (32 bytes). Raises: StateCorruption."""


class _NoRows:
    """What a chain has stored before its genesis; reads as rows and as pages."""

    def get(self, key: bytes) -> bytes | None:
        return None

    def scan(self, prefix: bytes, after: bytes | None, limit: int) -> Sequence[tuple[bytes, bytes]]:
        return ()

    def last_before(self, key: bytes) -> bytes | None:
        return None

    def get_page(self, key: bytes) -> bytes | None:
        return None


NO_ROWS = _NoRows()


class _NoLedger(NamedTuple):
    """What there is before genesis."""

    state: StateReader = NO_ROWS
    aux: StateReader = NO_ROWS
    tree: TreeReader = NO_ROWS

    def top(self, root: bytes) -> Top:
        return NO_STATE


NO_LEDGER = _NoLedger()


class Form(NamedTuple, Generic[T]):
    """How one kind of value becomes canonical bytes, and comes back from them."""

    encode: Callable[[T], bytes]
    decode: Callable[[bytes], T]


class Change(NamedTuple):
    """One entry of the journal: what a key had before. `form` is None where it had not been written yet;
    `group` then is where it was added."""

    key: bytes
    before: Any
    form: Form[Any] | None
    group: bytes | None


class Overlay:
    """Reads through to committed rows; collects writes.

    Invariant: values in here are never changed in place; whoever writes puts a new one. A key is always
    read and written in one form. What is only kept because it was read changes no result.
    """

    def __init__(self, base: StateReader) -> None:
        self._base = base
        self._neighbours = Neighbours(base)
        self._values: dict[bytes, Any] = {}
        self._forms: dict[bytes, Form[Any]] = {}
        self._journal: list[Change] = []
        self._groups: defaultdict[bytes, SortedKeys] = defaultdict(SortedKeys)
        self._read_bytes = 0

    def get(self, key: bytes, form: Form[T]) -> T | None:
        """The value of `key`, or None. Raises: StateCorruption where committed bytes can not be decoded."""
        try:
            return self._values[key]  # type: ignore[no-any-return]
        except KeyError:
            data = self._base.get(key)
            self._read_bytes += _READ_BYTES + len(key) + len(data or b"")
            value = self._values[key] = _load(data, form, key)
            return value

    def put(self, key: bytes, value: T | None, form: Form[T], group: bytes | None = None) -> None:
        """Set `key`; None deletes. Keys that `scan` must find are put with its prefix as their `group`."""
        if key not in self._values:
            self.get(key, form)
        self._journal.append(Change(key, self._values[key], self._forms.get(key), group))
        self._values[key] = value
        self._forms[key] = form
        if group is not None:
            self._groups[group].add(key)

    def scan(self, prefix: bytes, after: bytes | None, form: Form[T]) -> Iterator[tuple[bytes, T | None]]:
        """Rows whose keys begin with `prefix`, sorted, strictly after the key `after`.

        None stands where this block deleted a row, so that the caller can charge for passing it.
        """
        changed = self._groups[prefix]
        for key, data in self._neighbours.after(prefix if after is None else after):
            if not key.startswith(prefix):
                break
            yield from self._changed_between(changed, after, key)
            value = self.get(key, form) if key in self._values else _load(data, form, key)
            yield key, value
            after = key
        yield from self._changed_between(changed, after, None)

    def savepoint(self) -> int:
        """A place to roll back to, until the next `commit`."""
        return len(self._journal)

    def rollback(self, savepoint: int) -> None:
        """Undo every change since `savepoint`."""
        while len(self._journal) > savepoint:
            key, before, form, group = self._journal.pop()
            self._values[key] = before
            if form is None:
                del self._forms[key]
                if group is not None:
                    self._groups[group].discard(key)

    def commit(self) -> None:
        """Keep every change for good: earlier savepoints are void."""
        self._journal.clear()
        if self._read_bytes > READ_BYTES_MAX:
            self._values = {key: self._values[key] for key in self._forms}
            self._read_bytes = 0

    def changes(self, savepoint: int) -> dict[bytes, Any]:
        """What each key that changed since `savepoint` had then."""
        before: dict[bytes, Any] = {}
        for change in self._journal[savepoint:]:
            before.setdefault(change.key, change.before)
        return before

    def current(self, key: bytes) -> Any:
        """The value of a key that has been read or written."""
        return self._values[key]

    def writes(self) -> tuple[Write, ...]:
        """All committed changes in canonical bytes, sorted by key."""
        ensure(not self._journal, "a transaction is still open")
        values = self._values
        return tuple(
            (key, None if values[key] is None else form.encode(values[key]))
            for key, form in sorted(self._forms.items())
        )

    def _changed_between(
        self, changed: SortedKeys, after: bytes | None, before: bytes | None
    ) -> Iterator[tuple[bytes, Any]]:
        """Changed rows strictly between two keys; `changed` may grow while the caller looks at a row."""
        key = changed.after(after)
        while key is not None and (before is None or key < before):
            yield key, self._values[key]
            key = changed.after(key)


def _load(data: bytes | None, form: Form[T], key: bytes) -> T | None:
    if data is None:
        return None
    try:
        return form.decode(data)
    except DecodeError as error:  # what a peer may do wrong, our own store may not
        raise StateCorruption(f"state {key!r} can not be read: {error}") from None
