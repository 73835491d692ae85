"""From source to an agreement that all have signed; and accounts with their keys."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from consensus.transactions import GAS_LIMIT_MAX, canonical_json
from contracts.engine import Engine
from contracts.receipts import Status
from contracts.system.code_approval import COMPILE_GAS_PER_BYTE
from node.commands.contracts import deploy_gas
from tests.engine.chain import DELIVERY, TOKEN, Call, Chain, signer

BROKEN = """from contracts import Contract


class Broken(Contract):
    count: float = 0

    @action()
    def run(self):
        self.missing = 1
"""


@pytest.fixture
def chain() -> Chain:
    made = Chain()
    made.euro()
    return made


def create(code: str, name: str, terms: dict[str, Any], *, sign: bool = False) -> Call:
    return ("contracts", "create", {"code": code, "name": name, "terms": terms, "sign": sign})


def statuses(chain: Chain, name: str) -> tuple[str, list[str]]:
    view = chain.instance(name)
    return view["status"], [each["party"] for each in view["signatures"] if each["signed"]]


# ---------------------------------------------------------------- code


def test_code_is_named_by_its_source(chain: Chain) -> None:
    code = chain.deploy(TOKEN)
    assert code == sha256(TOKEN.encode()).hexdigest()
    view = chain.engine.describe_code(chain.ledger.state, code)
    assert view is not None
    assert (view["name"], view["author"], view["source"]) == ("Token", "bank", TOKEN)


def test_deploying_again_changes_nothing(chain: Chain) -> None:
    code = chain.deploy(TOKEN)
    before = dict(chain.ledger.state.rows)
    assert chain.deploy(TOKEN, by="greenfarm") == code
    changed = {key for key, _ in before.items() ^ chain.ledger.state.rows.items()}
    assert all(key.startswith(b"replay/") for key in changed)
    assert chain.outcomes[-1].events == ()


def test_every_mistake_in_a_source_is_told_with_its_place(chain: Chain) -> None:
    receipt = chain.perform("bank", ("contracts", "deploy", {"source": BROKEN}))
    assert (receipt.status, receipt.code) == (Status.FAILED, "contract_error")
    assert "line 5, column " in receipt.text
    assert len(receipt.text.split("; ")) > 1


def test_compiling_costs_gas_by_the_byte_before_it_is_done(chain: Chain) -> None:
    padded = TOKEN + "# " + "x" * 1_000 + "\n"
    plain = chain.succeed("bank", ("contracts", "deploy", {"source": TOKEN})).gas_used
    more = chain.succeed("bank", ("contracts", "deploy", {"source": padded})).gas_used
    assert more - plain > COMPILE_GAS_PER_BYTE * 1_000
    short = chain.transaction("bank", ("contracts", "deploy", {"source": BROKEN}), gas_limit=5_000)
    assert chain.block(short).receipts[0].code == "gas"


def test_source_has_a_limit(chain: Chain) -> None:
    """What the command line asks for is enough for the largest, and not more than may be asked for."""
    assert deploy_gas("x" * 32 * 1024) < GAS_LIMIT_MAX
    source = TOKEN + "# " + "x" * (32 * 1024 - len(TOKEN) - 3) + "\n"
    assert len(source) == 32 * 1024
    for added, code in (("", ""), ("\n", "contract_error")):
        deploy = ("contracts", "deploy", {"source": source + added})
        [receipt] = chain.block(chain.transaction("bank", deploy, gas_limit=deploy_gas(source))).receipts
        assert receipt.code == code


def test_compiled_code_is_kept_in_the_nodes_cache(chain: Chain) -> None:
    class Cache(dict[bytes, bytes]):
        def put(self, key: bytes, value: bytes) -> None:
            self[key] = value

    def listed() -> list[dict[str, Any]]:
        engine = Engine(chain=chain.name, parameters=chain.parameters, code_cache=cache)
        return engine.list_codes(chain.ledger.state, None, 10)

    cache = Cache()
    chain.deploy(TOKEN)
    compiled = listed()
    assert [each["name"] for each in compiled] == ["Token"]
    assert list(cache) == [sha256(TOKEN.encode()).digest()]
    assert listed() == compiled
    [key] = cache
    cache[key] = b"garbage"
    assert listed() == compiled
    assert cache[key] != b"garbage"


# ---------------------------------------------------------------- agreements


def test_signing_one_by_one(chain: Chain) -> None:
    terms_hash = chain.delivery("deal", signed=False)
    assert statuses(chain, "deal") == ("proposed", [])
    sign = ("contracts", "sign", {"instance": "deal", "terms_hash": terms_hash})
    assert chain.succeed("greenfarm", sign).results == ("proposed",)
    assert statuses(chain, "deal") == ("proposed", ["greenfarm"])
    assert chain.succeed("bigmarket", sign).results == ("active",)
    assert statuses(chain, "deal") == ("active", ["bigmarket", "greenfarm"])
    names = [event.name for event in chain.events() if event.contract == "contracts"]
    assert names[-5:] == ["deployed", "created", "signed", "signed", "activated"]


def test_parties_sign_the_hash_of_code_and_terms(chain: Chain) -> None:
    """As a partner computes it, from the source and the terms that he sees."""
    terms_hash = chain.delivery("deal", signed=False)
    terms = {term["name"]: term["value"] for term in chain.instance("deal")["terms"]}
    document = {"code": sha256(DELIVERY.encode()).hexdigest(), "terms": terms}
    assert terms_hash == sha256(b"quorate-terms-v1\n" + canonical_json(document)).hexdigest()


def test_a_signature_under_other_terms_is_refused(chain: Chain) -> None:
    other = chain.delivery("other", price=9_999, signed=False)
    terms_hash = chain.delivery("deal", signed=False)
    assert other != terms_hash
    receipt = chain.perform("greenfarm", ("contracts", "sign", {"instance": "deal", "terms_hash": other}))
    assert (receipt.code, statuses(chain, "deal")) == ("arguments", ("proposed", []))


@pytest.mark.parametrize("stranger", ["swiftship", "greenfarm.clerk"])
def test_only_parties_sign(chain: Chain, stranger: str) -> None:
    terms_hash = chain.delivery("deal", signed=False)
    receipt = chain.perform(stranger, ("contracts", "sign", {"instance": "deal", "terms_hash": terms_hash}))
    assert receipt.code == "unauthorised"
    assert "bigmarket, greenfarm" in receipt.text


def test_signing_twice_is_refused(chain: Chain) -> None:
    terms_hash = chain.delivery("deal", signed=False)
    sign = ("contracts", "sign", {"instance": "deal", "terms_hash": terms_hash})
    chain.succeed("greenfarm", sign)
    assert chain.perform("greenfarm", sign).code == "unauthorised"
    chain.succeed("bigmarket", sign)
    assert chain.perform("bigmarket", sign).code == "phase"


@pytest.mark.parametrize("by", ["bigmarket", "greenfarm"])
def test_withdrawing_before_the_last_signature(chain: Chain, by: str) -> None:
    terms_hash = chain.delivery("deal", signed=False)
    chain.succeed("bigmarket", ("contracts", "sign", {"instance": "deal", "terms_hash": terms_hash}))
    assert chain.perform("swiftship", ("contracts", "withdraw", {"instance": "deal"})).code == "unauthorised"
    chain.succeed(by, ("contracts", "withdraw", {"instance": "deal"}))
    assert chain.instance("deal")["status"] == "withdrawn"
    late = chain.perform("greenfarm", ("contracts", "sign", {"instance": "deal", "terms_hash": terms_hash}))
    assert late.code == "phase"
    assert chain.perform("bigmarket", ("deal", "fund", {})).code == "phase"


def test_an_active_agreement_is_not_withdrawn(chain: Chain) -> None:
    chain.delivery("deal")
    assert chain.perform("bigmarket", ("contracts", "withdraw", {"instance": "deal"})).code == "phase"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("deal", "exists"),
        ("accounts", "exists"),
        ("contracts", "exists"),
        ("Deal", "arguments"),
        ("a/b", "arguments"),
        ("greenfarm", "unauthorised"),
        ("greenfarm.orders.17", "unauthorised"),
        ("greenfarming", ""),
        ("bank", ""),
        ("bank.clerk", ""),
    ],
)
def test_names_of_instances(chain: Chain, name: str, code: str) -> None:
    """Names that begin with a member's are its own, so that nobody takes them first, or appears as it."""
    chain.delivery("deal")
    token = chain.deploy(TOKEN)
    assert chain.perform("bank.clerk", create(token, name, {"issuer": "bank"})).code == code


