"""docs/rulesheets.md: its commands work, its words are all words, its limits are the code's."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from contracts.language.limits import NAME_LENGTH_MAX
from contracts.sheets import words
from contracts.sheets.layout import LINE_LENGTH_MAX, SHEET_BYTES_MAX
from tests.docs.pages import ROOT, Shell

PAGE = ROOT / "docs" / "rulesheets.md"
TABLES = {
    "Keys": words.KEYS,
    "Kinds of values": {str(spec): pair for spec, pair in words.TYPES.items()},
    "Declarations": words.DECLARING,
    "Conditions": words.JOINING | words.COMPARING,
    "Values": words.COMPUTING | words.NAMED,
    "Functions": words.FUNCTIONS,
    "Steps": words.STEPS | words.WITHIN,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a reader has; no node is needed."""
    for name in ("docs", "contracts"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_page_works_as_it_stands(folder: Path) -> None:
    with Shell(folder) as shell:
        assert len(shell.follow(PAGE)) >= 5


@pytest.mark.parametrize("heading", TABLES)
def test_all_words_are_on_the_page(heading: str) -> None:
    section = PAGE.read_text().partition(f"\n### {heading}\n")[2].partition("\n#")[0]
    rows = re.findall(r"^\| `(.*?)` \| `(.*?)` \|$", section, re.MULTILINE)
    assert rows == list(TABLES[heading].values())


def test_all_units_are_on_the_page() -> None:
    section = PAGE.read_text().partition("\n### Units of time\n")[2].partition("\n#")[0]
    found = [re.findall(r"`(.*?)`", row) for row in section.splitlines() if row.startswith("| `")]
    assert found == [[*en, *dict.fromkeys(nl)] for en, nl in words.UNITS.values()]


def test_the_limits_are_those_of_the_code() -> None:
    text = " ".join(PAGE.read_text().split())
    assert f"at most {SHEET_BYTES_MAX // 1024} KiB, a line {LINE_LENGTH_MAX} characters" in text
    assert f"{NAME_LENGTH_MAX} characters at most" in text


def test_the_rule_on_the_page_is_that_of_the_example() -> None:
    shown = re.search(r"```yaml\n(rules:.*?)```", PAGE.read_text(), re.DOTALL)
    assert shown is not None
    assert shown[1] in (ROOT / "docs" / "examples" / "sheets" / "delivery_or_penalty.yaml").read_text()
