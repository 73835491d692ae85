"""Permission to use data: the subject grants and revokes, the vault that holds it asks each time.

Nothing of a person is on the chain: a subject is an account whose name says nothing, a grant names fields
and never their content.
"""

from contracts import (
    Contract,
    Event,
    Party,
    Record,
    Table,
    Time,
    action,
    emit,
    now,
    query,
    replace,
    require,
    sender,
    table,
    term,
)

LISTED_MAX = 100


class Grant(Record):
    """Who may use which fields of whose data, for what, until when and where."""

    subject: Party
    grantee: Party
    purpose: str
    fields: list[str]
    jurisdictions: list[str]
    until: Time
    state: str  # requested, granted, refused, revoked


class Requested(Event):
    """A grantee asks for permission."""

    number: int
    subject: Party
    grantee: Party
    purpose: str


class Answered(Event):
    """The subject grants, refuses or revokes."""

    number: int
    before: str
    after: str
    until: Time


class Read(Event):
    """The vault was asked for data, and let it go or not."""

    number: int
    grantee: Party
    jurisdiction: str
    field: str
    allowed: bool


class DataPermission(Contract):
    """If a grant is valid at that moment, in that place, then the vault may hand out the data."""

    vault: Party = term(signs=True)

    count: int = 0
    grants: Table[int, Grant] = table()
    of_subject: Table[tuple[Party, int], bool] = table()
    readings: int = 0
    reads: Table[tuple[int, int], str] = table()  # by grant and number of the reading
    denied: int = 0

    @action()
    def request(
        self, subject: Party, purpose: str, fields: list[str], jurisdictions: list[str], until: Time
    ) -> None:
        """Ask a subject for permission."""
        require(purpose != "" and len(fields) > 0 and len(jurisdictions) > 0, "say for what, which and where")
        self.count += 1
        self.grants[self.count] = Grant(
            subject=subject,
            grantee=sender(),
            purpose=purpose,
            fields=fields,
            jurisdictions=jurisdictions,
            until=until,
            state="requested",
        )
        self.of_subject[subject, self.count] = True
        emit(Requested(number=self.count, subject=subject, grantee=sender(), purpose=purpose))

    @action()
    def grant(self, number: int, until: Time) -> None:
        """Grant what was asked for, at most until the moment that was asked for."""
        require(now() < until <= self.own(number).until, "no longer than was asked for, and not in the past")
        self.answer(number, "requested", "granted", until)

    @action()
    def refuse(self, number: int) -> None:
        """Refuse what was asked for."""
        self.answer(number, "requested", "refused", self.own(number).until)

    @action()
    def revoke(self, number: int) -> None:
        """Take a permission back, from this moment on."""
        self.answer(number, "granted", "revoked", now())

    @action(by="vault")
    def log(self, number: int, grantee: Party, field: str, jurisdiction: str) -> None:
        """Note a reading, and whether it was allowed: the vault hands out data only where it was."""
        require(number in self.grants, "there is no such grant")
        allowed = self.permits(self.grants[number], grantee, field, jurisdiction)
        self.readings += 1
        self.reads[number, self.readings] = field + (" read" if allowed else " denied")
        if not allowed:
            self.denied += 1
        emit(Read(number=number, grantee=grantee, jurisdiction=jurisdiction, field=field, allowed=allowed))

    @query
    def valid(self, number: int, grantee: Party, field: str, jurisdiction: str) -> bool:
        """Whether the vault may hand out a field now."""
        if number not in self.grants:
            return False
        return self.permits(self.grants[number], grantee, field, jurisdiction)

    @query
    def get(self, number: int) -> Grant:
        """A grant."""
        return self.grants[number]

    @query
    def history(self, number: int, after: int) -> dict[int, str]:
        """Up to a hundred readings of a grant behind a number."""
        found: dict[int, str] = {}
        for place, reading in self.reads.items(of=number, limit=LISTED_MAX, after=after):
            found[place] = reading
        return found

    @query
    def list(self, subject: Party, after: int) -> list[int]:
        """The numbers of up to a hundred grants of a subject behind a number."""
        found: list[int] = []
        for number, _known in self.of_subject.items(of=subject, limit=LISTED_MAX, after=after):
            found.append(number)
        return found

    def own(self, number: int) -> Grant:
        require(number in self.grants, "there is no such grant")
        require(self.grants[number].subject == sender(), "only the subject answers")
        return self.grants[number]

    def answer(self, number: int, before: str, after: str, until: Time) -> None:
        grant = self.own(number)
        require(grant.state == before, "it is " + grant.state)
        self.grants[number] = replace(grant, state=after, until=until)
        emit(Answered(number=number, before=before, after=after, until=until))

    def permits(self, grant: Grant, grantee: Party, field: str, jurisdiction: str) -> bool:
        return (
            grant.state == "granted"
            and grant.grantee == grantee
            and now() < grant.until
            and field in grant.fields
            and jurisdiction in grant.jurisdictions
        )
