"""An agreement that carries itself out: witnesses say that it was kept, and the money moves."""

from contracts import (
    Contract,
    Event,
    Money,
    Oracle,
    Party,
    Time,
    action,
    emit,
    fact,
    now,
    phases,
    query,
    reported,
    rule,
    term,
)


class Funded(Event):
    """The money lies in the agreement."""

    by: Party
    price: Money


class Closed(Event):
    """The agreement has done its work: the money went to one of the two."""

    outcome: str
    to: Party
    price: Money


class Agreement(Contract):
    """If enough witnesses say that the agreed is done then the payee is paid, else the payer gets it back.

    The prose that people signed is elsewhere; its hash is a term, so that everybody signs the same text.
    """

    payer: Party = term(signs=True)
    payee: Party = term(signs=True)
    witnesses: list[Oracle] = term()
    needed: int = term(default=2)  # witnesses that must say the same
    price: Money = term()
    deadline: Time = term()
    prose: bytes = term()  # SHA-256 of the text of the agreement

    phase = phases("unfunded", "funded", "closed")
    done: bool = fact(by="witnesses", quorum="needed", agree="equal")

    @action(by="payer", phase="unfunded")
    def fund(self) -> None:
        """Put the money into the agreement."""
        self.take(self.payer, self.price)
        self.phase = "funded"
        emit(Funded(by=self.payer, price=self.price))

    @rule(phase="funded")
    def settle(self) -> None:
        """Pay as the witnesses say, or back when they are silent."""
        if reported(self.done) and self.done:
            self.close("done", self.payee)
        elif reported(self.done):
            self.close("not done", self.payer)
        elif now() > self.deadline:
            self.close("no word in time", self.payer)

    @query
    def holds(self) -> Money:
        """What the agreement holds now."""
        return self.held(self.price.currency)

    def close(self, outcome: str, to: Party) -> None:
        self.pay(to, self.price)
        self.phase = "closed"
        emit(Closed(outcome=outcome, to=to, price=self.price))
