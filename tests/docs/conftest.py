"""What the tests of the documents share: a folder as a reader has it, with a development node that runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from node.documents import read_json
from node.ports import free_ports
from tests.cli.support import running
from tests.docs.pages import ROOT

DEV = "quorate dev --data my-chain"
"""How every page starts the node that it works with."""
PAGE_URL = "http://127.0.0.1:7750"
PAGE_OPS_URL = "http://127.0.0.1:7760"


@dataclass(frozen=True)
class Workshop:
    """A reader's folder with the documents, the contracts, and `my-chain`, whose node answers at `url`."""

    folder: Path
    url: str
    ops_url: str

    @property
    def replace(self) -> dict[str, str]:
        """What differs from the pages here."""
        return {PAGE_URL: self.url, PAGE_OPS_URL: self.ops_url}


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    folder = tmp_path_factory.mktemp("workshop")
    for name in ("docs", "contracts"):
        (folder / name).symlink_to(ROOT / name)
    port = free_ports(1)[0]
    url = f"http://127.0.0.1:{port}"
    command = ("dev", "--data", folder / "my-chain", "--api-port", str(port))
    with running(*command, url=url, log=folder / "dev.log"):
        yield Workshop(folder, url, read_json(folder / "my-chain" / "node.json")["ops_url"])
