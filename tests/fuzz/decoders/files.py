"""Files that partners exchange, that operators write, and that may have been damaged or falsified."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import sys
import tempfile
import zlib
from collections.abc import Callable, Sequence
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest import mock
from zlib import crc32

import orjson

from consensus.codec import encode
from consensus.errors import CorruptionError
from consensus.keys import verify_ed25519
from consensus.messages import BATCH, FINAL_BLOCK
from consensus.transactions import canonical_json
from contracts.engine import Engine
from contracts.errors import ProofError, UnsupportedVersion
from node import genesis, journal
from node.config import CONFIG_FILE, LoadedConfig, config_toml, load_config
from node.documents import read_json
from node.errors import CommandFailed, ConfigurationError
from node.journal import Segment, parse_segment
from node.key_binding import Binding
from node.keystore import PrivateKey, private_pem, public_pem, read_key, read_public
from node.members import CARD_PREFIX, Card, parse_card
from node.proof import Proven, verify_proof
from node.recorder.frames import Writer
from node.recorder.incident import MAGIC, read_incident
from node.recorder.recorder import FORMAT
from node.store import Place, View
from node.store.layout import PLACE_ROW
from tests.fuzz.decoders.consensus import VECTORS, values
from tests.fuzz.harness import JSON_MEMORY_PER_BYTE, Bounds, Decoder
from tests.fuzz.mutations import inside, spoil_bytes, spoil_text
from tests.fuzz.trees import JSON, MSGPACK
from tests.proofs.minichain import make_genesis, signer
from tests.proofs.standalone import standalone

PASSPHRASE = "open sesame"
DOCUMENT = Bounds(memory_bytes=9 * 1024 * 1024, memory_per_byte=JSON_MEMORY_PER_BYTE)
"""A document is read into room for the largest one."""
OPENED_BYTES_MAX = 8 * 1024 * 1024
"""Sealed files that ask for more memory are tried without a passphrase, so that the tests stay quick."""

SEALED = b"""-----BEGIN QUORATE SEALED KEY-----
AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4AAAAAQAAAAAAACAAtewI
jDcNVwr+dQ22YFBDGnfB8vsFvlbP1dNvfnQjX25wiq6x4t5xcmCtlfhgYyFX3cfg
hk2R/BSMIWQV8b4MsDcyAoqR4cj09n754n+qdNMwVrnMrwTDHA==
-----END QUORATE SEALED KEY-----
"""
"""The key of `_keys`, sealed at the least cost; salt and nonce would otherwise differ in every run."""


@cache
def _scratch() -> Path:
    folder = tempfile.TemporaryDirectory(prefix="quorate-fuzz-")
    _kept.append(folder)
    return Path(folder.name)


_kept: list[tempfile.TemporaryDirectory[str]] = []


def from_file(read: Callable[[Path], Any], name: str = "file") -> Callable[[bytes], Any]:
    """Reads bytes the way a file of them is read."""

    def written(data: bytes) -> Any:
        path = _scratch() / name
        path.touch(mode=0o600)
        path.write_bytes(data)
        return read(path)

    return written


# ---------------------------------------------------------------- the journal

_HEAD_BYTES = journal._FILE_HEAD_BYTES
_FRAME_BYTES = journal._FRAME_HEAD_BYTES + len(journal._END_MARK)


def _segments() -> list[bytes]:
    head = journal._FILE_HEAD.pack(journal._MAGIC, journal.JOURNAL_FORMAT, bytes(range(16)))
    head += journal._NUMBER.pack(crc32(head))
    frames = [journal._frame(records) for records in ([b"first", b""], [], [b"x" * 300], [b"\x00" * 9])]
    torn = [head + frames[0] + frames[2][:-20], head + frames[1] + bytes(40)]
    return [head + frames[0], head + b"".join(frames), *torn]


def _payload(segment: bytes) -> bytes:
    return segment[_HEAD_BYTES + journal._FRAME_HEAD_BYTES : -len(journal._END_MARK)]


def _sealed_frame(segment: bytes, payload: bytes) -> bytes:
    """One frame with all its checksums right, whatever is in it."""
    head = journal._FRAME_HEAD.pack(len(payload), crc32(payload))
    return segment[:_HEAD_BYTES] + head + journal._NUMBER.pack(crc32(head)) + payload + journal._END_MARK


def _accounted_for(data: bytes, segment: Segment) -> None:
    """Heads, marks, lengths and records make up the file, but for the torn end."""
    used = len(data) - segment.dropped_bytes - _HEAD_BYTES
    frames, rest = divmod(used - sum(4 + len(record) for record in segment.records), _FRAME_BYTES)
    assert frames > 0
    assert rest == 0


# ---------------------------------------------------------------- the store


class _OneRow:
    """A database that holds the same value under every key."""

    def __init__(self, value: bytes) -> None:
        self._value = value

    def get(self, _key: bytes, **_options: bool) -> bytes:
        return self._value


def _row(read: Callable[[View], Any]) -> Callable[[bytes], Any]:
    return lambda data: read(View(_OneRow(data)))


# ---------------------------------------------------------------- keys


def _keys() -> list[bytes]:
    plain = private_pem(PrivateKey(bytes(range(32)))).encode()
    return [plain, SEALED, b"\n" + plain.replace(b"\n", b"\r\n")]


def _read_key(path: Path) -> PrivateKey:
    return read_key(path, lambda: PASSPHRASE if _opens_quickly(path) else None)


def _opens_quickly(path: Path) -> bool:
    """Whether a sealed file asks for little memory, where it says so."""
    lines = b"".join(path.read_bytes().split(b"\n")[1:-2])
    with contextlib.suppress(ValueError):
        return int.from_bytes(base64.b64decode(lines)[37:45], "big") <= OPENED_BYTES_MAX
    return True


def _unarmoured(pem: bytes) -> bytes:
    return base64.b64decode(b"".join(pem.split(b"-----")[2].split()))


def _armoured(pem: bytes, data: bytes) -> bytes:
    begin = pem.split(b"-----")[1]
    return b"-----%s-----\n%s\n-----%s-----\n" % (begin, base64.b64encode(data), b"END" + begin[5:])


# ---------------------------------------------------------------- cards and genesis


def _cards() -> list[bytes]:
    keys = {name: signer(0, role) for role, name in enumerate(_KEY_NAMES)}
    plain = {
        "format": 1,
        "id": "acme",
        "title": "Acme, with ü",
        "address": "/dns4/acme.example/tcp/4001",
        "accounts": [],
        **{_KEY_NAMES[name]: key.public_key.hex() for name, key in keys.items()},
    }
    account = {"id": "acme.sales", "keys": ["00" * 32, "01" * 32]}
    return [_signed_card(b"", canonical_json(body)) for body in (plain, {**plain, "accounts": [account]})]


_KEY_NAMES = {"validator": "validator_key", "network": "network_key", "administrator": "admin_key"}


def _signed_card(_before: bytes, card: bytes) -> bytes:
    """A card, whatever is in it, signed by the three keys as far as it can be signed."""
    with contextlib.suppress(ValueError, TypeError):
        card_value = orjson.loads(card)
        message = CARD_PREFIX + canonical_json(card_value)
        signatures = {name: signer(0, role).sign(message).hex() for role, name in enumerate(_KEY_NAMES)}
        return orjson.dumps({"card": card_value, "signatures": signatures})
    return b'{"card":' + card + b',"signatures":{}}'


def _part(name: str) -> Callable[[bytes], bytes]:
    return lambda document: orjson.dumps(orjson.loads(document)[name])


_MEMBERS = ("acme", "bolt")


def _signed_genesis(_before: bytes, body: bytes) -> bytes:
    """A genesis, whatever is in it, signed by all as far as it can be signed."""
    with contextlib.suppress(ValueError, TypeError):
        value = orjson.loads(body)
        message = genesis.SIGNING_PREFIX + canonical_json(value)
        signatures = {name: signer(number, 2).sign(message).hex() for number, name in enumerate(_MEMBERS)}
        return orjson.dumps({"body": value, "signatures": signatures})
    return b'{"body":' + body + b',"signatures":{}}'


def _geneses() -> list[bytes]:
    small = make_genesis(_MEMBERS)
    body = small["body"]
    body["accounts"] = [{"id": "acme.till", "keys": ["00" * 32], "member": "acme"}]
    return [_signed_genesis(b"", orjson.dumps(body))]


def _founded(_data: bytes, signed: genesis.SignedGenesis) -> None:
    """It is written and read as the same genesis, and a chain begins with it, if need be a newer node's."""
    path = _scratch() / "again.json"
    genesis.write_genesis(path, signed)
    again = genesis.read_genesis(path)
    assert (again.genesis.hash, again.signatures) == (signed.genesis.hash, signed.signatures)
    agreed = signed.genesis
    with contextlib.suppress(UnsupportedVersion):
        assert Engine(chain=agreed.chain, parameters=agreed.parameters).genesis(agreed.body).link.height == 0
    assert agreed.committee.quorum > 0


