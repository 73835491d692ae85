"""A rule's source as people read it: `self.pay(self.seller, self.price)` as "pay price to seller".

Only the spelling changes, never the meaning, so every expression stays what it is; what has no better words
keeps its own.
"""

from __future__ import annotations

import re

_QUOTED = re.compile(r'("(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\')')
_PART = r"([^(),]+(?:\([^()]*\)[^(),]*)?)"
_SPELLINGS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\bself\.", ""),
        (r"\bnow\(\)", "now"),
        (r"\bsender\(\)", "the sender"),
        (rf"\bpay\({_PART}, {_PART}\)", r"pay \2 to \1"),
        (rf"\btake\({_PART}, {_PART}\)", r"take \2 from \1"),
        (rf"\.of\({_PART}\)", r" of \1"),
        (r" is not None\b", " is known"),
        (r" is None\b", " is not known"),
        (r" <= ", " ≤ "),
        (r" >= ", " ≥ "),
        (r" == ", " is "),
        (r" != ", " is not "),
        (r" \* ", " \u00d7 "),
        (r" - ", " \u2212 "),
        (r"(?<=[a-z0-9])_(?=[a-z0-9])", " "),
    )
)


def in_words(source: str) -> str:
    """One line of a contract's source in words; quoted text stays as it is."""
    parts = _QUOTED.split(source)
    return "".join(part if place % 2 else _spell(part) for place, part in enumerate(parts))


def _spell(source: str) -> str:
    for pattern, replacement in _SPELLINGS:
        source = pattern.sub(replacement, source)
    return source
