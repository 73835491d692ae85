"""Try a contract without a node: a chain in memory, parties with keys, and a clock that only you move.

    chain = Chain()
    buyer, seller, carrier = chain.parties("buyer", "seller", "carrier")
    euro = chain.currency("euro", buyer=1_000)
    order = chain.agree(source, "order", buyer=buyer, seller=seller, carrier=carrier,
                        price=euro(250), deadline=chain.now + 2 * DAY)
    buyer.calls(order, "fund")
    chain.passes(3 * DAY)
    carrier.reports(order, delivered=chain.now)
    assert seller.holds(euro) == 247

It is the real engine, fed with really signed transactions, one in a block. The clock stands still but for
`passes`, which stops at every moment at which a contract asked to be woken, as a node does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from consensus.parameters import Parameters
from consensus.transactions import (
    GAS_LIMIT_MAX,
    INTEGER_MAX,
    Json,
    canonical_json,
    is_name,
    make_envelope,
    parse_transaction,
    signed_bytes,
)
from contracts import lang, values
from contracts.arguments import readable
from contracts.explain.firings import NO_WORDS, shown, told_firing
from contracts.memory_chain import MemoryChain, signer
from contracts.program import TypeSpec, Value
from contracts.receipts import Event, Receipt, Status

START = lang.Time(1_767_225_600_000)
"""The clock at first: 2026-01-01T00:00:00Z."""
BANK = "bank"
"""The account that issues the currencies of `Chain.currency`, and deploys."""
EXPIRY_MS = 60_000

_CURRENCY = '''"""Money to try contracts with."""

from contracts import Contract, Party, action, term


class Coin(Contract):
    """A currency of tests."""

    issuer: Party = term(signs=True)

    @action(by="issuer")
    def mint(self, to: Party, amount: int) -> None:
        """Make money."""
        self.currency.mint(to, amount)
'''


class Refused(AssertionError):
    """A transaction that failed; `code` and `text` are those of its receipt."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


class Readable(Protocol):
    """A file, as a `pathlib.Path` is."""

    def read_text(self) -> str:
        """What is in it."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event: who told it, its name, and its fields as an author writes them (`Time`, `Money`, ...)."""

    contract: str
    name: str
    fields: Mapping[str, Any]

    def __getitem__(self, field: str) -> Any:
        return self.fields[field]


class Currency(lang.Instance):
    """A currency; called with an amount it is money: `euro(250)`."""

    __slots__ = ()

    def __call__(self, amount: int) -> lang.Money:
        return lang.Money(amount, self)


class Actor(lang.Party):
    """An account that acts; it is also its own name."""

    chain: Chain

    def calls(self, instance: str, action: str, /, *, together_with: Sequence[str] = (), **args: Any) -> None:
        """Call an action; others may sign the same transaction. Raises: Refused."""
        self.chain.perform(self, instance, action, args, together_with)

    def reports(self, instance: str, /, **facts: Any) -> None:
        """Report facts as their oracle. Raises: Refused."""
        for fact, value in facts.items():
            self.chain.perform(self, instance, "report", {"fact": fact, "value": value})

    def signs(self, instance: str) -> None:
        """Sign an agreement as it stands. Raises: Refused."""
        shown = self.chain.look(instance)["terms_hash"]
        self.chain.perform(self, "contracts", "sign", {"instance": instance, "terms_hash": shown})

    def holds(self, currency: str) -> int:
        """What the account has, in minor units."""
        return self.chain.balance(self, currency)


class Agreement(lang.Instance):
    """An instance of a contract; it is also its own name."""

    chain: Chain

    @property
    def status(self) -> str:
        """Proposed, active or withdrawn."""
        return str(self.chain.look(self)["status"])

    @property
    def phase(self) -> str:
        """The phase it is in."""
        return str(self.chain.look(self)["phase"])

    def holds(self, currency: str) -> int:
        """The money that it keeps, in minor units."""
        return self.chain.balance(values.escrow_account(self), currency)

    def ask(self, query: str, /, **args: Any) -> Json:
        """The answer to a query, as JSON. Raises: contracts.errors.Revert."""
        return self.chain.ask(self, query, args)

    def field(self, name: str) -> Any:
        """A stored variable as JSON; of a table its rows, as pairs."""
        for item in self.chain.look(self)["fields"]:
            if item["name"] == name:
                return item["rows"] if "rows" in item else item["value"]
        raise LookupError(f"{self} has no variable {name}")


