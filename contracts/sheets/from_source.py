"""A contract's source to what a rule sheet says, where the grammar of sheets has words for all of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from contracts.errors import ExecutionError
from contracts.language import syntax
from contracts.language.declarations import Declarations, documentation
from contracts.language.module_reader import read_declarations
from contracts.language.parser import parse
from contracts.language.problems import Place, Problems
from contracts.language.syntax import called_name, own_name
from contracts.program import ParameterSpec
from contracts.sheets import model
from contracts.sheets.words import FUNCTIONS, RESERVED, TYPES, UNITS

_INLINE_DEPTH_MAX = 8
_WORDS = {"now": "now", "sender": "caller"}


class DoesNotFit(ExecutionError):
    """A contract for which sheets have no words; `line` says where, `text` why."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(f"line {line}: {text}")
        self.line = line
        self.text = text


Names = Mapping[str, model.Phrase]
"""What the parameters of a method stand for, where its steps are taken into those of its caller."""


def read_source(source: str) -> model.Sheet:
    """The sheet that a contract without mistakes is. Raises: ContractError, DoesNotFit."""
    module = parse(source)
    declared = read_declarations(module, Problems())
    for statement in module:
        if isinstance(statement, syntax.Assign):
            raise _no(statement.place, "a constant has no place in a sheet: make it a term with a default")
    _refuse_what_has_no_words(declared)
    [contract] = [part for part in module if isinstance(part, syntax.Class) and part.name == declared.name]
    events = [part for part in module if isinstance(part, syntax.Class) and part is not contract]
    return _SourceReader(declared, contract).sheet(events)


def _refuse_what_has_no_words(declared: Declarations) -> None:
    """Sheets know terms, variables, facts, events, actions, rules and questions, and nothing beside."""
    for name in (*declared.records, *declared.interfaces):
        raise DoesNotFit(1, f"sheets have no records and no other contracts: {name}")
    for method in declared.methods.values():
        if method.kind not in ("action", "rule", "query", "private"):
            raise _no(method.node.place, f"sheets have no words for what {method.name} is")


def read_condition(node: syntax.Expression, declared: Declarations) -> model.Phrase:
    """A condition of a contract. Raises: DoesNotFit."""
    return Phrases(declared).condition(node)


def read_step(node: syntax.Statement, declared: Declarations) -> list[model.Step]:
    """A statement of a contract as steps. Raises: DoesNotFit."""
    return Steps(declared).statement(node, {}, 0)


def _no(place: Place, text: str) -> DoesNotFit:
    return DoesNotFit(place.line, text)


