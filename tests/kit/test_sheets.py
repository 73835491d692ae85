"""Rule sheets: what they say is what the contract does, in either language, and mistakes are told well."""

# ruff: noqa: E501, ISC004 - a mistake beside what is said of it
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import DAY, HOUR, Span
from contracts.compiler import compile_contract
from contracts.errors import ContractError
from contracts.language.problems import Problems
from contracts.sheets import DoesNotFit, compile_sheet, model, show_sheet, show_source, source_of
from contracts.sheets.checking import check_sheet
from contracts.sheets.from_source import read_source
from contracts.sheets.layout import read_layout
from contracts.sheets.messages import TEXTS, Mistakes
from contracts.sheets.to_sheet import write_sheet
from contracts.sheets.to_source import write_source
from contracts.sheets.words import BY_CODE, COMPARING, DUTCH, ENGLISH, LANGUAGES, TYPES
from contracts.testing import Agreement, Chain, Refused
from tests.kit.sheet_maker import plain, sheets

ROOT = Path(__file__).parents[2]
SHEETS = sorted((ROOT / "docs" / "examples" / "sheets").glob("*.yaml"))
DELIVERY_SHEET = ROOT / "docs" / "examples" / "sheets" / "delivery_or_penalty.yaml"
DELIVERY = ROOT / "contracts" / "library" / "delivery_or_penalty.py"

# ---------------------------------------------------------------- there and back


@pytest.mark.parametrize("path", SHEETS, ids=lambda path: path.stem)
def test_a_sheet_gives_the_same_contract_in_either_language(path: Path) -> None:
    text = path.read_text()
    made = compile_sheet(text)
    for language in LANGUAGES:
        shown = show_sheet(text, language)
        assert source_of(shown) == made.source
        assert show_sheet(shown, language) == shown
        assert show_source(made.source, language) == shown


@given(sheets())
@settings(max_examples=40)
def test_any_sheet_is_read_back_as_it_was(sheet: model.Sheet) -> None:
    """Through its contract, and through either language."""
    mistakes = Mistakes(ENGLISH, Problems())
    kinds = check_sheet(sheet, mistakes)
    assert mistakes.problems.sorted() == ()
    source = write_source(sheet, kinds.answers)
    assert len(source.places) == source.text.count("\n")
    compile_contract(source.text)
    placed = read_source(source.text)
    assert placed == sheet
    kinds = check_sheet(placed, mistakes)
    for language in LANGUAGES:
        made = compile_sheet(write_sheet(placed, kinds.moments, BY_CODE[language]).replace("\n\n", "\n \n"))
        assert made.sheet == sheet
        assert made.source == source.text
        assert made.language == language


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("self.phase = \"closed\"\n        emit(Closed(reason=reason, penalty=penalty))",
         "for i in range(3):\n            self.phase = \"closed\"", "line 77: sheets have no words for this statement"),
        ("rate: Percent = term(default=\"1\")", "van: Percent = term(default=\"1\")", "`van` is a word of sheets"),
        ("self.delivered and self.delivered <= self.deadline", "self.delivered and 1 < 2 < 3", "a chain"),
    ],
)  # fmt: skip
def test_a_contract_without_words_does_not_fit(old: str, new: str, why: str) -> None:
    source = DELIVERY.read_text()
    assert old in source
    changed = source.replace(old, new).replace(
        "self.rate.of", "self.van.of" if "van:" in new else "self.rate.of"
    )
    compile_contract(changed)
    with pytest.raises(DoesNotFit, match=why.replace("(", r"\(")):
        show_source(changed, "en")


# ---------------------------------------------------------------- the same behaviour

MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("fund"), st.sampled_from(("buyer", "seller"))),
        st.tuples(st.just("wait"), st.integers(0, 20 * DAY.ms)),
        st.tuples(st.just("wait"), st.sampled_from((DAY.ms, 2 * DAY.ms, 2 * DAY.ms + 1, 32 * DAY.ms))),
        st.tuples(st.just("report"), st.sampled_from((0, -HOUR.ms, HOUR.ms, -3 * DAY.ms))),
    ),
    max_size=6,
)  # fmt: skip


