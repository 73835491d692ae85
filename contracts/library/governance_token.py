"""Votes apart from shares: weight that can not be sold, and is known for every past moment."""

from contracts import (
    Contract,
    Event,
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


class WeightSet(Event):
    """An account has another weight from now on."""

    account: Party
    before: int
    after: int


class Delegated(Event):
    """An account lets another vote with its weight, or votes itself again."""

    account: Party
    delegate: Party


class GovernanceToken(Contract):
    """If a vote is held then each account weighs what it weighed before; weight is not transferable."""

    issuer: Party = term(signs=True)

    weights: Table[Party, int] = table()
    delegates: Table[Party, Party] = table()
    votes: Table[tuple[Party, int], int] = table()  # by account and minus the moment: the latest comes first
    totals: Table[int, int] = table()

    @action(by="issuer")
    def set_weight(self, account: Party, weight: int) -> None:
        """Give an account so many votes."""
        require(weight >= 0, "a weight is 0 or more")
        before = self.weights.get(account, 0)
        self.weights[account] = weight
        self.add(self.delegates.get(account, account), weight - before)
        self.totals[-now().ms] = self.total_at(now()) + weight - before
        emit(WeightSet(account=account, before=before, after=weight))

    @action()
    def delegate(self, to: Party) -> None:
        """Let another account vote with the weight of the sender; to oneself takes it back."""
        weight = self.weights.get(sender(), 0)
        self.add(self.delegates.get(sender(), sender()), -weight)
        self.delegates[sender()] = to
        self.add(to, weight)
        emit(Delegated(account=sender(), delegate=to))

    @query
    def weight_at(self, account: Party, moment: Time) -> int:
        """How many votes an account had at a moment, with those delegated to it."""
        return self.votes_at(account, moment)

    @query
    def total_weight(self, moment: Time) -> int:
        """How many votes there were at a moment."""
        return self.total_at(moment)

    def add(self, account: Party, change: int) -> None:
        self.votes[account, -now().ms] = self.votes_at(account, now()) + change

    def votes_at(self, account: Party, moment: Time) -> int:
        for _moment, weight in self.votes.items(of=account, limit=1, after=-moment.ms - 1):
            return weight
        return 0

    def total_at(self, moment: Time) -> int:
        for _moment, weight in self.totals.items(limit=1, after=-moment.ms - 1):
            return weight
        return 0
