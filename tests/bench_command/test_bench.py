"""`quorate bench` on real nodes, and what its report makes of a measurement."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from node.bench.report import as_json, in_words, per_second, picture, quantile
from node.bench.run import SECONDS_MAX, SIGNED_MAX, Plan, Result, measure
from node.bench.usage import Usage
from node.cli import app
from node.errors import ConfigurationError


def test_two_nodes_carry_what_is_posted(tmp_path: Path) -> None:
    """All that is posted is committed, and the figures belong together."""
    drawn = tmp_path / "bench.svg"
    load = ["--nodes", "2", "--rate", "40", "--batch", "4", "--seconds", "3", "--warm-up", "1"]
    done = CliRunner().invoke(app, ["bench", *load, "--json", "--svg", str(drawn)])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["posted"] == found["accepted"] == found["committed"] == 160
    assert found["failed"] == 0
    assert sum(found["per_second"]) == pytest.approx(found["rate"] * 3)
    assert 0 < found["committed_ms"]["samples"] <= 2 * 10 * 3
    assert found["accepted_ms"]["p50"] <= found["committed_ms"]["p50"]
    assert len(found["nodes"]) == 2
    for node in found["nodes"]:
        assert node["cpu_s"] > 0
        assert node["memory_mib_max"] > 10
        assert node["disk_bytes_per_transaction"] > 300, "the signed bytes alone are more"
    assert ElementTree.parse(drawn).getroot().tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.parametrize("batch", [1, 50])
def test_as_many_as_they_take(batch: int, tmp_path: Path) -> None:
    plan = Plan(nodes=1, rate=0, batch=batch, seconds=1, warm_up_s=0)
    result = measure(plan, tmp_path / "network", lambda _: None)
    assert result.committed == result.accepted > 0
    assert result.failed == 0


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        (Plan(4, 10, 1, SECONDS_MAX, 1), "540 s at most"),
        (Plan(1, SIGNED_MAX / 10, 1, 11, 0), "ask for less"),
    ],
)
def test_what_cannot_be_signed_beforehand_is_refused(plan: Plan, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=says):
        measure(plan, tmp_path / "network", lambda _: None)


RESULT = Result(
    plan=Plan(nodes=2, rate=100, batch=10, seconds=3, warm_up_s=1),
    limit=1_000,
    posted=400,
    accepted=400,
    overloaded=7,
    failed=0,
    committed=400,
    steady=300,
    accepted_s=[0.001 * place for place in range(1, 101)],
    committed_s=[0.01 * place for place in range(1, 101)],
    blocks=[(0.1, 50), (0.9, 50), (1.5, 80), (2.0, 120)],
    nodes=[Usage(0.04, 100.0, 400_000), Usage(0.08, 120.0, 410_000)],
    generators_cpu_s=0.5,
    elapsed_s=4.0,
)


def test_the_figures_are_those_of_the_measured_time() -> None:
    found = as_json(RESULT)
    assert (found["rate"], found["of_limit"]) == (100.0, 0.1)
    assert found["committed_ms"] == {"p50": 500.0, "p95": 950.0, "p99": 990.0, "p100": 1000.0, "samples": 100}
    assert per_second(RESULT) == [100, 80, 120]
    assert [node["cpu_us_per_transaction"] for node in found["nodes"]] == [100.0, 200.0]
    assert any("7 times asked to come again" in line for line in in_words(RESULT))
    assert picture(RESULT).count("<rect") == 3 + 40


def test_quantiles_at_their_edges() -> None:
    assert quantile([], 50) == 0.0
    assert [quantile([1.0], each) for each in (1, 50, 100)] == [1.0] * 3
    assert [quantile([1.0, 2.0], each) for each in (50, 51, 100)] == [1.0, 2.0, 2.0]
