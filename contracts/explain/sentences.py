"""Tells a contract in sentences; what rule sheets have no words for is shown as it is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from contracts.arguments import readable, to_json
from contracts.explain.phases import Transition
from contracts.language import syntax
from contracts.language.declarations import Declarations
from contracts.language.problems import Place
from contracts.language.types import TIME
from contracts.program import (
    ActionSpec,
    FactSpec,
    HandlerSpec,
    ParameterSpec,
    Program,
    RuleSpec,
    TermSpec,
    TypeSpec,
    Value,
)
from contracts.sheets import model
from contracts.sheets.from_source import DoesNotFit, read_condition, read_step
from contracts.sheets.to_sheet import Wording
from contracts.sheets.words import DECLARING, Language
from contracts.values import DAY, HOUR, MINUTE, SECOND

_SAYINGS = {
    "terms": ("Agreed at the start, and fixed from then on", "Bij het begin afgesproken, en daarna vast"),
    "no_signers": ("nobody has to sign", "niemand hoeft te tekenen"),
    "phases": ("phases", "fasen"),
    "starts_in": ("It begins in phase {phase}.", "Het begint in fase {phase}."),
    "remembers": ("What it remembers", "Wat het onthoudt"),
    "starts_at": ("{type}, {value} at first", "{type}, eerst {value}"),
    "table": ("a list of {value} for each {key}", "een lijst van {value} per {key}"),
    "may": ("Who may do what", "Wie wat mag doen"),
    "anyone": ("anyone", "iedereen"),
    "does": ("{who} may {action}: {text}", "{who} mag {action}: {text}"),
    "either": (" or ", " of "),
    "in_phase": (", in phase {phases}", ", in fase {phases}"),
    "given": (" (with {given})", " (met {given})"),
    "reports": (
        "{by} reports {fact}, once: {type}{age}",
        "{by} meldt {fact}, eenmaal: {type}{age}",
    ),
    "equal": (", counted when {quorum} of them say the same", ", telt als {quorum} van hen hetzelfde zeggen"),
    "median": (
        ", counted when {quorum} of them have spoken: the middle value",
        ", telt als {quorum} van hen hebben gesproken: de middelste waarde",
    ),
    "guards": (", who may pause it", ", die het kan pauzeren"),
    "exit": (" (also while it is paused)", " (ook als het gepauzeerd is)"),
    "hears": ("When {term} tells {event}{phases}: {text}", "Als {term} {event} meldt{phases}: {text}"),
    "migrates": ("When older code is replaced: {text}", "Als oudere code wordt vervangen: {text}"),
    "rules": ("What happens by itself", "Wat vanzelf gebeurt"),
    "if": ("If {condition}:", "Als {condition}:"),
    "else_if": ("Else, if {condition}:", "Anders, als {condition}:"),
    "questions": ("What anyone may ask", "Wat iedereen mag vragen"),
    "changes": ("How the phase changes", "Hoe de fase verandert"),
    "columns": ("FROM|TO|BY", "VAN|NAAR|DOOR"),
    "money": ("It makes a currency of its own.", "Het maakt een eigen munt."),
    "none": ("nothing", "niets"),
}


class Sentences:
    """Tells one contract in one language."""

    def __init__(self, program: Program, declared: Declarations, language: Language) -> None:
        self.program = program
        self.declared = declared
        self.language = language
        self.types: dict[str, TypeSpec] = {
            **{term.name: term.type for term in program.terms},
            **{fact.name: fact.type for fact in program.facts},
            **{field.name: field.type for field in program.fields},
        }

    def say(self, saying: str, **fields: object) -> str:
        """A saying of ours, filled in."""
        return _SAYINGS[saying][self.language.place].format(**fields)

    def lines(self, rows: Sequence[Transition], labels: Sequence[str]) -> Iterator[str]:
        """All sentences; `labels` are those of the ways from phase to phase."""
        program = self.program
        yield f"{program.name}: {' '.join(program.text.split())}"
        if program.is_currency:
            yield self.say("money")
        yield from self._part("terms", [self._term(term) for term in program.terms])
        if program.fields:
            yield from self._part(
                "remembers", [f"{f.name}: {self._field(f.type, f.initial)}" for f in program.fields]
            )
        if len(program.phases) > 1:
            yield from ("", self.say("starts_in", phase=program.phases[0]))
        doings = [line for action in program.actions for line in self._action(action)]
        doings += [self._fact(fact) for fact in program.facts]
        yield from self._part("may", doings)
        happening = [line for rule in program.rules for line in self._rule(rule)]
        happening += [line for handler in program.handlers for line in self._handler(handler)]
        if program.migration is not None:
            text = program.migration.text.rstrip(".")
            happening.append(self.say("migrates", text=f"{program.migration.name}: {text}"))
        yield from self._part("rules", happening)
        asking = [
            f"{query.name}{self._given(query.parameters)}: {query.text.rstrip('.')}"
            for query in program.queries
        ]
        yield from self._part("questions", asking)
        if rows:
            yield from ("", self.say("changes"))
            yield from self._table(rows, labels)

    def _part(self, heading: str, lines: Sequence[str]) -> Iterator[str]:
        if lines:
            yield from ("", self.say(heading))
            yield from (f"  {line}" for line in lines)

    # ------------------------------------------------------------ declarations

    def _term(self, term: TermSpec) -> str:
        text = f"{term.name}: {self._kind(term.type)}"
        if term.signs:
            text += " " + self.language.word(DECLARING, "sign" if term.type.items else "signs")
        if term.guards:
            text += self.say("guards")
        if term.has_default:
            shown = self._shown(term.default, term.type)
            text += f", {self.language.word(DECLARING, 'default')} {shown}"
        return text

    def _kind(self, spec: TypeSpec) -> str:
        return self.language.type(spec)

    def _shown(self, value: Value, spec: TypeSpec) -> str:
        if isinstance(value, str):
            return f'"{value}"'
        if spec.name == "Span":
            return self._span(value)
        shown = readable(value, spec.name) if not spec.items else to_json(value, spec)
        return f"{shown}%" if spec.name == "Percent" else str(shown)

    def _span(self, span_ms: int) -> str:
        """A length of time in the largest unit that it is a whole number of; weeks as days."""
        for unit, length_ms in (("DAY", DAY), ("HOUR", HOUR), ("MINUTE", MINUTE), ("SECOND", SECOND)):
            if span_ms % length_ms == 0:
                count = span_ms // length_ms
                return f"{count} {self.language.unit(unit, count)}"
        return f"{span_ms} ms"

    def _field(self, spec: TypeSpec, initial: Value) -> str:
        if spec.name == "Table":
            key, value = spec.items
            keys = ", ".join(map(self._kind, key.items or (key,)))
            return self.say("table", key=keys, value=self._kind(value))
        return self.say("starts_at", type=self._kind(spec), value=self._shown(initial, spec))

    def _given(self, parameters: Sequence[ParameterSpec]) -> str:
        given = ", ".join(f"{each.name}: {self._kind(each.type)}" for each in parameters)
        return self.say("given", given=given) if given else ""

    def _fact(self, fact: FactSpec) -> str:
        age = ""
        if fact.max_age_ms is not None:
            words = [self.language.word(DECLARING, word) for word in ("age_max", "old")]
            age = f", {words[0]} {self._span(fact.max_age_ms)} {words[1]}"
        if fact.quorum is not None:
            age += self.say(fact.agree, quorum=fact.quorum)
        return self.say("reports", by=fact.by, fact=fact.name, type=self._kind(fact.type), age=age)

    # ------------------------------------------------------------ what happens

    def _phases(self, phases: Sequence[str]) -> str:
        return self.say("in_phase", phases=self.say("either").join(phases)) if phases else ""

    def who(self, action: ActionSpec) -> str:
        """Who may do it."""
        return self.say("either").join(action.by) if action.by else self.say("anyone")

    def _action(self, action: ActionSpec) -> Iterator[str]:
        doing = f"{action.name}{self._given(action.parameters)}{self._phases(action.phases)}"
        doing += self.say("exit") if action.is_exit else ""
        yield self.say("does", who=self.who(action), action=doing, text=action.text.rstrip("."))
        body = self.declared.methods[action.name].node.body
        yield from (f"    {line}" for line in self._steps(body))

    def _rule(self, rule: RuleSpec) -> Iterator[str]:
        yield f"{rule.name}{self._phases(rule.phases)}: {rule.text.rstrip('.')}"
        for index, test in enumerate(self._tests(rule.name)):
            condition = self._condition(test.condition, test.text)
            yield f"    {self.say('else_if' if index else 'if', condition=condition)}"
            yield from (f"      {line}" for line in self._steps(test.body))

    def _handler(self, handler: HandlerSpec) -> Iterator[str]:
        phases, text = self._phases(handler.phases), f"{handler.name}: {handler.text.rstrip('.')}"
        yield self.say("hears", term=handler.term, event=handler.event, phases=phases, text=text)
        yield from (f"    {line}" for line in self._steps(self.declared.methods[handler.name].node.body))

    def _tests(self, rule: str) -> Sequence[syntax.Test]:
        body = self.declared.methods[rule].node.body
        return next(part.tests for part in body if isinstance(part, syntax.If))

    def conditions(self) -> Iterator[tuple[str, str]]:
        """Every condition and its parts as they are written, and in words."""
        for rule in self.program.rules:
            for test in self._tests(rule.name):
                for node, text in _with_parts(test.condition, test.text):
                    yield text, self._condition(node, text)

    def _condition(self, node: syntax.Expression, text: str) -> str:
        try:
            condition = read_condition(node, self.declared)
        except DoesNotFit:
            return f"`{text}`"
        return Wording(self.language, self._moments(condition)).phrase(condition)

    def _steps(self, body: syntax.Block) -> Iterator[str]:
        for statement in body:
            try:
                steps = read_step(statement, self.declared)
            except DoesNotFit:
                yield f"`{statement.text}`"
                continue
            for step in steps:
                moments = self._moments(step.condition) if isinstance(step, model.Require) else frozenset()
                yield Wording(self.language, moments).step(step)

    def _moments(self, phrase: model.Phrase) -> frozenset[Place]:
        """Where moments are compared."""
        match phrase:
            case model.Not():
                return self._moments(phrase.condition)
            case model.Logic():
                return frozenset().union(*map(self._moments, phrase.conditions))
            case model.Compare() if self._is_moment(phrase.left) or self._is_moment(phrase.right):
                return frozenset({phrase.place})
        return frozenset()

    def _is_moment(self, phrase: model.Phrase) -> bool:
        match phrase:
            case model.Word():
                return phrase.word == "now"
            case model.Name():
                return self.types.get(phrase.name) == TIME
            case model.Operation(sign="+" | "-"):
                return self._is_moment(phrase.left) != self._is_moment(phrase.right)
        return False

    # ------------------------------------------------------------ phases

    def transition(self, row: Transition) -> str:
        """What leads from a phase to another: who does it, or the condition that comes true."""
        if row.branch is None:
            for action in self.program.actions:
                if action.name == row.method:
                    return f"{row.method} ({self.who(action)})"
            handler = next(spec for spec in self.program.handlers if spec.name == row.method)
            return f"{row.method} ({handler.term}: {handler.event})"
        test = self._tests(row.method)[row.branch]
        return f"{row.method}: {self._condition(test.condition, test.text)}"

    def _table(self, rows: Sequence[Transition], labels: Sequence[str]) -> Iterator[str]:
        headers = tuple(self.say("columns").split("|"))
        cells = [headers, *((row.source, row.target, label) for row, label in zip(rows, labels, strict=True))]
        widths = [max(len(cell[column]) for cell in cells) for column in range(2)]
        for cell in cells:
            yield f"  {cell[0].ljust(widths[0])}  {cell[1].ljust(widths[1])}  {cell[2]}"


def _with_parts(node: syntax.Expression, text: str) -> Iterator[tuple[syntax.Expression, str]]:
    """A condition, then what `and` and `or` join in it."""
    yield node, text
    if isinstance(node, syntax.Logic):
        for operand, written in zip(node.operands, node.texts, strict=True):
            yield from _with_parts(operand, written)
