"""Values as a person would write them, in one sentence; nothing here fails, whatever it is given."""

from __future__ import annotations

import re
from collections.abc import Sequence

from consensus.transactions import Json
from contracts.arguments import readable

VALUE_LENGTH_MAX = 48
"""Characters of a value within a sentence; a longer one is cut."""
_HASH_DIGITS = 8
_PLAIN = re.compile(r"[A-Za-z0-9._:+-]+\Z")


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def keys_text(value: Json) -> str:
    """One key or several, each by its first digits."""
    keys = value if isinstance(value, list) else [value]
    return f"the key{'s' if len(keys) > 1 else ''} {listed([short(key) for key in keys])}"


def short(value: Json) -> str:
    """A hash or key by its first digits."""
    if not isinstance(value, str) or len(value) <= _HASH_DIGITS:
        return shown(value)
    return f"{shown(value[:_HASH_DIGITS])}..."


def shown(value: Json, type_: str = "") -> str:
    """A value as a person would write it; `type_` is the name of its type, where that is known."""
    if isinstance(value, dict) and value.keys() == {"amount", "currency"}:
        return f"{shown(value['amount'])} {shown(value['currency'])}"
    if isinstance(value, dict):
        return cut(", ".join(f"{name}: {shown(item)}" for name, item in value.items()))
    if isinstance(value, list):
        return cut(", ".join(map(shown, value)))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value if _PLAIN.match(value) and len(value) <= VALUE_LENGTH_MAX else quoted(value)
    return "nothing" if value is None else str(readable(value, type_))


def quoted(text: str) -> str:
    """In quotes, with nothing in it that could pass for its end and for the rest of the sentence."""
    plain = "".join(character if character.isprintable() else " " for character in text)
    return '"' + cut(plain.replace('"', "'")) + '"'


def cut(text: str) -> str:
    """The beginning of a long text."""
    return f"{text[:VALUE_LENGTH_MAX]}..." if len(text) > VALUE_LENGTH_MAX else text
