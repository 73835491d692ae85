"""Fixtures of the command line's tests."""

from __future__ import annotations

import os

import pytest

from tests.cli.support import Shell


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell without any QUORATE_* variable."""
    for name in [name for name in os.environ if name.startswith("QUORATE_")]:
        monkeypatch.delenv(name)
    return Shell(capsys, monkeypatch)
