"""Rule sheets drawn at random that are right: every name has a meaning, and every value its kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from contracts.language.types import BOOL, BYTES, INT, MONEY, ORACLE, PARTY, PERCENT, SPAN, STR, TIME, list_of
from contracts.program import TypeSpec
from contracts.sheets import model
from contracts.sheets.layout import Entries, Node, Text

TERMS: dict[str, TypeSpec] = {
    "buyer": PARTY, "circle": list_of(PARTY), "price": MONEY, "fee": MONEY, "deadline": TIME, "grace": SPAN,
    "judges": list_of(ORACLE), "proof": BYTES, "rate": PERCENT, "note": STR, "amount_max": INT,
    "open_to_all": BOOL,
}  # fmt: skip
VARIABLES: dict[str, TypeSpec] = {"turns": INT, "remark": STR, "closed_early": BOOL}
FACTS: dict[str, TypeSpec] = {"delivered": TIME, "weight": INT, "accepted": BOOL}
PHASES = ("new", "under way", "done")
_CHARACTERS = st.characters(codec="utf-8", max_codepoint=0xD7FF, exclude_categories=("C", "Z"))
TEXTS = st.text(_CHARACTERS | st.just(" "), max_size=30).map(str.strip)
UNITS = ("SECOND", "MINUTE", "HOUR", "DAY", "WEEK")

Draw = Any


def plain(node: Node) -> Any:
    """What a YAML library makes of it."""
    if isinstance(node, Text):
        return node.value
    if isinstance(node, Entries):
        return {name.value: plain(value) for name, value in node.entries}
    return [plain(item) for item in node.items]


@st.composite
def sheets(draw: Draw) -> model.Sheet:
    """A whole sheet."""
    maker = _Maker(draw)
    return model.Sheet(
        name="Deal",
        meaning=draw(TEXTS) or "A deal.",
        terms=tuple(maker.term(name, spec) for name, spec in TERMS.items()),
        variables=tuple(model.Variable(name, spec, maker.constant(spec)) for name, spec in VARIABLES.items()),
        phases=PHASES,
        facts=tuple(model.Fact(name, spec, *maker.reporters(spec)) for name, spec in FACTS.items()),
        events=(model.Event("Moved", draw(TEXTS), (model.Given("share", MONEY), model.Given("why", STR))),),
        actions=tuple(maker.action(f"act{index}") for index in range(draw(st.integers(0, 2)))),
        rules=tuple(maker.rule(f"rule{index}") for index in range(draw(st.integers(0, 2)))),
        questions=tuple(maker.question(f"ask{index}") for index in range(draw(st.integers(0, 2)))),
    )


class _Maker:
    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.names: dict[str, TypeSpec] = {}
        self.facts: list[str] = []
        self.in_case = False
        self.signed = False

    def pick(self, options: Sequence[Any]) -> Any:
        return self.draw(st.sampled_from(options))

    def chance(self) -> bool:
        return bool(self.draw(st.booleans()))

    # ------------------------------------------------------------ declarations

    def term(self, name: str, spec: TypeSpec) -> model.Term:
        signs, guards = (spec in (PARTY, list_of(PARTY)) and self.chance() for _ in range(2))
        default = self.constant(spec) if spec in (SPAN, PERCENT, STR, INT, BOOL) and self.chance() else None
        return model.Term(name, spec, signs, default, guards)

    def constant(self, spec: TypeSpec) -> model.Phrase:
        if spec == SPAN:
            return model.Length(self.draw(st.integers(0, 99)), self.pick(UNITS))
        if spec == PERCENT:
            return model.Share(self.pick(("0", "1", "0.5", "12.0001")))
        if spec == INT:
            return model.Number(self.draw(st.integers(0, 10**20)))
        return model.Truth(self.chance()) if spec == BOOL else model.Text(self.draw(TEXTS))

    def reporters(self, spec: TypeSpec) -> tuple[str, model.Length | None, int | str | None, str]:
        age = self.age() if spec == TIME else None
        if self.chance():
            return "buyer", age, None, "equal"
        agree = self.pick(("equal", "median")) if spec in (INT, TIME) else "equal"
        return "judges", age, self.pick((1, 3, "amount_max")), agree

    def age(self) -> model.Length | None:
        return model.Length(self.draw(st.integers(1, 9)), self.pick(UNITS)) if self.chance() else None

    # ------------------------------------------------------------ what happens

    def begin(self, *, signed: bool) -> tuple[model.Given, ...]:
        self.names = TERMS | VARIABLES
        self.facts, self.signed = [], signed
        given = (model.Given("number", INT), model.Given("who", PARTY)) if self.chance() else ()
        self.names |= {each.name: each.type for each in given}
        return given

    def phases(self) -> tuple[str, ...]:
        return tuple(phase for phase in PHASES if self.chance())

    def action(self, name: str) -> model.Action:
        given = self.begin(signed=True)
        steps = self.steps()
        by = tuple(term for term in ("buyer", "circle") if self.chance())
        return model.Action(name, self.draw(TEXTS), by, self.phases(), given, steps, self.chance())

    def rule(self, name: str) -> model.Rule:
        cases = []
        for _ in range(self.draw(st.integers(1, 3))):
            self.begin(signed=False)
            self.names = TERMS | VARIABLES
            fact = self.pick((None, *FACTS))
            condition: model.Phrase
            if fact is not None:
                self.facts = [fact]
                rest = self.case_condition()
                parts = rest.conditions if isinstance(rest, model.Logic) and rest.word == "and" else (rest,)
                condition = model.Logic("and", (model.Reported(fact), *parts))
            else:
                condition = self.case_condition()
            cases.append(model.Case(condition, (*self.steps(), model.Become(self.pick(PHASES)))))
        return model.Rule(name, self.draw(TEXTS), self.phases(), tuple(cases))

    def case_condition(self) -> model.Phrase:
        self.in_case = True
        condition = self.condition(2)
        self.in_case = False
        return condition

    def question(self, name: str) -> model.Question:
        given = self.begin(signed=False)
        return model.Question(
            name, self.draw(TEXTS), given, self.value(self.pick((INT, MONEY, TIME, STR)), 2)
        )

    def steps(self) -> tuple[model.Step, ...]:
        return tuple(self.step(index) for index in range(self.draw(st.integers(1, 3))))

    def step(self, index: int) -> model.Step:
        kind = self.pick(("require", "let", "set", "pay", "become", "tell", "collect"))
        if kind == "require":
            return model.Require(self.condition(2), self.draw(TEXTS))
        if kind == "let":
            spec = self.pick((INT, MONEY, SPAN, TIME))
            step = model.Let(f"value{index}_{spec.name.lower()}", self.value(spec, 2))
            self.names = {**self.names, step.name: spec}
            return step
        if kind == "set":
            name = self.pick(tuple(VARIABLES))
            return model.Set(name, self.value(VARIABLES[name], 2))
        if kind == "tell":
            return model.Tell("Moved", (("share", self.value(MONEY, 2)), ("why", self.value(STR, 0))))
        if kind == "become":
            return model.Become(self.pick(PHASES))
        money, account = self.value(MONEY, 2), self.value(PARTY, 0)
        return (
            model.Collect(money, account) if kind == "collect" and self.signed else model.Pay(money, account)
        )

    # ------------------------------------------------------------ conditions and values

    def condition(self, depth: int) -> model.Phrase:
        kind = self.pick(("compare", "compare", "time", "reported", "in", "name", "not", "logic"))
        if kind == "not":
            return model.Not(self.condition(depth - 1)) if depth else model.Reported("weight")
        if kind == "logic" and depth:
            word = self.pick(("and", "or"))
            parts = (self.condition(depth - 1) for _ in range(2))
            kept = tuple(part for part in parts if not (isinstance(part, model.Logic) and part.word == word))
            return model.Logic(word, kept) if len(kept) == 2 else model.Reported("accepted")
        if kind == "reported":
            return model.Reported(self.pick(tuple(FACTS)))
        if kind == "time":
            sign = self.pick((">", "<", ">=", "<="))
            return model.Compare(sign, model.Word("now"), self.value(TIME, depth))
        if kind == "in":
            return model.Compare("in", model.Name("buyer"), model.Name("circle"))
        if kind == "name":
            return model.Name("open_to_all")
        spec = self.pick((INT, MONEY, SPAN, TIME, PARTY, STR))
        signs = ("==", "!=") if spec in (PARTY, STR) else ("==", "!=", "<", ">", "<=", ">=")
        return model.Compare(self.pick(signs), self.value(spec, depth), self.value(spec, depth))

    def value(self, spec: TypeSpec, depth: int) -> model.Phrase:
        named = [name for name, kind in self.names.items() if kind == spec]
        named += [fact for fact in self.facts if FACTS[fact] == spec]
        options: list[Any] = [lambda: model.Name(self.pick(named))] if named else []
        if spec in (INT, STR, BOOL, SPAN):
            options.append(lambda: self.constant(spec))
        if spec == TIME and not self.in_case:
            options.append(lambda: model.Word("now"))
        if spec == PARTY and self.signed:
            options.append(lambda: model.Word("caller"))
        if depth:
            options += self.computed(spec, depth - 1)
        return self.pick(options)()  # type: ignore[no-any-return]

    def computed(self, spec: TypeSpec, depth: int) -> list[Any]:
        def operation(sign: str, left: TypeSpec, right: TypeSpec) -> Any:
            return lambda: model.Operation(sign, self.value(left, depth), self.value(right, depth))

        def extreme() -> model.Phrase:
            operands = (self.value(spec, depth), self.value(spec, depth))
            return model.Function(self.pick(("min", "max")), operands)

        if spec == INT:
            days = lambda: model.Function("days_started", (self.value(SPAN, depth),))  # noqa: E731
            return [operation(self.pick(("+", "-", "*", "//")), INT, INT), days, extreme]
        if spec == MONEY:
            share = lambda: model.Operation("of", model.Name("rate"), self.value(MONEY, depth))  # noqa: E731
            return [
                operation(self.pick(("+", "-")), MONEY, MONEY),
                operation("*", MONEY, INT),
                share,
                extreme,
            ]
        if spec == TIME:
            return [operation(self.pick(("+", "-")), TIME, SPAN)]
        return [operation("-", TIME, TIME), operation("+", SPAN, SPAN)] if spec == SPAN else []
