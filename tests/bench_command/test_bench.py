"""`quorate bench` on real nodes, and what its report makes of a measurement."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import cast
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from api.signing import id_of
from node.bench.report import as_json, in_words, per_second, picture, quantile
from node.bench.run import AHEAD_MAX, Plan, Result, load_tasks, measure
from node.bench.signing import Request, Task, signer
from node.bench.usage import Usage
from node.bench.watch import Seen, Watch
from node.cli import app
from node.demo.partner import Partner, wait_until
from node.demo.stage import Actor, build
from node.errors import CommandFailed


def test_two_nodes_carry_what_is_posted(tmp_path: Path) -> None:
    """All that is posted is committed, and the figures belong together."""
    drawn = tmp_path / "bench.svg"
    load = ["--nodes", "2", "--rate", "40", "--batch", "4", "--seconds", "3", "--warm-up", "1"]
    done = CliRunner().invoke(app, ["bench", *load, "--json", "--svg", str(drawn)])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["posted"] == found["accepted"] == found["committed"] == 160
    assert found["failed"] == 0
    assert sum(found["per_second"]) == pytest.approx(found["rate"] * 3, abs=0.2), "the rate is rounded"
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


def test_a_long_run_signs_as_it_goes(tmp_path: Path) -> None:
    """What is signed beforehand is for half a minute at most; in all it is as much as the load needs."""
    stage = build(tmp_path / "network", cast=[Actor("member01", "Member 1", "transfers")])
    partners = [Partner(seat) for seat in stage.seats]
    for plan, ahead, count in (
        (Plan(1, 2_500, 200, 20, 5), 25 * 2_500 + 200, 25 * 2_500 + 200),
        (Plan(1, 2_500, 200, 300, 5), 30 * 2_500 + 200, 305 * 2_500 + 200),
        (Plan(1, 0, 200, 300, 5), 30 * 4_000 + 200, None),
        (Plan(1, 50_000, 200, 300, 5), AHEAD_MAX + 200, 305 * 50_000 + 200),
    ):
        (task,) = load_tasks(plan, "chain", partners, limit=4_000)
        assert (task.ahead, task.count) == (ahead, count), plan
    partners[0].close()


TASK = Task("", "c" * 8, "ann", "11" * 32, "coin", "bob", 0, batch=3, seconds=1, count=100, ahead=30)


def test_what_is_signed_waits_within_its_bound() -> None:
    """10 requests to begin with; from the sixth on one more for each that is taken, to the end."""

    async def take_all() -> list[Request]:
        taken = []
        async with signer(TASK) as signing:
            await signing.filled()
            assert signing.waiting == 10
            for left in range(9, 4, -1):
                taken.append(await signing.take())
                assert signing.waiting == left
            while (request := await signing.take()) is not None:
                taken.append(request)
                assert signing.waiting <= 5
            assert await signing.take() is None, "however often one asks"
            assert signing.cpu_s > 0
        return [request for request in taken if request is not None]

    requests = asyncio.run(take_all())
    assert [len(request.ids) for request in requests] == [3] * 33 + [1]
    assert len({name for request in requests for name in request.ids}) == 100
    for request in requests:
        for name, submission in zip(request.ids, request.submissions, strict=True):
            assert id_of(json.loads(submission)["transaction"]) == name


def test_a_signer_without_end_goes_on_and_is_ended() -> None:
    async def take(count: int) -> int:
        async with signer(replace(TASK, count=None)) as signing:
            taken = [await signing.take() for _ in range(count)]
        return len({name for request in taken if request is not None for name in request.ids})

    assert asyncio.run(take(400)) == 1_200


def test_a_signer_that_dies_is_noticed() -> None:
    async def take_all() -> None:
        async with signer(replace(TASK, sender="", seed="")) as signing:
            await signing.filled()
            while await signing.take() is not None:
                pass

    with pytest.raises(CommandFailed, match="signs for the load ended"):
        asyncio.run(take_all())


def test_a_block_counts_from_when_it_was_seen() -> None:
    seen = Seen()
    assert seen.executed_s(1) is None
    for height, now_s in ((-1, 1.0), (5, 2.0), (5, 3.0), (4, 4.0), (9, 5.0)):
        seen.note(height, now_s)
    assert [seen.executed_s(height) for height in (1, 5, 6, 9, 10)] == [2.0, 2.0, 5.0, 5.0, None]


class _At:
    """A partner whose node stands at a height."""

    def __init__(self, height: int) -> None:
        self._height = height

    def height(self) -> int:
        return self._height


def test_a_block_counts_once_every_node_has_it() -> None:
    with Watch([cast(Partner, _At(5)), cast(Partner, _At(7))]) as watch:
        assert wait_until(lambda: watch.executed_s(5) is not None, 30)
    assert watch.executed_s(6) is None


RESULT = Result(
    plan=Plan(nodes=2, rate=100, batch=10, seconds=3, warm_up_s=1),
    limit=1_000,
    posted=400,
    accepted=400,
    overloaded=7,
    failed=0,
    committed=400,
    steady=300,
    ordered=330,
    accepted_s=[0.001 * place for place in range(1, 101)],
    committed_s=[0.01 * place for place in range(1, 101)],
    blocks=[(0.1, 50), (0.9, 50), (1.5, 80), (2.0, 120)],
    nodes=[Usage(0.04, 100.0, 400_000), Usage(0.08, 120.0, 410_000)],
    generators_cpu_s=0.5,
    signing_cpu_s=0.25,
    elapsed_s=4.0,
)


def test_the_figures_are_those_of_the_measured_time() -> None:
    found = as_json(RESULT)
    assert (found["rate"], found["ordered_rate"], found["of_limit"]) == (100.0, 110.0, 0.1)
    assert found["committed_ms"] == {"p50": 500.0, "p95": 950.0, "p99": 990.0, "p100": 1000.0, "samples": 100}
    assert per_second(RESULT) == [100, 80, 120]
    assert [node["cpu_us_per_transaction"] for node in found["nodes"]] == [100.0, 200.0]
    assert any("7 times asked to come again" in line for line in in_words(RESULT))
    assert any("0.5 s of processor to post and 0.2 s to sign meanwhile" in line for line in in_words(RESULT))
    assert picture(RESULT).count("<rect") == 3 + 40


def test_quantiles_at_their_edges() -> None:
    assert quantile([], 50) == 0.0
    assert [quantile([1.0], each) for each in (1, 50, 100)] == [1.0] * 3
    assert [quantile([1.0, 2.0], each) for each in (50, 51, 100)] == [1.0, 2.0, 2.0]
