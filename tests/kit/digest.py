"""One hash over all that the kit makes of every contract and sheet of the repository, and of spoilt ones."""

from __future__ import annotations

import sys
from hashlib import sha256
from pathlib import Path

from contracts.errors import ContractError
from contracts.explain import explain
from contracts.schema import schema_of
from contracts.sheets import DoesNotFit, compile_sheet, show_sheet, show_source
from contracts.sheets.words import LANGUAGES

ROOT = Path(__file__).parents[2]


def told(source: str) -> str:
    """What is made of a contract."""
    found = []
    for language in LANGUAGES:
        explained = explain(source, language)
        found += [explained.text, str(explained.svg), repr(schema_of("00", explained.program))]
        try:
            found.append(show_source(source, language))
        except DoesNotFit as reason:
            found.append(str(reason))
    return "\n".join(found)


def made(text: str) -> str:
    """What is made of a sheet, or what is said of its mistakes."""
    try:
        compiled = compile_sheet(text)
    except ContractError as error:
        return str(error)
    return compiled.source + "".join(show_sheet(text, language) for language in LANGUAGES)


def digest() -> str:
    """The same on every Python, under any hash seed."""
    found = [
        told(path.read_text())
        for folder in ("contracts/library", "docs/examples")
        for path in sorted((ROOT / folder).glob("[a-z]*.py"))
    ]
    for path in sorted((ROOT / "docs" / "examples" / "sheets").glob("*.yaml")):
        text = path.read_text()
        words = text.split(" ")
        spoilt = [" ".join(words[:place] + words[place + 1 :]) for place in range(0, len(words), 7)]
        found += [made(each) for each in (text, *spoilt)]
    return sha256("\n".join(found).encode()).hexdigest()


if __name__ == "__main__":
    sys.stdout.write(digest())
