"""The page of a real node in a real browser, and the OpenSSL page against a real chain."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.api import openssl_page
from tests.browser import MARKS
from tests.consortium.four import Consortium

pytestmark = [pytest.mark.slow, *MARKS]


def test_the_page_is_live_on_a_real_chain(consortium: Consortium, browser: Browser) -> None:
    source = consortium.partners[1]
    page = browser.new_page()
    page.goto(consortium.partners[3].seat.api_url)
    expect(page.locator("#live")).to_have_text("live")
    expect(page.locator("#members tbody tr")).to_have_count(4)
    expect(page.locator("#members")).to_contain_text("Green Farm")
    done = consortium.transfer(source, "millworks", 1234)
    expect(page.locator("#transactions tbody tr").first).to_contain_text("greenfarm")
    expect(page.locator("#transactions tbody tr").first).to_contain_text("1234")
    page.goto(f"{source.seat.api_url}/transactions/{done.id}")
    expect(page.locator("#sentence")).to_contain_text("greenfarm")
    page.goto(f"{source.seat.api_url}/instances/euro")
    expect(page.get_by_role("heading", level=1)).to_contain_text("euro")
    page.close()


def test_openssl_and_curl_write_to_a_real_chain(consortium: Consortium, tmp_path: Path) -> None:
    partner = consortium.partners[2]
    printed = openssl_page.run(
        partner.seat.api_url, partner.name, partner.seat.keys.path("administrator"), tmp_path
    )
    assert printed.count('"outcome":"ok"') == 4
    consortium.assert_equal_execution()
    assert httpx.get(f"{consortium.bank.seat.api_url}/v1/accounts/{partner.name}.erp", timeout=60).is_success
