"""The compiler's face: its cache, what it makes, and that nothing of the author's gets through."""

from __future__ import annotations

import ast
import marshal
from pathlib import Path
from typing import Any

import pytest

import contracts
from contracts import compiler, lang
from contracts.compiler import check, compile_contract, dump_code, load_program
from contracts.errors import ContractError, Revert
from contracts.gas import HELPER, TEXT, GasMeter
from contracts.host import Host
from contracts.language.cache import pack, unpack
from contracts.language.checker import check_source
from contracts.language.compiled import _NAMES
from contracts.language.generator import generate
from contracts.language.operations import CURRENCY, LEDGER
from contracts.language.problems import PROBLEMS_MAX
from contracts.language.vocabulary import IMPORTABLE
from contracts.program import TypeSpec
from contracts.values import Money
from tests.contracts_lang import tour
from tests.contracts_lang.digest import deepest_source, sources
from tests.contracts_lang.memory_host import GAS
from tests.contracts_lang.sources import host_of, method, query

TOUR = Path(str(tour.__file__)).read_text()
HOST_NAMES = {name for name in dir(Host) if not name.startswith("_")} | set(Host.__annotations__)


def test_a_cached_program_is_the_same_program() -> None:
    program = compile_contract(TOUR)
    loaded = load_program(TOUR, dump_code(program))
    assert loaded is not None
    for name in compiler._CACHED_FIELDS:
        assert getattr(loaded, name) == getattr(program, name)


def test_a_cache_that_does_not_fit_is_left_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not one of its bytes is taken apart."""
    cached = dump_code(compile_contract(TOUR))
    monkeypatch.setattr(marshal, "loads", pytest.fail)
    for other in (TOUR + "\n", method("x = 1"), TOUR + "\udcff"):
        assert load_program(other, cached) is None
    for place in range(0, len(cached), 101):
        damaged = cached[:place] + bytes([cached[place] ^ 1]) + cached[place + 1 :]
        assert load_program(TOUR, damaged) is None
    for short in (None, b"", b"garbage", cached[:32], cached[:-1], cached + b"\0"):
        assert load_program(TOUR, short) is None
    monkeypatch.setattr(compiler, "_MAKER_DIGEST", bytes(32))
    assert load_program(TOUR, cached) is None


def test_specifications_survive_the_cache() -> None:
    program = compile_contract(TOUR)
    for part in (program.terms, program.fields, program.rules):
        assert unpack(pack(part)) == part


def test_in_the_cache_equal_specifications_are_one_and_unequal_ones_are_not() -> None:
    """1 == True for Python, and a list that two variables began with would be theirs together."""
    values: tuple[Any, ...] = (
        1,
        True,
        Money(1, "eur"),
        (1, "eur"),
        (True,),
        (1,),
        "1",
        b"1",
        None,
        [],
        {},
        [],
    )
    back = unpack(pack(values))
    assert repr(back) == repr(values)
    assert back[-1] is not back[-3]
    types = TypeSpec("Money"), TypeSpec("list", (TypeSpec("Money"),))
    assert len(pack((*types, *types))) == len(["Money", (), types[0], "list", types[:1], types[1], types * 2])


def test_the_same_source_makes_the_same_code_byte_for_byte() -> None:
    assert dump_code(compile_contract(TOUR)) == dump_code(compile_contract(TOUR.encode()))


def test_every_mistake_is_told_sorted_and_not_too_many() -> None:
    source = method("\n".join(f"x{n} = y{n}" for n in range(30)))
    with pytest.raises(ContractError) as refused:
        compile_contract(source)
    problems = refused.value.problems
    assert len(problems) == PROBLEMS_MAX
    assert list(problems) == sorted(problems, key=lambda problem: (problem.line, problem.column))
    assert str(problems[0]) == "line 31, column 14: `y0` is not known here"
    assert check(source) == list(problems)


def test_an_author_can_import_exactly_the_words_of_the_language() -> None:
    assert set(lang.__all__) == IMPORTABLE
    assert all(getattr(contracts, name) is getattr(lang, name) for name in lang.__all__)
    assert set(LEDGER) == {name for name in vars(lang.Contract) if not name.startswith("_")}
    assert set(CURRENCY) == {name for name in vars(lang.Currency) if not name.startswith("_")}


def test_no_token_of_the_authors_reaches_the_interpreter() -> None:
    """Every name in generated code is a helper, the host, the meter, or carries a prefix of ours."""
    for source in [TOUR, deepest_source(), *sources(40, 0)]:
        try:
            checked = check_source(source)
        except ContractError:
            continue
        for node in ast.walk(ast.parse(generate(checked.methods, checked.rules))):
            if isinstance(node, ast.Name):
                ours = node.id in _NAMES or node.id in ("h", "m", "_g", "_t", "wake")
                assert ours or node.id[:2] in ("v_", "f_", "t_"), node.id
            elif isinstance(node, ast.Attribute):
                assert isinstance(node.value, ast.Name) or node.attr == "get"
                assert node.attr in HOST_NAMES | {"gas", "out_of_gas", "get"}, node.attr
            else:
                assert not isinstance(
                    node, ast.Import | ast.Lambda | ast.Try | ast.Global | ast.Starred | ast.JoinedStr
                )


def test_gas_does_not_depend_on_how_a_source_is_laid_out() -> None:
    wide = compile_contract(
        method("x = (1 +\n     2)  # three\n\n\nself.count = x", "@action()\ndef f(self):")
    )
    tight = compile_contract(method("x = 1+2\nself.count = x", "@action()\ndef f(self):"))
    used = []
    for program in (wide, tight):
        host = host_of(program)
        program.run_action("f", host, ())
        used.append(host.meter.gas)
    assert used[0] == used[1]


@pytest.mark.parametrize(
    ("comparison", "count"),
    [("x < y", 1), ("x < y < x < y < x", 4), ("max(x, y, x, y, x, y, x, y) == x", 9)],
)
def test_comparing_texts_costs_more_than_comparing_integers(comparison: str, count: int) -> None:
    """Python compares texts character by character unless both are ASCII."""
    used = []
    for values in ("x = 1\ny = 2", "x = 'a'\ny = 'b'"):
        program = query(f"{values}\nreturn {comparison}", "bool")
        host = host_of(program)
        program.run_query("asked", host, ())
        used.append(GAS - host.meter.gas)
    assert used[1] - used[0] > count * (TEXT - HELPER)


def test_a_meter_gives_exactly_what_it_has() -> None:
    meter = GasMeter(10, 100)
    meter.spend(10)
    meter.allocate(100)
    assert (meter.gas, meter.allocation) == (0, 0)
    with pytest.raises(Revert) as refused:
        meter.spend(1)
    assert (refused.value.code, refused.value.consumes_all, meter.gas) == ("gas", True, 0)
    with pytest.raises(Revert, match="allocation"):
        meter.allocate(1)


def test_gas_that_is_exactly_enough_is_enough() -> None:
    program = compile_contract(method("for i in range(9):\n    self.count += i", "@action()\ndef f(self):"))
    host = host_of(program)
    before = host.meter.gas
    program.run_action("f", host, ())
    needed = before - host.meter.gas
    host.meter.gas = needed
    program.run_action("f", host, ())
    host.meter.gas = needed - 1
    with pytest.raises(Revert, match="gas"):
        program.run_action("f", host, ())
