"""Deciding by consent: a proposal is adopted unless a reasoned objection stands."""

from contracts import (
    DAY,
    Contract,
    Event,
    Instance,
    Party,
    Record,
    Span,
    Table,
    Time,
    action,
    emit,
    now,
    phases,
    query,
    replace,
    require,
    rule,
    sender,
    table,
    term,
)

CIRCLE_MAX = 64


class Objection(Record):
    """Why the proposal would do harm, what its author offers, and what became of it."""

    by: Party
    reason: str
    offer: str
    state: str  # open, resolved, set aside, appealed


class Reacted(Event):
    """A member of the circle agrees, has a concern, or objects."""

    member: Party
    reaction: str
    reason: str


class Amended(Event):
    """The proposal was changed to meet objections; everybody reacts anew."""

    version: int
    text: str


class Judged(Event):
    """An objection was resolved, set aside or appealed."""

    number: int
    state: str
    by: Party
    reason: str


class Decided(Event):
    """The proposal is adopted, or goes to the wider circle."""

    outcome: str
    version: int


class Consent(Contract):
    """If nobody's reasoned objection stands when turn and grace are over then the proposal is adopted.

    Silence after the turn is no objection. The facilitator may set an objection aside, with a reason; whoever
    made it may appeal before the grace is over, and then the wider circle decides.
    """

    facilitator: Party = term(signs=True)
    circle: list[Party] = term()
    wider: Instance | None = term(default=None)  # to whom it goes when the circle does not agree
    turn: Span = term(default=7 * DAY)  # for reactions, from the beginning and after each amendment
    grace: Span = term(default=3 * DAY)  # for appeals, once no objection is open
    patience: Span = term(default=60 * DAY)  # in which objections are integrated

    phase = phases("drafting", "reacting", "grace", "adopted", "escalated")
    text: str = ""
    version: int = 0
    until: Time = Time("1970-01-01")  # when the turn, and then the grace, is over
    give_up: Time = Time("1970-01-01")
    reactions: Table[tuple[int, Party], str] = table()
    consents: int = 0  # agreements and concerns on this version
    open_objections: int = 0
    appeals: int = 0
    count: int = 0
    objections: Table[int, Objection] = table()

    @action(by="facilitator", phase="drafting")
    def present(self, text: str) -> None:
        """Put the proposal before the circle."""
        require(text != "", "a proposal has a text")
        require(len(self.circle) <= CIRCLE_MAX, "the circle is too large to hear everybody")
        self.give_up = now() + self.patience
        self.begin(text)

    @action(by="circle", phase="reacting")
    def agree(self) -> None:
        """Agree to this version."""
        self.react("agree", "")

    @action(by="circle", phase="reacting")
    def concern(self, reason: str) -> None:
        """Agree, and let others know what to keep an eye on."""
        require(reason != "", "a concern has a reason")
        self.react("concern", reason)

    @action(by="circle", phase="reacting")
    def object(self, reason: str, offer: str) -> None:
        """Object: say what harm the proposal does, and what one would help to change."""
        require(reason != "" and offer != "", "an objection has a reason and an offer")
        self.react("objection", reason)
        self.count += 1
        self.open_objections += 1
        self.objections[self.count] = Objection(by=sender(), reason=reason, offer=offer, state="open")

    @action(by="facilitator", phase="reacting")
    def amend(self, text: str) -> None:
        """Change the proposal to meet the objections; the turn begins anew."""
        require(text != "", "a proposal has a text")
        require(text != self.text, "an amendment changes the text")
        self.begin(text)

    @action(by="circle", phase="reacting")
    def resolve(self, number: int) -> None:
        """Say that one's own objection is met."""
        self.judge(number, "resolved", "", "open")
        self.open_objections -= 1

    @action(by="facilitator", phase="reacting")
    def set_aside(self, number: int, reason: str) -> None:
        """Set an objection aside that shows no harm; its author may appeal."""
        require(reason != "", "an objection is set aside for a reason")
        self.judge(number, "set aside", reason, "open")
        self.open_objections -= 1

    @action(by="circle", phase=("reacting", "grace"))
    def appeal(self, number: int, reason: str) -> None:
        """Appeal against the setting aside of one's own objection."""
        self.judge(number, "appealed", reason, "set aside")
        self.appeals += 1

    @rule(phase=("reacting", "grace"))
    def decide(self) -> None:
        """Go on as soon as the answer is clear."""
        if self.appeals > 0:
            self.end("escalated")
        elif self.phase == "reacting" and self.open_objections == 0 and self.consents == len(self.circle):
            self.start_grace()
        elif self.phase == "reacting" and self.open_objections == 0 and now() > self.until:
            self.start_grace()
        elif self.phase == "grace" and now() > self.until:
            self.end("adopted")
        elif self.phase == "reacting" and now() > self.give_up:
            self.end("escalated")

    @query
    def get(self, number: int) -> Objection:
        """An objection."""
        return self.objections[number]

    @query
    def history(self, version: int) -> dict[Party, str]:
        """How the circle reacted to a version."""
        found: dict[Party, str] = {}
        for member, reaction in self.reactions.items(of=version, limit=CIRCLE_MAX):
            found[member] = reaction
        return found

    @query
    def list(self, after: int) -> list[int]:
        """The numbers of up to a hundred objections behind a number."""
        found: list[int] = []
        for number, _objection in self.objections.items(limit=100, after=after):
            found.append(number)
        return found

    def begin(self, text: str) -> None:
        self.version += 1
        self.text = text
        self.consents = 0
        self.until = now() + self.turn
        self.phase = "reacting"
        emit(Amended(version=self.version, text=text))

    def react(self, reaction: str, reason: str) -> None:
        require((self.version, sender()) not in self.reactions, "everybody has one turn for each version")
        self.reactions[self.version, sender()] = reaction
        if reaction != "objection":
            self.consents += 1
        emit(Reacted(member=sender(), reaction=reaction, reason=reason))

    def judge(self, number: int, state: str, reason: str, before: str) -> None:
        require(number in self.objections, "there is no such objection")
        objection = self.objections[number]
        own = objection.by == sender()
        require(own or state == "set aside", "only who objected says so")
        require(objection.state == before, "it is " + objection.state)
        self.objections[number] = replace(objection, state=state)
        emit(Judged(number=number, state=state, by=sender(), reason=reason))

    def start_grace(self) -> None:
        self.phase = "grace"
        self.until = now() + self.grace

    def end(self, outcome: str) -> None:
        if outcome == "adopted":
            self.phase = "adopted"
        else:
            self.phase = "escalated"
        emit(Decided(outcome=outcome, version=self.version))
