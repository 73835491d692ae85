"""A contract that uses every part of the language; it is checked by mypy like any module of ours."""

# ruff: noqa: RUF012, SIM114, PERF102 - stored variables begin empty, branches are read one by one

from __future__ import annotations

from contracts import (
    CEILING,
    DAY,
    FLOOR,
    HALF_EVEN,
    HALF_UP,
    HOUR,
    MILLISECOND,
    MINUTE,
    SECOND,
    WEEK,
    Call,
    Contract,
    Decimal,
    Event,
    Instance,
    Interface,
    Money,
    Oracle,
    Party,
    Percent,
    Record,
    Span,
    Table,
    Time,
    account_of,
    action,
    days_started,
    emit,
    fact,
    muldiv,
    now,
    on,
    perform,
    phases,
    query,
    replace,
    reported,
    require,
    rule,
    sender,
    sha256,
    signed,
    table,
    term,
    this,
    verify,
)

SHARES = 10_000
GRACE: Span = WEEK + 3 * DAY - 2 * HOUR - 30 * MINUTE - 15 * SECOND
FEE = Percent("0.25")
DEPOSIT = Money(2_500, "euro")
SEAL = b"\x00seal"


class Voted(Event):
    """Somebody voted."""

    who: Party
    weight: int
    total: int


class Done(Event):
    """It is over."""


class Sight(Record):
    """Something to see."""

    name: str
    seen: Time
    stars: Decimal | None
    tags: list[str]


class Guide(Interface):
    """Who knows the way."""

    @action
    def lead(self, name: str, to: Instance) -> None:
        """Go on."""

    @query
    def price(self, name: str) -> Money:
        """What it costs."""


class Tour(Contract):
    """All that the language has.

    A docstring may have several lines.
    """

    chair: Party = term(signs=True)
    members: list[Party] = term(signs=True)
    scale: Oracle = term()
    unit: Instance = term()
    guide: Guide = term()
    deputy: Party | None = term(default=None)
    budget: Money = term()
    share: Percent = term(default="12.5")
    start: Time = term()
    length: Span = term(default=30 * DAY)
    quorum: int = term(default=2)
    open_to_all: bool = term(default=False)
    title: str = term(default="a tour")

    phase = phases("open", "voting", "closed")

    total: int = 0
    rounds: Span = 0 * DAY
    digest: bytes = b""
    names: list[str] = []
    counts: dict[str, int] = {}
    votes: Table[Party, int] = table()
    notes: Table[tuple[Party, str], list[str]] = table()

    weighed: int = fact(by="scale")
    arrived: Time = fact(by="scale", max_age=2 * DAY)
    approved: bool = fact(by="scale")
    rating: Decimal = fact(by="members", quorum="quorum", agree="median")

    sights: Table[int, Sight] = table()
    latest: Sight | None = None
    plan: Call | None = None

    @action(by=("chair", "members"), phase=("open", "voting"))
    def vote(self, weight: int, note: str) -> None:
        """Vote, with a note."""
        require(weight > 0 and weight <= SHARES, "a weight is 1 to 10000")
        require(sender() not in self.votes, "you have voted")
        self.votes[sender()] = weight
        self.notes[sender(), "vote"] = [note, "weight " + str(weight)]
        self.total += weight
        kept = self.names
        kept.append(note)
        self.names = kept
        counts = self.counts
        counts[note] = counts.get(note, 0) + 1
        self.counts = counts
        if self.phase == "open":
            self.phase = "voting"
        emit(Voted(who=sender(), weight=weight, total=self.total))

    @action(by="chair", phase="voting")
    def withdraw(self, who: Party) -> None:
        self.total -= self.votes[who]
        del self.votes[who]

    @action()
    def deposit(self) -> None:
        require(signed(self.chair), "the chair must sign, too")
        self.take(sender(), self.budget)
        self.digest = sha256(SEAL + str(this()).encode() + self.title.encode())

    @action(by="guide")
    def see(self, name: str, key: bytes, signature: bytes) -> None:
        require(verify(key, name.encode(), signature), "the sight has signed")
        sight = Sight(name=name, tags=[name], stars=None, seen=now().start_of_day().add_months(1))
        self.sights[sight.seen.year * 100 + sight.seen.month] = sight
        self.latest = replace(sight, stars=Decimal("4.5").times(Decimal(2), HALF_EVEN))
        if self.latest.stars is not None:
            self.rounds += self.latest.stars.rounded(CEILING) * MILLISECOND
        self.guide.lead(name, to=this())

    @action(by="chair")
    def keep(self, plan: Call | None) -> None:
        if plan is not None and plan.action != "see":
            perform(plan)
        self.plan = plan

    @on("guide", "Led")
    def arrived_at(self, name: str, cost: Money) -> None:
        """Note where the guide led to."""
        found = self.sights.get(len(name))
        if found is None or found.seen < Time("2026-01-31"):
            self.pay(account_of(self.unit), self.share.of(cost, HALF_UP))
        for key, texts in self.notes.items(of=self.chair, limit=10, after=name):
            self.total += len(key) + len(texts)

    @query
    def dear(self, name: str) -> bool:
        """Whether a sight costs more than the half of what there is."""
        return self.guide.price(name=name) > self.budget.over(2, FLOOR)

    @rule(phase="voting")
    def decide(self) -> None:
        """Closes the vote."""
        if reported(self.weighed) and self.weighed > self.quorum and self.enough():
            self.pay_out()
        elif self.arrived and self.arrived <= self.start + self.length and not now() < self.start:
            self.pay_out()
        elif reported(self.approved) and not self.approved:
            self.finish()
        elif self.start + self.length < now() or now() >= self.start + GRACE + self.length:
            self.finish()

    def enough(self) -> bool:
        return 2 * self.total > SHARES

    def pay_out(self) -> None:
        left = self.held(self.unit)
        for who, weight in self.votes.items(limit=100):
            part = Money(muldiv(left.amount, weight, max(self.total, 1)), left.currency)
            self.pay(who, min(part, self.share.of(left), self.held(left.currency)))
        for key, texts in self.notes.items(limit=10, after=(self.chair, "")):
            if key[0] == self.chair or len(texts) == 0:
                continue
            self.rounds += (now() - self.start) // 2
            break
        self.finish()

    def finish(self) -> None:
        self.phase = "closed"
        emit(Done())

    @query
    def weight_of(self, who: Party) -> int:
        """What somebody's vote weighs."""
        return self.votes.get(who, 0)

    @query
    def best(self, count: int) -> list[int]:
        """The largest weights, in order."""
        weights: list[int] = []
        for _who, weight in self.votes.items(limit=1000):
            weights.append(weight)
        weights = sorted(weights)
        return weights[max(0, len(weights) - count) :]

    @query
    def days_left(self) -> int:
        """Days until the vote ends."""
        left = days_started(self.start + self.length - now())
        while left > 365:
            left -= 365
        return left if left > 0 else -abs(left)

    @query
    def fees(self) -> Money:
        return FEE.of(self.budget) + DEPOSIT * 0

    @query
    def summary(self) -> dict[str, int]:
        result = {"total": self.total, "names": len(self.names)}
        for name in self.names:
            if name in self.counts and name != "":
                result[name] = self.counts[name]
        return result
