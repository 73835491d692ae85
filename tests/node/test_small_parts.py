"""Clock and code cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.clock import Clock
from node.code_cache import CodeCache


def test_the_wall_clock_moves_forward_only_and_the_monotonic_one_not_at_all() -> None:
    clock = Clock()
    before = clock.now()
    moved_ms = clock.advance(86_400_000)
    after = clock.now()
    assert moved_ms - before.wall_ms >= 86_400_000
    assert after.wall_ms >= moved_ms
    assert after.mono_ms - before.mono_ms < 10_000
    with pytest.raises(ValueError, match="forward"):
        clock.advance(-1)


def test_the_code_cache_keeps_what_it_is_given_and_survives_a_bad_disk(tmp_path: Path) -> None:
    cache = CodeCache(tmp_path / "cache")
    key = bytes(range(32))
    assert cache.get(key) is None
    cache.put(key, b"code")
    assert CodeCache(tmp_path / "cache").get(key) == b"code"
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".code"], "no draft is left"
    (tmp_path / "file").write_text("not a folder")
    broken = CodeCache(tmp_path / "file")
    broken.put(key, b"code")
    assert broken.get(key) is None
