"""Rule sheets: contracts as business people write them, in English or Dutch, with a closed grammar.

    made = compile_sheet(text)               # raises ContractError, told in the language of the sheet
    made.source                              # the contract that it is; this goes on the chain
    show_source(source, "nl")                # a contract as a sheet; raises DoesNotFit where it cannot be one

The same sheet gives the same source in either language, byte for byte. `docs/rulesheets.md` has the grammar.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from contracts.compiler import compile_contract
from contracts.errors import ContractError
from contracts.language.problems import START, Problems
from contracts.program import Program
from contracts.sheets import model
from contracts.sheets.checking import check_sheet
from contracts.sheets.from_source import DoesNotFit, read_source
from contracts.sheets.messages import Mistakes
from contracts.sheets.reading import language_of, read_sheet
from contracts.sheets.to_sheet import write_sheet
from contracts.sheets.to_source import write_source
from contracts.sheets.words import BY_CODE

__all__ = [
    "CompiledSheet",
    "DoesNotFit",
    "compile_sheet",
    "language_of",
    "show_sheet",
    "show_source",
    "source_of",
]


@dataclass(frozen=True)
class CompiledSheet:
    """A sheet without mistakes, and the contract that it is; `language` is en or nl."""

    sheet: model.Sheet
    language: str
    source: str
    program: Program


def compile_sheet(text: str) -> CompiledSheet:
    """The contract of a sheet. Raises: ContractError with every mistake, in the sheet's language."""
    sheet, mistakes = read_sheet(text)
    mistakes.problems.raise_if_any()
    kinds = check_sheet(sheet, mistakes)
    mistakes.problems.raise_if_any()
    source = write_source(sheet, kinds.answers)
    try:
        program = compile_contract(source.text)
    except ContractError as error:
        for problem in error.problems:
            place = source.places[problem.line - 1] if problem.line <= len(source.places) else START
            mistakes.add(place, "compiler", text=problem.text)
        raise ContractError(mistakes.problems.sorted()) from None
    return CompiledSheet(sheet, mistakes.language.code, source.text, program)


def source_of(text: str) -> str:
    """The source that a sheet gives. Raises: ContractError."""
    return compile_sheet(text).source


def show_sheet(text: str, language: str) -> str:
    """A sheet in a language, in its normal form. Raises: ContractError."""
    sheet, mistakes = read_sheet(text)
    mistakes.problems.raise_if_any()
    kinds = check_sheet(sheet, mistakes)
    mistakes.problems.raise_if_any()
    return write_sheet(sheet, kinds.moments, BY_CODE[language])


def show_source(source: str, language: str) -> str:
    """A contract as a sheet. Raises: ContractError; DoesNotFit where the grammar has no words for it."""
    program = compile_contract(source)
    sheet = read_source(source)
    mistakes = Mistakes(BY_CODE["en"], Problems())
    kinds = check_sheet(sheet, mistakes)
    problems = mistakes.problems.sorted()
    if problems:
        raise DoesNotFit(problems[0].line, problems[0].text)
    shown = write_sheet(sheet, kinds.moments, BY_CODE[language])
    try:
        again = compile_sheet(shown)
    except ContractError as error:
        raise DoesNotFit(1, str(error.problems[0])) from None
    if again.sheet != sheet or _declares(again.program) != _declares(program):
        raise DoesNotFit(1, "the sheet would say something else")
    return shown


def _declares(program: Program) -> tuple[object, ...]:
    """All that others see of a contract, but for its texts and places."""
    methods: tuple[Any, ...] = (*program.actions, *program.queries, *program.handlers)
    outside = [
        (spec.name, spec.parameters, getattr(spec, "by", ()), getattr(spec, "phases", ())) for spec in methods
    ]
    events = [(event.name, event.fields) for event in program.events]
    rules = [(rule.name, rule.phases, len(rule.branches)) for rule in program.rules]
    stored = (program.terms, program.fields, program.facts, program.phases)
    return (program.name, stored, outside, events, rules, program.interfaces, program.migration)