# ---------------------------------------------------------------- proofs

_TRUE_VALUE = (b"account/7", b"now 2", 3)


@cache
def _genesis() -> genesis.Genesis:
    return genesis.parse_body(json.loads((VECTORS / "genesis.json").read_bytes())["body"], "genesis")


def _proofs() -> list[bytes]:
    return [
        orjson.dumps(orjson.loads((VECTORS / name).read_bytes()))
        for name in ("proof_of_value.json", "proof_of_absence.json")
    ]


def _verified(path: Path) -> Proven:
    agreed = _genesis()
    return verify_proof(
        read_json(path),
        chain=agreed.chain,
        genesis_hash=agreed.hash,
        committee=agreed.committee,
        verifier=verify_ed25519,
    )


def _is_true(key: bytes, value: bytes | None, height: int) -> None:
    if value is None:
        assert key not in {b"account/%d" % number for number in range(50)}
    else:
        assert (key, value, height) == _TRUE_VALUE


def _both_agree(data: bytes, proven: Proven) -> None:
    """What a node takes for proven is true, and the standalone file takes it for proven too."""
    _is_true(proven.key, proven.value, proven.height)
    found = standalone.verify(json.loads(data), json.loads((VECTORS / "genesis.json").read_bytes()))
    assert found == (proven.key, proven.value, proven.height, proven.time_ms)


