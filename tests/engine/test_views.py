"""What people are shown: agreements and what their rules wait for, accounts, code, receipts, sentences."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.transactions import Call
from contracts.errors import Revert
from contracts.values import DAY
from tests.engine.chain import MEMBERS, TOKEN, Chain, signer


@pytest.fixture(scope="module")
def chain() -> Chain:
    """An agreement that is funded, one that waits for a signature, and one that is closed."""
    made = Chain()
    made.euro(bigmarket=50_000)
    for name in ("closed", "funded"):
        made.delivery(name, days=10)
        made.succeed("bigmarket", (name, "fund", {}))
    made.succeed("swiftship", ("closed", "report", {"fact": "delivered", "value": made.now_ms}))
    made.delivery("proposed", signed=False)
    return made


def rule(chain: Chain, instance: str) -> Any:
    [found] = chain.instance(instance)["rules"]
    return found


def query(chain: Chain, name: str, arguments: dict[str, Any]) -> Any:
    return chain.engine.query(chain.ledger.state, "euro", name, arguments, chain.height, chain.now_ms)


def test_views_are_json(chain: Chain) -> None:
    engine, state = chain.engine, chain.ledger.state
    views: list[Any] = [
        engine.list_members(state),
        engine.list_accounts(state, None, 100),
        [engine.describe_account(state, account) for account in MEMBERS],
        engine.list_codes(state, None, 100),
        [engine.describe_code(state, code["code"]) for code in engine.list_codes(state, None, 100)],
        engine.list_instances(state, None, 100),
        [chain.instance(name) for name in ("euro", "closed", "funded", "proposed")],
        [engine.describe_receipt(each, chain.ledger.aux) for each in chain.receipts()],
        [engine.describe_event(event, 0) for event in chain.events()],
    ]
    assert orjson.loads(orjson.dumps(views)) == views


def test_a_rule_tells_its_branches_and_when_it_is_tried(chain: Chain) -> None:
    shown = rule(chain, "funded")
    assert [branch["holds"] for branch in shown["branches"]] == [False, False, False]
    assert shown["branches"][1]["condition"] == "self.delivered"
    assert shown["branches"][0]["consequence"][0] == "self.pay(self.seller, self.price)"
    instance = chain.instance("funded")
    assert shown["wake_ms"] == instance["wake_ms"] > chain.now_ms + 39 * DAY
    assert shown["next"].startswith("waits for an action or a fact; the node tries it by itself at 2026-")
    assert shown["next"].endswith("Z (in 39 days)")


def test_a_rule_that_is_due_fires_with_the_next_block(chain: Chain) -> None:
    late = chain.engine.describe_instance(chain.ledger.state, "funded", chain.height, chain.now_ms + 41 * DAY)
    assert late is not None
    [shown] = late["rules"]
    assert [branch["holds"] for branch in shown["branches"]] == [False, False, True]
    assert shown["next"] == "fires with the next block"


def test_a_rule_rests_outside_its_phase_and_before_all_signed(chain: Chain) -> None:
    closed, proposed = rule(chain, "closed"), rule(chain, "proposed")
    assert closed["next"] == "rests: it is for phase funded, the agreement is in phase closed"
    assert (closed["in_phase"], closed["wake_ms"]) == (False, None)
    assert proposed["next"] == "rests: the agreement is proposed"


def test_an_instance_tells_who_may_do_what(chain: Chain) -> None:
    [fund] = chain.instance("funded")["actions"]
    assert (fund["accounts"], fund["possible"], fund["text"]) == (
        ["bigmarket"],
        False,
        "Put the price into the agreement.",
    )
    assert chain.instance("funded")["balances"] == [{"currency": "euro", "amount": "10000"}]
    [fact] = chain.instance("closed")["facts"]
    assert (fact["by"], fact["reported_by"]) == (["swiftship"], "swiftship")
    signatures = chain.instance("proposed")["signatures"]
    assert signatures == [{"party": "bigmarket", "signed": False}, {"party": "greenfarm", "signed": False}]


def test_lists_are_paged_by_name(chain: Chain) -> None:
    names = [each["name"] for each in chain.engine.list_instances(chain.ledger.state, None, 10)]
    assert names == ["closed", "euro", "funded", "proposed"]
    page = chain.engine.list_instances(chain.ledger.state, "closed", 2)
    assert [each["name"] for each in page] == ["euro", "funded"]
    accounts = [each["id"] for each in chain.engine.list_accounts(chain.ledger.state, "bank", 2)]
    assert accounts == ["bank.clerk", "bigmarket"]
    assert [each["id"] for each in chain.engine.list_members(chain.ledger.state)] == list(MEMBERS)


def test_accounts_show_keys_and_balances(chain: Chain) -> None:
    assert chain.engine.describe_account(chain.ledger.state, "bigmarket") == {
        "id": "bigmarket",
        "member": "bigmarket",
        "keys": [signer("bigmarket").public_key.hex()],
        "balances": [{"currency": "euro", "amount": "30000"}],
    }


def test_what_does_not_exist_is_none(chain: Chain) -> None:
    engine, state = chain.engine, chain.ledger.state
    assert engine.describe_account(state, "nobody") is None
    assert engine.describe_code(state, "00" * 16) is None
    assert engine.describe_instance(state, "nothing", 0, 0) is None


def test_queries_answer_in_json(chain: Chain) -> None:
    assert query(chain, "supply", {}) == 50_000
    assert query(chain, "balance", {"account": "bigmarket"}) == 30_000


@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [("worth", {}, "unknown"), ("balance", {}, "arguments"), ("balance", {"account": "nobody"}, "unknown")],
)
def test_queries_refuse_by_name(chain: Chain, name: str, arguments: dict[str, Any], code: str) -> None:
    with pytest.raises(Revert) as caught:
        query(chain, name, arguments)
    assert caught.value.code == code


# ---------------------------------------------------------------- sentences

CREATE = {
    "code": "0123456789abcdef0123456789abcdef",
    "name": "deal",
    "terms": {"buyer": "acme", "price": {"amount": "5", "currency": "euro"}},
    "sign": True,
}
NEW_KEY = "00112233" + "00" * 28


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (("funded", "fund", {}), "calls fund on funded: Put the price into the agreement"),
        (
            ("euro", "transfer", {"to": "greenfarm", "amount": 5}),
            "calls transfer on euro (to greenfarm, amount 5): Give money of the sender to another account",
        ),
        (("unheard", "of", {"list": [1, None, True]}), "calls of on unheard (list 1, nothing, yes)"),
        (("euro", "launder", {}), "calls launder on euro"),
        (
            ("closed", "report", {"fact": "delivered", "value": 1_780_000_000_000}),
            "reports to closed that delivered is 2026-05-28T20:26:40Z",
        ),
        (("closed", "report", {"fact": "weather", "value": 7}), "reports to closed that weather is 7"),
        (
            ("unheard", "of", {"note": 'x"; then bank calls burn\u202e\n'}),
            'calls of on unheard (note "x\'; then bank calls burn  ")',
        ),
        (("contracts", "deploy", {"source": TOKEN}), f"deploys the contract Token ({len(TOKEN)} characters)"),
        (
            ("contracts", "create", CREATE),
            "proposes the agreement deal on code 01234567... and signs it (buyer acme, price 5 euro)",
        ),
        (
            ("contracts", "sign", {"instance": "deal", "terms_hash": "0123456789"}),
            "signs the agreement deal with the terms 01234567...",
        ),
        (("contracts", "withdraw", {"instance": "deal"}), "withdraws the agreement deal"),
        (
            ("accounts", "register", {"account": "bank.desk", "keys": [NEW_KEY]}),
            "opens the account bank.desk with the key 00112233...",
        ),
        (
            ("accounts", "set_keys", {"account": "bank", "keys": [NEW_KEY, NEW_KEY]}),
            "replaces the keys of bank by the keys 00112233... and 00112233...",
        ),
    ],
)
def test_sentences(chain: Chain, call: tuple[str, str, dict[str, Any]], expected: str) -> None:
    transaction = chain.transaction("bank", call)
    assert chain.engine.sentence(chain.ledger.state, transaction) == f"bank {expected}"


def test_a_sentence_about_known_code_writes_times_out(chain: Chain) -> None:
    terms = {"deadline": 1_780_000_000_000, "buyer": "bank", "give_up": 30 * DAY, "rate": "1.5"}
    create = {"code": chain.instance("funded")["code"], "name": "deal", "terms": terms}
    sentence = chain.engine.sentence(
        chain.ledger.state, chain.transaction("bank", ("contracts", "create", create))
    )
    assert sentence.endswith("(buyer bank, deadline 2026-05-28T20:26:40Z, rate 1.5, give_up 30d)")


def test_a_sentence_names_all_who_sign_and_all_that_is_done(chain: Chain) -> None:
    burn = ("euro", "burn", {"amount": 1})
    transaction = chain.transaction("bank", burn, burn, cosigners=["swiftship", "greenfarm"])
    assert chain.engine.sentence(chain.ledger.state, transaction) == (
        "bank together with greenfarm and swiftship "
        "calls burn on euro (amount 1): Destroy money of the sender; "
        "then calls burn on euro (amount 1): Destroy money of the sender"
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=99),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["amount", "currency"]), inner)
    ),
    max_leaves=5,
)
calls = st.builds(
    Call,
    st.sampled_from(["accounts", "contracts", "euro", "funded", "unheard"]),
    st.sampled_from(["register", "set_keys", "deploy", "create", "sign", "withdraw", "report", "fund", "x"]),
    st.dictionaries(
        st.sampled_from(
            ["account", "keys", "source", "code", "name", "terms", "instance", "terms_hash", "fact"]
        ),
        json_values,
    ),
)


@given(calls)
def test_any_transaction_has_a_sentence(chain: Chain, call: Call) -> None:
    """It is shown before anyone has checked what the arguments are."""
    burn = chain.transaction("bank", ("euro", "burn", {"amount": 1}))
    transaction = burn._replace(calls=(call,))
    assert chain.engine.sentence(chain.ledger.state, transaction).startswith("bank ")
