"""JSON Schemas of contracts: a schema accepts exactly what the engine's parser of arguments accepts."""

# ruff: noqa: E501, DTZ001 - tables of values

from __future__ import annotations

import datetime as dt
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.arguments import arguments_from_json, to_json
from contracts.compiler import compile_contract
from contracts.errors import Revert
from contracts.program import ParameterSpec, TypeSpec
from contracts.schema import Schema, schema_of
from contracts.testing import Chain, to_plain
from contracts.values import INT_MAX, TEXT_BYTES_MAX, TIME_MS_MAX, Money
from tests.engine.chain import DELIVERY
from tests.fuzz.decoders.contracts import PARAMETERS

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    [*(ROOT / "contracts" / "library").glob("[a-z]*.py"), *(ROOT / "docs" / "examples").glob("*.py")]
)
TYPES = {str(parameter.type): parameter.type for parameter in PARAMETERS} | {
    "Decimal": TypeSpec("Decimal"),
    "Call": TypeSpec("Call"),
    "Money | None": TypeSpec("Optional", (TypeSpec("Money"),)),
}

SCALAR_TYPES = (
    "int",
    "bool",
    "str",
    "bytes",
    "Money",
    "Time",
    "Span",
    "Percent",
    "Decimal",
    "Call",
    "Party",
    "Oracle",
    "Instance",
)

EVERYTHING = """from contracts import *

class Everything(Contract):
    @action
    def take_all(self, {parameters}) -> None:
        pass
"""


class Anyone:
    """A directory in which every name exists: that is what a schema cannot say."""

    def has_account(self, _name: str) -> bool:
        return True

    has_instance = has_account


def validator(document: Schema, part: str) -> Any:
    return jsonschema_rs.Draft202012Validator({**document, "$ref": f"#/$defs/{part}"})


@cache
def everything(spec: TypeSpec) -> Any:
    """A validator of one argument `x` of a type, from the schema of a contract that takes it."""
    imports = "Call, Contract, Decimal, Instance, Money, Oracle, Party, Percent, Span, Time, action"
    source = EVERYTHING.format(parameters=f"x: {spec}").replace("import *", f"import {imports}")
    return validator(schema_of("00", compile_contract(source)), "action.take_all")


def engine_accepts(spec: TypeSpec, raw: Any) -> bool:
    try:
        arguments_from_json([ParameterSpec("x", spec)], {"x": raw}, Anyone())
    except Revert:
        return False
    return True


EDGES = (0, 1, -1, 2**53 - 1, -(2**53 - 1), 2**60 - 1, 2**60, -(2**60), INT_MAX, INT_MAX + 1, -INT_MAX, -INT_MAX - 1,
         10**76, 10**77, TIME_MS_MAX, TIME_MS_MAX + 1, -TIME_MS_MAX, -TIME_MS_MAX - 1)  # fmt: skip
