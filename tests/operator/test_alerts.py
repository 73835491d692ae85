"""deploy/: every query is well formed and finds what a node serves; each rule fires for its reason only.

The evaluator is our own (`promql`); Prometheus' promtool is not at hand here.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from node.demo.partner import Partner, wait_until
from node.documents import read_json
from tests.consortium.four import Consortium
from tests.operator import promql
from tests.operator.promql import BadQuery, Binary, Call, Scrape, Selector

ROOT = Path(__file__).parents[2]
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "quorate.json").read_text())
TARGET = {"job": "quorate", "instance": "127.0.0.1:7760"}
STEP_S = 15


def dashboard_queries() -> list[tuple[str, str]]:
    """(title, expression) with the variables filled in."""
    return [
        (panel["title"], target["expr"].replace("$instance", ".*"))
        for panel in DASHBOARD["panels"]
        for target in panel.get("targets", ())
    ]


QUERIES = [(rule["alert"], rule["expr"]) for rule in RULES] + dashboard_queries()


# ---------------------------------------------------------------- against running nodes


def metrics(node: Partner) -> str:
    return httpx.get(f"{read_json(node.seat.home / 'node.json')['ops_url']}/metrics", timeout=30).text


@pytest.fixture(scope="module")
def history(consortium: Consortium) -> list[Scrape]:
    """Two scrapes of a node that has seen transactions, all partners, and their clocks."""
    node = consortium.bank
    assert wait_until(lambda: metrics(node).count("quorate_clock_offset_seconds{") == 3, 60)
    first = promql.scrape(time.monotonic(), metrics(node), TARGET)
    for amount in range(1, 4):
        consortium.transfer(node, "greenfarm", amount)
    return [first, promql.scrape(time.monotonic() + 1, metrics(node), TARGET)]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "text"), QUERIES, ids=[name for name, _ in QUERIES])
def test_every_query_names_what_a_node_serves(history: list[Scrape], name: str, text: str) -> None:
    node = promql.parse(text)
    _, served = history[-1]
    for selector in promql.selectors(node):
        series = served.get(selector.name, {})
        assert series, f"{name}: no running node serves {selector.name}"
        known = {label for key in series for label, _ in key}
        wanted = {label for label, _, _ in selector.conditions}
        assert wanted <= known, f"{name}: {selector.name} has no label {wanted - known}"
    grouped = promql.labels_of(node)
    known = {
        label for selector in promql.selectors(node) for key in served[selector.name] for label, _ in key
    }
    assert grouped <= known, f"{name}: nothing has the labels {grouped - known}"
    promql.evaluate(node, history)


@pytest.mark.slow
@pytest.mark.parametrize(("title", "text"), dashboard_queries())
def test_every_panel_has_something_to_show(history: list[Scrape], title: str, text: str) -> None:
    """Guards a query that is well formed and can never find anything."""
    assert promql.evaluate(promql.parse(text), history) != {}, title


@pytest.mark.slow
def test_a_healthy_node_raises_no_alarm(consortium: Consortium, history: list[Scrape]) -> None:
    """What a busy machine makes look ill for a moment passes; what others write to its disk is theirs."""
    raised: dict[str, Any] = {}
    disk = "quorate_disk_free_bytes"

    def is_silent() -> bool:
        at_s, served = promql.scrape(time.monotonic(), metrics(consortium.bank), TARGET)
        served[disk] = history[0][1][disk]
        now = [history[0], (at_s, served)]
        raised.update({rule["alert"]: promql.evaluate(promql.parse(rule["expr"]), now) for rule in RULES})
        return not any(raised.values())

    assert wait_until(is_silent, 60), {name: found for name, found in raised.items() if found}


@pytest.mark.slow
def test_every_legend_names_a_label(history: list[Scrape]) -> None:
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            found = promql.evaluate(promql.parse(target["expr"].replace("$instance", ".*")), history)
            assert isinstance(found, dict)
            named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert all(named <= {label for label, _ in key} for key in found), panel["title"]


# ---------------------------------------------------------------- each rule fires for its reason


Healthy = dict[str, float]
HEALTHY: Healthy = {
    "up": 1, "quorate_up": 1, "quorate_consensus_waiting_seconds": 0, "quorate_execution_lag_blocks": 0,
    "quorate_catch_up_target_height": 0, "quorate_consensus_missing_validators": 0,
    "quorate_consensus_validators": 4, "quorate_diverged_validators": 0, "quorate_disk_free_bytes": 10 << 30,
    "quorate_clock_offset_seconds": 0.01, "quorate_consensus_byzantine_validators": 0,
}  # fmt: skip
Course = Callable[[int], Healthy]
"""What differs from a healthy node, so many seconds after the fault."""


def firing(rule: dict[str, Any], course: Course, lasts_s: int) -> bool:
    """Whether an alarm is raised at the end of so many seconds, as Prometheus does: `for` that long without
    a break."""
    span = rule.get("for", "0s")
    for_s = int(span[:-1]) * {"s": 1, "m": 60, "h": 3600}[span[-1]]
    node, history, since_s = promql.parse(rule["expr"]), list[Scrape](), None
    for at_s in range(0, lasts_s + 1, STEP_S):
        values = HEALTHY | course(at_s)
        history.append((at_s, {name: {frozenset(TARGET.items()): value} for name, value in values.items()}))
        holds = bool(promql.evaluate(node, history))
        since_s = (at_s if since_s is None else since_s) if holds else None
    return since_s is not None and lasts_s - since_s >= for_s


def constant(**values: float) -> Course:
    return lambda _: values


CASES: dict[str, list[tuple[Course, int, bool]]] = {
    "QuorateNodeDown": [
        (constant(up=0), 60, True),
        (constant(up=0), 45, False),
        (constant(quorate_up=0), 60, True),
        (constant(), 600, False),
    ],
    "QuorateStalled": [
        (lambda at: {"quorate_consensus_waiting_seconds": at}, 135, True),
        (lambda at: {"quorate_consensus_waiting_seconds": at}, 105, False),
        (lambda at: {"quorate_consensus_waiting_seconds": at % 60}, 600, False),
    ],
    "QuorateExecutionBehind": [
        (constant(quorate_execution_lag_blocks=17), 300, True),
        (constant(quorate_execution_lag_blocks=17, quorate_catch_up_target_height=900), 600, False),
        (constant(quorate_execution_lag_blocks=16), 600, False),
    ],
    "QuorateMemberLost": [
        (constant(quorate_consensus_missing_validators=1), 300, True),
        (constant(quorate_consensus_missing_validators=1), 285, False),
    ],
    "QuorateQuorumLost": [
        (constant(quorate_consensus_missing_validators=2), 60, True),
        (constant(quorate_consensus_missing_validators=1), 600, False),
        (constant(quorate_consensus_missing_validators=2, quorate_consensus_validators=7), 600, False),
        (constant(quorate_consensus_missing_validators=3, quorate_consensus_validators=7), 60, True),
        (constant(quorate_consensus_missing_validators=1, quorate_consensus_validators=3), 60, True),
    ],
    "QuorateDiverged": [(constant(quorate_diverged_validators=1), 0, True), (constant(), 600, False)],
    "QuorateDiskFilling": [
        (constant(quorate_disk_free_bytes=2**30 - 1), 900, True),
        (constant(quorate_disk_free_bytes=2**30), 1800, False),
        (lambda at: {"quorate_disk_free_bytes": 10 * 2**30 - at * 50_000}, 3600, True),
        (lambda at: {"quorate_disk_free_bytes": 10 * 2**30 - at * 10_000}, 3600, False),
    ],
    "QuorateDiskFull": [
        (constant(quorate_disk_free_bytes=2**28 - 1), 0, True),
        (constant(quorate_disk_free_bytes=2**28), 600, False),
    ],
    "QuorateClockWrong": [
        (constant(quorate_clock_offset_seconds=-0.6), 120, True),
        (constant(quorate_clock_offset_seconds=0.6), 120, True),
        (constant(quorate_clock_offset_seconds=0.5), 600, False),
    ],
    "QuorateEquivocation": [
        (constant(quorate_consensus_byzantine_validators=1), 0, True),
        (constant(), 600, False),
    ],
}  # fmt: skip


def test_every_rule_is_tried() -> None:
    assert {rule["alert"] for rule in RULES} == set(CASES)
    for name, cases in CASES.items():
        assert {fires for _, _, fires in cases} == {True, False}, name


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_a_rule_fires_for_its_reason_and_rests_without(rule: dict[str, Any]) -> None:
    for course, lasts_s, fires in CASES[rule["alert"]]:
        assert firing(rule, course, lasts_s) is fires, (rule["alert"], course(lasts_s), lasts_s)


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_an_alarm_leads_to_its_runbook(rule: dict[str, Any]) -> None:
    page = ROOT / rule["annotations"]["runbook"]
    assert page.is_file()
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert rule["annotations"]["summary"]
    index = (page.parent / "README.md").read_text()
    (row,) = [line for line in index.splitlines() if f"`{rule['alert']}`" in line]
    assert f"({page.name}" in row


def test_every_page_that_a_panel_names_exists() -> None:
    named = set(re.findall(r"docs/runbooks/[\w-]+\.md", json.dumps(DASHBOARD)))
    assert len(named) >= 5
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_panels_do_not_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


# ---------------------------------------------------------------- the evaluator itself


def test_expressions_are_read_by_rank() -> None:
    assert promql.parse("a > 1 + 2 * 3 and b") == Binary(
        "and",
        Binary(">", Selector("a", ()), Binary("+", 1.0, Binary("*", 2.0, 3.0))),
        Selector("b", ()),
    )
    assert promql.parse('sum by (x) (rate(a{y=~"b.*"}[5m]))') == Call(
        "sum", (Call("rate", (Selector("a", (("y", "=~", "b.*"),), 300),)),), ("x",)
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a >",
        "a b",
        "(a",
        "rate(a[5m]",
        "rate(a[5x])",
        "irate(a[5m])",
        "a{b}",
        "abs(a, b)",
        "a{b=c}",
        "a[5m] $",
    ],
)
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(BadQuery):
        promql.parse(text)


def test_what_an_expression_gives() -> None:
    def at(time_s: float, **values: float) -> Scrape:
        return time_s, {name: {frozenset({("p", "x")}): value} for name, value in values.items()}

    key = frozenset({("p", "x")})
    history = [at(0, a=10, b=1), at(10, a=30, b=5)]
    for text, wanted in {
        "a": {key: 30.0}, "a > 30": {}, "a >= 30": {key: 30.0}, "a - b": {key: 25.0}, "c": {},
        "rate(a[5m])": {key: 2.0}, "rate(a[5s])": {}, "predict_linear(a[5m], 10)": {key: 50.0},
        "a and b > 9": {}, "a unless b > 9": {key: 30.0}, "c or b": {key: 5.0}, 'a{p!="x"}': {},
        "abs(b - a)": {key: 25.0},
    }.items():  # fmt: skip
        assert promql.evaluate(promql.parse(text), history) == wanted, text
