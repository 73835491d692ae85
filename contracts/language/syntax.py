"""What the parser makes of a source: the tree as written, before anything is known about types."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.language.problems import Place

Constant = int | str | bytes | bool | None


@dataclass(frozen=True, slots=True)
class Expression:
    """Root of expressions; `depth` counts the operations within, itself included."""

    place: Place
    depth: int


@dataclass(frozen=True, slots=True)
class Literal(Expression):
    """A value as written; None only where a type or nothing is meant."""

    value: Constant


@dataclass(frozen=True, slots=True)
class Name(Expression):
    """A bare name."""

    name: str


@dataclass(frozen=True, slots=True)
class Attribute(Expression):
    """`owner.name`."""

    owner: Expression
    name: str


@dataclass(frozen=True, slots=True)
class Subscript(Expression):
    """`owner[index]`."""

    owner: Expression
    index: Expression


@dataclass(frozen=True, slots=True)
class Slice(Expression):
    """`owner[first:last]`."""

    owner: Expression
    first: Expression | None
    last: Expression | None


@dataclass(frozen=True, slots=True)
class Call(Expression):
    """`function(arguments, name=value)`."""

    function: Expression
    arguments: tuple[Expression, ...]
    named: tuple[tuple[str, Expression], ...]


@dataclass(frozen=True, slots=True)
class Negative(Expression):
    """`-operand`."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class Not(Expression):
    """`not operand`."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary(Expression):
    """`left sign right` for + - * // % and **."""

    sign: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Logic(Expression):
    """Two or more operands joined by `and` or by `or`; `texts` are they as written."""

    word: str
    operands: tuple[Expression, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IsNone(Expression):
    """`operand is None`; `is not None` where `negative`."""

    operand: Expression
    negative: bool


@dataclass(frozen=True, slots=True)
class Maybe(Expression):
    """The annotation `inner | None`."""

    inner: Expression


@dataclass(frozen=True, slots=True)
class Compare(Expression):
    """`first sign operand`, or a chain of them as in `low <= x < high`; signs may be `in` and `not in`."""

    first: Expression
    rest: tuple[tuple[str, Expression], ...]


@dataclass(frozen=True, slots=True)
class Conditional(Expression):
    """`value if test else otherwise`."""

    test: Expression
    value: Expression
    otherwise: Expression


@dataclass(frozen=True, slots=True)
class ListDisplay(Expression):
    """`[items]`."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class DictDisplay(Expression):
    """`{key: value}`."""

    items: tuple[tuple[Expression, Expression], ...]


@dataclass(frozen=True, slots=True)
class TupleDisplay(Expression):
    """`(a, b)`."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """Root of statements; `text` is the source in one line without comments."""

    place: Place
    text: str


Block = tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Documentation(Statement):
    """A text that stands alone."""

    value: str


@dataclass(frozen=True, slots=True)
class Assign(Statement):
    """`target: annotation = value`; `sign` is `=` or as `+=`."""

    target: Expression
    annotation: Expression | None
    sign: str
    value: Expression | None


@dataclass(frozen=True, slots=True)
class Evaluate(Statement):
    """An expression for its effect."""

    value: Expression


@dataclass(frozen=True, slots=True)
class Delete(Statement):
    """`del target`."""

    target: Expression


@dataclass(frozen=True, slots=True)
class Test:
    """The condition of one branch and its block; `text` is the condition as written."""

    condition: Expression
    text: str
    body: Block


@dataclass(frozen=True, slots=True)
class If(Statement):
    """`if`, any number of `elif`, and perhaps `else`."""

    tests: tuple[Test, ...]
    otherwise: Block | None
    otherwise_place: Place


@dataclass(frozen=True, slots=True)
class For(Statement):
    """`for names in iterable`."""

    names: tuple[Name, ...]
    iterable: Expression
    body: Block


@dataclass(frozen=True, slots=True)
class While(Statement):
    """`while condition`."""

    condition: Expression
    body: Block


@dataclass(frozen=True, slots=True)
class Return(Statement):
    """`return value`."""

    value: Expression | None


@dataclass(frozen=True, slots=True)
class Break(Statement):
    """`break`."""


@dataclass(frozen=True, slots=True)
class Continue(Statement):
    """`continue`."""


@dataclass(frozen=True, slots=True)
class Pass(Statement):
    """`pass`."""


@dataclass(frozen=True, slots=True)
class Import(Statement):
    """`from module import names`."""

    module: str
    names: tuple[Name, ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a method; only `self` has no annotation."""

    place: Place
    name: str
    annotation: Expression | None


@dataclass(frozen=True, slots=True)
class Function(Statement):
    """`def name(parameters) -> returns`, with its decorators."""

    name: str
    decorators: tuple[Expression, ...]
    parameters: tuple[Parameter, ...]
    returns: Expression | None
    body: Block


@dataclass(frozen=True, slots=True)
class Class(Statement):
    """`class name(bases)`."""

    name: str
    bases: tuple[Name, ...]
    body: Block


def own_name(node: Expression) -> str | None:
    """The name in `self.name`."""
    if isinstance(node, Attribute) and isinstance(node.owner, Name) and node.owner.name == "self":
        return node.name
    return None


def called_name(node: Expression | None) -> str | None:
    """The name in `name(...)`."""
    if isinstance(node, Call) and isinstance(node.function, Name):
        return node.function.name
    return None