INTEGERS = st.integers(-(2**53) + 1, 2**53 - 1) | st.sampled_from(
    [edge for edge in EDGES if abs(edge) < 2**53]
)
INTEGER_TEXTS = st.one_of(
    st.sampled_from(EDGES).map(str),
    st.integers(-(2**257), 2**257).map(str),
    st.from_regex(r"\A-?[0-9]{1,3}\Z"),
    st.sampled_from(("-0", "00", "1.0", "1e3", " 1", "1 ", "+1", "1\n", "", "\u0661")),
)
TIMES = st.one_of(
    st.datetimes(dt.datetime(1960, 1, 1), dt.datetime(9999, 12, 31)).map(lambda t: f"{t:%Y-%m-%dT%H:%M:%S}Z"),
    st.from_regex(r"\A(1[89]|20|2[14])[0-9]{2}-[0-3][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{1,4})?Z\Z"),
    st.builds("{:04d}-02-{:02d}T00:00:00Z".format, st.integers(1968, 9999), st.integers(28, 30)),
    st.sampled_from(("9999-12-31T23:59:59.999Z", "1969-12-31T23:59:59Z", "2026-01-01T24:00:00Z",
                     "2026-01-01T00:00:00", "2026-01-01t00:00:00z", "10000-01-01T00:00:00Z", "0000-01-01T00:00:00Z",
                     "2000-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2026-01-01T00:00:00Z\n")),
)  # fmt: skip
SPANS = st.one_of(
    st.from_regex(r"\A[0-9]{0,13}[dhmsw]\Z"),
    st.builds(
        lambda unit, extra, zeros: f"{'0' * zeros}{TIME_MS_MAX // unit[1] + extra}{unit[0]}",
        st.sampled_from((("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000))),
        st.integers(-2, 2),
        st.integers(0, 6),
    ),
)
PERCENTS = st.one_of(
    st.from_regex(r"\A[0-9]{0,13}(\.[0-9]{0,5})?\Z"),
    st.sampled_from(("900719925474.0991", "900719925474.0992", "900719925474.1", "900719925474.09", "900719925475",
                     "900719925474", "900719925473.9999", "1.", ".5", "-1", "1%", "01.5", "7.5")),
)  # fmt: skip
NAMES = st.one_of(
    st.from_regex(r"\A[a-z][a-z0-9._-]{0,8}\Z"),
    st.sampled_from(("a" * 64, "a" * 65, "acme", "Acme", "contract:deal", "a.b", "a..b", "a\n", "")),
)
DECIMALS = st.from_regex(r"\A-?[0-9]{1,62}(\.[0-9]{0,10})?\Z")
HEX = st.one_of(
    st.binary(max_size=8).map(bytes.hex),
    st.sampled_from(("0", "0G", "AB", "ab" * TEXT_BYTES_MAX, "ab" * (TEXT_BYTES_MAX + 1), "ab\n")),
)
TEXTS = st.text(st.characters(max_codepoint=127), max_size=8) | st.sampled_from(
    ("a" * TEXT_BYTES_MAX, "a" * (TEXT_BYTES_MAX + 1), "h\u00e4user")
)
SCALARS = st.one_of(
    st.none(), st.booleans(), INTEGERS, INTEGER_TEXTS, TIMES, SPANS, PERCENTS, NAMES, HEX, TEXTS
)
MONEY = st.fixed_dictionaries(
    {"amount": INTEGERS | INTEGER_TEXTS}, optional={"currency": NAMES | st.none(), "more": st.none()}
)
CALLS = st.fixed_dictionaries(
    {"contract": NAMES, "action": NAMES | st.from_regex(r"\A[a-z_0-9]{1,4}\Z")},
    optional={"args": st.dictionaries(st.sampled_from("ab"), INTEGERS) | st.none(), "x": st.none()},
)
ANYTHING = st.recursive(
    SCALARS | MONEY,
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(NAMES | INTEGER_TEXTS | HEX, inner, max_size=3)
    | st.lists(st.tuples(inner, inner).map(list), max_size=3),
    max_leaves=6,
)  # fmt: skip


def likely(spec: TypeSpec) -> st.SearchStrategy[Any]:
    """Values that may well be of this type."""
    if spec.name == "list":
        return st.lists(likely(spec.items[0]), max_size=3)
    if spec.name == "dict":
        key, item = map(likely, spec.items)
        return st.lists(st.tuples(key, item).map(list), max_size=3) | st.dictionaries(
            key.filter(lambda raw: isinstance(raw, str)), item, max_size=3
        )
    return {
        "int": INTEGERS | INTEGER_TEXTS, "bool": st.booleans(), "str": TEXTS, "bytes": HEX, "Money": MONEY,
        "Optional": st.none() | (likely(spec.items[0]) if spec.name == "Optional" else st.nothing()),
        "Decimal": PERCENTS | DECIMALS, "Call": CALLS, "Time": INTEGERS | TIMES, "Span": INTEGERS | SPANS, "Percent": PERCENTS,
    }.get(spec.name, NAMES)  # fmt: skip


def has_a_key_twice(spec: TypeSpec, raw: Any) -> bool:
    """A dict as an array in which a key comes again, perhaps in another form: a schema cannot see that."""
    if spec.name == "list" and isinstance(raw, list):
        return any(has_a_key_twice(spec.items[0], item) for item in raw)
    if spec.name != "dict" or not isinstance(raw, list):
        return False
    pairs = [pair for pair in raw if isinstance(pair, list) and len(pair) == 2]
    keys = [str(key) if spec.items[0].name == "int" else repr(key) for key, _ in pairs]
    return len(set(keys)) < len(keys)


@pytest.mark.parametrize("name", TYPES)
@given(data=st.data())
@settings(max_examples=150)
def test_a_schema_accepts_what_the_engine_accepts(name: str, data: st.DataObject) -> None:
    spec = TYPES[name]
    raw = data.draw(likely(spec) | ANYTHING)
    if not has_a_key_twice(spec, raw):
        assert everything(spec).is_valid({"x": raw}) == engine_accepts(spec, raw), raw


def test_a_record_is_an_object_of_its_fields() -> None:
    source = """from contracts import Contract, Party, Record, action

class Person(Record):
    name: Party
    age: int | None

class Everything(Contract):
    @action
    def take_all(self, x: list[Person]) -> None:
        pass
"""
    program = compile_contract(source)
    schema, spec = (
        validator(schema_of("00", program), "action.take_all"),
        program.actions[0].parameters[0].type,
    )
    given: list[Any] = [
        [], [{"name": "acme", "age": 5}], [{"name": "acme", "age": None}], [{"name": "acme"}], [{}],
        [{"name": "acme", "age": "x"}], [{"name": "acme", "age": 5, "more": 1}], [None],
    ]  # fmt: skip
    assert [engine_accepts(spec, raw) for raw in given] == [True] * 3 + [False] * 5
    for raw in given:
        assert schema.is_valid({"x": raw}) == engine_accepts(spec, raw), raw


@pytest.mark.parametrize("raw", [{}, {"x": 1, "y": 2}, {"y": 1}, [], None])
def test_all_arguments_and_no_others(raw: Any) -> None:
    assert not everything(TypeSpec("int")).is_valid(raw)


def test_a_schema_has_words_for_every_type() -> None:
    assert {spec.name for spec in TYPES.values()} - {"list", "dict", "Optional"} == {
        name.removeprefix("type.")
        for name in schema_of("00", compile_contract(DELIVERY))["$defs"]
        if name.startswith("type.")
    }


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_the_schema_of_a_contract_names_all_that_it_has(path: Path) -> None:
    program = compile_contract(path.read_text())
    document = schema_of("00", program)
    jsonschema_rs.meta.validate(document)
    wanted = {"terms"} | {f"type.{name}" for name in SCALAR_TYPES}
    for kind, specs in (("action", program.actions), ("fact", program.facts), ("query", program.queries),
                        ("answer", program.queries), ("event", program.events)):  # fmt: skip
        wanted |= {f"{kind}.{spec.name}" for spec in specs}
    assert document["$defs"].keys() - {"action.report"} == wanted
    assert ("action.report" in document["$defs"]) == bool(program.facts)


def test_what_an_agreement_takes_and_tells_fits_its_schema() -> None:
    """Terms, a report, an action and real events of the engine."""
    chain = Chain()
    document = schema_of("00", compile_contract(DELIVERY))
    buyer, _, carrier = chain.parties("buyer", "seller", "carrier")
    chain.currency("euro", buyer=100)
    terms: dict[str, Any] = {"buyer": "buyer", "seller": "seller", "carrier": "carrier", "deadline": "2026-02-01T00:00:00Z",
                             "price": {"amount": "50", "currency": "euro"}, "rate": "1.5"}  # fmt: skip
    assert validator(document, "terms").is_valid(terms)
    assert not validator(document, "terms").is_valid(terms | {"rate": 1.5})
    assert not validator(document, "terms").is_valid({**terms, "extra": 1})
    order = chain.agree(DELIVERY, "order", **terms)
    buyer.calls(order, "fund")
    report = {"fact": "delivered", "value": chain.now.ms}
    assert validator(document, "action.report").is_valid(report)
    assert not validator(document, "action.report").is_valid(report | {"fact": "late"})
    carrier.reports(order, delivered=chain.now)
    assert document["$defs"]["terms"]["properties"]["cap"]["default"] == "10"
    told = {event.name: to_plain(event.fields) for event in chain.events()}
    for name, fields in told.items():
        assert validator(document, f"event.{name}").is_valid(fields), fields
    assert set(told) == {"Funded", "Closed"}
    assert not validator(document, "event.Closed").is_valid({**told["Closed"], "penalty": 5})


ANSWERS: dict[str, Any] = {
    "int": 2**70, "bool": True, "str": "x", "bytes": b"\x01", "Money": Money(5, "euro"), "Time": 7, "Span": -7,
    "Percent": 15_000, "Decimal": -5, "Party": "acme", "list[int]": [1, 2**60], "dict[str, int]": {"b": 1, "a": 2**80},
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_what_a_query_answers_fits_its_schema(name: str) -> None:
    spec = TYPES.get(name, TypeSpec(name))
    source = f"""from contracts import Contract, Decimal, Instance, Money, Oracle, Party, Percent, Span, Time, query, term

class Asked(Contract):
    value: {spec} = term()

    @query
    def ask(self) -> {spec}:
        return self.value
"""
    document = schema_of("00", compile_contract(source))
    assert validator(document, "answer.ask").is_valid(to_json(ANSWERS[name], spec))
    assert not validator(document, "answer.ask").is_valid({"no": "answer"})
