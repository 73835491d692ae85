"""Finds, in a core's source, what could make two nodes disagree.

A core must compute the same bytes on every node, whatever the machine, the Python version or the hash seed.
Imports are import-linter's business; this looks at the rest: floating point, values that differ from process
to process, handlers that turn a fault of ours into a result, and the order of sets.
"""

import ast
from collections.abc import Iterator
from typing import NamedTuple

SET_TYPES = {"set", "frozenset", "Set", "AbstractSet", "MutableSet"}
SET_METHODS = {"union", "intersection", "difference", "symmetric_difference"}
SET_OPERATORS = (ast.BitOr, ast.BitAnd, ast.Sub, ast.BitXor)
ORDER_FREE = {"sorted", "set", "frozenset", "sum", "len", "any", "all"}
ORDER_BOUND = {"list", "tuple", "iter", "enumerate", "zip", "map", "filter", "dict", "fromkeys", "join"}
BROAD_EXCEPTIONS = {"Exception", "BaseException"}

Scope = set[str]
"""Names and attributes (written `.name`) that hold sets."""


class Finding(NamedTuple):
    """One place that breaks a rule."""

    line: int
    rule: str


def findings(source: str) -> list[Finding]:
    """Every place in a module that breaks a rule of the cores, in the order of lines."""
    tree = ast.parse(source)
    visitor = _Purity(set_attributes(tree))
    visitor.visit(tree)
    return sorted(visitor.found)


def asserts(source: str) -> list[int]:
    """Lines that hold an `assert`, which `python -O` removes; product code calls `ensure()`."""
    return [node.lineno for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Assert)]


def set_attributes(tree: ast.Module) -> Scope:
    """Attributes that the module declares or fills as sets."""
    attributes: Scope = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            attributes |= {f".{name}" for name in _declared(node.body)}
        elif isinstance(node, ast.AnnAssign | ast.Assign):
            attributes |= {name for name in _assigned(node, set()) if name.startswith(".")}
    return attributes


class _Purity(ast.NodeVisitor):
    def __init__(self, attributes: Scope) -> None:
        self.found: list[Finding] = []
        self.scope = attributes
        self.order_free: list[ast.expr] = []

    def report(self, node: ast.stmt | ast.expr | ast.ExceptHandler, rule: str) -> None:
        self.found.append(Finding(node.lineno, rule))

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, float | complex):
            self.report(node, "floating-point literal")

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if isinstance(node.op, ast.Div):
            self.report(node, "true division gives a float")
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.op, ast.Div):
            self.report(node, "true division gives a float")
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if node.id in {"hash", "id"} and isinstance(node.ctx, ast.Load):
            self.report(node, f"{node.id}() differs from process to process")

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        if any(kind is None or _name(kind) in BROAD_EXCEPTIONS for kind in kinds):
            self.report(node, "a broad handler turns a fault of ours into a result")
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        outer, self.scope = self.scope, self.scope | _local_sets(node, self.scope)
        self.generic_visit(node)
        self.scope = outer

    def visit_For(self, node: ast.For) -> None:
        self.iterates(node.iter)
        self.generic_visit(node)

    def visit_Starred(self, node: ast.Starred) -> None:
        self.iterates(node.value)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        if node.iter not in self.order_free:
            self.iterates(node.iter)
        self.generic_visit(node)

    def visit_SetComp(self, node: ast.SetComp) -> None:
        self.order_free += [generator.iter for generator in node.generators]
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = _name(node.func)
        if name == "float":
            self.report(node, "float()")
        if name in ORDER_FREE:
            for argument in node.args:
                if isinstance(argument, ast.GeneratorExp | ast.ListComp):
                    self.order_free += [generator.iter for generator in argument.generators]
        if name in ORDER_BOUND:
            for argument in node.args:
                self.iterates(argument)
        if name == "pop" and not node.args and isinstance(node.func, ast.Attribute):
            self.iterates(node.func.value)
        self.generic_visit(node)

    def iterates(self, node: ast.expr) -> None:
        if _is_set(node, self.scope):
            self.report(node, "a set has no order; sort it")


def _is_set(node: ast.expr | None, scope: Scope) -> bool:
    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Name(id=name):
            return name in scope
        case ast.Attribute(attr=name):
            return f".{name}" in scope
        case ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case ast.Call(func=ast.Attribute(value=value, attr=method)) if method in SET_METHODS:
            return _is_set(value, scope)
        case ast.BinOp(left=left, op=op, right=right) if isinstance(op, SET_OPERATORS):
            return any(_is_set(side, scope) or _is_view(side) for side in (left, right))
        case ast.IfExp(body=body, orelse=orelse):
            return _is_set(body, scope) or _is_set(orelse, scope)
    return False


def _is_view(node: ast.expr) -> bool:
    """`d.keys()` keeps its order, but `d.keys() & e.keys()` is a set."""
    return isinstance(node, ast.Call) and _name(node.func) in {"keys", "items"}


def _is_set_type(annotation: ast.expr | None) -> bool:
    match annotation:
        case ast.Subscript(value=value):
            return _name(value) in SET_TYPES
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _is_set_type(left) or _is_set_type(right)
        case ast.Name() | ast.Attribute():
            return _name(annotation) in SET_TYPES
    return False


def _declared(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.AnnAssign) and _is_set_type(node.annotation):
            yield _name(node.target)


def _assigned(node: ast.AnnAssign | ast.Assign, scope: Scope) -> Iterator[str]:
    """Names and attributes that an assignment makes sets."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    annotated = isinstance(node, ast.AnnAssign) and _is_set_type(node.annotation)
    if annotated or _is_set(node.value, scope):
        yield from (f".{t.attr}" if isinstance(t, ast.Attribute) else _name(t) for t in targets)


def _local_sets(function: ast.FunctionDef, scope: Scope) -> Scope:
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    local = {argument.arg for argument in arguments if _is_set_type(argument.annotation)}
    for node in ast.walk(function):
        if isinstance(node, ast.AnnAssign | ast.Assign):
            local |= set(_assigned(node, scope | local))
    return local


def _name(node: ast.expr | None) -> str:
    """`name` of `name` and of `anything.name`."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""
