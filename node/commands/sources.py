"""Files that authors write: contracts in Python, and rule sheets in YAML, which are contracts as well."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from node.commands.console import say
from node.errors import CommandFailed, ConfigurationError

if TYPE_CHECKING:
    from contracts.errors import Problem

SHEET_SUFFIXES = (".yaml", ".yml")
SHOWN_CHARACTERS = 100
"""Of the line of a mistake; a longer one is cut around its place."""


def read_text(file: Path) -> str:
    """What is in a file. Raises: ConfigurationError."""
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {file}: {error}") from None


def is_sheet(file: Path) -> bool:
    """True for a rule sheet."""
    return file.suffix in SHEET_SUFFIXES


def source_of(file: Path, text: str) -> str:
    """The source of the contract that a file is. Raises: ContractError."""
    from contracts.sheets import compile_sheet

    return compile_sheet(text).source if is_sheet(file) else text


def read_source(file: Path) -> str:
    """The source of the contract in a file, as it goes on the chain.

    Raises: ConfigurationError; CommandFailed for a rule sheet with mistakes, which are shown.
    """
    from contracts.errors import ContractError

    text = read_text(file)
    try:
        return source_of(file, text)
    except ContractError as error:
        say_problems(file, text, error.problems)
        raise mistakes(len(error.problems)) from None


def mistakes(count: int) -> CommandFailed:
    """The error that says how many there are."""
    return CommandFailed(f"{count} mistake{'s' if count > 1 else ''}")


def say_problems(file: Path, text: str, problems: Iterable[Problem]) -> None:
    """Every mistake with its place, its line, and a mark below where it is."""
    lines = text.split("\n")
    for problem in problems:
        say(f"{file}:{problem.line}:{problem.column}: {problem.text}", strong=True)
        line = lines[problem.line - 1] if problem.line <= len(lines) else ""
        if line.strip():
            first = max(0, problem.column - 1 - SHOWN_CHARACTERS * 2 // 3)
            shown = "".join(
                character if character.isprintable() else " " for character in line[first:]
            )[:SHOWN_CHARACTERS]  # fmt: skip
            margin = len(str(problem.line)) + 2
            say(f"  {problem.line} | {shown.rstrip()}")
            say(f"{' ' * margin} | {' ' * (problem.column - 1 - first)}^")
