"""Steps to try a contract with, one a line, on a chain in memory whose clock the steps move.

    parties buyer, seller, carrier                  who there is, before all else
    currency euro buyer=1000                        a currency, and who has how much of it
    agreement order buyer=buyer price="250 euro"    an instance of the contract, signed by all its parties
    buyer calls fund                                an action; `on order` where there are several agreements
    carrier reports delivered now                   a fact
    wait 60h                                        time goes by; what is due meanwhile happens
    refused phase: buyer calls fund                 what stands behind must be refused with this code
    expect phase closed                             and what must be so
    expect seller has 247 euro
    expect told Closed reason=late
    ask supply                                      a query
    why                                             what every rule waits for, and why those fired that did

Arguments are written as for `quorate contract call`. Behind `#` stands a remark.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from contracts import testing
from contracts.arguments import time_text, to_json
from contracts.errors import Revert
from contracts.explain.firings import NO_WORDS, shown, told_firing
from contracts.lang import Span
from contracts.program import ParameterSpec, Program
from contracts.receipts import Receipt, Status
from contracts.testing import Chain, Refused
from node.commands.arguments import parse_arguments, parse_value, span_ms
from node.errors import ConfigurationError

Say = Callable[[str], None]

_SETTING_UP = ("parties", "currency")
"""Steps whose transactions are not told."""


class StepFailed(Exception):
    """A step did not do what the scenario says that it does."""


class Scenario:
    """Performs steps, and tells what came of them."""

    def __init__(self, program: Program, say: Say, words: Mapping[str, str] = NO_WORDS) -> None:
        self.program = program
        self.words = words
        self.say = say
        self.chain = Chain()
        self.agreements: list[str] = []
        self._receipts = 0
        self._steps: Mapping[str, Callable[[list[str]], None]] = {
            "parties": self._parties,
            "currency": self._currency,
            "agreement": self._agreement,
            "wait": self._wait,
            "expect": self._expect,
            "ask": self._ask,
            "why": self._why,
        }

    def step(self, line: str) -> None:
        """Perform one line. Raises: StepFailed, ConfigurationError."""
        refused, _, rest = line.strip().partition(":")
        words = split_words(refused)
        if len(words) == 2 and words[0] == "refused":
            self._refused(words[1], split_words(rest))
            return
        words = split_words(line)
        if not words:
            return
        try:
            self._perform(words)
        except Refused as error:
            self._tell_news()
            raise StepFailed(f"refused: {error}") from None

    def _refused(self, code: str, words: list[str]) -> None:
        try:
            self._perform(words)
        except Refused as error:
            if error.code != code:
                raise StepFailed(f"refused with {error.code}, not {code}: {error.text}") from None
            self.say(f"  refused, as it must be: {error}")
            self._receipts = len(self.chain.receipts)
        else:
            raise StepFailed(f"this was not refused; {code} was expected")

    def _perform(self, words: list[str]) -> None:
        known = self._steps.get(words[0]) if words else None
        if known is not None:
            known(words[1:])
            if words[0] in _SETTING_UP:
                self._receipts = len(self.chain.receipts)
        elif len(words) > 2 and words[1] in ("calls", "reports"):
            (self._calls if words[1] == "calls" else self._reports)(words[0], words[2:])
        else:
            steps = ", ".join(
                (*self._steps, "NAME calls ACTION", "NAME reports FACT VALUE", "refused CODE: STEP")
            )
            raise ConfigurationError(f"{' '.join(words)!r} is no step; there is {steps}")
        self._tell_news()

    # ---------------------------------------------------------------- who and what there is

    def _parties(self, words: list[str]) -> None:
        for name in filter(None, " ".join(words).replace(",", " ").split()):
            try:
                self.chain.party(name)
            except (LookupError, ValueError) as error:
                raise ConfigurationError(str(error)) from None

    def _currency(self, words: list[str]) -> None:
        name, *holdings = words or [""]
        given = [item.partition("=") for item in holdings]
        if not name or not all(amount.isascii() and amount.isdecimal() for _, _, amount in given):
            raise ConfigurationError("write a currency as: currency euro buyer=1000 seller=50")
        self.chain.currency(name, **{holder: int(amount) for holder, _, amount in given})

    def _agreement(self, words: list[str]) -> None:
        if not words:
            raise ConfigurationError("write an agreement as: agreement order buyer=buyer price='250 euro'")
        name, *terms = words
        given = self._arguments(terms, self.program.terms)
        self.chain.agree(self.program.source, name, **given)
        self.agreements.append(name)

    def _arguments(self, words: list[str], declared: Iterable[Any]) -> dict[str, Any]:
        types = {spec.name: str(spec.type) for spec in declared}
        return dict(parse_arguments(words, types, self.chain.now.ms))

    def _at(self, words: list[str], before: str) -> tuple[str, list[str]]:
        """The agreement that is meant, and the words without it."""
        if before in words:
            place = words.index(before)
            if place + 1 < len(words) and words[place + 1] in self.agreements:
                return words[place + 1], words[:place] + words[place + 2 :]
        if not self.agreements:
            raise ConfigurationError("make an agreement first: agreement NAME term=value ...")
        return self.agreements[-1], words

    # ---------------------------------------------------------------- what happens

    def _calls(self, who: str, words: list[str]) -> None:
        instance, words = self._at(words, "on")
        action, *arguments = words
        declared: tuple[ParameterSpec, ...] = ()
        for spec in self.program.actions:
            if spec.name == action:
                declared = spec.parameters
        self.chain.perform(self._who(who), instance, action, self._arguments(arguments, declared))

    def _reports(self, who: str, words: list[str]) -> None:
        instance, words = self._at(words, "to")
        if len(words) != 2:
            raise ConfigurationError(f"write a fact as: {who} reports delivered now")
        name, text = words
        declared = {fact.name: str(fact.type) for fact in self.program.facts}.get(name)
        now_ms = self.chain.now.ms
        value = now_ms if declared == "Time" and text == "now" else parse_value(name, text, declared, now_ms)
        self.chain.perform(self._who(who), instance, "report", {"fact": name, "value": value})

    def _who(self, name: str) -> str:
        try:
            return self.chain.party(name)
        except (LookupError, ValueError) as error:
            raise ConfigurationError(str(error)) from None

    def _wait(self, words: list[str]) -> None:
        self.chain.passes(Span(span_ms(words[0] if len(words) == 1 else " ".join(words))))

    # ---------------------------------------------------------------- what must be so

    def _expect(self, words: list[str]) -> None:
        if len(words) > 1 and words[0] == "phase":
            instance, rest = self._at(words[1:], "of")
            self._same("the phase", self.chain.look(instance)["phase"], " ".join(rest))
        elif len(words) == 4 and words[1] == "has":
            account = f"contract:{words[0]}" if words[0] in self.agreements else words[0]
            self._same(f"what {words[0]} has", str(self.chain.balance(account, words[3])), words[2])
        elif len(words) > 1 and words[0] == "told":
            self._told(words[1], dict(item.partition("=")[::2] for item in words[2:]))
        else:
            forms = "expect phase NAME, expect NAME has AMOUNT CURRENCY, expect told EVENT field=value"
            raise ConfigurationError(f"write what must be so as: {forms}")

    def _told(self, name: str, wanted: dict[str, str]) -> None:
        """The last event of this name must have these fields."""
        found = self.chain.events(name)
        if not found:
            raise StepFailed(f"no event {name} was told")
        fields = {field: _plain(value) for field, value in found[-1].fields.items()}
        for field, value in wanted.items():
            self._same(f"{name}.{field}", fields.get(field, "nothing"), value)

    def _same(self, what: str, found: str, wanted: str) -> None:
        if found != wanted:
            raise StepFailed(f"{what} is {found}, not {wanted}")

    # ---------------------------------------------------------------- looking

    def _ask(self, words: list[str]) -> None:
        instance, words = self._at(words, "on")
        query, *arguments = words or [""]
        declared = {spec.name: spec.parameters for spec in self.program.queries}
        try:
            answer = self.chain.ask(instance, query, self._arguments(arguments, declared.get(query, ())))
        except Revert as error:
            raise StepFailed(f"refused: {error}") from None
        self.say(f"  answer: {shown(answer)}")

    def _why(self, words: list[str]) -> None:
        instance, _ = self._at(["on", *words], "on")
        for line in self.chain.why(instance, self.words).splitlines():
            self.say(f"  {line}")

    def _tell_news(self) -> None:
        """What came of the last step: receipts, firings, events; then where the agreements stand."""
        news = self.chain.receipts[self._receipts :]
        self._receipts = len(self.chain.receipts)
        for receipt in news:
            self._tell(receipt)
        if news and self.agreements:
            self._tell_state()

    def _tell(self, receipt: Receipt) -> None:
        view = self.chain.describe(receipt)
        what = "time came" if receipt.timer is not None else "done"
        if receipt.status is not Status.OK:
            what = f"{receipt.code}: {receipt.text}"
        self.say(f"  {what} ({receipt.gas_used} gas)")
        for firing in view["firings"]:
            for line in told_firing(firing, self.words):
                self.say(f"    {line}")
        for event in self.chain.events_of(receipt):
            fields = ", ".join(f"{name}: {_plain(value)}" for name, value in event.fields.items())
            self.say(f"    told {event.name}" + (f" ({fields})" if fields else ""))

    def _tell_state(self) -> None:
        for name in self.agreements:
            self.say(f"  {name}: phase {self.chain.look(name)['phase']}{self._money()}")
        due = self.chain.next_wakeup
        if due is not None:
            self.say(f"  next wake-up: {time_text(due.ms)}; it is {time_text(self.chain.now.ms)}")

    def _money(self) -> str:
        """Who has what."""
        held = [
            f"{name.removeprefix('contract:')} has {amount} {currency}"
            for currency in self.chain.currencies
            for name in (*self.chain.names, *(f"contract:{each}" for each in self.agreements))
            if (amount := self.chain.balance(name, currency))
        ]
        return f"; {', '.join(held)}" if held else ""


def split_words(line: str) -> list[str]:
    """The words of a step, quoted as in a shell. Raises: ConfigurationError."""
    try:
        return shlex.split(line, comments=True)
    except ValueError as error:
        raise ConfigurationError(f"{line!r}: {error}") from None


def _plain(value: Any) -> str:
    """A field of an event, in a line."""
    plain = testing.to_plain(value)
    return shown(plain if isinstance(plain, dict | list) else to_json(plain))
