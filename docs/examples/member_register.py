"""The register of a cooperative: who is a member since when, each with an entry share that is paid back."""

from contracts import (
    Contract,
    Event,
    Money,
    Party,
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

PAGE = 100


class Applied(Event):
    """Somebody paid the entry share and waits for the board."""

    applicant: Party


class Admitted(Event):
    """The register has a new member."""

    member: Party


class Left(Event):
    """Somebody got the share back: a member that left, or an applicant that was not admitted."""

    account: Party


class MemberRegister(Contract):
    """A register that the board keeps; whoever is in it, or applies to be, has paid the entry share."""

    board: list[Party] = term(signs=True)
    share: Money = term()

    members: Table[Party, Time] = table()  # since when
    applicants: Table[Party, Time] = table()
    size: int = 0

    @action()
    def apply(self) -> None:
        """Pay the entry share and ask for admission."""
        require(sender() not in self.members, "you are a member already")
        require(sender() not in self.applicants, "you have applied already")
        self.take(sender(), self.share)
        self.applicants[sender()] = now()
        emit(Applied(applicant=sender()))

    @action(by="board")
    def admit(self, applicant: Party) -> None:
        """Make an applicant a member."""
        require(applicant in self.applicants, "there is no application of " + str(applicant))
        del self.applicants[applicant]
        self.members[applicant] = now()
        self.size += 1
        emit(Admitted(member=applicant))

    @action(by="board")
    def decline(self, applicant: Party) -> None:
        """Give an applicant the share back."""
        require(applicant in self.applicants, "there is no application of " + str(applicant))
        del self.applicants[applicant]
        self.give_back(applicant)

    @action()
    def leave(self) -> None:
        """Leave the cooperative and get the share back."""
        require(sender() in self.members, "you are no member")
        del self.members[sender()]
        self.size -= 1
        self.give_back(sender())

    @query
    def is_member(self, account: Party) -> bool:
        """Whether the register has this account."""
        return account in self.members

    @query
    def first_members(self) -> dict[Party, Time]:
        """The first hundred members by name, and since when they are."""
        found: dict[Party, Time] = {}
        for member, since in self.members.items(limit=PAGE):
            found[member] = since
        return found

    @query
    def members_after(self, member: Party) -> dict[Party, Time]:
        """The next hundred, to read a long register page by page."""
        found: dict[Party, Time] = {}
        for other, since in self.members.items(limit=PAGE, after=member):
            found[other] = since
        return found

    def give_back(self, account: Party) -> None:
        self.pay(account, self.share)
        emit(Left(account=account))
