"""Writes down every call of the replica while the node runs, into a ring of two files.

A file begins with the whole state of the replica; after it comes, turn by turn, what the replica was told,
what its store and its key answered, and a digest of the effects. Nothing is synced: what a kill leaves is
all but the last turn, what a power loss leaves is not promised. A disk that does not take it stops the
recorder, never the node.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import structlog

from consensus.effects import Broadcast, Effect, Persist, Send
from consensus.keys import Signer
from consensus.messages import Message, encode_message
from consensus.replica import Replica
from consensus.types import Batch, Digest
from node.recorder.frames import FRAME_BYTES_MAX, Writer

log = structlog.get_logger("recorder")

SEGMENT_BYTES_MAX = 16 * 1024 * 1024
"""A file that passes this size, in bytes and besides the state at its beginning, is followed by another."""
SEGMENTS_KEPT = 2
FORMAT = 1
SUFFIX = ".flight"


class RecordingSigner:
    """The validator's signer; its signatures are written down, and nothing else of it."""

    def __init__(self, signer: Signer, recorder: Recorder) -> None:
        self.public_key = signer.public_key
        self._signer = signer
        self._recorder = recorder

    def sign(self, message: bytes) -> bytes:
        signature = self._signer.sign(message)
        self._recorder.add("signed", sha256(message).digest(), signature)
        return signature


class RecordingSource:
    """The store behind `batch_source`; what it answers is written down."""

    def __init__(self, source: Callable[[Digest], Batch | None], recorder: Recorder) -> None:
        self._source = source
        self._recorder = recorder

    def __call__(self, digest: Digest) -> Batch | None:
        batch = self._source(digest)
        self._recorder.add("found", digest, batch)
        return batch


def signer_again(public_key: bytes) -> Any:
    """Stands in a recording for the signer."""
    raise NotImplementedError


def source_again() -> Any:
    """Stands for the store."""
    raise NotImplementedError


def blank_replica() -> Replica:
    """A replica whose state follows."""
    return Replica.__new__(Replica)


class Recorder:
    """The ring. A recorder that failed takes everything and keeps nothing."""

    def __init__(self, folder: Path, about: dict[str, str]) -> None:
        """`about` says in text what a reader of the files should know."""
        self._folder = folder
        self._about = {**about, "python": platform.python_version()}
        self._writer = Writer(
            {
                RecordingSigner: lambda signer: (signer_again, (signer.public_key,)),
                RecordingSource: lambda _: (source_again, ()),
                RecordedReplica: lambda replica: (blank_replica, (), replica.state_to_record()),
            }
        )
        self._turn: list[bytes] = []
        self._file = -1
        self._left_bytes = 0
        self._recording = False

    def begin(self, replica: Replica) -> None:
        """From now on. Called once the replica stands."""
        self._recording = True
        self._guarded(lambda: self._next_segment(replica, fresh=True))

    def add(self, *moment: Any) -> None:
        """Something happened; it is written with its turn."""
        if self._recording:
            self._turn.append(self._writer.frame(moment))

    def end_turn(self, replica: Replica, effects: Sequence[Effect]) -> None:
        """Write the turn, before any of its effects is performed."""
        if self._recording:
            self.add("effects", effects_digest(effects))
            self._guarded(self._write)
            if self._left_bytes < 0:
                self._guarded(lambda: self._next_segment(replica, fresh=False))

    def close(self) -> None:
        """Write what there is of the last turn; calling it twice does no harm."""
        if self._recording:
            self._guarded(self._write)
        self._stop()

    def _guarded(self, action: Callable[[], None]) -> None:
        try:
            action()
        except OSError as error:
            log.warning("the flight recorder stops: its files can not be written", reason=error.strerror)
            self._stop()

    def _stop(self) -> None:
        self._recording, self._turn = False, []
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _write(self) -> None:
        data, self._turn = b"".join(self._turn), []
        self._left_bytes -= len(data)
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]

    def _next_segment(self, replica: Replica, *, fresh: bool) -> None:
        begin = self._writer.frame(("begin", FORMAT, self._about, fresh, replica))
        if len(begin) > FRAME_BYTES_MAX:
            raise OSError(0, f"the state has {len(begin)} bytes, at most {FRAME_BYTES_MAX} are recorded")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        older = segments(self._folder)
        number = int(older[-1].stem) + 1 if older else 1
        if self._file >= 0:
            os.close(self._file)
        path = self._folder / f"{number:012}{SUFFIX}"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        for path in older[: len(older) - SEGMENTS_KEPT + 1]:
            path.unlink()
        self._turn.insert(0, begin)
        self._write()
        self._left_bytes = SEGMENT_BYTES_MAX


def segments(folder: Path) -> list[Path]:
    """The files of a ring, the oldest first."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def effects_digest(effects: Sequence[Effect]) -> bytes:
    """32 bytes that say what was to be done, in order."""
    digest = sha256()
    for effect in effects:
        match effect:
            case Persist():
                data = effect.record
            case Send():
                data = b"%d " % effect.to + _message(effect.message)
            case Broadcast():
                data = _message(effect.message)
            case _:
                data = repr(effect).encode()
        digest.update(b"%s %d " % (type(effect).__name__.encode(), len(data)) + data)
    return digest.digest()


def _message(message: Message) -> bytes:
    """A batch's header stands for its content, of which it holds the hash."""
    return repr(message.header).encode() if isinstance(message, Batch) else encode_message(message)


def _recorded(name: str) -> Callable[..., Any]:
    """The replica's method, written down before it is called."""
    method = getattr(Replica, name)

    def call(self: RecordedReplica, *arguments: Any) -> Any:
        self.recorder.add("call", name, arguments)
        return method(self, *arguments)

    return call


class RecordedReplica(Replica):
    """A replica that writes down what it is told. Inputs take their arguments by position."""

    def __init__(
        self,
        recorder: Recorder,
        *,
        signer: Signer,
        batch_source: Callable[[Digest], Batch | None],
        **rest: Any,
    ) -> None:
        """As of `Replica`."""
        self.recorder = recorder
        super().__init__(
            signer=RecordingSigner(signer, recorder),
            batch_source=RecordingSource(batch_source, recorder),
            **rest,
        )
        recorder.begin(self)

    def state_to_record(self) -> dict[str, Any]:
        """Everything a plain replica has."""
        return {name: value for name, value in vars(self).items() if name != "recorder"}

    on_connected = _recorded("on_connected")
    on_message = _recorded("on_message")
    answer = _recorded("answer")
    on_batch = _recorded("on_batch")
    on_invalid_batch = _recorded("on_invalid_batch")
    submit = _recorded("submit")
    on_timer = _recorded("on_timer")
    on_executed = _recorded("on_executed")
    on_synced = _recorded("on_synced")
    take_part = _recorded("take_part")

    def effects(self) -> list[Effect]:
        effects = super().effects()
        self.recorder.end_turn(self, effects)
        return effects