class _NotValid(Exception):
    """The standalone command said so."""


def _standalone(proof: Path, trusted: Path) -> None:
    """Its command, which must end with one of its exit codes and a line of text."""
    output = io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["verify_proof.py", str(proof), str(trusted)]),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(output),
    ):
        code = standalone.main()
    assert code in (0, 1, 2)
    if code:
        raise _NotValid(output.getvalue())
    assert output.getvalue().startswith("VALID: ")


def _standalone_is_right(data: bytes, _: None) -> None:
    found = standalone.verify(json.loads(data), json.loads((VECTORS / "genesis.json").read_bytes()))
    _is_true(*found[:3])


# ---------------------------------------------------------------- settings


def _load_settings(path: Path) -> LoadedConfig:
    return load_config(path.parent, environ={})


def _settings_again(_data: bytes, loaded: LoadedConfig) -> None:
    """What was read can be shown, and written so that it is read again."""
    shown = {name: getattr(loaded.config, name) for name in loaded.origins}
    plain: dict[str, Any] = {
        name: str(value) if isinstance(value, Path) else value for name, value in shown.items()
    }
    path = _scratch() / CONFIG_FILE
    path.write_text(config_toml({name: value for name, value in plain.items() if value is not None}))
    assert load_config(_scratch(), environ={}).config == loaded.config


def _settings() -> list[bytes]:
    some: dict[str, str | int] = {
        "listen": "/ip4/0.0.0.0/tcp/4001",
        "log_format": "json",
        "passphrase_file": "x",
    }
    return [b"", b"api_port = 7751\n", config_toml(some).encode()]


def _setting(toml: bytes) -> bytes:
    return toml.split(b" = ")[1]


def _with_setting(toml: bytes, value: bytes) -> bytes:
    return b"%s = %s\n" % (toml.split(b" = ")[0], value)


# ---------------------------------------------------------------- recordings


def _incidents() -> list[bytes]:
    moments = [
        ("begin", FORMAT, {"member": "a"}, True, None),
        ("call", "on_timer", (3,)),
        ("end", {1, 2}, b"x"),
    ]
    frames = [Writer({}).frame(moment) for moment in moments]
    return [_packed(b"", b"".join(frames[:count])) for count in (1, 3)]


def _recorded(incident: bytes) -> bytes:
    try:
        return zlib.decompress(incident[len(MAGIC) : -32])
    except zlib.error:
        raise ValueError("not packed any more") from None


def _packed(_: bytes, content: bytes) -> bytes:
    packed = MAGIC + zlib.compress(content)
    return packed + sha256(packed).digest()


def _moment(incident: bytes) -> bytes:
    """The first moment, a pickle."""
    content = _recorded(incident)
    return content[8 : 8 + int.from_bytes(content[:4], "big")]


def _framed(incident: bytes, pickled: bytes) -> bytes:
    content = _recorded(incident)
    rest = content[8 + int.from_bytes(content[:4], "big") :]
    head = len(pickled).to_bytes(4, "big") + zlib.crc32(pickled).to_bytes(4, "big")
    return _packed(b"", head + pickled + rest)


