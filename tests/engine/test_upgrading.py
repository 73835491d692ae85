"""An instance takes other code: who must agree, what happens to its state, and how upgrades can be abused."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.receipts import Receipt
from contracts.system.code_approval import code_id
from contracts.system.decisions import OPEN_PROPOSALS_MAX
from tests.engine.chain import Chain
from tests.engine.consortium import approve, decide

ONE = '''
from contracts import Contract, Money, Oracle, Party, Table, action, fact, phases, query, table, term


class Club(Contract):
    """Members pay a fee."""

    chair: Party = term(signs=True)
    oracle: Oracle = term()
    helper: Party = term()
    fee: Money = term()
    phase = phases("open", "closed")
    cents: int = 0
    note: str = "none"
    paid: Table[str, int] = table()
    rate: int = fact(by="oracle")

    @action
    def join(self, name: str, amount: int) -> None:
        self.paid[name] = amount
        self.cents += amount

    @action
    def say(self, text: str) -> None:
        self.note = text

    @query
    def total(self) -> int:
        return self.cents
'''
KEEPS = ONE.replace("self.cents += amount", "self.cents += 2 * amount")
TYPED = (
    ONE.replace("cents: int = 0", 'cents: str = "0"')
    .replace("self.cents += amount", "pass")
    .replace("def total(self) -> int", "def total(self) -> str")
)
MIGRATES = (
    TYPED.replace("paid: Table[str, int]", "paid: Table[str, str]")
    .replace("self.paid[name] = amount", "self.paid[name] = name")
    .replace(
        "    @query\n",
        '''    @migrate
    def from_cents(self, cents: int, paid: dict[str, int]) -> None:
        """Cents become a text."""
        if cents > 100:
            self.cents = "rich"
        for name, amount in paid.items():
            self.paid[name] = self.note

    @query
''',
        1,
    )
    .replace("import Contract,", "import Contract, migrate,")
)
MORE_SIGNERS = ONE.replace("helper: Party = term()", "helper: Party = term(signs=True)")


@pytest.fixture
def chain() -> Chain:
    made = Chain()
    made.euro()
    terms = {
        "chair": "greenfarm",
        "oracle": "swiftship",
        "helper": "swiftship",
        "fee": {"amount": "5", "currency": "euro"},
    }
    create = {"code": made.deploy(ONE), "name": "club", "terms": terms, "sign": True}
    made.succeed("greenfarm", ("contracts", "create", create))
    made.succeed("bank", ("club", "join", {"name": "ann", "amount": 70}))
    made.succeed("bank", ("club", "join", {"name": "bob", "amount": 80}))
    return made


OUTCOME = "ab" * 32


def propose(chain: Chain, source: str, *, by: str = "greenfarm", **changed: Any) -> Receipt:
    chain.deploy(source)
    args: dict[str, Any] = {
        "instance": "club", "code": code_id(source), "from_height": chain.height, "height": chain.height,
        "outcome": OUTCOME,
    }  # fmt: skip
    return chain.perform(by, ("contracts", "propose_upgrade", {**args, **changed}))


def upgrade(chain: Chain, source: str, **changed: Any) -> str:
    """Propose, and let the block come that carries it out; what became of it."""
    receipt = propose(chain, source, **changed)
    assert receipt.status == "ok", receipt.text
    chain.block()
    [event] = [event for event in chain.outcomes[-1].events if event.name.startswith("upgrade")]
    return event.name if event.name == "upgraded" else str(dict(event.fields)["reason"])


def total(chain: Chain) -> Any:
    return chain.engine.query(chain.ledger.state, "club", "total", {}, chain.height, chain.now_ms)


def rows(chain: Chain) -> list[Any]:
    [found] = [each["rows"] for each in chain.instance("club")["fields"] if "rows" in each]
    return list(found)


# ---------------------------------------------------------------- who agrees


def test_the_signer_alone_upgrades_what_it_alone_signed(chain: Chain) -> None:
    before = chain.instance("club")
    assert upgrade(chain, KEEPS) == "upgraded"
    after = chain.instance("club")
    assert (before["code"], after["code"]) == (code_id(ONE), code_id(KEEPS))
    assert before["terms_hash"] != after["terms_hash"]
    chain.succeed("bank", ("club", "join", {"name": "cid", "amount": 1}))
    assert total(chain) == 152
    assert chain.replayed().outcomes[-1].link == chain.outcomes[-1].link


@pytest.mark.parametrize("by", ["bank", "swiftship", "greenfarm.clerk"])
def test_nobody_else_proposes(chain: Chain, by: str) -> None:
    refused = propose(chain, KEEPS, by=by)
    assert (refused.code, "proposed by one who signs it (greenfarm)" in refused.text) == (
        "unauthorised",
        True,
    )


def test_code_that_adds_a_signer_needs_that_signer_too(chain: Chain) -> None:
    [number] = propose(chain, MORE_SIGNERS).results
    assert [chain.block().events for _ in range(2)] == [(), ()]
    assert approve(chain, number, "swiftship", contract="contracts", outcome=OUTCOME).results == ("approved",)
    assert chain.block().events[0].name == "upgraded"


def test_code_that_drops_a_signer_still_needs_it(chain: Chain) -> None:
    terms = {
        "chair": "greenfarm",
        "oracle": "swiftship",
        "helper": "swiftship",
        "fee": {"amount": "5", "currency": "euro"},
    }
    create = {"code": chain.deploy(MORE_SIGNERS), "name": "both", "terms": terms, "sign": True}
    chain.succeed("greenfarm", ("contracts", "create", create), cosigners=["swiftship"])
    receipt = propose(chain, ONE, instance="both")
    assert (receipt.status, chain.instance("both")["code"]) == ("ok", code_id(MORE_SIGNERS))
    for _ in range(3):
        chain.block()
    assert chain.instance("both")["code"] == code_id(MORE_SIGNERS)


def test_instances_whose_signers_did_not_agree_keep_the_old_code(chain: Chain) -> None:
    terms = {
        "chair": "bigmarket",
        "oracle": "swiftship",
        "helper": "swiftship",
        "fee": {"amount": "5", "currency": "euro"},
    }
    create = {"code": code_id(ONE), "name": "other", "terms": terms, "sign": True}
    chain.succeed("bigmarket", ("contracts", "create", create))
    assert upgrade(chain, KEEPS) == "upgraded"
    assert chain.instance("other")["code"] == code_id(ONE)
    chain.succeed("bank", ("other", "join", {"name": "cid", "amount": 1}))


def test_code_must_be_approved_first(chain: Chain) -> None:
    assert decide(chain, {"kind": "policy", "code": "quorum", "guardians": []}).status == "ok"
    chain.succeed("bank", ("contracts", "propose_code", {"source": KEEPS, "purpose": "double"}))
    args = {
        "instance": "club", "code": code_id(KEEPS), "from_height": chain.height, "height": chain.height,
        "outcome": OUTCOME,
    }  # fmt: skip
    refused = chain.perform("greenfarm", ("contracts", "propose_upgrade", args))
    assert (refused.code, "is proposed and not approved yet" in refused.text) == ("phase", True)


# ---------------------------------------------------------------- what is bound to the approval


def test_an_approval_with_another_outcome_is_refused(chain: Chain) -> None:
    [number] = propose(chain, MORE_SIGNERS).results
    for beside, words in (
        ({"outcome": "cd" * 32}, "one of the two nodes executes something else"),
        ({}, "with the outcome of a rehearsal on one's own node"),
    ):
        refused = approve(chain, number, "swiftship", contract="contracts", **beside)
        assert (refused.code, words in refused.text) == ("arguments", True), refused.text


def test_an_upgrade_is_void_once_the_instance_has_changed(chain: Chain) -> None:
    """Approving one thing and activating another: what was rehearsed was the code before."""
    [slow] = propose(chain, MORE_SIGNERS).results
    assert upgrade(chain, KEEPS) == "upgraded"
    refused = approve(chain, slow, "swiftship", contract="contracts", outcome=OUTCOME)
    assert (refused.code, "was upgraded since this was proposed" in refused.text) == ("phase", True)


def test_two_upgrades_that_wait_for_the_same_block_do_not_both_happen(chain: Chain) -> None:
    height = chain.height + 6
    for source in (
        KEEPS,
        TYPED.replace("cents: str", "total_text: str").replace("self.cents", "self.total_text"),
    ):
        assert propose(chain, source, activate_height=height).status == "ok"
    while chain.height < height:
        chain.block()
    names = [event.name for event in chain.events() if event.name in ("upgraded", "upgrade_failed")]
    assert names == ["upgraded", "upgrade_failed"]
    assert chain.instance("club")["code"] == code_id(KEEPS)


def test_a_proposal_says_whether_it_was_carried_out(chain: Chain) -> None:
    def status(number: int) -> str:
        found = chain.engine.describe_proposal(chain.ledger.state, number, chain.now_ms)
        assert found is not None
        return str(found["status"])

    [first] = propose(chain, KEEPS, activate_height=chain.height + 5).results
    [second] = propose(chain, MIGRATES, activate_height=chain.height + 4).results
    assert (status(first), status(second)) == ("approved", "approved")
    for _ in range(5):
        chain.block()
    assert (status(first), status(second)) == ("carried out", "failed")


def test_waiting_upgrades_count_against_their_member(chain: Chain) -> None:
    """So that nobody fills the queue of upgrades, which nobody pays for."""
    for _ in range(OPEN_PROPOSALS_MAX):
        assert propose(chain, KEEPS, activate_height=chain.height + 1_000).status == "ok"
    refused = propose(chain, KEEPS)
    assert (refused.code, "greenfarm has 16 proposals that wait" in refused.text) == ("size", True)


def test_upgrades_of_a_block_share_the_gas_of_a_batch(chain: Chain) -> None:
    loop = "            while cents > 0:\n                cents += 1"
    endless = MIGRATES.replace('            self.cents = "rich"', loop)
    height = chain.height + 10
    for _ in range(4):
        assert propose(chain, endless, activate_height=height).status == "ok"
    while chain.height < height:
        chain.block()
    failed = [event for event in chain.outcomes[-1].events if event.name == "upgrade_failed"]
    assert len(failed) == 2  # of 20 million each, within 50
    assert len([event for event in chain.block().events if event.name == "upgrade_failed"]) == 2


def test_an_upgrade_is_active_at_its_height_and_not_before(chain: Chain) -> None:
    chain.deploy(KEEPS)
    height = chain.height + 4
    propose(chain, KEEPS, activate_height=height)
    while chain.height < height - 1:
        chain.block()
        assert chain.instance("club")["code"] == code_id(ONE)
    chain.block()
    assert chain.instance("club")["code"] == code_id(KEEPS)


def test_no_upgrade_in_a_block_that_must_stay_empty(chain: Chain) -> None:
    propose(chain, KEEPS)
    chain.block(run_timers=False)
    assert chain.instance("club")["code"] == code_id(ONE)
    chain.block()
    assert chain.instance("club")["code"] == code_id(KEEPS)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"from_height": 1}, "arguments"),
        ({"height": 10**6}, "arguments"),
        ({"from_height": "3"}, "arguments"),
        ({"outcome": "xy"}, "arguments"),
        ({"instance": "nothing"}, "unknown"),
        ({"instance": "No"}, "arguments"),
        ({"code": "00" * 16}, "unknown"),
        ({"code": code_id(ONE)}, "arguments"),
        ({"terms": []}, "arguments"),
        ({"terms": {"nothing": 1}}, "arguments"),
    ],
)
def test_what_makes_no_sense_is_refused(chain: Chain, changed: dict[str, Any], code: str) -> None:
    assert propose(chain, KEEPS, **changed).code == code


# ---------------------------------------------------------------- state


def test_a_changed_type_is_refused_unless_it_is_migrated(chain: Chain) -> None:
    refused = propose(chain, TYPED)
    assert refused.code == "schema"
    assert refused.text.startswith(
        "cents of club is int in the code that it runs and str in the new: read it"
    )


def test_migrating_reads_the_old_and_writes_the_new(chain: Chain) -> None:
    chain.succeed("bank", ("club", "say", {"text": "hello"}))
    assert upgrade(chain, MIGRATES) == "upgraded"
    assert total(chain) == "rich"
    assert rows(chain) == [["ann", "hello"], ["bob", "hello"]]  # `note` kept what it was


def test_migrating_must_name_what_there_is(chain: Chain) -> None:
    wrong = MIGRATES.replace("cents: int, paid", "cents: str, paid").replace(
        "if cents > 100", 'if cents > "a"'
    )
    assert "which is int in the code that club runs" in propose(chain, wrong).text
    unknown = MIGRATES.replace("cents: int, paid", "cent: int, paid").replace("if cents >", "if cent >")
    assert "cent: int, which is not declared" in propose(chain, unknown).text


def test_a_variable_that_is_dropped_does_not_come_back_as_another_type(chain: Chain) -> None:
    """v1 has cents: int, v2 drops it, v3 declares cents: str."""
    without = (
        ONE.replace("    cents: int = 0\n", "")
        .replace("        self.cents += amount\n", "")
        .replace("return self.cents", "return 0")
    )
    assert upgrade(chain, without) == "upgraded"
    assert b"field/club/cents" not in chain.ledger.state.rows
    assert upgrade(chain, TYPED) == "upgraded"
    assert total(chain) == "0"


def test_rows_of_a_table_that_is_dropped_go(chain: Chain) -> None:
    without = ONE.replace("    paid: Table[str, int] = table()\n", "").replace(
        "        self.paid[name] = amount\n", ""
    )
    assert upgrade(chain, without) == "upgraded"
    assert not [key for key in chain.ledger.state.rows if key.startswith(b"table/club/")]


def test_a_reported_fact_stays_what_it_is(chain: Chain) -> None:
    other = ONE.replace("rate: int = fact", "rate: str = fact")
    chain.succeed("swiftship", ("club", "report", {"fact": "rate", "value": 3}))
    assert "is reported as int" in propose(chain, other).text


def test_what_an_account_reported_does_not_count_once_another_reports_in_its_place(chain: Chain) -> None:
    source = ONE.replace("oracle: Oracle", "oracle: list[Oracle]").replace('"oracle")', '"oracle", quorum=2)')
    assert upgrade(chain, source, terms={"oracle": ["bank", "swiftship"]}) == "upgraded"
    chain.succeed("bank", ("club", "report", {"fact": "rate", "value": 9}))
    assert upgrade(chain, source, terms={"oracle": ["bigmarket", "swiftship"]}) == "upgraded"
    chain.succeed("swiftship", ("club", "report", {"fact": "rate", "value": 9}))
    assert not [event for event in chain.outcomes[-1].events if event.name == "known"]
    chain.succeed("bigmarket", ("club", "report", {"fact": "rate", "value": 9}))
    assert [event for event in chain.outcomes[-1].events if event.name == "known"]


def test_a_phase_that_is_gone_needs_a_migration(chain: Chain) -> None:
    gone = ONE.replace('phases("open", "closed")', 'phases("new", "closed")')
    assert "in phase open, which the new code does not have" in propose(chain, gone).text
    moved = MIGRATES.replace('phases("open", "closed")', 'phases("new", "closed")').replace(
        "        if cents > 100:", '        self.phase = "closed"\n        if cents > 100:'
    )
    assert upgrade(chain, moved) == "upgraded"
    assert chain.instance("club")["phase"] == "closed"


def test_terms_stay_take_defaults_or_are_given(chain: Chain) -> None:
    more = ONE.replace(
        "    fee: Money = term()\n", "    limit: int = term(default=9)\n    place: str = term()\n"
    )
    assert "needs the terms place" in propose(chain, more).text
    assert upgrade(chain, more, terms={"place": "barn"}) == "upgraded"
    values = {each["name"]: each["value"] for each in chain.instance("club")["terms"]}
    assert (values["limit"], values["place"], "fee" in values) == (9, "barn", False)


def test_terms_alone_can_be_changed_by_all_signers(chain: Chain) -> None:
    assert propose(chain, ONE, terms={"chair": "bigmarket"}).status == "ok"
    assert not [event for event in chain.block().events if event.name == "upgraded"]  # bigmarket must agree
    [number] = [each["proposal"] for each in chain.engine.list_proposals(chain.ledger.state, chain.now_ms)]
    approve(chain, number, "bigmarket", contract="contracts", outcome=OUTCOME)
    chain.block()
    values = {each["name"]: each["value"] for each in chain.instance("club")["terms"]}
    assert values["chair"] == "bigmarket"


def test_a_migration_that_fails_leaves_everything_as_it_was(chain: Chain) -> None:
    failing = MIGRATES.replace('self.cents = "rich"', 'require(False, "no")').replace(
        "import Contract,", "import Contract, require,"
    )
    before = {key: value for key, value in chain.ledger.state.rows.items() if b"/club" in key}
    assert upgrade(chain, failing) == "require: no"
    after = {key: value for key, value in chain.ledger.state.rows.items() if b"/club" in key}
    assert after == before
    assert total(chain) == 150


def test_a_migration_that_never_ends_is_stopped(chain: Chain) -> None:
    endless = MIGRATES.replace(
        '            self.cents = "rich"', "            while cents > 0:\n                cents += 1"
    )
    assert upgrade(chain, endless).startswith("gas: ")
    assert chain.instance("club")["code"] == code_id(ONE)


def test_a_migration_can_take_nobodys_money(chain: Chain) -> None:
    taking = MIGRATES.replace('self.cents = "rich"', "self.take(self.chair, self.fee)")
    receipt = chain.perform("bank", ("contracts", "deploy", {"source": taking}))
    assert (receipt.code, "a migration is carried out by the chain" in receipt.text) == (
        "contract_error",
        True,
    )


def test_a_contract_has_one_migration() -> None:
    twice = MIGRATES.replace(
        "    @query\n", "    @migrate\n    def again(self) -> None:\n        pass\n\n    @query\n", 1
    )
    receipt = Chain().perform("bank", ("contracts", "deploy", {"source": twice}))
    assert "a contract has one @migrate" in receipt.text


def of_several(quorum: int, agree: str = "equal") -> str:
    """The club, whose rate several report, and which notes it as soon as it is known."""
    needs = f'"oracle", quorum={quorum}, agree="{agree}")'
    rule = "    @rule\n    def tell(self) -> None:\n        if reported(self.rate) and self.note != 'said':\n"
    return (
        ONE.replace("oracle: Oracle", "oracle: list[Oracle]")
        .replace('"oracle")', needs)
        .replace("    @query\n", f"{rule}            self.note = 'said'\n\n    @query\n")
        .replace("import Contract,", "import Contract, reported, rule,")
    )


@pytest.mark.parametrize(
    ("agree", "values", "known", "by"),
    [
        ("equal", (7, 9, 9, 7), 9, "greenfarm"),  # both were said twice; this one was so first
        ("equal", (7, 9, 8, 6), None, None),
        ("median", (7, 9, 8, 6), 7, "bigmarket"),  # of the two that would have been enough
    ],
)
def test_an_upgrade_decides_what_fewer_have_to_report(
    chain: Chain, agree: str, values: tuple[int, ...], known: int | None, by: str | None
) -> None:
    """As if so few had always been enough, and rules that ask for the fact fire at once."""
    stations = ["bank", "bigmarket", "greenfarm", "swiftship"]
    assert upgrade(chain, of_several(4, agree), terms={"oracle": stations}) == "upgraded"
    for station, value in zip(stations, values, strict=True):
        if agree == "equal" or station != "swiftship":
            chain.succeed(station, ("club", "report", {"fact": "rate", "value": value}))
    [rate] = chain.instance("club")["facts"]
    assert rate["value"] is None
    assert upgrade(chain, of_several(2, agree)) == "upgraded"
    [rate] = chain.instance("club")["facts"]
    assert (rate["value"], rate["reported_by"]) == (known, by)
    told = [dict(event.fields) for event in chain.outcomes[-1].events if event.name == "known"]
    assert [(each["fact"], each["value"]) for each in told] == ([("rate", known)] if known else [])
    noted = {field["name"]: field.get("value") for field in chain.instance("club")["fields"]}
    assert noted["note"] == ("said" if known else "none")
    again = chain.perform("swiftship", ("club", "report", {"fact": "rate", "value": 6}))
    assert again.code == ("fact" if known or agree == "equal" else "")


def test_reports_of_one_block_complete_a_quorum_in_their_order(chain: Chain) -> None:
    stations = ["bank", "bigmarket", "greenfarm"]
    assert upgrade(chain, of_several(2), terms={"oracle": stations}) == "upgraded"
    said = ("club", "report", {"fact": "rate", "value": 3})
    chain.block(chain.transaction("greenfarm", said), chain.transaction("bank", said))
    [rate] = chain.instance("club")["facts"]
    assert (rate["value"], rate["reported_by"]) == (3, "bank")


def test_earlier_versions_are_kept(chain: Chain) -> None:
    upgrade(chain, KEEPS)
    upgrade(chain, ONE)
    described = chain.engine.describe_lifecycle(chain.ledger.state, "club", chain.now_ms)
    assert described is not None
    found = described["items"]
    assert [(each["version"], each["code"]) for each in found] == [
        (1, code_id(ONE)), (2, code_id(KEEPS)), (3, code_id(ONE)),
    ]  # fmt: skip
    assert found[0]["until_height"] == found[1]["from_height"]
    assert found[2]["until_height"] is None
