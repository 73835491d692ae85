"""The wheel: built from what git holds, installed by the lock into an empty environment, run elsewhere."""

import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from tests.interpreters import ROOT, UV, make_environment, run

PACKAGES = ("node", "consensus", "contracts", "api")

IMPORT_EVERYTHING = f"""
import importlib, pkgutil
for package in {PACKAGES}:
    package = importlib.import_module(package)
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        name = module.name
        if not name.startswith("contracts.library.") and not name.endswith(("__main__", "pytest_plugin")):
            importlib.import_module(name)
"""


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
    folder = tmp_path_factory.mktemp("environment")
    commands = make_environment(request.param, folder / "venv")
    run(*UV, "pip", "install", "--python", folder / "venv", "--no-deps", wheel, folder=folder)
    return commands


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
@pytest.mark.timeout(900)
def test_installed_wheel_imports_without_a_warning(installed: Path, tmp_path: Path) -> None:
    run(installed / "python", "-W", "error", "-c", IMPORT_EVERYTHING, folder=tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_installed_command_helps(installed: Path, tmp_path: Path) -> None:
    assert "demo" in run(installed / "quorate", "--help", folder=tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_installed_wheel_does_the_main_job(installed: Path, tmp_path: Path) -> None:
    """Four nodes from the wheel, away from the sources; `--exit` gives 0 only when all is as it should be."""
    told = run(installed / "quorate", "demo", "--exit", "--data", tmp_path / "demo", folder=tmp_path)
    assert "Everything is as it should be" in told
