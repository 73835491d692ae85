"""Every document: what it links to, and every file that it or the code names, is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
CODE = sorted(
    path for package in ("node", "api", "contracts", "consensus") for path in (ROOT / package).rglob("*.py")
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
NAMED = re.compile(
    r"(?<![\w/-])(?:docs|tests|node|api|contracts|consensus)/[\w/.]*\w(?:\.(?:md|py|svg|json)\b|/(?!\w))"
)


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def links(page: Path) -> Iterator[str]:
    """Where a page leads within the repository."""
    for target in LINK.findall(FENCE.sub("", page.read_text())):
        if not re.match(r"[a-z]+:", target):
            yield target


def anchors(page: Path) -> set[str]:
    """The names that a page's headings get."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {text.strip().replace(" ", "-") for text in plain}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    """Guards relative links: the file exists, and so does the heading."""
    broken = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", [*PAGES, *CODE], ids=name)
def test_named_files_exist(page: Path) -> None:
    """Guards what a page, an error message or a docstring sends its reader to."""
    named = set(NAMED.findall(page.read_text()))
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


def test_every_document_can_be_found_from_the_index() -> None:
    """Guards against a page that nobody finds."""
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in links(index)}
    pages = {path for path in PAGES if path != index and path.parent == index.parent}
    assert pages - linked == set()


def test_links_are_found() -> None:
    """Guards the tests above against a pattern that finds nothing."""
    assert sum(len(list(links(page))) for page in PAGES) > 50