def play(source: str, moves: list[tuple[str, Any]]) -> list[Any]:
    """What all can see of an agreement after each move."""
    chain = Chain()
    buyer, seller, carrier = chain.parties("buyer", "seller", "carrier")
    euro = chain.currency("euro", buyer=1_000, seller=1_000)
    parties = {"buyer": buyer, "seller": seller, "carrier": carrier}
    order: Agreement = chain.agree(source, "order", price=euro(999), deadline=chain.now + 2 * DAY, **parties)
    seen: list[Any] = []
    for move, value in moves:
        outcome = "ok"
        try:
            if move == "fund":
                chain.party(value).calls(order, "fund")
            elif move == "wait":
                chain.passes(Span(value))
            else:
                carrier.reports(order, delivered=chain.now + Span(value))
        except Refused as refused:
            outcome = str(refused)
        held = [account.holds(euro) for account in (buyer, seller, carrier, order)]
        told = [(event.name, dict(event.fields)) for event in chain.events()]
        due = [(firing["branch"], firing["time_ms"]) for firing in chain.firings(order)]
        seen.append((outcome, chain.now, order.phase, held, told, due, chain.next_wakeup))
    return seen


@given(MOVES)
@settings(max_examples=25)
def test_delivery_or_penalty_as_a_sheet_does_what_the_contract_does(moves: list[tuple[str, Any]]) -> None:
    assert play(source_of(DELIVERY_SHEET.read_text()), moves) == play(DELIVERY.read_text(), moves)


def test_the_loan_in_dutch_is_paid_back_with_a_fine() -> None:
    chain = Chain()
    geldgever, lener = chain.parties("geldgever", "lener")
    euro = chain.currency("euro", geldgever=10_000, lener=1_000)
    source = source_of((ROOT / "docs/examples/sheets/lening.yaml").read_text())
    loan = chain.agree(
        source, "lening", geldgever=geldgever, lener=lener, som=euro(10_000), termijn=chain.now + 30 * DAY
    )
    geldgever.calls(loan, "uitlenen")
    with chain.refused("require", "de termijn is nog niet voorbij"):
        geldgever.calls(loan, "aanmanen")
    chain.passes(33 * DAY)
    geldgever.calls(loan, "aanmanen")
    chain.passes(30 * DAY)
    assert loan.phase == "in gebreke"
    lener.calls(loan, "terugbetalen")
    assert (loan.phase, geldgever.holds(euro), lener.holds(euro)) == ("terugbetaald", 10_630, 370)
    assert loan.ask("rente_in_geld") == {"amount": "300", "currency": "euro"}
    assert chain.events("Terugbetaald")[0]["boete"] == euro(330)


# ---------------------------------------------------------------- the form of the file


@pytest.mark.parametrize(
    "text",
    [
        *(path.read_text() for path in SHEETS),
        "a: 'it''s # no comment: here'\nb: \"x \\\" \\\\ y\"  # comment\n",
        "a:\n- x\n- b: c\n  d:\n   - 1\n   -   e: f\n       g: h\n\n  # note\nz: q # r\r\n",
        "a b: c#d\nx: y'z\"\n",
    ],
)
def test_a_yaml_library_reads_the_same(text: str) -> None:
    read = read_layout(text, Mistakes(ENGLISH, Problems()))
    assert plain(read) == yaml.load(text, yaml.BaseLoader)


LINES = st.lists(
    st.sampled_from(
        ("a: b", "b:", "c: 'x: y'", "  - a: b", "- a", "  d: e # f", "-", "  ", "# x", "    - x", "  - - y",
         "a: [b]", "e: \"\\n\"", "f: g: h", "? x", "  e:", "\ta: b", "'a': b", "a : b", "g: |", "h: &x y",
         "i: x #y", "j: 'x' y", "k:z", "--- ", "...", "      l: m", "    n: o"),
    ),
    max_size=8,
)  # fmt: skip


