"""`quorate contract check | test | simulate | explain | sheet`: what an author does before deploying."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from node.commands.console import DataOption, NodeOption, good, say, say_json
from node.commands.contracts import FileArgument
from node.commands.session import connect
from node.commands.sources import is_sheet, mistakes, read_source, read_text, say_problems, source_of
from node.errors import CommandFailed, ConfigurationError

SCENARIO_SUFFIX = ".steps"
LanguageOption = Annotated[str, typer.Option("--language", help="en or nl.")]


def check(
    files: Annotated[list[Path], typer.Argument(help="Contracts (.py) or rule sheets (.yaml).")],
) -> None:
    """Check contracts and rule sheets, without a node: every mistake, its place, what to write instead.

    Example:

        quorate contract check delivery_or_penalty.py
    """
    from contracts.compiler import compile_contract
    from contracts.errors import ContractError

    count = 0
    for file in files:
        text = read_text(file)
        try:
            program = compile_contract(source_of(file, text))
        except ContractError as error:
            count += len(error.problems)
            say_problems(file, text, error.problems)
            continue
        good(f"{file}: {program.name} is a valid contract: {program.text}")
        for heading, names in (
            ("terms", [f"{term.name}: {term.type}" for term in program.terms]),
            ("facts", [f"{fact.name}: {fact.type} by {fact.by}" for fact in program.facts]),
            ("actions", [action.name for action in program.actions]),
            ("rules", [rule.name for rule in program.rules]),
            ("queries", [query.name for query in program.queries]),
        ):
            if names:
                say(f"  {heading}: {', '.join(names)}")
    if count:
        raise mistakes(count)


def explain(
    file: FileArgument,
    language: LanguageOption = "en",
    svg: Annotated[
        Path | None, typer.Option("--svg", help="Write the picture of the phases here.", show_default=False)
    ] = None,
) -> None:
    """Tell a contract in sentences, English or Dutch, with a table and a picture of its phases.

    Example:

        quorate contract explain delivery_or_penalty.py --language nl --svg delivery.svg
    """
    from contracts.explain import explain as explain_source

    source = read_source(file)
    _check_source(file, source)
    told = explain_source(source, _language(language))
    say(told.text.rstrip("\n"))
    if svg is not None:
        if told.svg is None:
            raise CommandFailed(f"{told.program.name} has one phase only: there is nothing to draw")
        _write(svg, told.svg)
        say()
        good(f"The picture of the phases is in {svg}.")


def sheet(file: FileArgument, language: LanguageOption = "en") -> None:
    """Show a contract, or a rule sheet, as a rule sheet in English or Dutch.

    Example:

        quorate contract sheet delivery_or_penalty.py --language nl
    """
    from contracts.sheets import DoesNotFit, show_sheet, show_source

    chosen = _language(language)
    source = read_source(file)
    if is_sheet(file):
        say(show_sheet(read_text(file), chosen).rstrip("\n"))
        return
    _check_source(file, source)
    try:
        say(show_source(source, chosen).rstrip("\n"))
    except DoesNotFit as reason:
        raise CommandFailed(f"{file}:{reason.line}: no rule sheet: {reason.text}") from None


def source(file: FileArgument) -> None:
    """Print the contract that a rule sheet is: exactly what `deploy` puts on the chain.

    Example:

        quorate contract source loan.yaml
    """
    say(read_source(file).rstrip("\n"))


def schema(file: FileArgument) -> None:
    """Print JSON Schemas of a contract's terms, actions, facts, queries and events, for integrators.

    Example:

        quorate contract schema delivery_or_penalty.py > schema.json
    """
    from contracts.compiler import compile_contract
    from contracts.schema import schema_of
    from contracts.system.code_approval import code_id

    text = read_source(file)
    _check_source(file, text)
    say_json(schema_of(code_id(text), compile_contract(text)))


def run_tests(
    file: FileArgument,
    tests: Annotated[
        list[Path] | None,
        typer.Argument(help="Test files (.py) and scenarios (.steps); those beside the contract by default."),
    ] = None,
) -> None:
    """Test a contract without a node: run `test_NAME.py` with pytest, and play `NAME.steps`, beside it.

    Example:

        quorate contract test delivery_or_penalty.py
    """
    source = read_source(file)
    _check_source(file, source)
    beside = [file.with_name(f"test_{file.stem}.py"), file.with_suffix(SCENARIO_SUFFIX)]
    chosen = tests or [path for path in beside if path.is_file()]
    if not chosen:
        raise ConfigurationError(f"there is neither {beside[0]} nor {beside[1]}: write one of them")
    failed = [path for path in chosen if not _passes(path, source)]
    if failed:
        raise CommandFailed(f"{', '.join(map(str, failed))} failed")


def simulate(
    contract_or_instance: Annotated[
        str, typer.Argument(help="File with the contract, or an instance of a running node.")
    ],
    scenario: Annotated[
        Path | None, typer.Argument(help="File with steps; without it they are read as you type them.")
    ] = None,
    node: NodeOption = None,
    data: DataOption = None,
) -> None:
    """Try a contract step by step on a chain in memory; or an instance of a running node.

    Steps are lines as `buyer calls fund`, `wait 2d`, `why`; docs/authors.md lists them. On a running node
    nothing is committed: each step says what it would do now.

    Example:

        quorate contract simulate delivery_or_penalty.py late.steps

        quorate contract simulate order-1
    """
    from consensus.transactions import is_name

    lines = read_text(scenario).splitlines() if scenario is not None else None
    file = Path(contract_or_instance)
    if not file.is_file() and is_name(contract_or_instance):
        from node.commands.scenario_on_node import NodeSteps

        with connect(node, data) as client:
            _play(NodeSteps(client, contract_or_instance), lines)
        return
    from contracts.compiler import compile_contract
    from node.commands.scenario import Scenario

    source = read_source(file)
    _check_source(file, source)
    _play(Scenario(compile_contract(source), say, _words(file, source)), lines)


def _play(player: Any, lines: list[str] | None) -> None:
    """Perform steps from a file, which end at the first that fails, or from whoever types them."""
    from node.commands.scenario import StepFailed

    if lines is not None:
        for number, line in enumerate(lines, 1):
            if line.strip() and not line.lstrip().startswith("#"):
                say(f"> {line.strip()}", strong=True)
                try:
                    player.step(line)
                except (StepFailed, ConfigurationError) as error:
                    raise CommandFailed(f"line {number}: {error}") from None
        return
    if sys.stdin.isatty():
        say("One step a line, as `buyer calls fund`; quit ends.")
    for line in sys.stdin:
        if line.strip() in ("quit", "exit"):
            return
        try:
            player.step(line)
        except (StepFailed, ConfigurationError, CommandFailed) as error:
            say(f"  {error}")


def _passes(path: Path, source: str) -> bool:
    """Whether a test file or a scenario does."""
    if path.suffix == SCENARIO_SUFFIX:
        return _scenario_passes(path, source)
    if not path.is_file():
        raise ConfigurationError(f"there is no {path}")
    found = subprocess.run([sys.executable, "-c", "import pytest"], capture_output=True, check=False)
    if found.returncode:
        raise ConfigurationError(f"{path} is run by pytest, which is not installed: pip install pytest")
    plugins = ("-p", "contracts.pytest_plugin", "-p", "no:cacheprovider")
    command = [sys.executable, "-m", "pytest", "-q", *plugins, "--rootdir", str(path.parent), str(path)]
    return subprocess.run(command, check=False).returncode == 0


def _scenario_passes(path: Path, source: str) -> bool:
    from contracts.compiler import compile_contract
    from node.commands.scenario import Scenario, StepFailed

    told: list[str] = []
    player = Scenario(compile_contract(source), told.append)
    for number, line in enumerate(read_text(path).splitlines(), 1):
        try:
            player.step(line)
        except (StepFailed, ConfigurationError) as error:
            say(f"{path}:{number}: {line.strip()}", strong=True)
            say(f"  {error}")
            return False
    good(f"{path}: as it says, {len(player.chain.receipts)} transactions and timers")
    return True


def _check_source(file: Path, source: str) -> None:
    """Show the mistakes of a contract, if it has any. Raises: CommandFailed."""
    from contracts.compiler import check as check_text

    problems = check_text(source)
    if problems:
        say_problems(file, source, problems)
        raise mistakes(len(problems))


def _words(file: Path, source: str) -> dict[str, str]:
    """Conditions in the words of the rule sheet that the file is; none for a contract."""
    from contracts.explain import conditions
    from contracts.sheets import language_of

    return conditions(source, language_of(read_text(file)).code) if is_sheet(file) else {}


def _language(code: str) -> str:
    from contracts.sheets.words import LANGUAGES

    if code not in LANGUAGES:
        raise ConfigurationError(f"{code!r}: write --language {' or '.join(LANGUAGES)}")
    return code


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text)
    except OSError as error:
        raise ConfigurationError(f"cannot write {file}: {error}") from None


def add_to(group: typer.Typer) -> None:
    """Give `quorate contract` these commands."""
    group.command("check")(check)
    group.command("explain")(explain)
    group.command("sheet")(sheet)
    group.command("source")(source)
    group.command("schema")(schema)
    group.command("test")(run_tests)
    group.command("simulate")(simulate)
