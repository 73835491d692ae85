"""Contracts told to people: sentences in both languages, the table of phases, and the picture."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from contracts.compiler import compile_contract
from contracts.errors import ContractError
from contracts.explain import Explanation, explain
from contracts.explain.diagram import draw
from contracts.explain.phases import Transition
from contracts.sheets import DoesNotFit, compile_sheet, show_source

ROOT = Path(__file__).parents[2]
DELIVERY = (ROOT / "contracts" / "library" / "delivery_or_penalty.py").read_text()
SVG = "{http://www.w3.org/2000/svg}"


def all_sources() -> dict[str, str]:
    found = {path.stem: path.read_text() for path in (ROOT / "docs" / "examples").glob("[a-z]*.py")}
    found |= {path.stem: path.read_text() for path in (ROOT / "contracts" / "library").glob("[a-z]*.py")}
    sheets = (ROOT / "docs" / "examples" / "sheets").glob("*.yaml")
    return found | {f"{path.stem}.yaml": compile_sheet(path.read_text()).source for path in sheets}


SOURCES = all_sources()


def test_delivery_or_penalty_in_english() -> None:
    text = explain(DELIVERY, "en").text
    for line in (
        "  buyer: party who signs",
        "  give_up: duration, default 30 days",
        "It begins in phase unfunded.",
        "  buyer may fund, in phase unfunded: Put the price into the agreement",
        "      collect price from buyer",
        "  carrier reports delivered, once: moment, at most 2 days old",
        "      If delivered is reported and delivered is at or before deadline:",
        "      Else, if now is after deadline plus give_up:",
        "  unfunded  funded  fund (buyer)",
        "  funded    closed  settle: now is after deadline plus give_up",
    ):
        assert line in text.splitlines(), line


def test_delivery_or_penalty_in_dutch() -> None:
    text = explain(DELIVERY, "nl").text
    for line in (
        "  give_up: duur, standaard 30 dagen",
        "  buyer mag fund, in fase unfunded: Put the price into the agreement",
        "  carrier meldt delivered, eenmaal: moment, hoogstens 2 dagen oud",
        "      Als delivered is gemeld en delivered is op of voor deadline:",
        "        betaal price min penalty aan seller",
    ):
        assert line in text.splitlines(), line


EVERY_KIND = """from contracts import Contract, Instance, Oracle, Party, action, fact, on, phases
from contracts import reported, rule, term

class Watch(Contract):
    keeper: Party = term(signs=True, guards=True)
    shop: Instance = term()
    judges: list[Oracle] = term()
    needed: int = term(default=2)
    phase = phases("open", "sold", "judged")
    good: bool = fact(by="judges", quorum="needed")
    level: int = fact(by="judges", quorum=3, agree="median")

    @on("shop", "Sold", phase="open")
    def hear(self) -> None:
        "Note the sale."
        self.phase = "sold"

    @rule(phase="sold")
    def judge(self) -> None:
        if reported(self.good):
            self.phase = "judged"

    @action(by="keeper", exit=True)
    def leave(self) -> None:
        "Go."
"""


def test_what_listens_guards_and_judges_is_told() -> None:
    text = explain(EVERY_KIND, "en").text.splitlines()
    for line in (
        "  keeper: party who signs, who may pause it",
        "  keeper may leave (also while it is paused): Go",
        "  judges reports good, once: yes or no, counted when needed of them say the same",
        "  judges reports level, once: number, counted when 3 of them have spoken: the middle value",
        "  When shop tells Sold, in phase open: hear: Note the sale",
        "  open  sold    hear (shop: Sold)",
        "      If good is reported:",
    ):
        assert line in text, line
    assert "Als shop Sold meldt, in fase open: hear" in explain(EVERY_KIND, "nl").text
    for kind in ("shop", "good"):
        assert kind in explain(EVERY_KIND, "nl").text


@pytest.mark.parametrize("language", ["en", "nl"])
def test_what_sheets_do_not_know_is_no_sheet(language: str) -> None:
    with pytest.raises(DoesNotFit):
        show_source(EVERY_KIND, language)


def told_phases(told: Explanation) -> set[tuple[str, str, str]]:
    return {(row.source, row.target, row.method) for row in told.transitions}


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("language", ["en", "nl"])
def test_every_contract_is_told_whole(name: str, language: str) -> None:
    """Nothing that a contract declares is left out, and its picture holds what its table says."""
    told = explain(SOURCES[name], language)
    program = compile_contract(SOURCES[name])
    parts: list[Any] = [program.terms, program.fields, program.facts, program.actions, program.rules]
    for spec in (spec for specs in (*parts, program.queries, program.handlers) for spec in specs):
        assert re.search(rf"\b{spec.name}\b", told.text), spec.name
    assert told.text == explain(SOURCES[name], language).text
    if len(program.phases) == 1:
        assert told.svg is None
        return
    assert told.svg is not None
    picture = ET.fromstring(told.svg)
    words = [text.text for text in picture.iter(f"{SVG}text")]
    assert set(program.phases) <= set(words)
    assert picture.find(f"{SVG}title") is not None
    description = picture.findtext(f"{SVG}desc")
    assert description is not None
    for row in told.transitions:
        assert f"{row.source} -> {row.target}: {row.method}" in description


def test_phases_are_found_in_methods_that_are_called() -> None:
    assert told_phases(explain(DELIVERY, "en")) == {
        ("unfunded", "funded", "fund"),
        ("funded", "closed", "settle"),
    }


def boxes(picture: ET.Element, kind: str) -> list[tuple[int, int, int, int]]:
    found = [rect for rect in picture.iter(f"{SVG}rect") if kind in rect.get("class", "").split()]
    sides = [[int(rect.get(side, "0")) for side in ("x", "y", "width", "height")] for rect in found]
    return [(x, y, x + width, y + height) for x, y, width, height in sides]


def apart(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    return one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


@pytest.mark.parametrize("count", [2, 3, 6])
def test_labels_and_boxes_never_meet(count: int) -> None:
    """Every phase leads to every other: the densest picture there can be."""
    phases = [f"phase {index}" for index in range(count)]
    rows = [
        Transition(source, target, f"move_{place}", place % 2 or None)
        for place, (source, target) in enumerate((a, b) for a in phases for b in phases if a != b)
    ]
    labels = [f"{row.method} {'x' * (place % 50)} <&>" for place, row in enumerate(rows)]
    svg = draw("All & everything", phases, rows, labels)
    picture = ET.fromstring(svg)
    width, height = int(picture.get("width", "0")), int(picture.get("height", "0"))
    solid = boxes(picture, "box") + boxes(picture, "back")[1:]
    assert len(solid) == count + len(rows)
    for place, one in enumerate(solid):
        assert one[0] >= 0 <= one[1], one
        assert one[2] <= width, one
        assert one[3] <= height, one
        assert all(apart(one, other) for other in solid[place + 1 :])
    assert len(list(picture.iter(f"{SVG}path"))) == len(rows) + 1
    assert svg == draw("All & everything", phases, rows, labels)


def test_what_is_no_contract_is_refused() -> None:
    with pytest.raises(ContractError):
        explain("x = 1\n", "en")
