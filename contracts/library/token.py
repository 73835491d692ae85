"""A currency in the contract language: its issuer makes money, its holders transfer and burn it."""

from contracts import Contract, Event, Party, action, emit, query, require, sender, term


class Minted(Event):
    """New money came into being."""

    to: Party
    amount: int


class Transferred(Event):
    """Money changed hands."""

    source: Party
    target: Party
    amount: int


class Burned(Event):
    """Money ceased to be."""

    holder: Party
    amount: int


class Token(Contract):
    """A currency that carries the name of its instance; amounts are whole minor units."""

    issuer: Party = term(signs=True)
    decimals: int = term(default=2)
    cap: int = term(default=0)

    @action(by="issuer")
    def mint(self, to: Party, amount: int) -> None:
        """Make new money for an account."""
        require(amount > 0, "the amount must be more than 0")
        require(self.cap == 0 or self.currency.supply() + amount <= self.cap, "this would go over the cap")
        self.currency.mint(to, amount)
        emit(Minted(to=to, amount=amount))

    @action()
    def transfer(self, to: Party, amount: int) -> None:
        """Give money of the sender to another account."""
        require(amount > 0, "the amount must be more than 0")
        self.currency.move(sender(), to, amount)
        emit(Transferred(source=sender(), target=to, amount=amount))

    @action()
    def burn(self, amount: int) -> None:
        """Destroy money of the sender."""
        require(amount > 0, "the amount must be more than 0")
        self.currency.burn(sender(), amount)
        emit(Burned(holder=sender(), amount=amount))

    @query
    def balance(self, account: Party) -> int:
        """What an account holds, in minor units."""
        return self.currency.balance(account)

    @query
    def supply(self) -> int:
        """All money of this currency, in minor units."""
        return self.currency.supply()
