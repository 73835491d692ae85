"""Checks the statements of a method and makes its checked tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from contracts.language import syntax, tree
from contracts.language.assignments import AssignmentChecker
from contracts.language.limits import LOOP_DEPTH_MAX
from contracts.language.problems import Place
from contracts.language.scope import Knowledge, path_of
from contracts.language.syntax import own_name
from contracts.language.tree import WRITES
from contracts.language.types import NONE

_NO_ELSE = 'a rule has no `else` on facts and time: "not yet" is not "no"; write `elif now() > ...:`'


class MethodChecker(AssignmentChecker):
    """Checks one method from its first to its last statement."""

    loops = 0

    def method(self) -> tree.Method:
        """An action, query or private method."""
        node, returns = self.signature.node, self.signature.returns
        body = self.block(node.body)
        if returns != NONE and self.known is not None:
            self.problems.add(node.place, f"`{node.name}` can end without returning {returns}")
        return tree.Method(node.name, tuple(parameter.name for parameter in self.signature.parameters), body)

    # ------------------------------------------------------------ rules

    def rule(self) -> tree.Rule:
        """A rule: one `if` with its `elif` branches."""
        node = self.signature.node
        statements = [statement for statement in node.body if not isinstance(statement, syntax.Documentation)]
        first = statements[0] if statements else None
        if not isinstance(first, syntax.If):
            place = first.place if first else node.place
            self.problems.add(place, "a rule is one `if` with any number of `elif`: begin with `if`")
            return tree.Rule(node.name, ())
        for extra in statements[1:]:
            self.problems.add(extra.place, "a rule is one `if`: write another rule, or a further `elif`")
        if first.otherwise is not None:
            self.problems.add(first.otherwise_place, _NO_ELSE)
        return tree.Rule(node.name, tuple(self._rule_branch(test) for test in first.tests))

    def _rule_branch(self, test: syntax.Test) -> tree.RuleBranch:
        self.in_rule_condition = True
        condition = self.condition(test.condition, True)
        self.in_rule_condition = False
        before, effects, calls = self.known, self.effects, len(self.calls)
        self.effects = set()
        self.learn(condition.when_true)
        body = self.block(test.body)
        if WRITES not in self.effects and len(self.calls) == calls:
            advice = "set a phase, or pay"
            self.problems.add(
                test.condition.place, f"this branch changes nothing and would fire for ever: {advice}"
            )
        self.effects |= effects
        self.known = before
        self.learn(condition.when_false)
        return tree.RuleBranch(condition.value, body, condition.leaves or (condition.value,))

    # ------------------------------------------------------------ blocks

    def block(self, statements: syntax.Block) -> tree.Steps:
        """Statements in order; what comes after a `return`, `break` or `continue` is a mistake."""
        steps: list[tree.Step] = []
        for statement in statements:
            if self.known is None:
                self.problems.add(statement.place, "this is never reached")
                break
            steps.extend(self._statement(statement))
        return tuple(steps)

    def _statement(self, node: syntax.Statement) -> Sequence[tree.Step]:
        match node:
            case syntax.Assign():
                return self.assign(node)
            case syntax.Evaluate():
                return (self._evaluate(node),)
            case syntax.Delete():
                return (self.delete(node),)
            case syntax.If():
                return (self._if(node),)
            case syntax.For():
                return (self._for(node),)
            case syntax.While():
                return (self._while(node),)
            case syntax.Return():
                return (self._return(node),)
            case syntax.Break() | syntax.Continue():
                return (self._leave(node),)
            case syntax.Pass() | syntax.Documentation():
                return ()
        self.problems.add(node.place, "this cannot stand in a method")
        return ()

    def _evaluate(self, node: syntax.Evaluate) -> tree.Step:
        if not isinstance(node.value, syntax.Call):
            self.problems.add(
                node.place, "this computes something and forgets it: assign it, or leave it out"
            )
        return tree.Run(self.value(node.value))

    def _return(self, node: syntax.Return) -> tree.Step:
        returns, kind = self.signature.returns, self.signature.kind
        value = self.fitting(node.value, returns) if node.value and returns != NONE else None
        if kind == "rule":
            self.problems.add(node.place, "a rule's branch ends by itself: leave out `return`")
        elif node.value is not None and returns == NONE:
            self.problems.add(node.place, "say what the method returns, as in `-> int`")
        elif node.value is None and returns != NONE:
            self.problems.add(node.place, f"return a value: {returns}")
        self.known = None
        return tree.Give(self.settled(value) if value and kind == "query" else value)

    def _leave(self, node: syntax.Statement) -> tree.Step:
        word = "break" if isinstance(node, syntax.Break) else "continue"
        if not self.loops:
            self.problems.add(node.place, f"`{word}` stands in a loop only")
        self.known = None
        return tree.Leave(word)

    # ------------------------------------------------------------ branches and loops

    def _if(self, node: syntax.If) -> tree.Step:
        tests: list[tuple[tree.Value, tree.Steps]] = []
        ends: list[Knowledge | None] = []
        for test in node.tests:
            condition = self.condition(test.condition, None)
            before = self.known
            self.learn(condition.when_true)
            tests.append((condition.value, self.block(test.body)))
            ends.append(self.known)
            self.known = before
            self.learn(condition.when_false)
        if node.otherwise is not None and any(self._may_change_by_itself(test) for test in node.tests):
            self.problems.add(node.otherwise_place, _NO_ELSE)
        otherwise = self.block(node.otherwise or ())
        ends.append(self.known)
        reached = [end for end in ends if end is not None]
        self.known = reached[0].intersection(*reached[1:]) if reached else None
        return tree.Branches(tuple(tests), otherwise)

    def _may_change_by_itself(self, test: syntax.Test) -> bool:
        """In a rule, a condition on facts or time: what does not hold yet may hold later."""
        names = (
            part.name if isinstance(part, syntax.Name) else own_name(part) for part in _parts(test.condition)
        )
        return self.signature.kind == "rule" and any(
            name in ("now", "reported") or name in self.declared.facts for name in names
        )

    def _loop(self, place: Place, body: syntax.Block, learned: Knowledge) -> tree.Steps:
        """The body of a loop; it may not run at all, so what it learns is forgotten after it."""
        self._forget_what_changes(body)
        before = self.known
        self.loops += 1
        if self.loops > LOOP_DEPTH_MAX:
            self.problems.add(
                place, f"loops are nested deeper than {LOOP_DEPTH_MAX}: move some into a method"
            )
        self.learn(learned)
        steps = self.block(body)
        self.loops -= 1
        self.known = before
        return steps

    def _forget_what_changes(self, body: syntax.Block) -> None:
        """What a loop assigns, itself or by a method of the contract, may be None when it comes round."""
        for part in _within(body):
            if isinstance(part, syntax.Assign) and (path := path_of(part.target)) is not None:
                self.forget(path)
            elif isinstance(part, syntax.Call) and own_name(part.function) is not None:
                for field in self.declared.fields:
                    self.forget(f"self.{field}")

    def _for(self, node: syntax.For) -> tree.Step:
        items, types = self.iterable(node.iterable)
        if len(types) != len(node.names):
            wanted = "two variables, as in `for key, value in`" if len(types) == 2 else "one variable"
            self.problems.add(node.names[0].place, f"this `for` has {wanted}")
        before = self.known
        for name, spec in zip(node.names, types, strict=False):
            self.bind(name, spec)
        self.known = before
        names = tuple(name.name for name in node.names)
        return tree.Each(names, items, self._loop(node.place, node.body, frozenset(names)))

    def _while(self, node: syntax.While) -> tree.Step:
        self._forget_what_changes(node.body)
        condition = self.condition(node.condition, None)
        return tree.While(condition.value, self._loop(node.place, node.body, condition.when_true))


def _parts(node: syntax.Expression) -> Iterator[syntax.Expression]:
    """An expression and all expressions within it."""
    return (part for part in _within((node,)) if isinstance(part, syntax.Expression))


def _within(parts: Sequence[object]) -> Iterator[object]:
    """Statements, tests and expressions, with all that is in them."""
    waiting = list(parts)
    while waiting:
        part = waiting.pop()
        if isinstance(part, tuple):
            waiting.extend(part)
        elif isinstance(part, syntax.Expression | syntax.Statement | syntax.Test):
            yield part
            waiting.extend(getattr(part, name) for name in type(part).__slots__)
