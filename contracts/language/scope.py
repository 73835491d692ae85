"""What the checker knows while it goes through one method."""

from __future__ import annotations

from contracts.language import syntax, tree
from contracts.language.annotations import Annotations
from contracts.language.declarations import Declarations, Signature
from contracts.language.operations import operation
from contracts.language.problems import Place, Problems
from contracts.language.syntax import own_name
from contracts.language.types import UNKNOWN
from contracts.program import FieldSpec, TypeSpec

Knowledge = frozenset[str]
"""Names of locals that have a value, `self.name` of facts that are reported, `?name` of what is not None."""
NOTHING: Knowledge = frozenset()


class Scope:
    """One method: its variables, what is known at this point of it, what it does and whom it calls.

    `known` follows the flow: a condition adds to it in its branches, where ways meet what all of them know
    remains, and it is None where no way leads.
    """

    def __init__(self, problems: Problems, declared: Declarations, signature: Signature) -> None:
        self.problems = problems
        self.declared = declared
        self.signature = signature
        self.annotations = Annotations(problems, declared.records, declared.interfaces)
        self.locals = {parameter.name: parameter.type for parameter in signature.parameters}
        self.known: Knowledge | None = frozenset(self.locals)
        self.in_rule_condition = False
        self.effects: set[str] = set()
        self.calls: list[tuple[Place, str, bool]] = []
        """Place and name of every call of an own method, and whether it stands in a rule's condition."""

    def refuse(self, node: syntax.Expression, text: str) -> tree.Value:
        """Tell a mistake; what stands for the expression fits everywhere."""
        self.problems.add(node.place, text)
        return wrong()

    def knows(self, name: str) -> bool:
        return self.known is None or name in self.known

    def learn(self, names: Knowledge) -> None:
        if self.known is not None:
            self.known |= names

    def forget(self, path: str) -> None:
        """What is called `path`, or is part of it, may be None again."""
        if self.known is not None:
            stale = (not_none(path), f"{not_none(path)}.")
            self.known = frozenset(
                name for name in self.known if name != stale[0] and not name.startswith(stale[1])
            )

    def apply(self, chosen: tree.Operation, *operands: tree.Value) -> tree.Value:
        """An operation on operands, its effects noted."""
        self.effects |= chosen.effects
        return tree.Apply(chosen.result, chosen, operands)

    def read(self, result: TypeSpec, text: str, price: int, *operands: tree.Value) -> tree.Value:
        """What the host reads for us; a list or dict is our own copy, which the host charges for."""
        return self.apply(operation(tuple(o.type for o in operands), result, text, price), *operands)

    def table(self, node: syntax.Expression) -> FieldSpec | None:
        """The table that `self.name` is."""
        field = self.declared.fields.get(own_name(node) or "")
        return field if field and field.type.name == "Table" else None


def wrong() -> tree.Value:
    """Stands for what is wrong and told already."""
    return tree.Constant(UNKNOWN, 0)


def known_fact(name: str) -> str:
    """How a reported fact is named among what is known."""
    return f"self.{name}"


def not_none(path: str) -> str:
    """How a value that is not None is named among what is known."""
    return f"?{path}"


def path_of(node: syntax.Expression) -> str | None:
    """`name`, `self.name` or `name.field` as text; None for what may differ from one reading to the next."""
    if isinstance(node, syntax.Name):
        return node.name
    if isinstance(node, syntax.Attribute):
        owner = path_of(node.owner)
        return owner and f"{owner}.{node.name}"
    return None


def slots(count: int) -> str:
    """Places for operands in the text of an operation: `{0}, {1}`."""
    return ", ".join(f"{{{index}}}" for index in range(count))