@given(LINES)
@settings(max_examples=200)
def test_what_is_read_of_any_lines_is_what_a_yaml_library_reads(lines: list[str]) -> None:
    text = "\n".join(lines)
    try:
        read = read_layout(text, Mistakes(ENGLISH, Problems()))
    except ContractError:
        return
    assert plain(read) == yaml.load(text, yaml.BaseLoader)


# ---------------------------------------------------------------- mistakes

FRAME = """agreement: Deal
meaning: m
terms:
  buyer: party who signs
  carrier: oracle
  price: amount
  deadline: moment
  rate: percentage, default 1%
variables:
  turns: number, starts at 0
phases: open, closed
facts:
  delivered: moment from carrier
actions:
  go:
    by: buyer
    then:
      - {step}
rules:
  end:
    in phase: open
    cases:
      - if: {condition}
        then:
          - phase becomes closed
"""


def told(text: str) -> list[str]:
    with pytest.raises(ContractError) as refused:
        compile_sheet(text)
    return [f"{problem.line}:{problem.column} {problem.text}" for problem in refused.value.problems]


@pytest.mark.parametrize(
    ("step", "mistake"),
    [
        ("pay price to nobody", "18:22 `nobody` is not known here; there is buyer, carrier, price, deadline, rate,"
         " turns, delivered"),
        ("pay 5 to buyer", "18:13 amount is needed here, this is number"),
        ("pay price buyer", "18:19 `to` is expected here, not `buyer`"),
        ("pay price to", "18:21 a value is expected here, not the end of the line"),
        ("give price to buyer", "18:9 a step begins with `require`, `let`, `set`, `collect`, `pay`, "
         "`phase becomes`, `tell`. To repeat steps or use another contract, write a contract, not a sheet"),
        ("set price to price", "18:13 `price` is no variable and cannot be set; there is turns"),
        ("let price = 5", "18:13 `price` means something already: choose another name"),
        ("let x = price plus 5", "18:17 amount and number do not go together with `plus`"),
        ("let x = turns of price", "18:17 `of` takes a percentage and an amount or a number, as in `rate of price`"),
        ("let x = 10% of price", "18:17 percentages stand in the terms: write `rate: percentage, default 10%` "
         "there"),
        ("let x = smallest(price, 5)", "18:17 `smallest` cannot be taken of amount, number"),
        ("phase becomes shut", "18:23 `shut` is no phase; there is open, closed"),
        ("tell Gone", "18:14 there is no event `Gone`, only nothing"),
        ("require turns otherwise \"x\"", "18:17 this is number, not a condition: compare it with something"),
        ("require turns is after 5 otherwise \"x\"",
         "18:17 `is after` compares moments; of number write `is more than`"),
        ("require deadline is more than now otherwise \"x\"",
         "18:17 moments are compared with `is after`, `is before`, `is at or after`, `is at or before`"),
        ("require turns is 5 otherwise x", "18:38 a text in double quotes is expected here, as in \"too late\""),
        ("let x = delivered", "18:17 `delivered` may not be reported yet: write `delivered is reported` and ... "
         "before it"),
        ("let x = (turns is 5)", "18:18 a condition cannot stand here, only a value"),
        ("let x = turns + 5", "18:23 '+' cannot stand in a rule"),
        ("pay price to buyer now", "18:28 `now` is too much here"),
        ("'let x = \"a: b\"'", None),
        ("let x = \"a: b\"", "18:9 a colon with a space in it: put the whole text in single quotes, '...'"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_step_is_told_with_its_place(step: str, mistake: str | None) -> None:
    text = FRAME.replace("{step}", step).replace("{condition}", "now is after deadline")
    if mistake is None:
        compile_sheet(text)
    else:
        assert told(text) == [mistake]


@pytest.mark.parametrize(
    ("condition", "mistake"),
    [
        ("now plus 1 day is after deadline", "23:13 compare `now` directly, as in `now is after deadline`: so it is"
         " known when to look again"),
        ("buyer is caller", "23:22 nobody has signed here: leave out `caller`"),
        ("price is reported", "23:13 `price` is no fact"),
        ("delivered is after deadline", "23:13 `delivered` may not be reported yet: write `delivered is reported` "
         "and ... before it"),
        ("now is after", "23:25 a value is expected here, not the end of the line"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_condition_is_told_with_its_place(condition: str, mistake: str) -> None:
    text = FRAME.replace("{condition}", condition).replace("{step}", "phase becomes open")
    assert told(text) == [mistake]


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ("agreement: Deal", "agreement: deal", "1:12 `deal` is no name here: begin with a capital letter, then "
         "letters and digits, as in OnTime"),
        ("meaning: m\n", "", "1:1 `meaning` is missing here"),
        ("price: amount", "price: amount, default 5", "6:26 amount can have no value here: give it when the "
         "agreement is made"),
        ("price: amount", "price: euros", "6:10 this is no kind of value; there is party, parties, oracle, oracles, amount, "
         "moment, duration, percentage, number, text, yes or no, currency, hash. Tables and records take a "
         "contract, not a sheet"),
        ("price: amount", "price: amount who signs", "6:10 only a party, or parties, can sign or pause"),
        ("price: amount", "price: amount who may pause", "6:10 only a party, or parties, can sign or pause"),
        ("buyer: party who signs", "buyer: party who may pause, who may pause", "4:31 `default` is expected here, "
         "not `who`"),
        ("    by: buyer", "    also when paused: perhaps", "16:23 write a value of this kind: yes or no"),
        ("price: amount", "plus: amount", "6:3 `plus` means something already: choose another name"),
        ("price: amount", "class: amount", "6:3 `class` means something already: choose another name"),
        ("price: amount", "buyer: amount", "6:3 `buyer` is here twice; keep one"),
        ("price: amount", "price:", "6:3 nothing stands under `price`: write it, or leave `price` out"),
        ("starts at 0", "starts at x", "10:28 write a whole number with at most 77 digits"),
        ("open, closed", "Open, closed", "11:9 `Open` is no phase: a short text in small letters, unlike the "
         "others"),
        ("from carrier", "from price", "13:3 `price` is not in the terms as a party, parties or an oracle"),
        ("from carrier", "from carrier, at most 2 old", "13:45 `seconds, minutes, hours, days, weeks` is expected "
         "here, not `old`"),
        ("by: buyer", "bij: buyer", "16:5 `bij` is no word of a sheet here; there is meaning, by, in phase, also when "
         "paused, with, then"),
        ("by: buyer", "\tby: buyer", "16:5 the character '\\t' cannot stand here; indent with spaces and write "
         "plain text"),
        ("by: buyer", " by: buyer", "17:5 this line is indented by 4 spaces; write 5, as the lines that belong "
         "with it"),
        ("from carrier", "from carrier, when 2 agree", "13:3 `carrier` is one account: write `oracles` or `parties` in the"
         " terms"),
        ("from carrier", "from carrier, median of 300", "13:45 write a number from 1 to 64"),
        ("from carrier", "from carrier, median of price", "13:3 `price` is no number in the terms"),
        ("delivered: moment from carrier", "delivered: moment from carrier\n  good: text from carrier, median of 2",
         "14:3 text has no middle value"),
        ("from carrier", "from carrier, when 2", "13:41 `agree` is expected here, not the end of the line"),
        ("in phase: open", "in phase: opened", "20:3 `opened` is no phase; there is open, closed"),
        ("phase becomes closed", "let x = 5", "23:9 this case changes nothing and would come true for ever: pay "
         "something, or write `phase becomes ...`"),
        ("phase becomes closed", "collect price from buyer", None),
        ("          - phase becomes closed\n", "          - let x = 5\n          - let x = price\n"
         "          - phase becomes closed\n", "26:17 `x` has another kind already"),
        ("          - phase becomes closed\n", "          - let x = 5\n          - phase becomes closed\n"
         "      - if: turns is 5\n        then:\n          - let x = price\n          - phase becomes open\n",
         "29:17 `x` has another kind already"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_sheet_is_told_with_its_place(old: str, new: str, mistake: str | None) -> None:
    text = FRAME.replace("{condition}", "now is after deadline").replace("{step}", "phase becomes open")
    assert old in text
    found = told(text.replace(old, new, 1) if "phase becomes closed" not in old else text.replace(old, new))
    assert mistake in found if mistake else any("nobody has signed" in line for line in found)


@pytest.mark.parametrize("wanted", ["table of amounts", "record of name and price", "list of amounts"])
def test_who_wants_a_table_or_record_is_sent_to_a_contract(wanted: str) -> None:
    text = f"agreement: Deal\nmeaning: m\nterms:\n  price: {wanted}\n"
    [mistake] = told(text)
    assert mistake.startswith("4:10 ")
    assert mistake.endswith("Tables and records take a contract, not a sheet")


@pytest.mark.parametrize("wanted", ["for each p of parties pay price to p", "call shop", "perform proposal"])
def test_who_wants_a_loop_or_a_call_is_sent_to_a_contract(wanted: str) -> None:
    text = f"agreement: Deal\nmeaning: m\nactions:\n  go:\n    then:\n      - '{wanted}'\n"
    [mistake] = told(text)
    assert mistake.startswith("6:")
    assert mistake.endswith("To repeat steps or use another contract, write a contract, not a sheet")


def test_all_mistakes_are_told_at_once_and_in_dutch() -> None:
    text = """overeenkomst: Zaak
betekenis: m
voorwaarden:
  koper: partij die tekent
  prijs: euros
handelingen:
  doe:
    door: verkoper
    dan:
      - betaal 5 aan koper
      - geef prijs
regels: niets
"""
    assert told(text) == [
        "5:10 dit is geen soort waarde; er is partij, partijen, waarnemer, waarnemers, bedrag, moment, duur, "
        "percentage, getal, tekst, ja of nee, munt, hash. Tabellen en records vragen een contract, geen blad",
        "11:9 een stap begint met `eis`, `stel`, `zet`, `incasseer`, `betaal`, `fase wordt`, `meld`. Voor "
        "herhaling of een ander contract is een contract nodig, geen blad",
        "12:9 schrijf hier namen met een dubbele punt, ingesprongen onder `regels`",
    ]
    mended = (
        text.replace("euros", "bedrag")
        .replace("geef prijs", "betaal prijs aan koper")
        .replace("regels: niets\n", "")
    )
    assert told(mended) == [
        "7:3 `verkoper` staat niet in de voorwaarden als partij, partijen of waarnemer",
        "10:16 hier is bedrag nodig, dit is getal",
    ]


def test_what_only_the_compiler_refuses_has_its_place_too() -> None:
    """A limit of contracts that sheets do not know by themselves."""
    steps = "\n".join("      - set turns to turns plus 1" for _ in range(3))
    parameters = "\n".join(f"      x{index}: number" for index in range(17))
    text = f"""agreement: Deal
meaning: m
variables:
  turns: number, starts at 0
actions:
  go:
    with:
{parameters}
    then:
{steps}
"""
    [mistake] = told(text)
    assert mistake.startswith("6:3 as a contract this is refused: ")


@pytest.mark.parametrize(
    "text", ["", "\n# nothing\n", "- a", "agreement", "agreement: A\n b: c", "x" * 40_000]
)
def test_what_is_no_sheet_at_all_is_refused(text: str) -> None:
    assert told(text)


def test_both_languages_say_as_much() -> None:
    import string

    for english, dutch in TEXTS.values():
        fields = [
            {name for _, name, _, _ in string.Formatter().parse(text) if name} for text in (english, dutch)
        ]
        assert fields[0] == fields[1], english


def test_words_of_a_language_mean_one_thing() -> None:
    for language in (ENGLISH, DUTCH):
        comparing = [pair[language.place] for pair in COMPARING.values()]
        assert len(comparing) == len(set(comparing))
        types = [pair[language.place] for pair in TYPES.values()]
        assert len(types) == len(set(types))
        assert len(language.keys()) == len(set(language.keys()))
