"""Reads a module: imports, constants, events, records, interfaces and the one class that is the contract."""

from __future__ import annotations

from collections.abc import Callable

from contracts.language import syntax
from contracts.language.constants import Known
from contracts.language.declarations import Declarations, first_line
from contracts.language.limits import DEFINITIONS_MAX, PARAMETERS_MAX
from contracts.language.member_reader import MemberReader
from contracts.language.problems import START, Place, Problems
from contracts.language.reader import Reader
from contracts.language.signature_reader import SignatureReader
from contracts.language.types import UNKNOWN
from contracts.language.vocabulary import IMPORTABLE, MODULES, UNITS
from contracts.program import EventSpec, InterfaceSpec, ParameterSpec, TypeSpec


def read_declarations(module: syntax.Block, problems: Problems) -> Declarations:
    """All that a source declares; the bodies of its methods are not looked into."""
    declared = Declarations(constants=dict[str, Known](UNITS))
    reader = _ModuleReader(problems, declared)
    reader.read(module)
    if not reader.contracts:
        problems.add(START, "there is no contract here: write `class Name(Contract):`")
    for extra in reader.contracts[1:]:
        problems.add(extra.place, "a source holds one contract: move this class to a source of its own")
    for interface in reader.interfaces:
        SignatureReader(problems, declared).read_interface(interface)
    for contract in reader.contracts[:1]:
        MemberReader(problems, declared).read(contract)
        SignatureReader(problems, declared).read(contract)
    return declared


class _ModuleReader(Reader):
    def read(self, module: syntax.Block) -> None:
        self.contracts: list[syntax.Class] = []
        self.interfaces: list[syntax.Class] = []
        if len(module) > DEFINITIONS_MAX:
            self.problems.add(module[-1].place, f"a module has at most {DEFINITIONS_MAX} definitions")
        for statement in module:
            if isinstance(statement, syntax.Import):
                self._import(statement)
            elif isinstance(statement, syntax.Assign) and isinstance(statement.target, syntax.Name):
                self._constant(statement, statement.target)
            elif isinstance(statement, syntax.Class):
                self._class(statement)
            elif not isinstance(statement, syntax.Documentation):
                self.problems.add(
                    statement.place,
                    "outside the class stand only imports, constants and events: move this into a method",
                )

    def _import(self, statement: syntax.Import) -> None:
        if statement.module == "__future__" and [name.name for name in statement.names] == ["annotations"]:
            return
        if statement.module not in MODULES:
            self.problems.add(statement.place, "only `from contracts import ...` is available")
            return
        for name in statement.names:
            if name.name not in IMPORTABLE:
                self.problems.add(name.place, f"`contracts` offers no `{name.name}`")

    def _is_new(self, place: Place, name: str) -> bool:
        if self.declared.has_meaning(name) or name in [contract.name for contract in self.contracts]:
            self.problems.add(place, f"`{name}` has a meaning already: choose another name")
            return False
        return True

    def _constant(self, statement: syntax.Assign, target: syntax.Name) -> None:
        if not self._is_new(target.place, target.name):
            return
        if statement.value is None or statement.sign != "=":
            self.problems.add(statement.place, f"give the constant its value: `{target.name} = ...`")
        elif statement.annotation:
            wanted = self.annotations.scalar(statement.annotation)
            self.declared.constants[target.name] = (wanted, self.constants.value_of(statement.value, wanted))
        else:
            self.declared.constants[target.name] = self.constants.evaluate(statement.value)

    def _class(self, statement: syntax.Class) -> None:
        if not self._is_new(statement.place, statement.name):
            return
        bases = [base.name for base in statement.bases]
        if bases == ["Contract"]:
            self.contracts.append(statement)
        elif bases == ["Event"]:
            fields = self._fields(statement, "an event", self.annotations.scalar)
            self.declared.events[statement.name] = EventSpec(statement.name, fields, first_line(statement))
        elif bases == ["Record"]:
            self._record(statement)
        elif bases == ["Interface"]:
            self.interfaces.append(statement)
            self.declared.interfaces[statement.name] = InterfaceSpec(statement.name, (), (), "")
        else:
            self.problems.add(
                statement.place,
                "a class is a Contract, an Event, a Record or an Interface: write `class Name(Contract):`",
            )

    def _record(self, statement: syntax.Class) -> None:
        fields = self._fields(statement, "a record", self.annotations.field)
        if not fields:
            self.problems.add(statement.place, "a record has fields, as in `amount: Money`")
        types, names = tuple(each.type for each in fields), tuple(each.name for each in fields)
        self.declared.records[statement.name] = TypeSpec(statement.name, types, names)

    def _fields(
        self, statement: syntax.Class, what: str, read: Callable[[syntax.Expression], TypeSpec]
    ) -> tuple[ParameterSpec, ...]:
        fields: dict[str, ParameterSpec] = {}
        for line in statement.body:
            if (
                isinstance(line, syntax.Assign)
                and isinstance(line.target, syntax.Name)
                and line.value is None
            ):
                name = line.target.name
                self.check_public(line.place, name)
                if name in fields:
                    self.problems.add(line.place, f"the field `{name}` is there twice")
                spec = read(line.annotation) if line.annotation else UNKNOWN
                fields[name] = ParameterSpec(name, spec)
            elif not isinstance(line, syntax.Documentation | syntax.Pass):
                self.problems.add(line.place, f"{what} has only fields, as in `amount: Money`")
        if len(fields) > PARAMETERS_MAX:
            self.problems.add(statement.place, f"{what} has at most {PARAMETERS_MAX} fields")
        return tuple(fields.values())
