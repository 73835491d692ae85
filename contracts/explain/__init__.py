"""A contract for people: in sentences, English or Dutch, and its phases as a table and as a picture.

told = explain(source, "en")
told.text                    # the sentences, with the table of phases
told.svg                     # the picture of the phases; None where there is one phase only
"""

from __future__ import annotations

from dataclasses import dataclass

from contracts.compiler import compile_contract
from contracts.explain.diagram import draw
from contracts.explain.phases import Transition, transitions
from contracts.explain.sentences import Sentences
from contracts.language.module_reader import read_declarations
from contracts.language.parser import parse
from contracts.language.problems import Problems
from contracts.program import Program
from contracts.sheets.words import BY_CODE


@dataclass(frozen=True)
class Explanation:
    """A contract, told; `transitions` are the rows of the table and the arrows of the picture."""

    program: Program
    text: str
    transitions: tuple[Transition, ...]
    svg: str | None


def conditions(source: str, language: str) -> dict[str, str]:
    """Every condition of every rule as it is written, and in words. Raises: ContractError."""
    program = compile_contract(source)
    declared = read_declarations(parse(source), Problems())
    return dict(Sentences(program, declared, BY_CODE[language]).conditions())


def explain(source: str, language: str) -> Explanation:
    """Tell a contract in a language (en or nl). Raises: ContractError."""
    program = compile_contract(source)
    declared = read_declarations(parse(source), Problems())
    sentences = Sentences(program, declared, BY_CODE[language])
    rows = tuple(transitions(declared))
    labels = [sentences.transition(row) for row in rows]
    title = f"{program.name}: {sentences.say('phases')}"
    svg = draw(title, program.phases, rows, labels) if len(program.phases) > 1 else None
    return Explanation(program, "\n".join(sentences.lines(rows, labels)) + "\n", rows, svg)
