"""JSON files that partners exchange: written in one way only, read with suspicion."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import orjson

from node.errors import ConfigurationError

DOCUMENT_BYTES_MAX = 8 * 1024 * 1024


def read_json(path: Path) -> Any:
    """The JSON value in a file. Raises: ConfigurationError."""
    try:
        with path.open("rb") as file:
            data = file.read(DOCUMENT_BYTES_MAX + 1)
    except FileNotFoundError:
        raise ConfigurationError(f"there is no file {path}") from None
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from None
    if len(data) > DOCUMENT_BYTES_MAX:
        raise ConfigurationError(f"{path} is larger than {DOCUMENT_BYTES_MAX} bytes")
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ConfigurationError(f"{path} is not JSON: {error}") from None


def json_text(value: Any) -> bytes:
    """JSON for people and machines: sorted keys, two spaces, one value one text."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def write_json(path: Path, value: Any) -> None:
    """Put `value` into a file as a whole or not at all, durable on return. Raises: ConfigurationError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            file.write(json_text(value))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from None


def shown(value: Any) -> str:
    """A value in an error's text: as it is, or by its kind where it could be large or deep."""
    return f"a {type(value).__name__}" if isinstance(value, list | dict) else repr(value)


def fields(value: Any, names: set[str], where: str) -> dict[str, Any]:
    """An object with exactly these fields. Raises: ConfigurationError."""
    if type(value) is not dict:
        raise ConfigurationError(f"{where} must be a JSON object")
    missing, unknown = sorted(names - value.keys()), sorted(value.keys() - names)
    if missing:
        raise ConfigurationError(f"{where} lacks {', '.join(missing)}")
    if unknown:
        raise ConfigurationError(f"{where} has unknown {', '.join(unknown)}")
    return value


def text(value: Any, where: str) -> str:
    """A string. Raises: ConfigurationError."""
    if type(value) is not str:
        raise ConfigurationError(f"{where} must be text")
    return value


def key_bytes(value: Any, where: str) -> bytes:
    """A public key of 32 bytes in lower-case hex. Raises: ConfigurationError."""
    return hex_bytes(value, 32, where)


def hex_bytes(value: Any, length: int, where: str) -> bytes:
    """`length` bytes in lower-case hex. Raises: ConfigurationError."""
    if type(value) is not str or not re.fullmatch(f"[0-9a-f]{{{2 * length}}}", value):
        raise ConfigurationError(f"{where} must be {2 * length} lower-case hex digits")
    return bytes.fromhex(value)