def decoders() -> Sequence[Decoder]:
    by_hand = Bounds(
        seconds=1.0, memory_per_byte=JSON_MEMORY_PER_BYTE
    )  # signatures are checked in plain Python
    damaged = (CorruptionError,)
    wrong = (ConfigurationError,)
    place = Place(3, 70_000, bytes(32), 5, executed=True)
    blocks, batches = values()["FINAL_BLOCK"], values()["BATCH"]
    rows: list[tuple[str, Callable[[View], Any], list[bytes]]] = [
        ("height", View.height, [bytes(8), b"\x00" * 7 + b"\x09"]),
        ("link", lambda view: view.link(1), [bytes(range(128))]),
        ("batch_digests", lambda view: view.batch_digests(1), [b"", bytes(64)]),
        ("final_block", lambda view: view.final_block(1), [encode(FINAL_BLOCK, block) for block in blocks]),
        ("batch", lambda view: view.batch(bytes(32)), [encode(BATCH, batch) for batch in batches]),
        ("place", lambda view: view.place(bytes(32)), [encode(PLACE_ROW, place)]),
    ]
    return [
        Decoder(
            "node.journal.parse_segment",
            lambda data: parse_segment(data, Path("segment")),
            damaged,
            cache(_segments),
            (inside(_payload, _sealed_frame, spoil_bytes),),
            _accounted_for,
        ),
        *(
            Decoder(
                f"node.store.{name}", _row(read), damaged, partial(list, samples), (MSGPACK,), executions=200
            )
            for name, read, samples in rows
        ),
        Decoder(
            "node.keystore.read_key",
            from_file(_read_key),
            wrong,
            cache(_keys),
            (inside(_unarmoured, _armoured, spoil_bytes),),
            lambda data, key: _is(from_file(_read_key)(private_pem(key).encode()).seed == key.seed),
            Bounds(seconds=0.5, memory_per_byte=60),
        ),
        Decoder(
            "node.keystore.read_public",
            from_file(read_public),
            wrong,
            cache(lambda: [*_keys(), public_pem(bytes(32)).encode()]),
            (inside(_unarmoured, _armoured, spoil_bytes),),
            lambda data, key: _is(len(key) == 32),
            Bounds(memory_per_byte=60),
        ),
        Decoder(
            "node.recorder.read_incident",
            from_file(read_incident),
            (CommandFailed,),
            cache(_incidents),
            (inside(_recorded, _packed, spoil_bytes), inside(_moment, _framed, spoil_bytes)),
            lambda data, incident: _is(all(type(text) is str for text in incident.about.values())),
            Bounds(memory_bytes=2 * 1024 * 1024, memory_per_byte=200),
        ),
        Decoder(
            "node.key_binding.Binding",
            from_file(lambda path: Binding(path, bytes(32)).journal_id()),
            damaged,
            lambda: [bytes(range(16)).hex().encode(), f"{bytes(16).hex()} {bytes(32).hex()}\n".encode()],
            check=lambda data, bound: _is(bound is None or data.startswith(bound.hex().encode())),
            executions=200,
        ),
        Decoder(
            "node.members.parse_card",
            from_file(lambda path: parse_card(read_json(path), path.name)),
            wrong,
            cache(_cards),
            (JSON, inside(_part("card"), _signed_card, JSON)),
            _same_card,
            DOCUMENT,
        ),
        Decoder(
            "node.genesis.read_genesis",
            from_file(genesis.read_genesis),
            wrong,
            cache(_geneses),
            (JSON, inside(_part("body"), _signed_genesis, JSON)),
            _founded,
            DOCUMENT,
        ),
        Decoder(
            "node.proof.verify_proof",
            from_file(_verified),
            (ProofError, ConfigurationError),
            cache(_proofs),
            (JSON,),
            _both_agree,
            DOCUMENT,
            executions=200,
        ),
        Decoder(
            "docs.verify_proof.proof",
            from_file(lambda path: _standalone(path, VECTORS / "genesis.json")),
            (_NotValid,),
            cache(_proofs),
            (JSON,),
            _standalone_is_right,
            by_hand,
            executions=100,
        ),
        Decoder(
            "docs.verify_proof.genesis",
            from_file(lambda path: _standalone(VECTORS / "proof_of_value.json", path)),
            (_NotValid,),
            lambda: [orjson.dumps(orjson.loads((VECTORS / "genesis.json").read_bytes()))],
            (JSON,),
            bounds=by_hand,
            executions=60,
        ),
        Decoder(
            "node.config.load_config",
            from_file(_load_settings, CONFIG_FILE),
            wrong,
            cache(_settings),
            (spoil_text, inside(_setting, _with_setting, JSON)),
            _settings_again,
            Bounds(seconds=0.1, ns_per_byte=20_000, memory_per_byte=400),
        ),
    ]


def _is(true: bool) -> None:
    assert true


def _same_card(data: bytes, card: Card) -> None:
    body = orjson.loads(data)["card"]
    assert (card.id, card.title, card.address) == (body["id"], body["title"], body["address"])
    assert len(card.fingerprint) == 32
