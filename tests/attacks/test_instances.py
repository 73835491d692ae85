"""Attacks of several instances on each other, on the real engine. The corpus only grows, as the other does.

A file says what is tried, what must come of it, and the steps: instances with their terms, calls, blocks.

    # Expect code: <`ok`, or the code of the last step's failure>
    # Expect <instance>.<variable>: <its value then, as Python writes it>
    # --- instance <name> <term>=<JSON or text> ...
    # --- call <instance> <action> <argument>=<JSON or text> ... [by=<account>]
    # --- blocks <how many empty blocks>
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.receipts import Receipt
from tests.engine.chain import Chain

FOLDER = Path(__file__).parent / "instances"
ATTACKS = sorted(FOLDER.rglob("*.contracts"))
_STEP = re.compile(r"^# --- (\w+) ([^\n]*)\n", re.MULTILINE)
_GIVEN = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\{.*?\}(?= |$)|\[.*?\]|\S+)')
SECONDS_MAX = 20
"""Far above what any of them takes, and far below an attack's gain."""


def steps(text: str) -> Iterator[tuple[str, list[str], dict[str, Any], str]]:
    """Kind, words, named values and source of each step."""
    _, *parts = _STEP.split(text)
    for kind, line, source in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        given = {name: _value(value) for name, value in _GIVEN.findall(line)}
        yield kind, _GIVEN.sub("", line).split(), given, source


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def expectations(text: str) -> dict[str, str]:
    return dict(re.findall(r"^# Expect ([\w.-]+): (.*)$", text, re.MULTILINE))


def play(chain: Chain, text: str) -> Receipt:
    """The receipt of the last step that was a transaction."""
    last: Receipt | None = None
    for kind, words, given, source in steps(text):
        if kind == "instance":
            last = chain.perform("bank", ("contracts", "deploy", {"source": source}))
            if last.status == "ok":
                create = {"code": last.results[0], "name": words[0], "terms": given}
                last = chain.perform("bank", ("contracts", "create", create))
        elif kind == "call":
            by = given.pop("by", "bank")
            last = chain.perform(by, (words[0], words[1], given))
        else:
            for _ in range(int(words[0])):
                chain.block()
    assert last is not None
    return last


@pytest.mark.parametrize("path", ATTACKS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_attack(path: Path) -> None:
    text = path.read_text()
    chain = Chain()
    chain.euro(bank=1_000, bigmarket=1_000)
    expected = expectations(text)
    start = time.process_time()
    receipt = play(chain, text)
    assert time.process_time() - start < SECONDS_MAX
    assert (receipt.code or "ok") == expected.pop("code"), receipt.text
    for place, value in expected.items():
        instance, _, field = place.rpartition(".")
        shown = {each["name"]: each.get("value") for each in chain.instance(instance)["fields"]}
        assert shown[field] == _python(value), place
    assert chain.replayed().outcomes[-1].link == chain.outcomes[-1].link


def _python(text: str) -> Any:
    return {"True": True, "False": False}.get(text, _value(text))


def test_the_corpus_has_every_class() -> None:
    kinds = {path.parent.name for path in ATTACKS}
    assert kinds == {"cpu", "events", "money", "oracles", "reentrancy", "storage", "types"}
    assert len(ATTACKS) >= 28
