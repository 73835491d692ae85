"""The locks pin what pyproject.toml asks for, with hashes, and agree with each other."""

import re
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUNTIME = "requirements.lock"
DEVELOPMENT = "requirements-dev.lock"
SETUP = "requirements-setup.lock"


class Pin(NamedTuple):
    """One locked distribution: exactly this version, in exactly these files."""

    version: str
    hashes: frozenset[str]


def pins(lock: str) -> dict[str, Pin]:
    found = {}
    for entry in re.split(r"\n(?=[a-z0-9])", (ROOT / lock).read_text()):
        if match := re.match(r"([a-z0-9._-]+)==([^\s;]+)", entry):
            found[match[1]] = Pin(match[2], frozenset(re.findall(r"--hash=sha256:([0-9a-f]{64})", entry)))
    return found


@pytest.mark.parametrize(
    ("lock", "requirements"),
    [
        (RUNTIME, PROJECT["project"]["dependencies"]),
        (RUNTIME, PROJECT["tool"]["uv"]["override-dependencies"]),
        (DEVELOPMENT, PROJECT["dependency-groups"]["dev"]),
        (SETUP, PROJECT["dependency-groups"]["setup"]),
        (SETUP, PROJECT["build-system"]["requires"]),
    ],
)
def test_lock_satisfies_what_is_asked(lock: str, requirements: list[str]) -> None:
    """Fails when pyproject.toml changed and `make lock` was forgotten."""
    locked = pins(lock)
    for requirement in map(Requirement, requirements):
        pin = locked[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(pin.version), requirement


@pytest.mark.parametrize("lock", [RUNTIME, DEVELOPMENT, SETUP])
def test_every_pin_has_hashes(lock: str) -> None:
    locked = pins(lock)
    assert locked
    assert [name for name, pin in locked.items() if not pin.hashes] == []


def test_development_lock_contains_the_runtime_lock() -> None:
    """What is tested is what is run: the same versions, so that either lock serves the node."""
    assert pins(RUNTIME).items() <= pins(DEVELOPMENT).items()
