"""An incident file: a recording that can be sent to somebody else and done again there.

It is the magic line, then the ring's files as they are, compressed, then the SHA-256 of all before it. It
holds messages, transactions and votes of the chain, and no private key.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from consensus.batches import CheckedBatch, open_batch
from consensus.effects import Effect
from consensus.errors import ConsensusError, InvalidMessage
from consensus.replica import Now, Replica
from consensus.transactions import Transaction, parse_transaction
from consensus.types import Batch, Digest
from node.errors import CommandFailed, ConfigurationError
from node.recorder.frames import Unreadable, load, payloads
from node.recorder.recorder import FORMAT, RecordedReplica, blank_replica, effects_digest, segments

MAGIC = b"quorate-incident 1\n"
INCIDENT_BYTES_MAX = 512 * 1024 * 1024
"""What an incident file may unpack to, in bytes: more than any ring holds."""
_INPUTS = {name for name in vars(RecordedReplica) if name in vars(Replica) and name[0] != "_"} - {"effects"}


@dataclass(frozen=True, slots=True)
class Incident:
    """The frames of a recording, still packed; `about` says whose, with which versions."""

    about: dict[str, str]
    frames: tuple[bytes, ...]


@dataclass(slots=True)
class Replay:
    """What came out of doing it again."""

    turns: int = 0
    calls: int = 0
    first_ms: int | None = None
    last_ms: int | None = None
    """Civil time of the first and the last call."""
    difference: str | None = None
    """Where the effects differ first from those recorded; None where all are equal."""
    trace: Any = field(default_factory=sha256)

    @property
    def trace_hash(self) -> str:
        return str(self.trace.hexdigest()[:16])


class _Different(Exception):
    """The replay takes another way than the recording; the text says where."""


def export(folder: Path, out: Path) -> Incident:
    """Put the ring in `folder` into one file. The node may run, have stopped or have crashed.

    Raises: ConfigurationError where there is nothing recorded; CommandFailed for a damaged ring.
    """
    files = segments(folder)
    if not files:
        raise ConfigurationError(f"{folder} holds no recording: has this node ever run?")
    content = b""
    for path in files:
        data = path.read_bytes()
        try:
            content += b"".join(_frame_bytes(data))
        except Unreadable as error:
            raise CommandFailed(f"{path}: {error}") from None
    packed = MAGIC + zlib.compress(content)
    out.touch(0o600)  # what the members keep among themselves, as in the ring
    out.write_bytes(packed + sha256(packed).digest())
    return read_incident(out)


def _frame_bytes(data: bytes) -> Iterator[bytes]:
    """The frames that are whole, with their heads."""
    length = sum(8 + len(payload) for payload in payloads(data))
    yield data[:length]


def read_incident(path: Path) -> Incident:
    """Raises: CommandFailed for a file that is not whole or not one of these."""
    if path.exists() and not path.is_file():
        raise CommandFailed(f"{path} is no file")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CommandFailed(f"{path} can not be read: {error.strerror}") from None
    packed, digest = data[:-32], data[-32:]
    if not packed.startswith(MAGIC):
        raise CommandFailed(f"{path} is no incident file: make one with quorate incident export")
    if sha256(packed).digest() != digest:
        raise CommandFailed(f"{path} was changed or cut short: its checksum does not fit; have it sent again")
    unpacker = zlib.decompressobj()
    content = unpacker.decompress(packed[len(MAGIC) :], INCIDENT_BYTES_MAX)
    if unpacker.unconsumed_tail:
        raise CommandFailed(f"{path} unpacks to more than {INCIDENT_BYTES_MAX} bytes")
    try:
        frames = tuple(payloads(content))
        about = _about(frames)
    except Unreadable as error:
        raise CommandFailed(f"{path}: {error}") from None
    return Incident(about, frames)


def _about(frames: tuple[bytes, ...]) -> dict[str, str]:
    if not frames:
        raise Unreadable("it is empty")
    begin = load(frames[0], _Names(None).names)
    if begin[:2] != ("begin", FORMAT):
        raise Unreadable("it does not begin with a state of this format")
    about: dict[str, str] = begin[2]
    return about


def replay(incident: Incident, say: Callable[[str], None] = lambda _: None) -> Replay:
    """Do everything again, and compare; `say` is told every turn. Raises: CommandFailed."""
    done = Replay()
    player = _Player(incident.about, done, say)
    try:
        for frame in incident.frames:
            player.take(load(frame, player.names))
        player.finish()
    except _Different as difference:
        done.difference = str(difference)
    except Unreadable as error:
        raise CommandFailed(f"the recording can not be read on: {error}") from None
    return done


class _Names:
    """What a recording names and this process has its own of."""

    def __init__(self, player: _Player | None) -> None:
        self._player = player
        self.names: dict[str, Callable[..., Any]] = {
            "blank_replica": blank_replica,
            "signer_again": self._signer,
            "source_again": self._source,
            "open_again": self._open,
            "parse_again": self._parse,
        }

    def _signer(self, public_key: bytes) -> Any:
        return _Signer(public_key, self._player)

    def _source(self) -> Any:
        return self._player.find if self._player is not None else None

    def _open(self, batch: Batch) -> CheckedBatch | None:
        return None if self._player is None else self._player.open(batch)

    def _parse(self, envelope: bytes) -> Transaction | None:
        return None if self._player is None else parse_transaction(envelope, self._player.chain)


class _Signer:
    """Gives the recorded signatures again, for the same bytes and in the same order."""

    def __init__(self, public_key: bytes, player: _Player | None) -> None:
        self.public_key = public_key
        self._player = player

    def sign(self, message: bytes) -> bytes:
        if self._player is None:
            raise Unreadable("nothing is signed while a file is read")
        digest, signature = self._player.answer("signed", "it signs something")
        if digest != sha256(message).digest():
            raise _Different("it signs other bytes than were recorded")
        return bytes(signature)


class _Player:
    """Takes moments in order; the calls of a turn wait until all answers that they need are there."""

    def __init__(self, about: dict[str, str], done: Replay, say: Callable[[str], None]) -> None:
        self.chain = about["chain"]
        self._chain_id = bytes.fromhex(about["chain_id"])
        self.names = _Names(self).names
        self._done = done
        self._say = say
        self._replica: Replica | None = None
        self._waiting: list[tuple[Any, ...]] = []
        self._answers: list[tuple[Any, ...]] = []

    def open(self, batch: Batch) -> CheckedBatch:
        return open_batch(batch, self._chain_id, self.chain)

    def find(self, digest: Digest) -> Batch | None:
        named, batch = self.answer("found", "it looks for a batch")
        if named != digest:
            raise _Different("it looks for another batch than was recorded")
        return batch if isinstance(batch, Batch) else None

    def answer(self, kind: str, what: str) -> tuple[Any, Any]:
        if not self._answers or self._answers[0][0] != kind:
            raise _Different(f"{what} where nothing of that kind was recorded")
        _, key, value = self._answers.pop(0)
        return key, value

    def take(self, moment: tuple[Any, ...]) -> None:
        kind = moment[0]
        if kind == "begin":
            self._begin(moment)
        elif kind in ("signed", "found"):
            self._answers.append(moment)
        elif kind == "call" and moment[1] in _INPUTS:
            self._waiting.append(moment)
        elif kind == "effects":
            self._turn(moment[1])
        else:
            raise Unreadable(f"there is no moment {kind!r}")

    def _begin(self, moment: tuple[Any, ...]) -> None:
        _, file_format, _, fresh, replica = moment
        if file_format != FORMAT or not isinstance(replica, Replica):
            raise Unreadable("a state of another format")
        if fresh or self._replica is None:
            self.finish()
            self._replica = replica
            self._say("the process starts" if fresh else "the recording begins")

    def finish(self) -> None:
        """Calls whose effects were never taken: the process ended in them."""
        if self._waiting:
            self._perform_calls()

    def _turn(self, expected: bytes) -> None:
        calls = self._perform_calls()
        effects = self._replica.effects() if self._replica is not None else []
        found = effects_digest(effects)
        self._done.turns += 1
        self._done.trace.update(found)
        line = f"turn {self._done.turns}: {', '.join(calls) or 'no input'} -> {_summary(effects)}"
        self._say(line)
        if found != expected:
            raise _Different(f"{line}: the recorded effects were others")
        if self._answers:
            raise _Different(f"{line}: it signed or asked for more when it was recorded")

    def _perform_calls(self) -> list[str]:
        waiting, self._waiting = self._waiting, []
        return [self._perform(name, arguments) for _, name, arguments in waiting]

    def _perform(self, name: str, arguments: tuple[Any, ...]) -> str:
        now = arguments[-1]
        if self._replica is None or not isinstance(now, Now):
            raise Unreadable("a call without a time, or before any state")
        done = self._done
        done.calls += 1
        done.first_ms, done.last_ms = done.first_ms or now.wall_ms, now.wall_ms
        told = f"{name}({', '.join(_short(argument) for argument in arguments[:-1])})"
        try:
            getattr(self._replica, name)(*arguments)
        except InvalidMessage as error:
            return f"{told}: refused, {error}"
        except ConsensusError as error:
            self._say(f"{told} stops the node: {error}")
        return told


def _short(argument: Any) -> str:
    if isinstance(argument, bytes):
        return argument.hex()[:8]
    if isinstance(argument, int | str | bool) or argument is None:
        return str(argument)
    if isinstance(argument, list | tuple):
        return f"{len(argument)} items"
    return type(argument).__name__


def _summary(effects: list[Effect]) -> str:
    names = []
    for effect in effects:
        message = getattr(effect, "message", None)
        names.append(type(effect).__name__ + (f" {type(message).__name__}" if message is not None else ""))
    return ", ".join(names) or "nothing"
