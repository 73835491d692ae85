"""Decisions by majority that carry themselves out: a proposal is a call that the vote makes, or not."""

from contracts import (
    DAY,
    MILLISECOND,
    Call,
    Contract,
    Event,
    Interface,
    Party,
    Percent,
    Record,
    Span,
    Table,
    Time,
    action,
    emit,
    now,
    perform,
    query,
    replace,
    require,
    sender,
    table,
    term,
)


class Votes(Interface):
    """Whoever knows how many votes an account had at a moment."""

    @query
    def weight_at(self, account: Party, moment: Time) -> int:
        """Of an account."""

    @query
    def total_weight(self, moment: Time) -> int:
        """Of all accounts."""


class Proposal(Record):
    """What is proposed, and how the vote stands."""

    by: Party
    text: str
    call: Call
    opened: Time  # whose votes count is decided by the moment before
    closes: Time
    in_favour: int
    against: int
    abstained: int
    cancelled: bool
    executed: bool


class Proposed(Event):
    """A call is put to the vote."""

    number: int
    by: Party
    text: str
    contract: str
    act: str


class Voted(Event):
    """An account has voted."""

    number: int
    account: Party
    choice: str
    weight: int
    reason: str


class Ended(Event):
    """A proposal was executed or cancelled."""

    number: int
    outcome: str
    by: Party


class Voting(Contract):
    """If enough vote, and more for than against, then the proposed call is made once, after a delay."""

    votes: Votes = term()
    guardian: Party = term()  # may cancel, and nothing else
    quorum: Percent = term(default="20")  # of all votes, for and abstained together
    voting_time: Span = term(default=7 * DAY)
    delay: Span = term(default=2 * DAY)  # between the end of the vote and the call
    expiry: Span = term(default=14 * DAY)  # from when on the call may be made
    late: Span = term(default=1 * DAY)  # a vote that swings the result leaves at least so much time

    count: int = 0
    proposals: Table[int, Proposal] = table()
    cast: Table[tuple[int, Party], str] = table()

    @action()
    def propose(self, text: str, call: Call) -> None:
        """Put a call to the vote; whoever has a vote may."""
        require(self.votes.weight_at(sender(), now()) > 0, "only who has votes proposes")
        self.count += 1
        self.proposals[self.count] = Proposal(
            by=sender(),
            text=text,
            call=call,
            opened=now(),
            closes=now() + self.voting_time,
            in_favour=0,
            against=0,
            abstained=0,
            cancelled=False,
            executed=False,
        )
        emit(
            Proposed(number=self.count, by=sender(), text=text, contract=str(call.contract), act=call.action)
        )

    @action()
    def vote(self, number: int, choice: str, reason: str) -> None:
        """Vote "for", "against" or "abstain", once, with the weight from before the proposal."""
        proposal = self.find(number)
        require(now() <= proposal.closes and not proposal.cancelled, "the vote is over")
        require((number, sender()) not in self.cast, "this account has voted")
        require(choice in ["for", "against", "abstain"], "vote for, against or abstain")
        weight = self.votes.weight_at(sender(), proposal.opened - MILLISECOND)
        require(weight > 0, "this account had no votes when the proposal was made")
        self.cast[number, sender()] = choice
        before = self.leads(proposal)
        if choice == "for":
            proposal = replace(proposal, in_favour=proposal.in_favour + weight)
        elif choice == "against":
            proposal = replace(proposal, against=proposal.against + weight)
        else:
            proposal = replace(proposal, abstained=proposal.abstained + weight)
        if self.leads(proposal) != before:
            proposal = replace(proposal, closes=max(proposal.closes, now() + self.late))
        self.proposals[number] = proposal
        emit(Voted(number=number, account=sender(), choice=choice, weight=weight, reason=reason))

    @action()
    def cancel(self, number: int) -> None:
        """Take a proposal back: its proposer may, and the guardian."""
        proposal = self.find(number)
        require(sender() == proposal.by or sender() == self.guardian, "only the proposer or the guardian may")
        require(not proposal.executed and not proposal.cancelled, "it has ended")
        self.proposals[number] = replace(proposal, cancelled=True)
        emit(Ended(number=number, outcome="cancelled", by=sender()))

    @action()
    def execute(self, number: int) -> None:
        """Make the call of a proposal that was accepted; anyone may, once the delay is over."""
        proposal = self.find(number)
        require(self.outcome(proposal) == "due", "it is " + self.outcome(proposal))
        self.proposals[number] = replace(proposal, executed=True)
        perform(proposal.call)
        emit(Ended(number=number, outcome="executed", by=sender()))

    @query
    def state(self, number: int) -> str:
        """Voting, cancelled, rejected, waiting, due, expired or executed."""
        return self.outcome(self.find(number))

    @query
    def get(self, number: int) -> Proposal:
        """A proposal."""
        return self.find(number)

    @query
    def list(self, after: int) -> list[int]:
        """The numbers of up to a hundred proposals behind a number."""
        found: list[int] = []
        for number, _proposal in self.proposals.items(limit=100, after=after):
            found.append(number)
        return found

    def find(self, number: int) -> Proposal:
        require(number in self.proposals, "there is no such proposal")
        return self.proposals[number]

    def leads(self, proposal: Proposal) -> bool:
        counted = proposal.in_favour + proposal.abstained
        total = self.votes.total_weight(proposal.opened - MILLISECOND)
        return counted >= self.quorum.of(total) and proposal.in_favour > proposal.against

    def outcome(self, proposal: Proposal) -> str:
        due = proposal.closes + self.delay
        if proposal.executed:
            return "executed"
        if proposal.cancelled:
            return "cancelled"
        if now() <= proposal.closes:
            return "voting"
        if not self.leads(proposal):
            return "rejected"
        if now() <= due:
            return "waiting"
        return "due" if now() <= due + self.expiry else "expired"