class Chain:
    """A chain of one process. Name all parties before the first transaction: they stand in its genesis."""

    def __init__(self, start: lang.Time = START, parameters: Parameters | None = None) -> None:
        self.parameters = parameters or Parameters()
        self.now = start
        self.last: Receipt | None = None
        self._names: list[str] = [BANK]
        self._start: MemoryChain | None = None
        self._serial = 0
        self.currencies: list[str] = []

    # ---------------------------------------------------------------- who and what there is

    def party(self, name: str) -> Actor:
        """An account with a key of its own."""
        if name not in self._names:
            if self._start is not None:
                raise LookupError(f"name {name} before the first transaction, as in chain.parties(...)")
            if not is_name(name):
                raise ValueError(f"{name!r} is no name: lower-case letters and digits, joined by . _ or -")
            self._names.append(name)
        actor = Actor(name)
        actor.chain = self
        return actor

    def parties(self, *names: str) -> tuple[Actor, ...]:
        """Several accounts."""
        return tuple(self.party(name) for name in names)

    def currency(self, name: str, **holdings: int) -> Currency:
        """A new currency, and who has how much of it, in minor units."""
        self.agree(_CURRENCY, name, issuer=BANK)
        for holder, amount in holdings.items():
            self.perform(BANK, name, "mint", {"to": holder, "amount": amount})
        self.currencies.append(name)
        return Currency(name)

    def deploy(self, source: str | Readable) -> str:
        """Make a contract available; the id of its code. Raises: Refused."""
        text = source if isinstance(source, str) else source.read_text()
        return str(self.perform(BANK, "contracts", "deploy", {"source": text}).results[0])

    def propose(self, source: str | Readable, name: str, /, *, by: str = BANK, **terms: Any) -> Agreement:
        """An instance that nobody has signed yet. Raises: Refused."""
        code = self.deploy(source)
        self.perform(by, "contracts", "create", {"code": code, "name": name, "terms": terms})
        agreement = Agreement(name)
        agreement.chain = self
        return agreement

    def agree(self, source: str | Readable, name: str, /, *, by: str = BANK, **terms: Any) -> Agreement:
        """An instance that all its parties have signed. Raises: Refused."""
        agreement = self.propose(source, name, by=by, **terms)
        for signature in self.look(agreement)["signatures"]:
            if not signature["signed"]:
                self.party(signature["party"]).signs(agreement)
        return agreement

    # ---------------------------------------------------------------- what happens

    def perform(
        self, sender: str, to: str, action: str, args: Mapping[str, Any], together_with: Sequence[str] = ()
    ) -> Receipt:
        """One transaction in a block of its own; its receipt. Raises: Refused."""
        self._serial += 1
        fields: dict[str, Any] = {
            "calls": [{"contract": str(to), "action": action, "args": to_plain(args)}],
            "chain": self._started.name,
            "expires_ms": self.now.ms + EXPIRY_MS,
            "gas_limit": GAS_LIMIT_MAX,
            "salt": str(self._serial),
            "sender": str(sender),
        }
        if together_with:
            fields["cosigners"] = sorted(map(str, together_with))
        body = canonical_json(fields)
        signatures = [
            (key.public_key, key.sign(signed_bytes(body)))
            for key in (signer(self.party(account)) for account in (sender, *together_with))
        ]
        transaction = parse_transaction(make_envelope(body, signatures), self._started.name)
        receipts = self._started.block(self.now.ms, (transaction,))
        self.last = next(receipt for receipt in receipts if receipt.id == transaction.id)
        if self.last.status is not Status.OK:
            raise Refused(self.last.code, self.last.text)
        return self.last

    @contextmanager
    def refused(self, code: str, text: str = "") -> Iterator[None]:
        """What stands within must be refused with this code, and `text` in its text."""
        try:
            yield
        except Refused as refused:
            if refused.code != code or text not in refused.text:
                raise AssertionError(f"refused, but with {refused}") from None
        else:
            raise AssertionError(f"nothing was refused with {code}")

    def passes(self, span: lang.Span) -> None:
        """Let time go by. Whatever asked to be woken meanwhile is, at its moment."""
        until = self.now + span
        while (due := self.next_wakeup) is not None and due <= until:
            self.now = max(due, self.now)
            if not self._started.block(self.now.ms, ()):
                break  # what is due rests, until something happens to it
        self.now = until

    @property
    def next_wakeup(self) -> lang.Time | None:
        """When a contract asked to be woken next."""
        due_ms = self._started.next_wakeup_ms
        return None if due_ms is None else lang.Time(due_ms)

    # ---------------------------------------------------------------- looking

    @property
    def names(self) -> Sequence[str]:
        """All accounts, in the order in which they were named; the first is the bank."""
        return self._names

    @property
    def receipts(self) -> Sequence[Receipt]:
        """Of all transactions and timers, in order."""
        return self._started.receipts

    def events(self, name: str | None = None) -> list[Told]:
        """What contracts told, in order; of one name if given. What the engine tells is left out."""
        return self._all_told(event for event in self._started.events if name in (None, event.name))

    def events_of(self, receipt: Receipt) -> list[Told]:
        """What contracts told in one transaction or timer."""
        height, first = self._started.places[receipt.id]
        indexes = range(first, first + receipt.event_count)
        events = self._started.events
        return self._all_told(event for event in events if event.height == height and event.index in indexes)

    def describe(self, receipt: Receipt) -> dict[str, Any]:
        """A receipt as the API shows it, with why rules fired."""
        return self._started.engine.describe_receipt(receipt, self._started.ledger.aux)

    def balance(self, account: str, currency: str) -> int:
        """What an account holds, in minor units."""
        context = self._started.engine.context(self._started.ledger.state)
        return context.ledger.balance(str(currency), str(account))

    def look(self, instance: str) -> dict[str, Any]:
        """All about an instance, as the API shows it."""
        return self._started.look(str(instance), self.now.ms)

    def ask(self, instance: str, query: str, args: Mapping[str, Any]) -> Json:
        """The answer to a query. Raises: contracts.errors.Revert."""
        started = self._started
        state, given = started.ledger.state, to_plain(args)
        return started.engine.query(state, str(instance), query, given, started.height, self.now.ms)

    def why(self, instance: str, words: Mapping[str, str] = NO_WORDS) -> str:
        """What every rule of an instance waits for, and why those fired that did, in lines.

        `words` says conditions in other words than those of the source: see `contracts.explain`.
        """
        found = self.look(instance)
        lines = [f"{instance} is {found['status']}, in phase {found['phase']}."]
        for rule in found["rules"]:
            lines.append(f"{rule['name']}: {rule['next']}")
            for branch in rule["branches"]:
                state = {True: "holds", False: "does not hold", None: "not looked at"}[branch["holds"]]
                because = f", because {branch['because']}" if branch["because"] and not words else ""
                condition = words.get(branch["condition"], branch["condition"])
                lines.append(f"  if {condition}: {state}{because}")
            lines += [f"  where {name} is {shown(value)}" for name, value in rule["reads"].items()]
        lines += [line for firing in self.firings(instance) for line in told_firing(firing, words)]
        return "\n".join(lines)

    def firings(self, instance: str) -> list[dict[str, Any]]:
        """Why each rule of an instance fired that did, in order."""
        started = self._started
        return [
            firing
            for receipt in started.receipts
            for firing in self.describe(receipt)["firings"]
            if firing.get("instance") == instance
        ]

    @property
    def _started(self) -> MemoryChain:
        if self._start is None:
            self._start = MemoryChain(self._names, self.now.ms, self.parameters)
        return self._start

    def _all_told(self, events: Iterable[Event]) -> list[Told]:
        return [told for told in map(self._told, events) if told is not None]

    def _told(self, event: Event) -> Told | None:
        context = self._started.engine.context(self._started.ledger.state)
        if not context.has_instance(event.contract):
            return None
        for declared in context.contract(context.instance(event.contract).code).program.events:
            if declared.name == event.name:
                types = {field.name: field.type for field in declared.fields}
                fields = {name: from_value(value, types[name]) for name, value in event.fields}
                return Told(event.contract, event.name, fields)
        return None


def to_plain(value: Any) -> Any:
    """A value as authors write it, in the JSON of transactions."""
    if isinstance(value, lang.Money):
        return {"amount": str(value.amount), "currency": str(value.currency)}
    if isinstance(value, lang.Time | lang.Span):
        return value.ms
    if isinstance(value, lang.Percent):
        return readable(value.millionths, "Percent")
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value):
            return {str(key): to_plain(item) for key, item in value.items()}
        return [[to_plain(key), to_plain(item)] for key, item in value.items()]
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, str):
        return str(value)
    return str(value) if type(value) is int and abs(value) > INTEGER_MAX else value


def from_value(value: Value, spec: TypeSpec) -> Any:
    """A value of the engine, as authors write it."""
    if isinstance(value, values.Money):
        return lang.Money(value.amount, value.currency)
    if spec.name == "Time" and type(value) is int:
        return lang.Time(value)
    if spec.name == "Span" and type(value) is int:
        return lang.Span(value)
    if spec.name == "Percent" and type(value) is int:
        return lang.Percent(str(readable(value, "Percent")))
    return value
