"""The standalone verifier of docs/, loaded as the file that it is."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2] / "docs"
STANDALONE = DOCS / "verify_proof.py"


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("verify_proof", STANDALONE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


standalone: Any = _load()
