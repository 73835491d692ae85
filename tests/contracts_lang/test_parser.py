"""Our parser reads a subset of Python: what it accepts, Python's own parser accepts too, as the same tree."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import pytest

from contracts.errors import ContractError
from contracts.language import syntax
from contracts.language.parser import parse
from tests.contracts_lang.digest import deepest_source, sources

PROGRAMS, MUTATIONS = 100, 500

Shape = Any
"""A tree as nested tuples: a kind and its parts."""

OURS: dict[type, tuple[str, ...]] = {
    syntax.Name: ("name", "name"),
    syntax.Attribute: ("attribute", "owner", "name"),
    syntax.Subscript: ("subscript", "owner", "index"),
    syntax.Call: ("call", "function", "arguments", "named"),
    syntax.Negative: ("-", "operand"),
    syntax.Not: ("not", "operand"),
    syntax.Binary: ("@sign", "left", "right"),
    syntax.Logic: ("@word", "operands"),
    syntax.Compare: ("compare", "first", "rest"),
    syntax.Conditional: ("conditional", "test", "value", "otherwise"),
    syntax.ListDisplay: ("list", "items"),
    syntax.TupleDisplay: ("tuple", "items"),
    syntax.DictDisplay: ("dict", "items"),
    syntax.Evaluate: ("expression", "value"),
    syntax.Assign: ("@sign", "target", "annotation", "value"),
    syntax.Delete: ("del", "target"),
    syntax.While: ("while", "condition", "body"),
    syntax.Return: ("return", "value"),
    syntax.Break: ("break",),
    syntax.Continue: ("continue",),
    syntax.Pass: ("pass",),
    syntax.Parameter: ("parameter", "name", "annotation"),
    syntax.Function: ("def", "name", "decorators", "parameters", "returns", "body"),
    syntax.Class: ("class", "name", "bases", "body"),
}
PYTHONS: dict[type, tuple[str, ...]] = {
    ast.Name: ("name", "id"),
    ast.Attribute: ("attribute", "value", "attr"),
    ast.Subscript: ("subscript", "value", "slice"),
    ast.Slice: ("slice", "lower", "upper"),
    ast.Call: ("call", "func", "args", "keywords"),
    ast.UnaryOp: ("@op", "operand"),
    ast.BinOp: ("@op", "left", "right"),
    ast.BoolOp: ("@op", "values"),
    ast.IfExp: ("conditional", "test", "body", "orelse"),
    ast.List: ("list", "elts"),
    ast.Tuple: ("tuple", "elts"),
    ast.Expr: ("expression", "value"),
    ast.AnnAssign: ("=", "target", "annotation", "value"),
    ast.For: ("for", "target", "iter", "body"),
    ast.While: ("while", "test", "body"),
    ast.If: ("if", "test", "body", "orelse"),
    ast.Return: ("return", "value"),
    ast.Break: ("break",),
    ast.Continue: ("continue",),
    ast.Pass: ("pass",),
    ast.arg: ("parameter", "arg", "annotation"),
    ast.ClassDef: ("class", "name", "bases", "body"),
}
SIGNS: dict[type, str] = {
    ast.USub: "-",
    ast.Not: "not",
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "in",
    ast.NotIn: "not in",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.BitOr: "|",
    ast.And: "and",
    ast.Or: "or",
}
"""`@name` in the tables above is the sign that the attribute `name` holds."""


def by_table(table: dict[type, tuple[str, ...]], node: Any, shape: Callable[[Any], Shape]) -> Shape:
    kind, *names = table[type(node)]
    if kind.startswith("@"):
        kind = shape(getattr(node, kind[1:]))
    return (kind, *(shape(getattr(node, name)) for name in names))


def ours(node: Any) -> Shape:
    """The shape of a tree of ours."""
    match node:
        case None | str():
            return node
        case tuple():
            return tuple(map(ours, node))
        case syntax.Literal():
            return ("value", repr(node.value))
        case syntax.Documentation():
            return ("expression", ("value", repr(node.value)))
        case syntax.IsNone():
            sign = "is not" if node.negative else "is"
            return ("compare", ours(node.operand), ((sign, ("value", "None")),))
        case syntax.Maybe():
            return ("|", ours(node.inner), ("value", "None"))
        case syntax.Slice():
            return ("subscript", ours(node.owner), ("slice", ours(node.first), ours(node.last)))
        case syntax.Import():
            return ("import", node.module, tuple(name.name for name in node.names))
        case syntax.For():
            names: Shape = ours(node.names)
            target = ("tuple", names) if len(names) > 1 else names[0]
            return ("for", target, ours(node.iterable), ours(node.body))
        case syntax.If():
            rest: Shape = ours(node.otherwise) or ()
            for test in reversed(node.tests):
                rest = (("if", ours(test.condition), ours(test.body), rest),)
            return rest[0]
    return by_table(OURS, node, ours)


def pythons(node: Any) -> Shape:
    """The shape of a tree of Python's."""
    match node:
        case None | str():
            return node
        case list() | tuple():
            return tuple(map(pythons, node))
        case ast.Constant():
            return ("value", repr(node.value))
        case ast.keyword():
            return (node.arg, pythons(node.value))
        case ast.Compare():
            return (
                "compare",
                pythons(node.left),
                pythons(list(zip(node.ops, node.comparators, strict=True))),
            )
        case ast.Dict():
            return ("dict", pythons(list(zip(node.keys, node.values, strict=True))))
        case ast.Assign(targets=[target]):
            return ("=", pythons(target), None, pythons(node.value))
        case ast.AugAssign():
            return (pythons(node.op) + "=", pythons(node.target), None, pythons(node.value))
        case ast.Delete(targets=[target]):
            return ("del", pythons(target))
        case ast.ImportFrom(level=0):
            return ("import", node.module, tuple(alias.name for alias in node.names))
        case ast.FunctionDef():
            parts = (node.decorator_list, node.args.args, node.returns, node.body)
            return ("def", node.name, *map(pythons, parts))
    return SIGNS.get(type(node)) or by_table(PYTHONS, node, pythons)


@pytest.mark.filterwarnings("error")
def test_what_we_accept_python_reads_as_the_same_tree() -> None:
    accepted = 0
    for source in sources(PROGRAMS, MUTATIONS):
        if source == deepest_source():
            continue  # deeper than these recursive functions go
        try:
            tree = parse(source)
        except ContractError:
            continue
        accepted += 1
        assert ours(tree) == pythons(ast.parse(source).body), source
    assert accepted > PROGRAMS + MUTATIONS // 10


def test_texts_of_conditions_and_statements_are_as_written_in_one_line() -> None:
    source = (
        "if (a and  # why\n"
        "        b <= f( x,\n            y )):\n"
        "    self.pay( a , b )  # pays\n"
        "    for k in t:\n        c += 1\n        d = -2\n"
    )
    (statement,) = parse(source)
    assert isinstance(statement, syntax.If)
    assert statement.tests[0].text == "(a and b <= f( x, y ))"
    assert [step.text for step in statement.tests[0].body] == [
        "self.pay( a , b )",
        "for k in t: c += 1; d = -2",
    ]