class Phrases:
    """Values and conditions."""

    def __init__(self, declared: Declarations) -> None:
        self.declared = declared
        self.members = {*declared.terms, *declared.fields, *declared.facts}

    def condition(self, node: syntax.Expression, names: Names | None = None) -> model.Phrase:
        """A condition. Raises: DoesNotFit."""
        place = node.place
        match node:
            case syntax.Not():
                return model.Not(self.condition(node.operand, names), place=place)
            case syntax.Logic():
                parts = tuple(self.condition(part, names) for part in node.operands)
                return model.Logic(node.word, parts, place=place)
            case syntax.Compare():
                return self._compare(node, names)
            case syntax.Call() if called_name(node) == "reported":
                return model.Reported(own_name(node.arguments[0]) or "", place=place)
        fact = self.declared.facts.get(own_name(node) or "")
        if fact is not None and fact.type.name != "bool":
            return model.Reported(fact.name, place=place)
        return self.value(node, names)

    def _compare(self, node: syntax.Compare, names: Names | None) -> model.Phrase:
        if len(node.rest) != 1:
            raise _no(node.place, "a chain of comparisons: write each with `and`")
        sign, right = node.rest[0]
        compared = model.Compare(
            "in" if sign == "not in" else sign,
            self.value(node.first, names),
            self.value(right, names),
            place=node.place,
        )
        return model.Not(compared, place=node.place) if sign == "not in" else compared

    def value(self, node: syntax.Expression, names: Names | None = None) -> model.Phrase:
        """A value. Raises: DoesNotFit."""
        place, own = node.place, own_name(node)
        if own is not None:
            return self._member(own, place)
        match node:
            case syntax.Literal(value=bool(value)):
                return model.Truth(value, place=place)
            case syntax.Literal(value=int(value)):
                return model.Number(value, place=place)
            case syntax.Literal(value=str(value)):
                return model.Text(value, place=place)
            case syntax.Name(name=name) if name in UNITS:
                return model.Length(1, name, place=place)
            case syntax.Name(name=name):
                if names is not None and name in names:
                    return names[name]
                return model.Name(named(name, place), place=place)
            case syntax.Binary():
                return self._binary(node, names)
            case syntax.Call():
                return self._call(node, names)
        raise _no(place, "sheets have no words for this value")

    def _member(self, name: str, place: Place) -> model.Phrase:
        if name not in self.members:
            raise _no(place, f"sheets have no words for self.{name}")
        return model.Name(named(name, place), place=place)

    def _binary(self, node: syntax.Binary, names: Names | None) -> model.Phrase:
        left, right = node.left, node.right
        if node.sign == "*":
            for count, unit in ((left, right), (right, left)):
                if isinstance(unit, syntax.Name) and unit.name in UNITS and isinstance(count, syntax.Literal):
                    return model.Length(int(count.value or 0), unit.name, place=node.place)
        if node.sign not in ("+", "-", "*", "//"):
            raise _no(node.place, f"sheets have no words for `{node.sign}`")
        return model.Operation(node.sign, self.value(left, names), self.value(right, names), place=node.place)

    def _call(self, node: syntax.Call, names: Names | None) -> model.Phrase:
        place, name = node.place, called_name(node)
        if node.named:
            raise _no(place, "sheets have no words for this")
        operands = tuple(self.value(argument, names) for argument in node.arguments)
        if name in _WORDS:
            return model.Word(_WORDS[name], place=place)
        if name in FUNCTIONS and name != "held":
            return model.Function(name, operands, place=place)
        if own_name(node.function) == "held":
            return model.Function("held", operands, place=place)
        if isinstance(node.function, syntax.Attribute) and node.function.name == "of" and len(operands) == 1:
            share = self.value(node.function.owner, names)
            return model.Operation("of", share, operands[0], place=place)
        raise _no(place, f"sheets have no words for {name or 'this call'}")


