"""Consent instead of majority: a proposal is adopted unless somebody's objection stands."""

from contracts import (
    Contract,
    Event,
    Party,
    Table,
    Time,
    action,
    emit,
    now,
    phases,
    query,
    require,
    rule,
    sender,
    table,
    term,
)


class Answered(Event):
    """A member of the circle consented, with an empty text, or objected."""

    member: Party
    objection: str


class Decided(Event):
    """The decision is made."""

    adopted: bool
    reason: str


class ConsentDecision(Contract):
    """If all in the circle consent, or nobody objects in time, then the proposal is adopted."""

    facilitator: Party = term(signs=True)
    circle: list[Party] = term()
    proposal: str = term()
    until: Time = term()

    phase = phases("open", "adopted", "not adopted")
    consents: int = 0
    objections: int = 0
    answers: Table[Party, str] = table()  # empty: consent; else the objection

    @action(by="circle", phase="open")
    def consent(self) -> None:
        """Consent, also after an objection that was answered."""
        self.answer("")

    @action(by="circle", phase="open")
    def object_because(self, reason: str) -> None:
        """Object, with a reason that others can work with."""
        require(reason != "", "an objection needs a reason")
        self.answer(reason)

    @rule(phase="open")
    def decide(self) -> None:
        """Close as soon as the answer is clear."""
        if self.consents == len(self.circle):
            self.adopt("all consent")
        elif now() > self.until and self.objections == 0:
            self.adopt("nobody objects")
        elif now() > self.until:
            self.phase = "not adopted"
            emit(Decided(adopted=False, reason="an objection stands"))

    @query
    def open_objections(self) -> dict[Party, str]:
        """Who objects, and why."""
        found: dict[Party, str] = {}
        for member, objection in self.answers.items(limit=len(self.circle)):
            if objection != "":
                found[member] = objection
        return found

    def answer(self, objection: str) -> None:
        member = sender()
        if member in self.answers:
            self.count(self.answers[member], -1)
        self.answers[member] = objection
        self.count(objection, 1)
        emit(Answered(member=member, objection=objection))

    def count(self, objection: str, by: int) -> None:
        if objection == "":
            self.consents += by
        else:
            self.objections += by

    def adopt(self, reason: str) -> None:
        self.phase = "adopted"
        emit(Decided(adopted=True, reason=reason))
