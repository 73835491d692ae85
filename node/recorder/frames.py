"""How recordings are written: frames with checksums, each the pickle of one moment.

Pickle writes whole object graphs fast, and is dangerous to read, because a pickle may name any function. The
reader here knows the classes of `consensus`, a few containers and the names below, and changes none of
them: a file from elsewhere may say something wrong, and may take the reader much time and memory, but has it
run nothing else. What must not or need not be written goes by
name: the signer (a private key never gets here), the store behind `batch_source`, and everything that
follows from bytes, as parsed batches and transactions do.
"""

from __future__ import annotations

import io
import pickle
import struct
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from importlib import import_module
from operator import attrgetter
from types import FunctionType, MethodType
from typing import Any, ClassVar
from zlib import crc32

from consensus.batches import CheckedBatch
from consensus.keys import verify_ed25519
from consensus.transactions import Transaction

FRAME_BYTES_MAX = 64 * 1024 * 1024
"""One moment, in bytes; the largest is the whole state of a replica."""

_HEAD = struct.Struct(">II")
_CONTAINERS = (set, frozenset, deque, OrderedDict, Counter, defaultdict)
_PROTOCOL = 5

Reduce = Callable[[Any], tuple[Any, ...]]


class Unreadable(Exception):
    """A frame that is cut short, damaged or names what no recording names; the text says which."""


def open_again(batch: Any) -> Any:
    """Stands in a recording for a checked batch. The reader has its own."""
    raise Unreadable("only a reader of recordings opens them")


def parse_again(envelope: Any) -> Any:
    """Stands for a transaction."""
    raise Unreadable("only a reader of recordings opens them")


def _classes() -> list[type]:
    """Those of `consensus`."""
    return [
        thing
        for name, module in sorted(sys.modules.items())
        if name.startswith("consensus.")
        for thing in vars(module).values()
        if isinstance(thing, type) and thing.__module__ == name
    ]


def _enums() -> dict[type, Reduce]:
    """How each Python writes an Enum differs; here it is by value."""
    found = [thing for thing in _classes() if issubclass(thing, Enum)]
    return dict.fromkeys(found, lambda member: (type(member), (member.value,)))


def _frozen() -> dict[type, Reduce]:
    """Values that are made with all their fields: dataclasses' own way looks at each field in Python."""
    return {
        thing: _by_fields(thing)
        for thing in _classes()
        if is_dataclass(thing)
        and thing.__dataclass_params__.frozen  # type: ignore[attr-defined]
        and all(field.init and not field.kw_only for field in fields(thing))
    }


def _by_fields(thing: type) -> Reduce:
    names = [field.name for field in fields(thing)]
    if len(names) == 1:
        get_one = attrgetter(*names)
        return lambda value: (thing, (get_one(value),))
    get_all = attrgetter(*names)
    return lambda value: (thing, get_all(value))


class Writer:
    """Makes frames. `reduces` says how objects of further types are written."""

    def __init__(self, reduces: Mapping[type, Reduce]) -> None:
        self._table: dict[type, Reduce] = {
            **_enums(),
            **_frozen(),
            CheckedBatch: lambda checked: (open_again, (checked.batch,)),
            Transaction: lambda transaction: (parse_again, (transaction.envelope,)),
            **reduces,
        }

    def frame(self, moment: tuple[Any, ...]) -> bytes:
        """One moment with its length and checksum."""
        buffer = io.BytesIO()
        pickler = pickle.Pickler(buffer, _PROTOCOL)
        pickler.dispatch_table = self._table
        pickler.dump(moment)
        payload = buffer.getvalue()
        return _HEAD.pack(len(payload), crc32(payload)) + payload


# That in C gives any class another content, and memory to a memo that is numbered at will.
_InPython: Any = pickle._Unpickler  # noqa: SLF001


class _Unpickler(_InPython):  # type: ignore[misc]
    def __init__(self, data: bytes, names: Mapping[str, Callable[..., Any]]) -> None:
        super().__init__(io.BytesIO(data))
        self._names = names

    def load_build(self) -> None:
        """Give an object its state; whatever is not of the recording keeps its own."""
        changed = self.stack[-2]
        if isinstance(changed, type | FunctionType | MethodType | Enum):
            raise Unreadable(f"it changes {changed!a}")
        super().load_build()

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        **{code: load for code, load in _InPython.dispatch.items() if code != pickle.BYTEARRAY8[0]},
        pickle.BUILD[0]: load_build,
    }
    """All but what takes memory before there are bytes to fill it, and no recording has."""

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("node.recorder.") and name in self._names:
            return self._names[name]
        if (module, name) == (verify_ed25519.__module__, verify_ed25519.__name__):
            return verify_ed25519
        for container in _CONTAINERS:
            if (module, name) == (container.__module__, container.__name__):
                return container
        if module.startswith("consensus.") and "." not in name:
            found = getattr(import_module(module), name, None)
            if isinstance(found, type) and found.__module__ == module:
                return found
        raise Unreadable(f"it names {module}.{name}, which no recording does")


def payloads(data: bytes) -> Iterator[bytes]:
    """The contents of frames one after another; an end that is cut short is left out. Raises: Unreadable."""
    offset = 0
    while offset + _HEAD.size <= len(data):
        length, checksum = _HEAD.unpack_from(data, offset)
        start, end = offset + _HEAD.size, offset + _HEAD.size + length
        if length > FRAME_BYTES_MAX:
            raise Unreadable(f"the frame at byte {offset} would have {length} bytes")
        if end > len(data):
            return
        payload = data[start:end]
        if crc32(payload) != checksum:
            raise Unreadable(f"the frame at byte {offset} fails its checksum")
        yield payload
        offset = end


def load(payload: bytes, names: Mapping[str, Callable[..., Any]]) -> tuple[Any, ...]:
    """A moment; `names` are the functions that recordings name, by their own names. Raises: Unreadable."""
    try:
        moment = _Unpickler(payload, names).load()
    except (Unreadable, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever bytes may bring a pickle to
        raise Unreadable(f"a frame can not be read: {type(error).__name__}: {error}") from None
    if not isinstance(moment, tuple) or not moment or not isinstance(moment[0], str):
        raise Unreadable("a frame holds no moment")
    return moment