def test_an_agreement_names_only_money_that_exists(chain: Chain) -> None:
    """Else the buyer could make the currency afterwards, and pay with it."""
    terms = {
        "buyer": "bigmarket", "seller": "greenfarm", "carrier": "swiftship", "deadline": chain.now_ms,
        "price": {"amount": "5", "currency": "eur0"},
    }  # fmt: skip
    receipt = chain.perform("bigmarket", create(chain.deploy(DELIVERY), "deal", terms))
    assert (receipt.code, receipt.text) == ("unknown", "terms.price: there is no currency eur0")


@pytest.mark.parametrize(
    "declared",
    ['price: Money = term(default=Money(-5, "euro"))', "span: Span = term(default=9999 * 366 * DAY)"],
)
def test_defaults_are_terms_as_others_are(chain: Chain, declared: str) -> None:
    code = chain.deploy(f"class Odd(Contract):\n    {declared}\n")
    assert chain.perform("bank", create(code, "odd", {})).code == "arguments"


@pytest.mark.parametrize(
    ("terms", "code", "words"),
    [
        ({}, "arguments", "issuer"),
        ({"issuer": "bank", "color": "red"}, "arguments", "color"),
        ({"issuer": "bnak"}, "unknown", "bnak"),
        ({"issuer": "bank", "cap": "1.5"}, "arguments", "terms.cap"),
        ({"issuer": ["bank"]}, "arguments", "terms.issuer"),
        ([], "arguments", "object"),
    ],
)
def test_terms_are_checked(chain: Chain, terms: Any, code: str, words: str) -> None:
    token = chain.deploy(TOKEN)
    receipt = chain.perform("bank", create(token, "dollar", terms))
    assert receipt.code == code
    assert words in receipt.text
    assert chain.engine.describe_instance(chain.ledger.state, "dollar", 0, 0) is None


