"""What the readers of rule sheets say of mistakes, in both languages."""

from __future__ import annotations

from contracts.language.problems import Place, Problems
from contracts.sheets.words import Language

TEXTS: dict[str, tuple[str, str]] = {
    # ---- the form of the file
    "too_long": (
        "the sheet has {size} bytes; at most {limit} are allowed",
        "het blad heeft {size} bytes; hoogstens {limit} mag",
    ),
    "line_too_long": (
        "this line has {size} characters; at most {limit} are allowed: name a part of it with `let`",
        "deze regel heeft {size} tekens; hoogstens {limit} mag: geef een deel een naam met `stel`",
    ),
    "character": (
        "the character {shown} cannot stand here; indent with spaces and write plain text",
        "het teken {shown} kan hier niet staan; spring in met spaties en schrijf gewone tekst",
    ),
    "empty": (
        "the sheet is empty: begin with `agreement: Name`",
        "het blad is leeg: begin met `overeenkomst: Naam`",
    ),
    "indent": (
        "this line is indented by {found} spaces; write {wanted}, as the lines that belong with it",
        "deze regel springt {found} spaties in; schrijf er {wanted}, zoals de regels waar hij bij hoort",
    ),
    "deep": ("this is nested too deep for a sheet", "dit is te diep genest voor een blad"),
    "key_needed": ("write `key: value` here", "schrijf hier `sleutel: waarde`"),
    "item_needed": (
        "this belongs to a list: begin the line with `- `",
        "dit hoort bij een lijst: begin de regel met `- `",
    ),
    "twice": ("`{name}` is here twice; keep one", "`{name}` staat er twee keer; laat er een staan"),
    "nothing_under": (
        "nothing stands under `{name}`: write it, or leave `{name}` out",
        "onder `{name}` staat niets: schrijf het op, of laat `{name}` weg",
    ),
    "start_of_text": (
        "a line cannot begin with {shown}: put the whole text in single quotes, '...'",
        "een regel kan niet met {shown} beginnen: zet de hele tekst tussen enkele aanhalingstekens, '...'",
    ),
    "colon": (
        "a colon with a space in it: put the whole text in single quotes, '...'",
        "er staat een dubbele punt met spatie in: zet de hele tekst tussen enkele aanhalingstekens, '...'",
    ),
    "quote_open": (
        "this quote is not closed on its line",
        "dit aanhalingsteken wordt op deze regel niet gesloten",
    ),
    "quote_after": (
        "nothing can follow the closing quote",
        "na het sluitende aanhalingsteken kan niets meer komen",
    ),
    "escape": (
        'between double quotes only \\" and \\\\ are known; or use single quotes',
        'tussen dubbele aanhalingstekens kan alleen \\" en \\\\; of neem enkele aanhalingstekens',
    ),
    "want_text": (
        "write one line of text here, not a list",
        "schrijf hier een regel tekst, geen lijst",
    ),
    "want_map": (
        "write names with a colon here, indented below `{name}`",
        "schrijf hier namen met een dubbele punt, ingesprongen onder `{name}`",
    ),
    "want_list": (
        "write a list here: lines that begin with `- `, indented below `{name}`",
        "schrijf hier een lijst: regels die met `- ` beginnen, ingesprongen onder `{name}`",
    ),
    # ---- sections and declarations
    "unknown_key": (
        "`{name}` is no word of a sheet here; there is {known}",
        "`{name}` is hier geen woord van een blad; er is {known}",
    ),
    "missing_key": ("`{name}` is missing here", "hier ontbreekt `{name}`"),
    "name_form": (
        "`{name}` is no name: use a-z, 0-9 and _, begin with a letter, {limit} characters at most",
        "`{name}` is geen naam: gebruik a-z, 0-9 en _, begin met een letter, hoogstens {limit} tekens",
    ),
    "title_form": (
        "`{name}` is no name here: begin with a capital letter, then letters and digits, as in OnTime",
        "`{name}` is hier geen naam: begin met een hoofdletter, dan letters en cijfers, zoals OpTijd",
    ),
    "name_taken": (
        "`{name}` means something already: choose another name",
        "`{name}` betekent al iets: kies een andere naam",
    ),
    "phase_form": (
        "`{name}` is no phase: a short text in small letters, unlike the others",
        "`{name}` is geen fase: een korte tekst in kleine letters, anders dan de andere",
    ),
    "type_unknown": (
        "this is no kind of value; there is {known}. Tables and records take a contract, not a sheet",
        "dit is geen soort waarde; er is {known}. Tabellen en records vragen een contract, geen blad",
    ),
    "rest": ("`{text}` is too much here", "`{text}` is hier te veel"),
    "signs_wrong": (
        "only a party, or parties, can sign or pause",
        "alleen een partij, of partijen, kan tekenen of pauzeren",
    ),
    "default_wrong": (
        "write a value of this kind: {wanted}",
        "schrijf een waarde van deze soort: {wanted}",
    ),
    "no_default": (
        "{kind} can have no value here: give it when the agreement is made",
        "{kind} kan hier geen waarde hebben: geef die als de overeenkomst wordt gemaakt",
    ),
    "fact_by": (
        "say who reports it, as in `moment from carrier`",
        "zeg wie het meldt, zoals in `moment van vervoerder`",
    ),
    "not_account": (
        "`{name}` is not in the terms as a party, parties or an oracle",
        "`{name}` staat niet in de voorwaarden als partij, partijen of waarnemer",
    ),
    "age_wrong": (
        "write `at most 2 days old`; only a moment has an age",
        "schrijf `hoogstens 2 dagen oud`; alleen een moment heeft een leeftijd",
    ),
    "quorum_range": ("write a number from 1 to {limit}", "schrijf een getal van 1 tot en met {limit}"),
    "quorum_of_one": (
        "`{name}` is one account: write `oracles` or `parties` in the terms",
        "`{name}` is een enkele: schrijf `waarnemers` of `partijen` bij de voorwaarden",
    ),
    "quorum_term": ("`{name}` is no number in the terms", "`{name}` is geen getal bij de voorwaarden"),
    "no_median": ("{kind} has no middle value", "{kind} heeft geen middelste waarde"),
    "no_phase": ("`{name}` is no phase; there is {known}", "`{name}` is geen fase; er is {known}"),
    # ---- phrases
    "token": ("{shown} cannot stand in a rule", "{shown} kan niet in een regel staan"),
    "digits": (
        "write a whole number with at most {limit} digits",
        "schrijf een heel getal van hoogstens {limit} cijfers",
    ),
    "expected": ("`{word}` is expected here, not {found}", "hier hoort `{word}`, niet {found}"),
    "expected_value": (
        "a value is expected here, not {found}",
        "hier hoort een waarde, niet {found}",
    ),
    "expected_text": (
        'a text in double quotes is expected here, as in "too late"',
        'hier hoort een tekst tussen dubbele aanhalingstekens, zoals "te laat"',
    ),
    "expected_name": ("a name is expected here, not {found}", "hier hoort een naam, niet {found}"),
    "end": ("the end of the line", "het eind van de regel"),
    "step_unknown": (
        "a step begins with {known}. To repeat steps or use another contract, write a contract, not a sheet",
        "een stap begint met {known}. Voor herhaling of een ander contract is een contract nodig, geen blad",
    ),
    "too_many": (
        "this is too much for one line: name a part of it with `let`",
        "dit is te veel voor een regel: geef een deel een naam met `stel`",
    ),
    "share_here": (
        "percentages stand in the terms: write `rate: percentage, default {text}%` there",
        "percentages horen bij de voorwaarden: schrijf daar `tarief: percentage, standaard {text}%`",
    ),
    # ---- meaning
    "unknown_name": (
        "`{name}` is not known here; there is {known}",
        "`{name}` is hier niet bekend; er is {known}",
    ),
    "kinds": (
        "{left} and {right} do not go together with `{word}`",
        "{left} en {right} gaan niet samen met `{word}`",
    ),
    "of_kind": (
        "`{word}` takes a percentage and an amount or a number, as in `rate of price`",
        "`{word}` hoort tussen een percentage en een bedrag of getal, zoals in `tarief van prijs`",
    ),
    "function_kinds": (
        "`{word}` cannot be taken of {kinds}",
        "`{word}` kan niet van {kinds} worden genomen",
    ),
    "moments": (
        "moments are compared with {known}",
        "momenten worden vergeleken met {known}",
    ),
    "not_moments": (
        "`{word}` compares moments; of {kind} write {known}",
        "`{word}` vergelijkt momenten; schrijf bij {kind} {known}",
    ),
    "want_kind": ("{wanted} is needed here, this is {found}", "hier is {wanted} nodig, dit is {found}"),
    "not_condition": (
        "this is {found}, not a condition: compare it with something",
        "dit is {found}, geen voorwaarde: vergelijk het met iets",
    ),
    "condition_here": (
        "a condition cannot stand here, only a value",
        "hier kan geen voorwaarde staan, alleen een waarde",
    ),
    "not_fact": ("`{name}` is no fact", "`{name}` is geen feit"),
    "fact_unknown": (
        "`{name}` may not be reported yet: write `{name} {word}` and ... before it",
        "`{name}` is misschien nog niet gemeld: schrijf er `{name} {word}` en ... voor",
    ),
    "now_compared": (
        "compare `{word}` directly, as in `{word} {after} deadline`: so it is known when to look again",
        "vergelijk `{word}` rechtstreeks, als in `{word} {after} termijn`: dan is bekend wanneer te kijken",
    ),
    "nobody_acts": (
        "nobody has signed here: leave out `{word}`",
        "hier heeft niemand getekend: laat `{word}` weg",
    ),
    "changes_nothing": (
        "this case changes nothing and would come true for ever: pay something, or write `{word} ...`",
        "dit geval verandert niets en zou steeds weer waar zijn: betaal iets, of schrijf `{word} ...`",
    ),
    "not_variable": (
        "`{name}` is no variable and cannot be set; there is {known}",
        "`{name}` is geen variabele en kan niet worden gezet; er is {known}",
    ),
    "no_event": ("there is no event `{name}`, only {known}", "er is geen melding `{name}`, alleen {known}"),
    "event_fields": (
        "`{name}` is told with exactly {known}",
        "`{name}` wordt gemeld met precies {known}",
    ),
    "named_twice": ("`{name}` has another kind already", "`{name}` is al van een andere soort"),
    "compiler": ("as a contract this is refused: {text}", "als contract wordt dit geweigerd: {text}"),
    "nothing": ("nothing", "niets"),
}  # fmt: skip


class Mistakes:
    """Collects mistakes and tells them in the language of the sheet."""

    def __init__(self, language: Language, problems: Problems) -> None:
        self.language = language
        self.problems = problems

    def text(self, message: str, **fields: object) -> str:
        """A message, filled in."""
        return TEXTS[message][self.language.place].format(**fields)

    def add(self, place: Place, message: str, **fields: object) -> None:
        """Note a mistake."""
        self.problems.add(place, self.text(message, **fields))

    def listed(self, names: object) -> str:
        """Names in a row."""
        found = ", ".join(names) if isinstance(names, list | tuple) else str(names)
        return found or self.text("nothing")
