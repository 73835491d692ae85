"""Several buy together what is too dear for one: all or nothing, and nobody has to hold the money."""

from contracts import (
    DAY,
    Contract,
    Event,
    Instance,
    Money,
    Oracle,
    Party,
    Span,
    Table,
    Time,
    action,
    emit,
    fact,
    now,
    phases,
    query,
    reported,
    require,
    rule,
    sender,
    table,
    term,
)


class Pledged(Event):
    """Somebody put money in."""

    who: Party
    amount: Money


class Ended(Event):
    """The purchase is made, or called off."""

    outcome: str


class JointPurchase(Contract):
    """If enough is pledged in time and the goods are accepted then pay the seller, else pay back."""

    seller: Party = term(signs=True)
    inspector: Oracle = term()
    token: Instance = term()
    price: int = term()
    until: Time = term()
    inspection: Span = term(default=14 * DAY)

    phase = phases("collecting", "ordered", "paid", "called off")
    accepted: bool = fact(by="inspector")
    pledges: Table[Party, int] = table()

    @action(phase="collecting")
    def pledge(self, amount: int) -> None:
        """Put money into the purchase; more than once is fine."""
        require(0 < amount <= self.missing(), "pledge at least 1, at most " + str(self.missing()))
        self.take(sender(), Money(amount, self.token))
        self.pledges[sender()] = self.pledges.get(sender(), 0) + amount
        emit(Pledged(who=sender(), amount=Money(amount, self.token)))

    @action(phase="called off")
    def refund(self) -> None:
        """Get the own pledge back."""
        require(sender() in self.pledges, "nothing of yours is here")
        amount = self.pledges[sender()]
        del self.pledges[sender()]
        self.pay(sender(), Money(amount, self.token))

    @rule(phase="collecting")
    def collect(self) -> None:
        """Order as soon as the price is there; call it off when it is not there in time."""
        if self.held(self.token).amount >= self.price:
            self.phase = "ordered"
        elif now() > self.until:
            self.call_off("too little pledged")

    @rule(phase="ordered")
    def settle(self) -> None:
        """Pay for what was accepted; call off what was refused, or never inspected."""
        if reported(self.accepted) and self.accepted:
            self.pay(self.seller, self.held(self.token))
            self.phase = "paid"
            emit(Ended(outcome="paid"))
        elif reported(self.accepted):
            self.call_off("refused")
        elif now() > self.until + self.inspection:
            self.call_off("never inspected")

    @query
    def missing(self) -> int:
        """What is still to be pledged, in minor units."""
        return max(0, self.price - self.held(self.token).amount)

    def call_off(self, outcome: str) -> None:
        self.phase = "called off"
        emit(Ended(outcome=outcome))
