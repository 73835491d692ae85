"""What the readers of declarations share: names, texts, arguments by name."""

from __future__ import annotations

import re
from collections.abc import Mapping

from contracts.language import syntax
from contracts.language.annotations import Annotations
from contracts.language.constants import Constants
from contracts.language.declarations import Declarations
from contracts.language.problems import Place, Problems
from contracts.language.types import is_acting
from contracts.language.vocabulary import SELF_NAMES

_PUBLIC_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")


class Reader:
    """Reads a part of a source into `declared`; mistakes go to `problems`."""

    def __init__(self, problems: Problems, declared: Declarations) -> None:
        self.problems = problems
        self.declared = declared
        self.annotations = Annotations(problems, declared.records, declared.interfaces)
        self.constants = Constants(problems, declared.constants)

    def check_public(self, place: Place, name: str) -> None:
        if not _PUBLIC_NAME.match(name):
            self.problems.add(
                place, f"`{name}` is seen from outside: use a-z, 0-9 and _, beginning with a letter"
            )

    def is_new_member(self, place: Place, name: str) -> bool:
        """True when `self.name` means nothing yet; else it is told."""
        word = "built in" if name in SELF_NAMES else self.declared.member(name)
        if word:
            self.problems.add(place, f"`{name}` is {word} already: choose another name")
        return word is None

    def named_arguments(
        self, node: syntax.Call, what: str, allowed: tuple[str, ...]
    ) -> dict[str, syntax.Expression]:
        """The arguments of a declaration, which are all given by name."""
        if node.arguments:
            self.problems.add(node.arguments[0].place, f"`{what}` takes its arguments by name")
        for name, value in node.named:
            if name not in allowed:
                known = ", ".join(allowed) or "none"
                self.problems.add(value.place, f"`{what}` has no argument `{name}`; it has: {known}")
        return dict(node.named)

    def flag(self, named: Mapping[str, syntax.Expression], name: str) -> bool:
        """An argument that is True or False; False where it is not given."""
        node = named.get(name)
        if node is None:
            return False
        if not (isinstance(node, syntax.Literal) and type(node.value) is bool):
            self.problems.add(node.place, f"`{name}` is True or False")
        return isinstance(node, syntax.Literal) and node.value is True

    def text(self, node: syntax.Expression) -> str:
        """A text as written."""
        if isinstance(node, syntax.Literal) and isinstance(node.value, str):
            return node.value
        self.problems.add(node.place, "write a text in quotes")
        return ""

    def texts(self, node: syntax.Expression | None) -> list[tuple[Place, str]]:
        """One text, or several in brackets, each with its place."""
        if node is None:
            return []
        items = node.items if isinstance(node, syntax.TupleDisplay) else (node,)
        return [(item.place, text) for item in items if (text := self.text(item))]

    def phase(self, place: Place, name: str) -> str:
        """The name of a phase of this contract."""
        if name not in self.declared.phases:
            self.problems.add(place, f"`{name}` is no phase: {', '.join(self.declared.phases)}")
        return name

    def account_term(self, place: Place, name: str, *, reports: bool = False) -> str:
        """The name of a term that is an account or a list of accounts; only people and systems report."""
        term = self.declared.terms.get(name)
        if term is None:
            self.problems.add(place, f"`{name}` is no term of this contract")
        elif not is_acting(term.type) or (reports and is_acting(term.type, of_contracts=True)):
            wanted = "a Party or Oracle" if reports else "a Party, Oracle or Instance"
            self.problems.add(place, f"the term `{name}` is {term.type}, but {wanted} is needed")
        return name
