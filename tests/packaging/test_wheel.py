"""The wheel: built from what git holds, installed by the lock into an empty environment, run elsewhere."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("node", "consensus", "contracts", "api")
UV = (sys.executable, "-m", "uv", "--quiet")

IMPORT_EVERYTHING = f"""
import importlib, pkgutil
for package in {PACKAGES}:
    package = importlib.import_module(package)
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.startswith("contracts.library.") and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
"""


def run(*command: str | Path, folder: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git holds or would take, so that nothing else can reach the wheel."""
    folder = tmp_path_factory.mktemp("sources")
    for name in run("git", "ls-files", "-co", "--exclude-standard", folder=ROOT).splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = (*UV, "build", "--wheel", "--no-build-isolation", "--python", sys.executable)
    run(*build, "--out-dir", folder, folder=sources)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module", params=["3.11", "3.12"])
def installed(request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of commands of an environment that holds the runtime lock and the wheel, nothing more."""
    python = interpreter(request.param)
    folder = tmp_path_factory.mktemp("environment")
    setup, runtime = ROOT / "requirements-setup.lock", ROOT / "requirements.lock"
    install = (*UV, "pip", "install", "--python", folder / "venv", "--no-deps", "--no-build-isolation")
    run(*UV, "venv", "--python", python, folder / "venv", folder=folder)
    run(*install, "--require-hashes", "-r", setup, folder=folder)
    run(*install, "--require-hashes", "-r", runtime, folder=folder)
    run(*install, wheel, folder=folder)
    return folder / "venv" / "bin"


def interpreter(version: str) -> str:
    """The Python of a version, of this process or of the PATH; skips where the machine has none."""
    candidates = [sys.executable, shutil.which(f"python{version}")]
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    for candidate in filter(None, candidates):
        answer = subprocess.run([candidate, "-c", ask], capture_output=True, text=True, check=False)
        if answer.stdout.strip() == version:
            return candidate
    pytest.skip(f"no Python {version} on this machine")


def test_wheel_holds_every_file_of_the_packages_and_nothing_else(sources: Path, wheel: Path) -> None:
    """Templates, assets and the library's contracts are in; tests and tools are not."""
    expected = {
        path.relative_to(sources).as_posix()
        for package in PACKAGES
        for path in (sources / package).rglob("*")
        if path.is_file()
    }
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == expected


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_installed_wheel_imports_without_a_warning(installed: Path, tmp_path: Path) -> None:
    run(installed / "python", "-W", "error", "-c", IMPORT_EVERYTHING, folder=tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_installed_command_helps(installed: Path, tmp_path: Path) -> None:
    assert "demo" in run(installed / "quorate", "--help", folder=tmp_path)