class Steps:
    """Statements."""

    def __init__(self, declared: Declarations) -> None:
        self.declared = declared
        self.phrases = Phrases(declared)

    def block(self, body: Sequence[syntax.Statement], names: Names, depth: int) -> tuple[model.Step, ...]:
        """Statements one after the other. Raises: DoesNotFit."""
        return tuple(step for statement in body for step in self.statement(statement, names, depth))

    def statement(self, node: syntax.Statement, names: Names, depth: int) -> list[model.Step]:
        """One statement, as no, one or more steps. Raises: DoesNotFit."""
        match node:
            case syntax.Documentation() | syntax.Pass():
                return []
            case syntax.Assign(value=syntax.Expression() as value):
                return [self._assign(node, value, names, depth)]
            case syntax.Evaluate(value=syntax.Call() as call):
                return self._call(call, names, depth)
        raise _no(node.place, "sheets have no words for this statement")

    def _assign(self, node: syntax.Assign, value: syntax.Expression, names: Names, depth: int) -> model.Step:
        own, place = own_name(node.target), node.place
        if own == "phase":
            return model.Become(str(value.value) if isinstance(value, syntax.Literal) else "", place=place)
        new = self.phrases.value(value, names)
        if isinstance(node.target, syntax.Name) and node.sign == "=":
            if depth:
                raise _no(place, "a method that is called names a value: do so in the rule itself")
            return model.Let(named(node.target.name, place), new, place=place)
        if own is None:
            raise _no(place, "sheets have no words for this assignment")
        if node.sign != "=":
            old = model.Name(named(own, place), place=place)
            if node.sign[:-1] not in ("+", "-", "*", "//"):
                raise _no(place, f"sheets have no words for `{node.sign}`")
            new = model.Operation(node.sign[:-1], old, new, place=place)
        return model.Set(named(own, place), new, place=place)

    def _call(self, node: syntax.Call, names: Names, depth: int) -> list[model.Step]:
        place, name, own = node.place, called_name(node), own_name(node.function)
        arguments = node.arguments
        if name == "require":
            text = arguments[1]
            if not isinstance(text, syntax.Literal):
                raise _no(place, "sheets have only fixed texts behind `otherwise`")
            return [model.Require(self.phrases.condition(arguments[0], names), str(text.value), place=place)]
        if name == "emit" and isinstance(arguments[0], syntax.Call):
            event = called_name(arguments[0]) or ""
            fields = tuple((field, self.phrases.value(value, names)) for field, value in arguments[0].named)
            return [model.Tell(event, fields, place=place)]
        if own in ("take", "pay"):
            account, money = (self.phrases.value(argument, names) for argument in arguments)
            kind: Callable[..., model.Step] = model.Collect if own == "take" else model.Pay
            return [kind(money, account, place=place)]
        method = self.declared.methods.get(own or "")
        if method is not None and method.kind == "private" and not node.named:
            return list(self._inlined(node, method.node, method.parameters, names, depth))
        raise _no(place, "sheets have no words for this call")

    def _inlined(
        self,
        node: syntax.Call,
        method: syntax.Function,
        parameters: Sequence[ParameterSpec],
        names: Names,
        depth: int,
    ) -> tuple[model.Step, ...]:
        """The steps of a method with what it is called with, as if they stood here."""
        if depth == _INLINE_DEPTH_MAX:
            raise _no(node.place, "methods call methods too deep for a sheet")
        given = {
            parameter.name: self.phrases.value(argument, names)
            for parameter, argument in zip(parameters, node.arguments, strict=True)
        }
        steps = self.block(method.body, given, depth + 1)
        changed = {step.name for step in steps if isinstance(step, model.Set)}
        pays = any(isinstance(step, model.Pay | model.Collect) for step in steps)
        for value in given.values():
            if _mentions(value, changed) or (pays and _holds(value)):
                raise _no(node.place, "a method changes what it was called with")
        return steps


