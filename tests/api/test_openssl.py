"""docs/openssl.md works as it stands: a shell, OpenSSL and curl write to the chain."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path

import httpx
import pytest

from consensus.keys import Ed25519Signer
from tests.api import openssl_page
from tests.api.memory_gateway import MemoryGateway, seed_of

pytestmark = [
    pytest.mark.skipif(
        not shutil.which("openssl") or not shutil.which("curl"), reason="needs openssl and curl"
    ),
    pytest.mark.usefixtures("clocks_agree"),
]
_PKCS8 = bytes.fromhex("302e020100300506032b657004220420")


@pytest.fixture
def member_key(tmp_path: Path) -> Path:
    key = tmp_path / "administrator.pem"
    encoded = base64.b64encode(_PKCS8 + seed_of("greenfarm")).decode()
    key.write_text(f"-----BEGIN PRIVATE KEY-----\n{encoded}\n-----END PRIVATE KEY-----\n")
    return key


def test_the_page_registers_an_account_that_then_changes_its_key(
    base_url: str, gateway: MemoryGateway, member_key: Path, tmp_path: Path
) -> None:
    printed = openssl_page.run(base_url, "greenfarm", member_key, tmp_path)
    assert printed.count('"outcome":"ok"') == 4, "two postings, a status, and a repetition"
    assert gateway.height == 2, "the repetition had no second effect"
    account = httpx.get(f"{base_url}/v1/accounts/greenfarm.erp").json()
    assert account["keys"] == [_public_key(tmp_path / "new.pem")]
    signed_hex = (tmp_path / "signed.bin").read_bytes().hex()
    assert printed.count(signed_hex) == 2, "the node explains the same bytes as the shell signed"


def _public_key(pem: Path) -> str:
    der = base64.b64decode("".join(pem.read_text().splitlines()[1:-1]))
    return Ed25519Signer(der[-32:]).public_key.hex()


def test_a_wrong_key_fails_with_a_problem(base_url: str, member_key: Path, tmp_path: Path) -> None:
    """The page must not seem to work where it does not."""
    with pytest.raises(AssertionError, match="unauthorised"):
        openssl_page.run(base_url, "bolt", member_key, tmp_path)
