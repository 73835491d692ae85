"""The words of rule sheets, in English and in Dutch: a closed list, the same things in both."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.language.types import (
    BOOL,
    BYTES,
    INSTANCE,
    INT,
    MONEY,
    ORACLE,
    PARTY,
    PERCENT,
    SPAN,
    STR,
    TIME,
    list_of,
)
from contracts.program import TypeSpec

EN, NL = "en", "nl"
LANGUAGES = (EN, NL)

KEYS = {
    "agreement": ("agreement", "overeenkomst"),
    "meaning": ("meaning", "betekenis"),
    "terms": ("terms", "voorwaarden"),
    "variables": ("variables", "variabelen"),
    "phases": ("phases", "fasen"),
    "facts": ("facts", "feiten"),
    "events": ("events", "meldingen"),
    "actions": ("actions", "handelingen"),
    "rules": ("rules", "regels"),
    "questions": ("questions", "vragen"),
    "by": ("by", "door"),
    "in_phase": ("in phase", "in fase"),
    "exit": ("also when paused", "ook bij pauze"),
    "with": ("with", "met"),
    "then": ("then", "dan"),
    "cases": ("cases", "gevallen"),
    "if": ("if", "als"),
    "answer": ("answer", "antwoord"),
}
"""What stands before a colon."""

TYPES: dict[TypeSpec, tuple[str, str]] = {
    PARTY: ("party", "partij"),
    list_of(PARTY): ("parties", "partijen"),
    ORACLE: ("oracle", "waarnemer"),
    list_of(ORACLE): ("oracles", "waarnemers"),
    MONEY: ("amount", "bedrag"),
    TIME: ("moment", "moment"),
    SPAN: ("duration", "duur"),
    PERCENT: ("percentage", "percentage"),
    INT: ("number", "getal"),
    STR: ("text", "tekst"),
    BOOL: ("yes or no", "ja of nee"),
    INSTANCE: ("currency", "munt"),
    BYTES: ("hash", "hash"),
}

DECLARING = {
    "signs": ("who signs", "die tekent"),
    "sign": ("who sign", "die tekenen"),
    "guards": ("who may pause", "met recht op pauze"),
    "default": ("default", "standaard"),
    "starts": ("starts at", "begint op"),
    "reported_by": ("from", "van"),
    "old": ("old", "oud"),
    "age_max": ("at most", "hoogstens"),
    "when": ("when", "als"),
    "agree": ("agree", "gelijk zijn"),
    "median": ("median of", "mediaan van"),
}
"""What stands behind a type."""

JOINING = {"or": ("or", "of"), "and": ("and", "en"), "not": ("not", "niet")}
COMPARING = {
    "reported": ("is reported", "is gemeld"),
    "unreported": ("is not reported", "is niet gemeld"),
    "in": ("is one of", "is een van"),
    "after": ("is after", "is na"),
    "before": ("is before", "is voor"),
    "from": ("is at or after", "is op of na"),
    "until": ("is at or before", "is op of voor"),
    ">": ("is more than", "is meer dan"),
    "<": ("is less than", "is minder dan"),
    ">=": ("is at least", "is minstens"),
    "<=": ("is at most", "is hoogstens"),
    "!=": ("is not", "is niet"),
    "==": ("is", "is"),
}
OF_MOMENTS = {"after": ">", "before": "<", "from": ">=", "until": "<="}
"""Comparisons of moments have words of their own."""
COMPUTING = {
    "+": ("plus", "plus"),
    "-": ("minus", "min"),
    "*": ("times", "keer"),
    "//": ("divided by", "gedeeld door"),
    "of": ("of", "van"),
}
NAMED = {
    "now": ("now", "nu"),
    "caller": ("caller", "aanroeper"),
    "yes": ("yes", "ja"),
    "no": ("no", "nee"),
}
FUNCTIONS = {
    "min": ("smallest", "kleinste"),
    "max": ("largest", "grootste"),
    "days_started": ("days_begun", "begonnen_dagen"),
    "held": ("held", "in_kas"),
    "Money": ("money", "geld"),
    "len": ("count", "aantal"),
}
"""By their names in the contract language."""
UNITS = {
    "SECOND": (("second", "seconds"), ("seconde", "seconden")),
    "MINUTE": (("minute", "minutes"), ("minuut", "minuten")),
    "HOUR": (("hour", "hours"), ("uur", "uur")),
    "DAY": (("day", "days"), ("dag", "dagen")),
    "WEEK": (("week", "weeks"), ("week", "weken")),
}
STEPS = {
    "require": ("require", "eis"),
    "let": ("let", "stel"),
    "set": ("set", "zet"),
    "collect": ("collect", "incasseer"),
    "pay": ("pay", "betaal"),
    "become": ("phase becomes", "fase wordt"),
    "tell": ("tell", "meld"),
}
"""How a step begins."""
WITHIN = {
    "otherwise": ("otherwise", "anders"),
    "set_to": ("to", "op"),
    "collect_from": ("from", "bij"),
    "pay_to": ("to", "aan"),
    "tell_with": ("with", "met"),
}
"""What stands within a step."""

RESERVED = frozenset(
    word
    for table in (JOINING, COMPARING, COMPUTING, NAMED, WITHIN)
    for phrases in table.values()
    for phrase in phrases
    for word in (phrase.split() if table is COMPARING else phrase.split()[:1])
)
"""Words that cannot be names, in either language, so that every sheet can be shown in both. Functions and
units can: they stand before a bracket and behind a number."""


@dataclass(frozen=True)
class Language:
    """One language: `words` has every phrase by what it means, in the tables above."""

    code: str

    @property
    def place(self) -> int:
        """Where its words stand in a pair."""
        return LANGUAGES.index(self.code)

    def word(self, table: dict[str, tuple[str, str]], meaning: str) -> str:
        """The phrase for a meaning."""
        return table[meaning][self.place]

    def type(self, spec: TypeSpec) -> str:
        """A type as it is written; as the contract language has it where sheets have no word."""
        return TYPES[spec][self.place] if spec in TYPES else str(spec)

    def unit(self, unit: str, count: int) -> str:
        """A unit of time behind a number."""
        return UNITS[unit][self.place][count != 1]

    def phrases(self, table: dict[str, tuple[str, str]]) -> list[tuple[tuple[str, ...], str]]:
        """Words and their meaning, longer phrases first."""
        found = [(tuple(pair[self.place].split()), meaning) for meaning, pair in table.items()]
        return sorted(found, key=lambda phrase: (-len(phrase[0]), phrase))

    def units(self) -> dict[str, str]:
        """The meaning of each form of each unit."""
        return {form: unit for unit, pair in UNITS.items() for form in pair[self.place]}

    def keys(self) -> dict[str, str]:
        """The meaning of each key."""
        return {pair[self.place]: meaning for meaning, pair in KEYS.items()}


ENGLISH, DUTCH = Language(EN), Language(NL)
BY_CODE = {EN: ENGLISH, NL: DUTCH}
