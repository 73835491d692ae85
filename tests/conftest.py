"""What holds for every test."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser import CHROMIUM, FLAGS
from tests.interpreters import make_environment

# Property tests are bounded by examples, not by a clock that other work on the machine slows down.
# CI draws the same examples every time; a developer's runs explore.
settings.register_profile("developer", deadline=None, max_examples=100)
settings.register_profile("ci", deadline=None, max_examples=100, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "developer")

TESTS = Path(__file__).parent
REAL_TIME = frozenset(
    {
        "api", "bench", "bench_command", "cli", "consortium", "demo", "docs", "faults", "membership",
        "network", "node", "operator", "packaging",
    }
)  # fmt: skip
"""Folders whose tests meet real processes, sockets and clocks: decision 24."""
TRIES_MORE = 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In CI, a test on real time that fails is tried once more; pytest's summary names each (decision 24)."""
    if os.environ.get("CI"):
        for item in items:
            if item.path.relative_to(TESTS).parts[0] in REAL_TIME:
                item.add_marker(pytest.mark.flaky(reruns=TRIES_MORE))


@pytest.fixture(scope="session")
def other_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The other supported Python, 3.12 or 3.11, with the locked packages; skips where there is none."""
    other = "3.12" if sys.version_info < (3, 12) else "3.11"
    return str(make_environment(other, tmp_path_factory.mktemp("other") / "venv") / "python")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One headless browser for the tests of a module that are marked with `tests.browser.MARKS`."""
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()
