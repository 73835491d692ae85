"""Every limit at its edge: what is just allowed compiles and runs, one more is refused with its place."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable

import pytest

from contracts.compiler import check, compile_contract
from contracts.language.limits import (
    ARGUMENTS_MAX,
    BLOCK_DEPTH_MAX,
    BRACKET_DEPTH_MAX,
    BRANCHES_MAX,
    CALL_DEPTH_MAX,
    DEFINITIONS_MAX,
    DISPLAY_ITEMS_MAX,
    EXPRESSION_DEPTH_MAX,
    INTEGER_DIGITS_MAX,
    LOOP_DEPTH_MAX,
    NAME_LENGTH_MAX,
    PARAMETERS_MAX,
    SOURCE_BYTES_MAX,
)
from contracts.values import INT_MAX, TEXT_BYTES_MAX
from tests.contracts_lang.digest import deepest_source
from tests.contracts_lang.sources import HEADER, answer, host_of, members, method

FRAMES_MAX = 500
"""Frames that compiling the deepest source may need; Python allows a thousand in all."""


def nested_blocks(count: int) -> str:
    """A method whose innermost statement is `count` blocks deep, the class and the method included."""
    lines = [" " * depth + "if self.count == 0:" for depth in range(count - 2)]
    return method("\n".join([*lines, " " * (count - 2) + "self.count = 1"]))


def nested_loops(count: int) -> str:
    lines = [" " * depth + f"for i{depth} in range(2):" for depth in range(count)]
    return method("\n".join([*lines, " " * count + "self.count += 1"]))


def chain_of_calls(count: int) -> str:
    calls = [f"def f{n}(self) -> int:\n    return self.f{n + 1}()" for n in range(count - 1)]
    return members("\n".join([*calls, f"def f{count - 1}(self) -> int:\n    return 1"]))


def branches(count: int) -> str:
    tests = [f"{'elif' if n else 'if'} self.count == {n}:\n    self.note = 'x'" for n in range(count)]
    return method("\n".join(tests))


def parameters(count: int) -> str:
    return members(f"def f(self, {', '.join(f'p{n}: int' for n in range(count))}) -> int:\n    return 1")


EDGES: dict[str, tuple[Callable[[int], str], int, str]] = {
    "name": (lambda n: method(f"{'n' * n} = 1"), NAME_LENGTH_MAX, "a name has at most"),
    "digits": (lambda n: method(f"x = {'9' * n}"), INTEGER_DIGITS_MAX - 1, "larger than 2^255 - 1"),
    "brackets": (
        lambda n: method(f"x = {'(' * n}1{')' * n}"),
        BRACKET_DEPTH_MAX,
        "brackets are nested deeper",
    ),
    "blocks": (nested_blocks, BLOCK_DEPTH_MAX, "blocks are nested deeper"),
    "loops": (nested_loops, LOOP_DEPTH_MAX, "loops are nested deeper"),
    "sum": (
        lambda n: method(f"x = 1{' + 1' * (n - 1)}"),
        EXPRESSION_DEPTH_MAX,
        "the expression is nested deeper",
    ),
    "minus": (
        lambda n: method(f"x = {'-' * (n - 1)}1"),
        EXPRESSION_DEPTH_MAX,
        "the expression is nested deeper",
    ),
    "not": (
        lambda n: method(f"x = {'not ' * (n - 1)}True"),
        EXPRESSION_DEPTH_MAX,
        "the expression is nested deeper",
    ),
    "branches": (branches, BRANCHES_MAX, "an `if` has at most"),
    "parameters": (parameters, PARAMETERS_MAX, "parameters"),
    "arguments": (lambda n: method(f"x = max({', '.join('1' * n)})"), 8, "is not available"),
    "too many arguments": (
        lambda n: (
            method(f"x = self.f({', '.join('1' * n)})\n")
            + parameters(min(n, PARAMETERS_MAX)).removeprefix(HEADER)
        ),
        ARGUMENTS_MAX,
        "at most 16 arguments",
    ),
    "items": (lambda n: method(f"x = [{', '.join('1' * n)}]"), DISPLAY_ITEMS_MAX, "at most 256 items"),
    "definitions": (
        lambda n: "\n".join([f"C{i} = 1" for i in range(n - 1)] + ["class A(Contract):\n    pass"]),
        DEFINITIONS_MAX,
        "a module has at most",
    ),
    "members": (
        lambda n: "class A(Contract):\n" + "\n".join(f"    c{i}: int = 0" for i in range(n)),
        DEFINITIONS_MAX,
        "a class has at most",
    ),
    "calls": (chain_of_calls, CALL_DEPTH_MAX, "calls methods more than"),
    "text": (lambda n: method(f"x = '{'a' * n}'"), TEXT_BYTES_MAX, "a text has at most"),
    "joined text": (
        lambda n: method(f"x = ('{'a' * (n - 1)}'\n    'b')"),
        TEXT_BYTES_MAX,
        "a text has at most",
    ),
    "source": (
        lambda n: method("x = 1") + "\n#" + "." * (n - len(method("x = 1")) - 2),
        SOURCE_BYTES_MAX,
        "the source",
    ),
}


@pytest.mark.parametrize("name", EDGES)
def test_edge(name: str) -> None:
    make, limit, text = EDGES[name]
    assert check(make(limit)) == []
    compile_contract(make(limit))
    problems = check(make(limit + 1))
    assert len(problems) == 1, [str(problem) for problem in problems]
    assert text in problems[0].text


def test_the_largest_integer_can_be_written() -> None:
    assert len(str(INT_MAX)) == INTEGER_DIGITS_MAX
    assert answer(f"return {INT_MAX}", "int") == INT_MAX


def test_the_source_may_be_bytes_and_a_limit_counts_them() -> None:
    source = method("x = 1")
    assert compile_contract(source.encode()).code_hash == compile_contract(source).code_hash
    assert "bytes; at most" in check(b"#" * (SOURCE_BYTES_MAX + 1))[0].text


def test_the_deepest_source_needs_few_frames() -> None:
    """A RecursionError would be a fault of ours, and it would depend on who calls the compiler."""
    before, depth = sys.getrecursionlimit(), len(inspect.stack(0))
    sys.setrecursionlimit(depth + FRAMES_MAX)
    try:
        compile_contract(deepest_source())
    finally:
        sys.setrecursionlimit(before)


@pytest.mark.parametrize("opening", ["(", "[", "{", "-", "not ", "f(", "x[", "x.y(", "1 if x else ", "1 ** "])
@pytest.mark.parametrize("where", ["x = ", "class A(Contract):\n    x: ", "if "])
def test_bottomless_sources_are_refused_with_a_place(opening: str, where: str) -> None:
    problems = check(where + opening * 3_000)
    assert len(problems) == 1
    assert problems[0].line >= 1


def test_bottomless_blocks_are_refused_with_a_place() -> None:
    source = "".join(" " * depth + "if x:\n" for depth in range(200))
    assert "nested deeper" in check(source)[0].text


def test_the_deepest_call_runs() -> None:
    program = compile_contract(
        chain_of_calls(CALL_DEPTH_MAX) + "\n    @query\n    def q(self) -> int:\n        return 1"
    )
    assert program.run_query("q", host_of(program), ()) == 1
