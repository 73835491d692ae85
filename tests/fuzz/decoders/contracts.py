"""Source texts and arguments of strangers, and what the execution core left in the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import orjson
import yaml

from consensus.errors import DecodeError, InvalidTransaction
from consensus.transactions import (
    Transaction,
    canonical_json,
    envelope_from_json,
    make_envelope,
    parse_transaction,
    signed_bytes,
)
from contracts import layout
from contracts.arguments import arguments_from_json, from_json, readable, to_json
from contracts.compiler import compile_contract, dump_code, load_program
from contracts.encoding import decode_key, decode_value, encode_key, encode_value
from contracts.engine import Outcome
from contracts.errors import ContractError, Revert, StateCorruption
from contracts.language.compiled import CompiledContract
from contracts.language.problems import Problems
from contracts.merkle import Tree
from contracts.program import ParameterSpec, TypeSpec
from contracts.receipts import Effect, Event, Firing, Read, Receipt, Status, Timer, Tried
from contracts.sheets import CompiledSheet, compile_sheet, show_sheet
from contracts.sheets.layout import read_layout
from contracts.sheets.messages import Mistakes
from contracts.sheets.words import ENGLISH, LANGUAGES
from contracts.tree_pages import BUCKET_ENTRIES_MAX, NO_STATE, TOP_NIBBLES_MAX
from contracts.values import DAY, Money
from tests.contracts_lang import digest
from tests.engine.chain import DELIVERY, TOKEN, Chain, signer
from tests.engine.consortium import admit, hash_of, propose, rotate
from tests.fuzz.decoders.consensus import canonical
from tests.fuzz.harness import JSON_MEMORY_PER_BYTE, Bounds, Decoder
from tests.fuzz.mutations import spoil_text
from tests.fuzz.trees import JSON, MSGPACK
from tests.kit.sheet_maker import plain
from tests.proofs.minichain import Pages

ROOT = Path(__file__).parents[3]
VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 2**255 - 1, "", "häuser", b"\x00\xff",
    Money(2**200, "euro"), [], [1, [2, ["x"]]], {}, {"b": 1, "a": [Money(1, "euro")]}, {3: b"", -3: {}},
)  # fmt: skip
KEYS: tuple[Any, ...] = (
    0,
    -1,
    2**63,
    -(2**64),
    2**255 - 1,
    "",
    "a\x00b",
    b"\x00\x00",
    True,
    ("a", 1, b"\x01"),
)

# ---------------------------------------------------------------- source text


def _sources() -> list[bytes]:
    files = [
        *sorted((ROOT / "contracts" / "library").glob("[a-z]*.py")),
        *sorted((ROOT / "docs" / "examples").glob("*.py")),
        *sorted((ROOT / "tests" / "attacks" / "corpus").rglob("*.contract")),
    ]
    texts = [path.read_bytes() for path in files]
    return [text for text in texts if len(text) < 6_000 and _compiles(text)]


def _compiles(text: bytes) -> bool:
    try:
        compile_contract(text)
    except ContractError:
        return False
    return True


def _runs(data: bytes, program: CompiledContract) -> None:
    """What compiles runs and ends, and comes back from the cache as it was."""
    cached = load_program(program.source, dump_code(program))
    assert cached is not None
    assert (cached.code_hash, cached.terms, cached.rules) == (program.code_hash, program.terms, program.rules)
    digest.outcome(program.source)


# ---------------------------------------------------------------- rule sheets


def _sheets() -> list[bytes]:
    files = sorted((ROOT / "docs" / "examples" / "sheets").glob("*.yaml"))
    return [show_sheet(path.read_text(), language).encode() for path in files for language in LANGUAGES]


def _sheet(data: bytes) -> CompiledSheet:
    return compile_sheet(data.decode(errors="surrogateescape"))


def _shown_again(data: bytes, made: CompiledSheet) -> None:
    """A YAML library reads what was read; in either language it is the same contract."""
    text = data.decode()
    assert plain(read_layout(text, Mistakes(ENGLISH, Problems()))) == yaml.load(text, yaml.BaseLoader)
    for language in LANGUAGES:
        assert compile_sheet(show_sheet(text, language)).source == made.source


# ---------------------------------------------------------------- arguments


class Known:
    """A directory of one account, and of an agreement and a currency."""

    def has_account(self, name: str) -> bool:
        return name == "acme"

    def has_instance(self, name: str) -> bool:
        return name in ("deal", "euro")


def _spec(text: str) -> TypeSpec:
    name, _, inner = text.partition("[")
    if not inner:
        return TypeSpec(name)
    key, _, value = inner.removesuffix("]").partition(", ")
    return TypeSpec(name, (_spec(key), _spec(value)) if value else (_spec(inner.removesuffix("]")),))


PARAMETERS = tuple(
    ParameterSpec(name, _spec(text))
    for name, text in {
        "a": "int", "b": "bool", "c": "str", "d": "bytes", "e": "Money", "f": "Time", "g": "Span",
        "h": "Percent", "i": "Party", "j": "Oracle", "k": "Instance", "l": "list[int]",
        "m": "list[list[Money]]", "n": "dict[str, int]", "o": "dict[int, list[str]]",
        "p": "dict[bytes, Time]",
    }.items()
)  # fmt: skip

_ARGUMENTS: dict[str, Any] = {
    "a": 5, "b": True, "c": "häuser", "d": "00ff", "e": {"amount": "2500", "currency": "euro"},
    "f": "2026-05-31T12:00:00.5Z", "g": "30d", "h": "7.5", "i": "acme", "j": "acme", "k": "deal",
    "l": [3, "-12345678901234567890"], "m": [[{"amount": 1, "currency": "euro"}], []],
    "n": {"b": 1, "a": 2}, "o": [[7, ["x"]], ["-8", []]], "p": [["", 0], ["00", "1970-01-01T00:00:00Z"]],
}  # fmt: skip


def _arguments(data: bytes) -> list[Any]:
    given = orjson.loads(data)
    if type(given) is not dict:
        raise Revert("arguments", "the one parser of transactions lets only objects through")
    return arguments_from_json(PARAMETERS, given, Known())


def _arguments_again(_data: bytes, values: list[Any]) -> None:
    """What is written of the values is read as the same values."""
    written = {spec.name: to_json(value, spec.type) for spec, value in zip(PARAMETERS, values, strict=True)}
    assert arguments_from_json(PARAMETERS, orjson.loads(orjson.dumps(written)), Known()) == values
    for spec, value in zip(PARAMETERS, values, strict=True):
        assert decode_value(encode_value(value)) == value
        if not spec.type.items:
            assert from_json(spec.type, readable(value, spec.type.name), "x", Known()) == value


# ---------------------------------------------------------------- transactions, executed


@cache
def _chain() -> Chain:
    """With a currency, and agreements that are proposed, active, and funded."""
    chain = Chain()
    chain.euro(bigmarket=50_000, greenfarm=700)
    chain.delivery("proposed", signed=False)
    chain.delivery("active")
    chain.delivery("funded")
    chain.succeed("bigmarket", ("funded", "fund", {}))
    propose(chain, admit("newco", accounts=["newco.till"]))
    return chain


def _transactions() -> list[bytes]:
    chain = _chain()
    code = chain.instance("active")["code"]
    key = signer("somebody").public_key.hex()
    terms = {
        "buyer": "bigmarket",
        "seller": "greenfarm",
        "carrier": "swiftship",
        "price": {"amount": "10", "currency": "euro"},
        "deadline": chain.now_ms + DAY,
    }
    hashed = chain.instance("proposed")["terms_hash"]
    calls: list[tuple[str, list[Any]]] = [
        ("bank", ["accounts", "register", {"account": "bank.till", "keys": [key]}]),
        ("bank.clerk", ["accounts", "set_keys", {"account": "bank.clerk", "keys": [key]}]),
        ("bank", ["contracts", "deploy", {"source": TOKEN}]),
        ("greenfarm", ["contracts", "deploy", {"source": DELIVERY}]),
        ("bigmarket", ["contracts", "create", {"code": code, "name": "new", "terms": terms, "sign": True}]),
        ("greenfarm", ["contracts", "sign", {"instance": "proposed", "terms_hash": hashed}]),
        ("greenfarm", ["contracts", "withdraw", {"instance": "proposed"}]),
        ("bank", ["euro", "mint", {"to": "greenfarm", "amount": "5"}]),
        ("bigmarket", ["euro", "transfer", {"to": "bank", "amount": 7}]),
        ("bigmarket", ["active", "fund", {}]),
        ("swiftship", ["funded", "report", {"fact": "delivered", "value": chain.now_ms - 1}]),
    ]
    rotation = dict(rotate(chain, "bank", "validator", "a new key"))
    policy = {"kind": "policy", "code": "all", "guardians": ["bank.clerk"]}
    upgrade = {
        "instance": "active",
        "code": code,
        "terms": {"rate": "2"},
        "from_height": chain.height,
        "height": chain.height,
        "outcome": "ab" * 32,
    }
    link = chain.outcomes[-1].link
    calls += [
        ("bank", ["members", "propose", {"changes": [dict(admit("otherco")), rotation, policy]}]),
        ("bank", ["members", "propose", {"changes": [{"kind": "suspend", "member": "swiftship"}]}]),
        ("greenfarm", ["members", "approve", {"proposal": 1, "hash": hash_of(chain, 1)}]),
        ("bank", ["members", "revoke", {"proposal": 1}]),
        ("bank", ["members", "ready", {"height": link.height, "exec_hash": link.exec_hash.hex()}]),
        ("bank", ["members", "set_address", {"address": "/ip4/127.0.0.1/tcp/1"}]),
        ("bank", ["contracts", "propose_code", {"source": TOKEN + "\n", "purpose": "a try"}]),
        ("bigmarket", ["contracts", "propose_upgrade", upgrade]),
        (
            "bank",
            ["contracts", "pause", {"instance": "funded", "reason": "x", "until_ms": chain.now_ms + DAY}],
        ),
    ]
    fixed: dict[str, Any] = {
        "chain": chain.name,
        "expires_ms": chain.now_ms + 60_000,
        "gas_limit": 10_000_000,
        "salt": "1",
    }
    named = [
        {"sender": sender, "calls": [{"contract": call[0], "action": call[1], "args": call[2]}], **fixed}
        for sender, call in calls
    ]
    many = {**named[-4], "calls": [item["calls"][0] for item in named[7:9]], "cosigners": ["bigmarket"]}
    return [canonical_json(body) for body in (*named, many)]


def _execute(data: bytes) -> tuple[Transaction, Outcome]:
    """As a block of one transaction, signed by whom it names; the chain itself stays as it is."""
    chain = _chain()
    try:
        given = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidTransaction("malformed_json", str(error)) from None
    body = parse_transaction(envelope_from_json(given, [(bytes(32), bytes(64))]), chain.name)
    signers = {signer(name) for name in (body.sender, *body.cosigners)}
    signatures = [(key.public_key, key.sign(signed_bytes(body.body))) for key in signers]
    transaction = parse_transaction(make_envelope(body.body, signatures), chain.name)
    block = replace(chain.next_input(transaction), time_ms=chain.now_ms + 1_000)
    return transaction, chain.engine.execute(chain.ledger, block, chain.outcomes[-1].link)


def _recorded(_data: bytes, executed: tuple[Transaction, Outcome]) -> None:
    """What it left can be read back and shown, and a sentence said what it is before."""
    transaction, outcome = executed
    engine, ledger = _chain().engine, _chain().ledger
    assert engine.sentence(ledger.state, transaction).startswith(transaction.sender)
    for receipt in outcome.receipts:
        assert Receipt.decode(receipt.encode()) == receipt
        assert receipt.gas_used <= transaction.gas_limit or receipt.timer
        orjson.dumps(engine.describe_receipt(receipt, ledger.aux))
    for event in outcome.events:
        assert Event.decode(event.encode()) == event
        orjson.dumps(engine.describe_event(event, _chain().now_ms))


# ---------------------------------------------------------------- stored


def _records() -> dict[str, tuple[Any, list[Any]]]:
    key, other = bytes(32), bytes(range(32))
    active = layout.InstanceStatus.ACTIVE
    return {
        "ACCOUNT": (layout.ACCOUNT, [layout.Account((key, other), "acme")]),
        "BUCKET": (layout.BUCKET, [layout.Bucket(300, other)]),
        "CHAIN": (layout.CHAIN, [layout.Chain("harvest", other, 2**41)]),
        "CODE": (layout.CODE, [layout.Code("x = 1\n", "acme", 3, 2**41, "a try", 4)]),
        "FACT": (layout.FACT, [layout.Fact(value, "acme", 2**41) for value in VALUES]),
        "INSTANCE": (
            layout.INSTANCE,
            [
                layout.Instance("ab" * 16, "acme", 3, 2**41, other, active, "open", wake, ("acme", "bolt"))
                for wake in (None, 2**41)
            ],
        ),
        "MEMBER": (layout.MEMBER, [layout.Member(3, "Acmé", key, other, key, "/ip4/127.0.0.1/tcp/1")]),
        "PAUSE": (layout.PAUSE, [layout.Pause("acme", "look", 2**41, 2**41 + 1)]),
        "VERSION": (layout.VERSION, [layout.Version("ab" * 16, other, 3, 7)]),
    }


def _same_again(form: Any) -> Any:
    """The check of what is not refused for a second encoding: encoded anew it is the same value."""

    def check(_data: bytes, value: Any) -> None:
        assert form.decode(form.encode(value)) == value

    return check


def receipts() -> list[bytes]:
    """One that went well, one that did not."""
    digest_, timer = bytes(range(32)), Timer("deal", 2**41)
    return [
        Receipt(digest_, None, Status.OK, "", "", 70_000, VALUES[:16], (digest_,), 3, 1).encode(),
        Receipt(digest_, timer, Status.FAILED, "funds", "too little: é", 5, (), (), 0, 0).encode(),
    ]


def events() -> list[bytes]:
    """With a field of every kind, and with none."""
    fields = tuple((f"field_{number}", value) for number, value in enumerate(VALUES))
    return [
        Event(7, 0, "deal", "paid", fields, bytes(32)).encode(),
        Event(2**40, 300, "d", "x", (), None).encode(),
    ]


def _firings() -> list[bytes]:
    effects = (Effect("pay", ("acme", Money(5, "euro"))), Effect("set_phase", ("closed",)))
    parts = (("now() > self.deadline", False), ("self.delivered", None))
    first = Tried("now() > self.deadline and self.delivered", False, parts)
    conditions = (first, Tried("self.delivered", True, ()))
    reads = tuple(Read(f"self.x{number}", "int", value) for number, value in enumerate(VALUES))
    return [Firing("deal", "late", 1, conditions, reads, effects, 12, 2**41).encode()]


def _tree(data: bytes) -> list[tuple[bytes, bytes]]:
    """A tree with one stored page below its top: what stands on it, and a proof for whether some key does."""
    pages = Pages({bytes(TOP_NIBBLES_MAX + 1): data})
    tree = Tree(pages, pages.top())
    tree.prove(b"account/7")
    return list(tree.leaves())


def _pages() -> list[bytes]:
    found = []
    for count in (1, 2, 5, BUCKET_ENTRIES_MAX):
        pages = Pages()
        pages.write(Tree(pages, NO_STATE).update([(b"%d" % key, b"x") for key in range(count)])[1])
        found.append(pages[b""])
    return found


def decoders() -> Sequence[Decoder]:
    small = Bounds(memory_per_byte=80)
    kept = [
        Decoder(
            f"contracts.layout.{name}",
            form.decode,
            (DecodeError,),
            cache(partial(lambda form, records: [form.encode(record) for record in records], form, records)),
            (MSGPACK,),
            _same_again(form),
            small,
            executions=200,
        )
        for name, (form, records) in _records().items()
    ]
    recorded = [
        Decoder(
            f"contracts.receipts.{kind.__name__}",
            kind.decode,
            (DecodeError,),
            cache(samples),
            (MSGPACK,),
            canonical(kind.encode),
            small,
        )
        for kind, samples in ((Receipt, receipts), (Event, events), (Firing, _firings))
    ]
    return [
        Decoder(
            "contracts.compiler.compile_contract",
            compile_contract,
            (ContractError,),
            cache(_sources),
            (spoil_text,),
            _runs,
            Bounds(seconds=0.3, ns_per_byte=40_000, memory_bytes=2_000_000, memory_per_byte=800),
            executions=300,
        ),
        Decoder(
            "contracts.sheets.compile_sheet",
            _sheet,
            (ContractError,),
            cache(_sheets),
            (spoil_text,),
            _shown_again,
            Bounds(seconds=0.3, ns_per_byte=80_000, memory_bytes=2_000_000, memory_per_byte=800),
            executions=300,
        ),
        Decoder(
            "contracts.arguments.arguments_from_json",
            _arguments,
            (Revert, orjson.JSONDecodeError),
            cache(lambda: [canonical_json(_ARGUMENTS)]),
            (JSON,),
            _arguments_again,
            Bounds(memory_per_byte=JSON_MEMORY_PER_BYTE),
            executions=1_500,
        ),
        Decoder(
            "contracts.engine.execute",
            _execute,
            (InvalidTransaction,),
            cache(_transactions),
            (JSON,),
            _recorded,
            Bounds(seconds=1.0, memory_bytes=16_000_000, memory_per_byte=JSON_MEMORY_PER_BYTE),
            executions=800,
        ),
        *kept,
        *recorded,
        Decoder(
            "contracts.encoding.decode_value",
            decode_value,
            (StateCorruption,),
            cache(lambda: [encode_value(value) for value in VALUES]),
            (MSGPACK,),
            _same_again(layout.VALUE),
            small,
        ),
        Decoder(
            "contracts.encoding.decode_key",
            decode_key,
            (StateCorruption,),
            cache(lambda: [encode_key(key) for key in KEYS]),
            check=lambda _, key: _same_key(key),
            bounds=Bounds(memory_per_byte=120),
        ),
        Decoder(
            "contracts.layout.due_of",
            layout.due_of,
            (StateCorruption,),
            cache(lambda: [layout.due_key(2**41, "deal"), layout.due_key(0, "a-b.c")]),
            executions=200,
        ),
        Decoder("contracts.merkle.Tree", _tree, (StateCorruption,), cache(_pages)),
    ]


def _same_key(key: Any) -> None:
    assert decode_key(encode_key(key)) == key
