"""The shape of the whole: who may import whom, what a core may do, and what may not be committed."""

import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.purity import asserts, findings

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("node", "api", "contracts", "consensus")
CORES = ("contracts", "consensus")
LIBRARY = ROOT / "contracts" / "library"


def modules(*packages: str) -> list[Path]:
    """Modules of the packages, except the library's contracts: those are checked by the contract checker."""
    found = [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]
    return [path for path in found if path.parent != LIBRARY]


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def lint_imports(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = (str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache", *options)
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_import_contracts_are_kept() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("contract", "module", "statement"),
    [
        ("layers", "consensus/intruder.py", "import contracts"),
        ("layers", "contracts/intruder.py", "import api"),
        ("layers", "api/intruder.py", "import node"),
        ("vocabulary", "contracts/intruder.py", "import consensus.machinery"),
        ("pure-cores", "consensus/intruder.py", "import time"),
        ("pure-cores", "contracts/system/intruder.py", "from random import randint"),
        ("one-store", "node/intruder.py", "import plyvel"),
        ("one-network", "api/intruder.py", "from libp2p import new_host"),
        ("asyncio-api", "api/pages/intruder.py", "import trio"),
    ],
)
def test_each_import_contract_catches_a_breach(
    tmp_path: Path, contract: str, module: str, statement: str
) -> None:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "consensus" / "machinery.py").touch()
    (tmp_path / module).write_text(f"{statement}\n")
    result = lint_imports(tmp_path, "--contract", contract)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "intruder" in result.stdout


def test_no_other_distribution_owns_our_package_names() -> None:
    """The names are plain words: a dependency that brings a `node` of its own would shadow or break ours."""
    owners = packages_distributions()
    assert {package for package in PACKAGES if set(owners[package]) != {"quorate"}} == set()


@pytest.mark.parametrize("path", modules(*CORES), ids=relative)
def test_core_computes_the_same_everywhere(path: Path) -> None:
    assert findings(path.read_text()) == []


@pytest.mark.parametrize("path", modules(*PACKAGES), ids=relative)
def test_product_code_has_no_assert(path: Path) -> None:
    assert asserts(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "ratio = 0.5",
        "ratio = float(text)",
        "ratio = part / whole",
        "ratio /= whole",
        "slot = hash(key) % 8",
        "order = sorted(items, key=id)",
        "try: f()\nexcept: pass",
        "try: f()\nexcept Exception: pass",
        "try: f()\nexcept (ValueError, BaseException): pass",
        "for x in {1, 2}: f(x)",
        "rows = [x for x in set(names)]",
        "rows = list(frozenset(names))",
        "text = ','.join({str(x) for x in names})",
        "pair = (*{1, 2},)",
        "shared = [k for k in a.keys() & b.keys()]",
        "def f(names: set[str]):\n    return [x for x in names]",
        "def f(names: frozenset[str] | None):\n    for x in names: g(x)",
        "def f():\n    names = set()\n    for x in names: g(x)",
        "def f():\n    names = set()\n    return names.pop()",
        "class C:\n    seen: set[int]\n    def f(self):\n        return tuple(self.seen)",
        "def f(self):\n    self.seen = set()\ndef g(self):\n    return {x: 1 for x in self.seen}",
    ],
)
def test_purity_finds(source: str) -> None:
    assert len(findings(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "half = whole // 2",
        "for x in sorted({1, 2}): f(x)",
        "total = sum(weight[x] for x in {1, 2})",
        "rows = sorted(f(x) for x in set(names))",
        "doubled = {2 * x for x in {1, 2}}",
        "known = x in {1, 2}",
        "for x in names.keys(): f(x)",
        "def f(names: list[str]):\n    return [x for x in names]",
        "def f():\n    names = set()\ndef g(names: list[str]):\n    for x in names: h(x)",
        "class C:\n    seen: set[int]\n    def f(self):\n        return sorted(self.seen)",
        "try: f()\nexcept ValueError: pass",
        "rows.pop()",
    ],
)
def test_purity_accepts(source: str) -> None:
    assert findings(source) == []


def test_asserts_are_found() -> None:
    assert asserts("x = 1\nassert x\n") == [2]


REGISTRY_HOSTS = [
    ".".join(labels)
    for labels in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("crates", "io"),
        ("golang", "org"),
        ("maven", "org"),
        ("deb", "debian", "org"),
        ("docker", "io"),
        ("ghcr", "io"),
    )
]


def committed_files() -> list[Path]:
    """Files that git holds or would take."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = (ROOT / name for name in listing.stdout.split("\0") if name)
    return [path for path in paths if path.is_file()]


def test_no_file_names_a_registry_or_a_machine() -> None:
    """Whoever clones this may use a mirror, and has other paths."""
    homes = [f"/{folder}/" for folder in ("root", "work")]
    forbidden = [text.encode() for text in (*REGISTRY_HOSTS, *homes)]
    files = committed_files()
    assert ROOT / "pyproject.toml" in files
    found = [
        (relative(path), text.decode())
        for path in files
        for content in (path.read_bytes(),)
        for text in forbidden
        if text in content
    ]
    assert found == []
