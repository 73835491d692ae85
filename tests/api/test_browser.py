"""The page in headless Chromium: live without a reload, without errors, on a phone, by keyboard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

from api.app import create_app
from api.client import Account, Call, Client
from tests.api.conftest import serving
from tests.api.memory_gateway import MemoryGateway, signer_of
from tests.browser import MARKS

pytestmark = MARKS
GREENFARM = Account("greenfarm", signer_of("greenfarm"))
BOLT = Account("bolt", signer_of("bolt"))


@pytest.fixture
def page(browser: Browser, base_url: str) -> Iterator[Page]:
    """A page that must not complain, nor ask anyone but the node; closed before the node stops."""
    context = browser.new_context()
    page = context.new_page()
    complaints: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(message.text)

    def on_request(request: Request) -> None:
        if not request.url.startswith(base_url):
            complaints.append(request.url)

    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", on_console)
    page.on("request", on_request)
    yield page
    context.close()
    assert complaints == []


@pytest.fixture
def node(base_url: str, clocks_agree: None) -> Iterator[Client]:
    with Client(base_url) as client:
        yield client


def _send(node: Client, amount: str) -> str:
    return node.send(GREENFARM, [Call("euro", "transfer", {"to": "bolt", "amount": amount})]).id


def test_the_page_shows_the_chain_and_stays_live(
    page: Page, node: Client, base_url: str, gateway: MemoryGateway
) -> None:
    _send(node, "11")
    page.goto(base_url)
    expect(page.locator("#height")).to_have_text("1")
    expect(page.locator("#members tbody tr")).to_have_count(4)
    expect(page.locator("#members")).to_contain_text("Bolt Logistics")
    expect(page.locator("#instances article")).to_have_count(2)
    expect(page.locator("#instances")).to_contain_text("If delivered and delivered ≤ deadline")
    expect(page.locator("#live")).to_have_text("live")
    # From here on nothing is reloaded: the page must hear of it by itself.
    page.evaluate("window.kept = true")
    _send(node, "22")
    expect(page.locator("#height")).to_have_text("2")
    expect(page.locator("#transactions tbody tr").first).to_contain_text("greenfarm sends 22 euro to bolt")
    expect(page.locator("#transactions tbody tr")).to_have_count(2)
    node.send(BOLT, [Call("deal", "report", {"fact": "delivered"})])
    expect(page.locator("#instances .state", has_text="holds now")).to_have_count(1)
    gateway.connected = {"citybank", "millers"}
    expect(page.locator("#members tbody tr", has_text="Bolt")).to_contain_text("unreachable", timeout=60_000)
    assert page.evaluate("window.kept") is True


def test_an_update_keeps_focus_and_what_was_opened(page: Page, node: Client, base_url: str) -> None:
    identifier = _send(node, "11")
    page.goto(base_url)
    expect(page.locator("#live")).to_have_text("live")
    link = page.locator(f'a[href="/transactions/{identifier}"]')
    link.focus()
    _send(node, "22")
    expect(page.locator("#height")).to_have_text("2")
    expect(link).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/transactions/{identifier}")
    page.locator("summary").click()
    expect(page.locator("pre")).not_to_be_visible()
    expect(page.locator("#live")).to_have_text("live")
    page.wait_for_timeout(500)
    expect(page.locator("pre")).not_to_be_visible()


def test_a_transaction_and_an_instance_open_by_their_address(page: Page, node: Client, base_url: str) -> None:
    identifier = node.send(BOLT, [Call("deal", "report", {"fact": "delivered"})]).id
    page.goto(f"{base_url}/transactions/{identifier}")
    expect(page.locator("#sentence")).to_have_text("bolt calls report of deal")
    expect(page.locator("#rules")).to_contain_text("Because delivered and delivered ≤ deadline")
    expect(page.locator("#rules .parts")).to_contain_text("delivered ≤ deadline held")
    sentence, json = page.locator("#sentence").bounding_box(), page.locator("pre").bounding_box()
    assert sentence is not None
    assert json is not None
    assert sentence["y"] < json["y"]
    page.get_by_role("link", name="deal").click()
    page.wait_for_url("**/instances/deal")
    expect(page.get_by_role("heading", level=1)).to_contain_text("deal")
    expect(page.locator("#rules")).to_contain_text("pay price to seller")


def test_the_page_says_when_the_node_is_away_and_comes_back(browser: Browser, gateway: MemoryGateway) -> None:
    page = browser.new_page()
    with serving(create_app(gateway)) as url:
        port = int(url.rpartition(":")[2])
        page.goto(url)
        expect(page.locator("#live")).to_have_text("live")
    expect(page.locator("#live")).to_have_text("reconnecting")
    gateway.restart()
    with serving(create_app(gateway), port):
        expect(page.locator("#live")).to_have_text("live", timeout=60_000)
        page.close()


def test_the_page_fits_a_phone_and_the_dark(browser: Browser, node: Client, base_url: str) -> None:
    _send(node, "11")
    context = browser.new_context(viewport={"width": 360, "height": 740}, is_mobile=True, color_scheme="dark")
    page = context.new_page()
    for path in ("/", "/instances/deal", "/docs", "/problems"):
        page.goto(base_url + path)
        page.wait_for_load_state("load")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} scrolls sideways"
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert sum(map(int, ground.strip("rgb()").split(","))) < 150
    context.close()


CONTRAST = """() => {
  // Every piece of text against the first opaque ground behind it, by the formula of WCAG 2.
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    const [ink, behind] = [light(parse(getComputedStyle(element).color)), light(ground(element))];
    const contrast = (Math.max(ink, behind) + 0.05) / (Math.min(ink, behind) + 0.05);
    if (contrast < 4.5) poor.push(walker.currentNode.data.trim());
  }
  return poor;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(browser: Browser, node: Client, base_url: str, scheme: str) -> None:
    _send(node, "11")
    _send(node, "99999999")
    context = browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce"
    )
    page = context.new_page()
    for path in ("/", "/instances/deal", "/docs", "/problems/gas"):
        page.goto(base_url + path)
        page.wait_for_load_state("networkidle" if path == "/docs" else "load")
        assert page.evaluate(CONTRAST) == [], path
    context.close()