class _SourceReader(Steps):
    def __init__(self, declared: Declarations, contract: syntax.Class) -> None:
        super().__init__(declared)
        self.contract = contract
        self.places = {
            part.target.name: part
            for part in contract.body
            if isinstance(part, syntax.Assign) and isinstance(part.target, syntax.Name)
        }

    def sheet(self, events: Sequence[syntax.Class]) -> model.Sheet:
        declared = self.declared
        nodes = {event.name: event for event in events}
        return model.Sheet(
            name=declared.name,
            meaning=_meaning(self.contract),
            terms=tuple(map(self._term, declared.terms)),
            variables=tuple(map(self._variable, declared.fields)),
            phases=declared.phases if declared.has_phases else (),
            facts=tuple(map(self._fact, declared.facts)),
            events=tuple(
                model.Event(
                    event.name, _meaning(nodes[event.name]), self._given(event.fields, nodes[event.name])
                )
                for event in declared.events.values()
            ),
            actions=tuple(map(self._action, (m.name for m in declared.of_kind("action")))),
            rules=tuple(map(self._rule, (m.name for m in declared.of_kind("rule")))),
            questions=tuple(map(self._question, (m.name for m in declared.of_kind("query")))),
        )

    def _argument(self, name: str, argument: str) -> syntax.Expression | None:
        value = self.places[name].value
        return dict(value.named).get(argument) if isinstance(value, syntax.Call) else None

    def _term(self, name: str) -> model.Term:
        spec, place = self.declared.terms[name], self.places[name].place
        default = self._argument(name, "default")
        value = None if default is None else self.phrases.value(default)
        if spec.type.name == "Percent" and isinstance(value, model.Text):
            value = model.Share(value.value, place=value.place)
        self._type(spec, place)
        return model.Term(named(name, place), spec.type, spec.signs, value, spec.guards, place=place)

    def _type(self, spec: object, place: Place) -> None:
        if getattr(spec, "type", None) not in TYPES:
            raise _no(place, f"sheets have no word for {getattr(spec, 'type', spec)}")

    def _variable(self, name: str) -> model.Variable:
        spec, part = self.declared.fields[name], self.places[name]
        self._type(spec, part.place)
        if part.value is None:
            raise _no(part.place, "a variable has a value")
        if called_name(part.value) == "Percent" and isinstance(part.value, syntax.Call):
            text = part.value.arguments[0]
            initial: model.Phrase = model.Share(str(text.value) if isinstance(text, syntax.Literal) else "")
        else:
            initial = self.phrases.value(part.value)
        return model.Variable(named(name, part.place), spec.type, initial, place=part.place)

    def _fact(self, name: str) -> model.Fact:
        spec, place = self.declared.facts[name], self.places[name].place
        self._type(spec, place)
        node = self._argument(name, "max_age")
        age = None if node is None else self.phrases.value(node)
        if age is not None and not isinstance(age, model.Length):
            raise _no(place, "write the age as in 2 * DAY")
        name = named(name, place)
        return model.Fact(name, spec.type, spec.by, age, spec.quorum, spec.agree, place=place)

    def _given(self, specs: Sequence[ParameterSpec], node: syntax.Statement) -> tuple[model.Given, ...]:
        for spec in specs:
            self._type(spec, node.place)
        return tuple(model.Given(named(spec.name, node.place), spec.type, place=node.place) for spec in specs)

    def _action(self, name: str) -> model.Action:
        method = self.declared.methods[name]
        node, given = method.node, self._given(method.parameters, method.node)
        steps = self.block(node.body, {}, 0)
        meaning, place = _meaning(node), node.place
        name, by, phases = named(name, place), method.by, method.phases
        return model.Action(name, meaning, by, phases, given, steps, method.is_exit, place=place)

    def _rule(self, name: str) -> model.Rule:
        method = self.declared.methods[name]
        node = method.node
        test = next(part for part in node.body if isinstance(part, syntax.If))
        cases = tuple(
            model.Case(
                self.phrases.condition(each.condition),
                self.block(each.body, {}, 0),
                place=each.condition.place,
            )
            for each in test.tests
        )
        return model.Rule(named(name, node.place), _meaning(node), method.phases, cases, place=node.place)

    def _question(self, name: str) -> model.Question:
        method = self.declared.methods[name]
        node, given = method.node, self._given(method.parameters, method.node)
        body = [part for part in node.body if not isinstance(part, syntax.Documentation)]
        if len(body) != 1 or not isinstance(body[0], syntax.Return) or body[0].value is None:
            raise _no(node.place, "sheets answer a question with one value")
        answer = self.phrases.value(body[0].value)
        return model.Question(named(name, node.place), _meaning(node), given, answer, place=node.place)


def named(name: str, place: Place) -> str:
    """A name that sheets can have."""
    if name in RESERVED:
        raise _no(place, f"`{name}` is a word of sheets: a name cannot be one")
    return name


def _meaning(node: syntax.Function | syntax.Class) -> str:
    return " ".join(documentation(node.body).split())


def _parts(phrase: model.Phrase) -> Sequence[model.Phrase]:
    """A value and all values within it."""
    found, waiting = [], [phrase]
    while waiting:
        part = waiting.pop()
        found.append(part)
        if isinstance(part, model.Operation | model.Compare):
            waiting += [part.left, part.right]
        elif isinstance(part, model.Function):
            waiting += part.operands
    return found


def _mentions(phrase: model.Phrase, names: set[str]) -> bool:
    return any(isinstance(part, model.Name) and part.name in names for part in _parts(phrase))


def _holds(phrase: model.Phrase) -> bool:
    return any(isinstance(part, model.Function) and part.function == "held" for part in _parts(phrase))
