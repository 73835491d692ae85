"""Hashes and keys in a form that two people can compare over the telephone: sixteen bits a word.

Source: D. S. Wilkerson, "A Proposal for Proquints: Identifiers that are Readable, Spellable, and
Pronounceable" (2009): consonant, vowel, consonant, vowel, consonant for 4, 2, 4, 2 and 4 bits.
"""

from __future__ import annotations

_CONSONANTS = "bdfghjklmnprstvz"
_VOWELS = "aiou"


def words(data: bytes) -> list[str]:
    """One five-letter word for every two bytes; `data` has an even length."""
    return [_word(int.from_bytes(data[at : at + 2], "big")) for at in range(0, len(data), 2)]


def lines(data: bytes, words_per_line: int = 4) -> list[str]:
    """The words of `data` in short lines, to be read aloud."""
    spoken = words(data)
    return [" ".join(spoken[at : at + words_per_line]) for at in range(0, len(spoken), words_per_line)]


def _word(bits: int) -> str:
    return (
        _CONSONANTS[bits >> 12]
        + _VOWELS[bits >> 10 & 3]
        + _CONSONANTS[bits >> 6 & 15]
        + _VOWELS[bits >> 4 & 3]
        + _CONSONANTS[bits & 15]
    )