def test_unknown_code(chain: Chain) -> None:
    assert chain.perform("bank", create("00" * 16, "dollar", {})).code == "unknown"


def test_nobody_signs_for_another_by_creating(chain: Chain) -> None:
    token = chain.deploy(TOKEN)
    chain.succeed("greenfarm", create(token, "dollar", {"issuer": "bank"}, sign=True))
    assert statuses(chain, "dollar") == ("proposed", [])


# ---------------------------------------------------------------- accounts

NEW_KEY = signer("a new key").public_key.hex()


def test_a_member_opens_accounts_under_its_name(chain: Chain) -> None:
    chain.succeed("bank", ("accounts", "register", {"account": "bank.desk", "keys": [NEW_KEY]}))
    view = chain.engine.describe_account(chain.ledger.state, "bank.desk")
    assert view == {"id": "bank.desk", "member": "bank", "keys": [NEW_KEY], "balances": []}
    again = chain.perform("bank", ("accounts", "register", {"account": "bank.desk", "keys": [NEW_KEY]}))
    assert again.code == "exists"


@pytest.mark.parametrize(
    ("sender", "account", "keys", "code"),
    [
        ("bank", "greenfarm.desk", [NEW_KEY], "arguments"),
        ("bank", "bank", [NEW_KEY], "arguments"),
        ("bank", "bank.", [NEW_KEY], "arguments"),
        ("bank", "bank." + "x" * 60, [NEW_KEY], "arguments"),
        ("bank.clerk", "bank.clerk.desk", [NEW_KEY], "unauthorised"),
        ("bank", "bank.desk", [], "arguments"),
        ("bank", "bank.desk", [NEW_KEY, NEW_KEY], "arguments"),
        ("bank", "bank.desk", [NEW_KEY.upper()], "arguments"),
        ("bank", "bank.desk", [NEW_KEY[:-2]], "arguments"),
        ("bank", "bank.desk", NEW_KEY, "arguments"),
        ("bank", "bank.desk", [f"{number:064x}" for number in range(17)], "arguments"),
    ],
)
def test_registering_is_refused(chain: Chain, sender: str, account: str, keys: Any, code: str) -> None:
    receipt = chain.perform(sender, ("accounts", "register", {"account": account, "keys": keys}))
    assert receipt.code == code


def test_new_keys_act_and_old_ones_no_longer_do(chain: Chain) -> None:
    foreign = ("accounts", "set_keys", {"account": "greenfarm", "keys": [NEW_KEY]})
    assert chain.perform("bank", foreign).code == "unauthorised"
    chain.succeed("bank", ("accounts", "set_keys", {"account": "bank", "keys": [NEW_KEY]}))
    call = ("accounts", "set_keys", {"account": "bank", "keys": [signer("bank").public_key.hex()]})
    old, new = chain.transaction("bank", call), chain.transaction("bank", call, keys_of=["a new key"])
    assert [receipt.code for receipt in chain.block(old, new).receipts] == ["unauthorised", ""]
    assert chain.engine.authorised(chain.ledger.state, signer("bank").public_key, "bank")
    assert not chain.engine.authorised(chain.ledger.state, bytes.fromhex(NEW_KEY), "bank")
