"""The pages without a browser: whole without a script, escaped, from the wheel alone."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

import api.pages
from api.gateway import Refused
from api.pages.words import in_words
from api.signing import id_of
from tests.api.conftest import Make
from tests.api.memory_gateway import MEMBERS, MemoryGateway

pytestmark = pytest.mark.anyio
FOLDER = Path(api.pages.__file__).parent


async def test_the_chain_is_whole_without_a_script(client: httpx.AsyncClient, transfer: Make) -> None:
    await client.post("/v1/transactions", json=transfer("77"))
    text = (await client.get("/")).text
    assert re.search(r'id="height">1<', text)
    assert "greenfarm sends 77 euro to bolt" in text
    assert all(title.replace("&", "&amp;") in text for _, title in MEMBERS)
    assert "delivered and delivered ≤ deadline" in text
    assert "pay price to seller" in text


async def test_a_transaction_shows_the_sentence_before_the_json(
    client: httpx.AsyncClient, transfer: Make
) -> None:
    submission = transfer("77")
    await client.post("/v1/transactions", json=submission)
    text = (await client.get(f"/transactions/{id_of(submission['transaction'])}")).text
    assert 0 < text.index("greenfarm sends 77 euro to bolt") < text.index("&#34;signatures&#34;")


async def test_a_transaction_on_its_way_and_a_failed_one_have_pages(
    client: httpx.AsyncClient, gateway: MemoryGateway, transfer: Make
) -> None:
    failing = transfer("99999999")
    await client.post("/v1/transactions", json=failing)
    text = (await client.get(f"/transactions/{id_of(failing['transaction'])}")).text
    assert 'href="/problems/funds"' in text
    gateway.instant = False
    waiting = transfer()
    await client.post("/v1/transactions", json=waiting)
    page = await client.get(f"/transactions/{id_of(waiting['transaction'])}")
    assert page.status_code == 200
    assert "pending" in page.text


async def test_an_instance_shows_terms_rules_and_state_in_words(client: httpx.AsyncClient) -> None:
    text = (await client.get("/instances/deal")).text
    for part in (
        "250\u2009000 euro",
        "2026-01-08",
        "1.5 %",
        "30 days",
        "bolt: 2",
        "not yet",
        "millers signed",
    ):
        assert part in text
    assert text.index("If</b> delivered") < text.index("&#34;terms&#34;")
    assert re.search(r"delivered ≤ deadline <span class=\"state\">can not be told yet</span>", text)


@pytest.mark.parametrize(
    "path", ["/transactions/none", f"/transactions/{'ab' * 32}", "/instances/none", "/problems/nothing"]
)
async def test_what_is_not_there_is_said_on_a_page(client: httpx.AsyncClient, path: str) -> None:
    page = await client.get(path)
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert "Back to the chain" in page.text


async def test_a_node_that_is_not_ready_says_so_on_a_page(
    client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    gateway.down = Refused(503, "unavailable", "the node is catching up: <b>7</b> blocks")
    page = await client.get("/")
    assert page.status_code == 503
    assert "&lt;b&gt;7&lt;/b&gt;" in page.text


async def test_what_others_wrote_is_text_and_never_markup(
    client: httpx.AsyncClient, gateway: MemoryGateway, transfer: Make
) -> None:
    evil = "<script>alert(1)</script>"
    await client.post("/v1/transactions", json=transfer(evil))
    listed = await gateway.transactions(None, 1)
    for path in ("/", f"/transactions/{listed[0]['id']}"):
        text = (await client.get(path)).text
        assert evil not in text
        assert "&lt;script&gt;alert(1)" in text


def test_nothing_comes_from_elsewhere() -> None:
    for path in FOLDER.rglob("*.*"):
        if path.suffix in (".html", ".css", ".js", ".svg"):
            addresses = re.findall(r"(?:https?:)?//[a-z][\w.]+", path.read_text())
            assert set(addresses) <= {"http://www.w3.org"}, path
            assert not re.search(r"\sstyle=|\son\w+=|<style|javascript:", path.read_text()), path


async def test_assets_are_served_and_change_their_address_when_they_change(client: httpx.AsyncClient) -> None:
    text = (await client.get("/")).text
    assets = re.findall(r'(?:src|href)="(/static/[^"]+)"', text)
    assert {path.partition("?")[0] for path in assets} == {
        "/static/icon.svg", "/static/style.css", "/static/live.js",
    }  # fmt: skip
    for path in assets:
        assert re.search(r"\?v=[0-9a-f]{12}$", path)
        assert (await client.get(path)).status_code == 200
    assert (await client.get("/static/../routes.py")).status_code == 404
    assert (await client.get("/static/%2e%2e/routes.py")).status_code == 404


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("self.delivered and self.delivered <= self.deadline", "delivered and delivered ≤ deadline"),
        ("now() > self.deadline + self.give_up", "now > deadline + give up"),
        ("self.pay(self.seller, self.price - penalty)", "pay price \u2212 penalty to seller"),
        ("self.take(self.buyer, self.price)", "take price from buyer"),
        ("penalty = min(self.rate.of(self.price) * days, self.cap.of(self.price))",
         "penalty = min(rate of price \u00d7 days, cap of price)"),
        ('self.close("on_time <= self.x", self.price * 0)', 'close("on_time <= self.x", price \u00d7 0)'),
        ("not self.delivered", "not delivered"),
        ("x not in self.parties", "x not in parties"),
        ("self.winner is not None", "winner is known"),
        ("self.votes[sender()] == 3", "votes[the sender] is 3"),
        ("myself.x_1", "myself.x 1"),
        ("", ""),
    ],
)  # fmt: skip
def test_source_in_words(source: str, words: str) -> None:
    assert in_words(source) == words
