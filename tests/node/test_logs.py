"""The log names members, repeats nothing without end, has levels to set, and stops nobody when it fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import orjson
import pytest
import structlog

from node.logs import LOGGERS, REPEAT_S, REPEATED_KEPT_MAX, REPEATS_MAX, Levels, Repeats

ROOT = Path(__file__).parents[2]
SCRIPT = """
import logging, structlog
from node.logs import StandardError, set_up_logs
levels = set_up_logs("{format}", "info", "coopbank", {{0: "coopbank", 3: "swiftship"}})
structlog.get_logger("network").warning("bad message", peer=3)
structlog.get_logger("driver").warning("it signed two batches", member=3, height=3, view=7)
structlog.get_logger("driver").debug("too fine")
levels.set("driver", "debug", None)
structlog.get_logger("driver").debug("fine", tx="ab")
structlog.get_logger("sync").debug("too fine")
logging.getLogger("library").warning("another voice")
StandardError().write("last words\\n")
"""


def run(log_format: str = "console", **arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SCRIPT.format(format=log_format)]
    return subprocess.run(command, text=True, timeout=60, check=False, **arguments)  # type: ignore[call-overload, no-any-return]


def test_members_are_named_and_other_numbers_left() -> None:
    done = run(stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    bad, signed, fine, library, last = done.stderr.splitlines()
    assert "peer=swiftship" in bad
    assert "node=coopbank" in bad
    assert "[network]" in bad
    assert "member=swiftship" in signed
    assert "height=3" in signed
    assert "tx=ab" in fine
    assert "another voice" in library
    assert last == "last words"


def test_a_machine_gets_an_object_a_line() -> None:
    done = run("json", stderr=subprocess.PIPE)
    *lines, last = done.stderr.splitlines()
    bad, signed, fine, library = map(orjson.loads, lines)
    assert bad.pop("timestamp").endswith("Z")
    assert bad == {
        "event": "bad message", "level": "warning", "logger": "network",
        "node": "coopbank", "peer": "swiftship",
    }  # fmt: skip
    assert (signed["height"], signed["view"], signed["member"]) == (3, 7, "swiftship")
    assert (fine["level"], fine["tx"], fine["logger"]) == ("debug", "ab", "driver")
    assert library["event"] == "another voice"
    assert last == "last words"


def test_a_full_disk_a_deaf_reader_and_no_reader_at_all_are_survived() -> None:
    with Path("/dev/full").open("w") as full:
        assert run(stderr=full).returncode == 0
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert run(stderr=writing).returncode == 0
    finally:
        os.close(writing)
    assert run(preexec_fn=lambda: os.close(2)).returncode == 0


# ---------------------------------------------------------------- levels


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def test_a_level_ends_by_itself() -> None:
    clock = Clock()
    levels = Levels("info", clock)
    levels.set("driver", "debug", 600)
    assert (levels.of("driver"), levels.of("sync")) == ("debug", "info")
    clock.now_s += 599.5
    assert levels.of("driver") == "debug"
    clock.now_s += 0.5
    assert levels.of("driver") == "info"
    assert levels.describe()["loggers"]["driver"] == {"level": "info", "for_s": None}


def test_a_level_of_its_own_wins_over_that_of_all() -> None:
    levels = Levels("info")
    levels.set(None, "error", None)
    levels.set("sync", "debug", None)
    assert [levels.of(name) for name in ("sync", "driver", None)] == ["debug", "error", "error"]
    levels.set("sync", None, None)
    assert levels.of("sync") == "error"


def test_every_logger_of_the_node_can_be_set() -> None:
    named = set()
    for path in (ROOT / "node").rglob("*.py"):
        for part in path.read_text().split('structlog.get_logger("')[1:]:
            named.add(part.partition('"')[0])
    assert named <= set(LOGGERS), "a logger that /loglevel does not know"


# ---------------------------------------------------------------- repeats


def written(repeats: Repeats, event: str, **fields: object) -> structlog.typing.EventDict | None:
    try:
        return repeats(SimpleNamespace(name="network"), "warning", {"event": event, **fields})
    except structlog.DropEvent:
        return None


def test_a_line_again_and_again_is_held_back_and_counted() -> None:
    clock = Clock()
    repeats = Repeats(clock)
    lines = [written(repeats, f"its proposal in view {view} is refused", peer=3) for view in range(100)]
    kept = [line for line in lines if line is not None]
    assert len(kept) == REPEATS_MAX
    assert [line.get("more_held_back_s") for line in kept] == [None] * (REPEATS_MAX - 1) + [round(REPEAT_S)]
    assert written(repeats, "its proposal in view 7 is refused", peer=2) is not None, "another member's"
    assert written(repeats, "something else", peer=3) is not None
    clock.now_s += REPEAT_S
    again = written(repeats, "its proposal in view 100 is refused", peer=3)
    assert again is not None
    assert again["held_back"] == 100 - REPEATS_MAX


def test_what_is_remembered_of_lines_is_bounded() -> None:
    repeats = Repeats(Clock())
    for number in range(REPEATED_KEPT_MAX + 50):
        written(repeats, "x" * (number + 1))
    assert len(repeats._seen) == REPEATED_KEPT_MAX


# ---------------------------------------------------------------- what must never be in a log


SECRET_NAMES = ("seed", "private", "passphrase", "envelope", "payload", "body", "args", "signature", "source")


@pytest.mark.parametrize("path", sorted((ROOT / "node").rglob("*.py")), ids=lambda path: path.name)
def test_no_line_is_given_a_key_or_a_payload(path: Path) -> None:
    """Guards the calls themselves; what real nodes write is searched in tests/operator/test_logs.py."""
    for part in path.read_text().split("log.")[1:]:
        if part.partition("(")[0] in ("debug", "info", "warning", "error"):
            call = part.partition("\n    ")[0]
            assert not [name for name in SECRET_NAMES if f"{name}=" in call], call