def test_all_of_the_page_can_be_reached_by_keyboard(page: Page, node: Client, base_url: str) -> None:
    identifier = _send(node, "11")
    page.goto(base_url)
    reached = []
    for _ in range(14):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("document.activeElement.getAttribute('href') ?? document.activeElement.className")
        )
    assert reached[0] == "#main"
    assert {"/docs", "/instances/deal", "/instances/euro", "scroll", f"/transactions/{identifier}"} <= set(
        reached
    )


def test_the_document_of_the_api_can_be_read_and_tried(page: Page, node: Client, base_url: str) -> None:
    _send(node, "11")
    page.goto(f"{base_url}/docs")
    operations = sum(len(item) for item in node.get("/openapi.json")["paths"].values())
    expect(page.locator("details.operation")).to_have_count(operations)
    block = page.locator("details", has=page.locator("code.path", has_text="/v1/blocks/{height}"))
    block.locator("summary").click()
    expect(block).to_contain_text("Its hash is its ETag")
    expect(block.get_by_role("link", name="unknown_block")).to_be_visible()
    block.get_by_label("height").fill("1")
    block.get_by_role("button", name="Send").click()
    expect(block.get_by_role("status")).to_contain_text('"transaction_count": 1')
    explain = page.locator("details", has=page.locator("code.path", has_text="/v1/transactions/explain"))
    explain.locator("summary").click()
    expect(explain).to_contain_text("CallBody")
    body = explain.get_by_label("Body, JSON")
    body.fill(body.input_value().replace("quorate-demo-0011223344556677", node.get("/v1/status")["chain"]))
    explain.get_by_role("button", name="Send").click()
    expect(explain.get_by_role("status")).to_contain_text("greenfarm sends 2500 euro to bolt")
