"""The checked tree to Python text of ours, with gas charged on entry to every straight-line block.

The text has one function for each method, one for each condition of a rule, one for what follows from it, and
one for each part of the condition, for who asks why; a condition of several tells the host what each came to.
`h` is the host and `m` its meter; what an author named x is `v_x`, a method f is `f_f`; numbered variables
`t_1` are the checker's; everything else is from the `runtime_` modules. The price of a block is known here,
so that charging it costs one subtraction and one comparison.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from contracts import gas
from contracts.language import tree
from contracts.language.operations import operation
from contracts.language.types import BOOL
from contracts.values import Money


def generate(methods: Iterable[tree.Method], rules: Iterable[tree.Rule]) -> str:
    """The text of the program."""
    generator = _Generator()
    for method in methods:
        generator.function(f"f_{method.name}", [_local(name) for name in method.parameters], method.body)
    for rule in rules:
        first = 0
        for index, branch in enumerate(rule.branches):
            leaves = list(enumerate(branch.leaves, first))
            first += len(leaves)
            condition = _watched(branch.condition, leaves) if len(leaves) > 1 else branch.condition
            generator.function(f"c_{rule.name}_{index}", ["wake"], (tree.Give(condition),))
            generator.function(f"b_{rule.name}_{index}", [], branch.body)
            for place, leaf in enumerate(branch.leaves if len(branch.leaves) > 1 else ()):
                generator.function(f"p_{rule.name}_{index}_{place}", ["wake"], (tree.Give(leaf),))
    return "\n".join(generator.lines) + "\n"


def _watched(value: tree.Value, leaves: list[tuple[int, tree.Value]]) -> tree.Value:
    """A condition that tells the host what each of its leaves comes to; they are taken from the front."""
    number, leaf = leaves[0]
    if isinstance(value, tree.Logic) and value is not leaf:
        return replace(value, operands=tuple(_watched(operand, leaves) for operand in value.operands))
    del leaves[0]
    return tree.Apply(BOOL, operation((BOOL,), BOOL, f"h.saw({number}, {{0}})"), (value,))


class _Generator:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.depth = 0

    def line(self, text: str) -> None:
        self.lines.append(" " * self.depth + text)

    def function(self, name: str, parameters: list[str], body: tree.Steps) -> None:
        self.line(f"def {name}({', '.join(['h', 'm', *parameters])}):")
        self.indented(body)

    def indented(self, body: tree.Steps, extra: int = 0) -> None:
        self.depth += 1
        self.block(body, extra)
        self.depth -= 1

    def block(self, body: tree.Steps, extra: int = 0) -> None:
        """Steps in order; each stretch up to and with the head of a branch or loop is charged at once."""
        if not body:
            self.charge(extra)
            self.line("pass")
        for stretch in _stretches(body):
            self.charge(extra + sum(map(_price_of_step, stretch)))
            extra = 0
            for step in stretch:
                self.step(step)

    def charge(self, price: int) -> None:
        if price:
            self.line(f"m.gas = _g = m.gas - {price}")
            self.line("if _g < 0: m.out_of_gas()")

    def step(self, step: tree.Step) -> None:
        match step:
            case tree.Set(name=name, value=value):
                self.line(f"{_local(name)} = {_text(value)}")
            case tree.Run(value=value):
                self.line(_text(value))
            case tree.Give(value=value):
                self.line(f"return {_text(value)}" if value else "return None")
            case tree.Leave(word=word):
                self.line(word)
            case tree.Branches():
                self.branches(step)
            case tree.Each():
                self.line(f"for {', '.join(map(_local, step.names))} in {_text(step.items)}:")
                self.indented(step.body, gas.TURN)
            case tree.While():
                self.line("while True:")
                self.depth += 1
                self.charge(gas.TURN + _price(step.test))
                self.line(f"if not {_text(step.test)}: break")
                self.block(step.body)
                self.depth -= 1

    def branches(self, step: tree.Branches) -> None:
        word = "if"
        for test, body in step.tests:
            self.line(f"{word} {_text(test)}:")
            self.indented(body)
            word = "elif"
        if step.otherwise:
            self.line("else:")
            self.indented(step.otherwise)


def _stretches(body: tree.Steps) -> Iterable[Sequence[tree.Step]]:
    start = 0
    for index, step in enumerate(body):
        if isinstance(step, tree.Branches | tree.Each | tree.While) or index == len(body) - 1:
            yield body[start : index + 1]
            start = index + 1


def _price_of_step(step: tree.Step) -> int:
    """What a step costs when it is entered; the bodies of branches and loops are charged on their own."""
    match step:
        case tree.Set(value=value) | tree.Run(value=value):
            return gas.NODE + _price(value)
        case tree.Give(value=value):
            return gas.NODE + (_price(value) if value else 0)
        case tree.Branches(tests=tests):
            return gas.NODE + sum(_price(test) for test, _ in tests)
        case tree.Each(items=items):
            return gas.LOOP + _price(items)
        case tree.While():
            return gas.LOOP
    return gas.NODE


def _price(value: tree.Value) -> int:
    """What computing a value costs at most, all parts of `and`, `or` and a choice included."""
    match value:
        case tree.Apply(operation=operation, operands=operands):
            return gas.NODE + operation.gas + sum(map(_price, operands))
        case tree.Logic(operands=operands):
            return gas.NODE + sum(map(_price, operands))
        case tree.Choose():
            return gas.NODE + _price(value.test) + _price(value.value) + _price(value.otherwise)
    return gas.NODE


def _text(value: tree.Value) -> str:
    match value:
        case tree.Constant(value=constant):
            return _literal(constant)
        case tree.Local(name=name):
            return _local(name)
        case tree.Apply(operation=operation, operands=operands):
            return operation.text.format(*map(_text, operands))
        case tree.Logic(word=word, operands=operands):
            return f"({f' {word} '.join(map(_text, operands))})"
        case tree.Choose():
            return f"({_text(value.value)} if {_text(value.test)} else {_text(value.otherwise)})"
    raise TypeError(f"no text for {type(value).__name__}")


def _literal(value: object) -> str:
    if isinstance(value, Money):
        return f"Money({value.amount!r}, {value.currency!r})"
    return f"({value!r})" if isinstance(value, int) and value < 0 else ascii(value)


def _local(name: str) -> str:
    return f"t_{name}" if name[0].isdigit() else f"v_{name}"
