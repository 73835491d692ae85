"""A treasury of several owners: nothing is spent, and no owner changes, unless enough of them approve.

Where the founders agree on a limit, no more than that is spent in a period, whoever approves. It is a term,
which the owners cannot lift between them: only an upgrade can, and that takes all founders.
"""

from contracts import (
    DAY,
    Contract,
    Event,
    Instance,
    Money,
    Party,
    Span,
    Table,
    Time,
    action,
    emit,
    now,
    query,
    require,
    sender,
    table,
    term,
)

OWNERS_MAX = 50


class Deposited(Event):
    """Money came in."""

    by: Party
    amount: int


class Proposed(Event):
    """An owner proposes something: its kind is pay, add or remove."""

    number: int
    by: Party
    kind: str
    account: Party
    amount: int


class Approved(Event):
    """An owner approves a proposal, or does so no longer."""

    number: int
    by: Party
    approves: bool


class Executed(Event):
    """A proposal was carried out."""

    number: int
    by: Party
    approvals: int


class Treasury(Contract):
    """If enough of the present owners approve a proposal then it is carried out, once."""

    founders: list[Party] = term(signs=True)
    needed: int = term(default=2)
    unit: Instance = term()  # the currency that is kept here
    limit: int | None = term(default=None)  # what may be spent in a period; None: all that is here
    period: Span = term(default=30 * DAY)  # begins with the first payment after the end of the one before

    began: Time = Time("1970-01-01")  # when the latest period did
    spent: int = 0  # in that period
    proposals: int = 0
    changed: Table[Party, bool] = table()  # True: became an owner; False: is one no longer
    kinds: Table[int, str] = table()  # of the proposals that are open
    accounts: Table[int, Party] = table()
    amounts: Table[int, int] = table()
    approvals: Table[tuple[int, Party], bool] = table()

    @action()
    def deposit(self, amount: int) -> None:
        """Put money of the sender into the treasury."""
        self.take(sender(), Money(amount, self.unit))
        emit(Deposited(by=sender(), amount=amount))

    @action()
    def propose_payment(self, to: Party, amount: int) -> None:
        """Propose to pay an account."""
        require(amount > 0, "the amount must be more than 0")
        limit = self.limit
        if limit is not None:
            require(amount <= limit, "no more than " + str(limit) + " may be spent in a period")
        self.propose("pay", to, amount)

    @action()
    def propose_owner(self, account: Party) -> None:
        """Propose to make an account an owner."""
        require(not self.owns(account), "this is an owner already")
        self.propose("add", account, 0)

    @action()
    def propose_removal(self, account: Party) -> None:
        """Propose that an account is an owner no longer."""
        require(self.owns(account), "this is no owner")
        self.propose("remove", account, 0)

    @action()
    def approve(self, number: int) -> None:
        """Approve a proposal."""
        self.set_approval(number, True)

    @action()
    def revoke(self, number: int) -> None:
        """Take an approval back."""
        self.set_approval(number, False)

    @action()
    def execute(self, number: int) -> None:
        """Carry out a proposal that enough owners approve; anyone may."""
        require(number in self.kinds, "there is no such open proposal")
        approvals = self.count_approvals(number)
        require(approvals >= self.needed, "not enough owners approve: " + str(approvals))
        kind = self.kinds[number]
        account = self.accounts[number]
        amount = self.amounts[number]
        del self.kinds[number]
        if kind == "pay":
            self.note_spending(amount)
            self.pay(account, Money(amount, self.unit))
        else:
            self.changed[account] = kind == "add"
            owners = len(self.owners())
            require(owners >= self.needed, "fewer owners than approvals needed would be left")
            require(owners <= OWNERS_MAX, "there are too many owners")
        emit(Executed(number=number, by=sender(), approvals=approvals))

    @query
    def spendable(self) -> int | None:
        """What the limit leaves for now; None: there is no limit."""
        limit = self.limit
        if limit is None:
            return None
        return limit if self.period_is_over() else limit - self.spent

    @query
    def owners(self) -> list[Party]:
        """Who owns the treasury now, in the order of names."""
        found: dict[Party, bool] = {}
        for who in self.founders:
            found[who] = True
        for who, owns in self.changed.items(limit=1000):
            found[who] = owns
        present: list[Party] = []
        for who, owns in found.items():
            if owns:
                present.append(who)
        return present

    @query
    def approvals_of(self, number: int) -> int:
        """How many present owners approve a proposal."""
        return self.count_approvals(number)

    @query
    def open_proposals(self, after: int) -> list[int]:
        """The numbers of up to a hundred open proposals behind a number."""
        found: list[int] = []
        for number, _kind in self.kinds.items(limit=100, after=after):
            found.append(number)
        return found

    def period_is_over(self) -> bool:
        return now() >= self.began + self.period

    def note_spending(self, amount: int) -> None:
        """Count what is spent in a period, up to the limit."""
        if self.period_is_over():
            self.began = now()
            self.spent = 0
        self.spent += amount
        limit = self.limit
        if limit is not None:
            require(self.spent <= limit, "the limit of this period leaves less")

    def owns(self, who: Party) -> bool:
        return self.changed.get(who, who in self.founders)

    def propose(self, kind: str, account: Party, amount: int) -> None:
        require(self.owns(sender()), "only an owner proposes")
        self.proposals += 1
        self.kinds[self.proposals] = kind
        self.accounts[self.proposals] = account
        self.amounts[self.proposals] = amount
        self.approvals[self.proposals, sender()] = True
        emit(Proposed(number=self.proposals, by=sender(), kind=kind, account=account, amount=amount))

    def set_approval(self, number: int, approves: bool) -> None:
        require(self.owns(sender()), "only an owner approves")
        require(number in self.kinds, "there is no such open proposal")
        self.approvals[number, sender()] = approves
        emit(Approved(number=number, by=sender(), approves=approves))

    def count_approvals(self, number: int) -> int:
        count = 0
        for who in self.owners():
            if self.approvals.get((number, who), False):
                count += 1
        return count
