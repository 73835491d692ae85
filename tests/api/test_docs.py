"""docs/api.md: its example runs, and what it names exists."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from api import access, probes, stream, submissions, transactions
from api.catalogue import CATALOGUE
from api.schemas import Problem
from consensus.transactions import CALLS_MAX, GAS_LIMIT_DEFAULT, canonical_json
from tests.api.memory_gateway import MemoryGateway, seed_of
from tests.api.test_openapi import EXPECTED

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "api.md").read_text()


@pytest.mark.usefixtures("clocks_agree")
def test_the_python_example_runs(
    base_url: str, gateway: MemoryGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = re.findall(r"<!-- run -->\n```python\n(.*?)```", TEXT, re.DOTALL)
    exec(compile(example, "docs/api.md", "exec"), {"url": base_url, "seed": seed_of("greenfarm")})
    sent, event = capsys.readouterr().out.splitlines()
    assert sent.endswith("committed ok None")
    assert event.startswith("1 transferred")
    assert gateway.balances["bolt"] == 2500


def test_every_path_that_the_page_names_exists() -> None:
    named = set(re.findall(r"`(?:GET |POST )?(/(?:v1|livez|readyz|metrics|version)[^`?]*)", TEXT))
    patterns = [re.sub(r"\\{\w+\\}", r"[^/]+", re.escape(path)) for path in EXPECTED]
    assert {path for path in named if not any(re.fullmatch(pattern, path) for pattern in patterns)} == {"/v1"}


def test_the_limits_that_the_page_names_are_those_of_the_code() -> None:
    for told in (
        f"up to {submissions.BATCH_COUNT_MAX:,} at once",
        f"({access.STREAMS_MAX} and {access.WAITS_MAX:,})",
        f"(a transaction {transactions.SUBMIT_BYTES_MAX >> 10} KiB",
        f"batch {transactions.BATCH_BYTES_MAX >> 20} MiB",
        f"at most {probes.BLOCKS_BEHIND_MAX}\nblocks behind",
        f"every {stream.HEARTBEAT_S:.0f} s",
        f"1 to {CALLS_MAX}, executed",
        f"{GAS_LIMIT_DEFAULT:,} where",
    ):
        assert told in TEXT, told
    assert stream.STALLED_MAX_S == 60, "a minute"


def test_the_example_of_a_problem_is_one() -> None:
    (example,) = re.findall(r"```json\n(\{\n  \"type\".*?)```", TEXT, re.DOTALL)
    problem = Problem.model_validate_json(example)
    known = CATALOGUE[problem.code]
    assert (problem.title, problem.status, problem.hint) == (known.title, known.status, known.remedy)


def test_the_example_of_a_transaction_is_in_canonical_order() -> None:
    (example,) = re.findall(r"```json\n(\{\n  \"calls\".*?)```", TEXT, re.DOTALL)
    assert json.dumps(json.loads(example), separators=(",", ":")).encode() == canonical_json(
        json.loads(example)
    )


def test_links_lead_somewhere() -> None:
    for page in ("api.md", "openssl.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", (DOCS / page).read_text()):
            assert (DOCS / target).exists(), f"{page}: {target}"
