"""Delivery or penalty: the example that the whole project is explained with."""

from contracts import (
    DAY,
    Contract,
    Event,
    Money,
    Oracle,
    Party,
    Percent,
    Span,
    Time,
    action,
    days_started,
    emit,
    fact,
    now,
    phases,
    rule,
    term,
)


class Funded(Event):
    """The buyer's money is held by the agreement."""

    buyer: Party
    price: Money


class Closed(Event):
    """The agreement has done its work."""

    reason: str
    penalty: Money


class DeliveryOrPenalty(Contract):
    """If delivery is confirmed by the deadline then release the payment, else a penalty."""

    buyer: Party = term(signs=True)
    seller: Party = term(signs=True)
    carrier: Oracle = term()
    price: Money = term()
    deadline: Time = term()
    rate: Percent = term(default="1")  # of the price, for each day started
    cap: Percent = term(default="10")
    give_up: Span = term(default=30 * DAY)

    phase = phases("unfunded", "funded", "closed")
    delivered: Time = fact(by="carrier", max_age=2 * DAY)

    @action(by="buyer", phase="unfunded")
    def fund(self) -> None:
        """Put the price into the agreement."""
        self.take(self.buyer, self.price)
        self.phase = "funded"
        emit(Funded(buyer=self.buyer, price=self.price))

    @rule(phase="funded")
    def settle(self) -> None:
        """Pay the seller, with a penalty for each day late, or the buyer when nothing came."""
        if self.delivered and self.delivered <= self.deadline:
            self.pay(self.seller, self.price)
            self.close("on time", self.price * 0)
        elif self.delivered:
            days = days_started(self.delivered - self.deadline)
            penalty = min(self.rate.of(self.price) * days, self.cap.of(self.price))
            self.pay(self.buyer, penalty)
            self.pay(self.seller, self.price - penalty)
            self.close("late", penalty)
        elif now() > self.deadline + self.give_up:  # the node wakes the contract itself
            self.pay(self.buyer, self.price)
            self.close("not delivered", self.price * 0)

    def close(self, reason: str, penalty: Money) -> None:
        self.phase = "closed"
        emit(Closed(reason=reason, penalty=penalty))
