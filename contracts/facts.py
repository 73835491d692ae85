"""Facts: what accounts report to an instance, alone or so many of several.

An account reports a fact once. Where several must report, each report is kept; the one that completes the
quorum makes the fact, which is then known for good. The median is that of the reports made by then; of an
even number it is the lower of the middle two, so that it is always a value that somebody reported. An upgrade
after which fewer need to report, or others may, decides as if it had always been so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from consensus.transactions import Json
from contracts.arguments import from_json, time_text
from contracts.context import Context, parties
from contracts.encoding import encode_value
from contracts.errors import Revert
from contracts.gas import SCAN_ITEM, bytes_gas
from contracts.language.limits import ORACLES_MAX
from contracts.layout import FACT, Fact, fact_key, report_key, reports_of
from contracts.program import FactSpec, Value
from contracts.programs import LoadedContract

if TYPE_CHECKING:
    from contracts.execution import Run


def quorum_of(spec: FactSpec, terms: Mapping[str, Value]) -> int:
    """How many accounts must report the fact."""
    if spec.quorum is None:
        return 1
    quorum: int = terms[spec.quorum] if isinstance(spec.quorum, str) else spec.quorum
    return quorum


def check_quorums(contract: LoadedContract, terms: Mapping[str, Value]) -> None:
    """Refuse terms under which a fact could never be known, or by anybody. Raises: Revert("arguments")."""
    for spec in contract.facts.values():
        if spec.quorum is None:
            continue
        quorum, accounts = quorum_of(spec, terms), len(set(parties(terms[spec.by])))
        if accounts > ORACLES_MAX or not 1 <= quorum <= accounts:
            text = f"{spec.name} needs {quorum} of the accounts in {spec.by}: there are {accounts}"
            raise _refusal("arguments", f"{text}, and may be {ORACLES_MAX}")


def reports(context: Context, instance: str, fact: str) -> list[Fact]:
    """What was reported so far of a fact that several report, by account."""
    prefix = reports_of(instance, fact)
    return [report for _, report in context.overlay.scan(prefix, None, FACT) if report is not None]


def report(run: Run, name: str, spec: FactSpec, given: Json, account: str) -> None:
    """Take a fact from an account that may report it: once, not from the future, not too old."""
    context = run.context
    several = spec.quorum is not None
    known = context.overlay.get(fact_key(name, spec.name), FACT)
    key = report_key(name, spec.name, account) if several else fact_key(name, spec.name)
    if known is not None or context.overlay.get(key, FACT) is not None:
        by = "a quorum" if known is not None and several else account if several else "its oracle"
        raise _refusal("fact", f"{spec.name} of {name} was reported before, by {by}; a fact is reported once")
    value = from_json(spec.type, given, "value", run)
    _check_time(spec, value, context.time_ms)
    group = reports_of(name, spec.name) if several else None
    run.write(key, Fact(value, account, context.time_ms), FACT, group)
    run.emit(name, "reported", (("fact", spec.name), ("value", value), ("by", account)))
    if several:
        decide(run, name, spec, account)


def decide(run: Run, name: str, spec: FactSpec, last: str = "") -> None:
    """Make a fact known, if one of its reports completes the quorum; that of the account `last` came last.

    Others count in the order in which they were made, those of one block by account.
    """
    context = run.context
    if context.overlay.get(fact_key(name, spec.name), FACT) is not None:
        return
    kept = sorted(reports(context, name, spec.name), key=lambda report: (report.time_ms, report.by == last))
    run.meter.spend(sum(SCAN_ITEM + bytes_gas(len(encode_value(report.value))) for report in kept))
    entitled = parties(context.terms(name)[spec.by])  # an upgrade may have let others report
    found = [report for report in kept if report.by in entitled]
    quorum = quorum_of(spec, context.terms(name))
    for count, latest in enumerate(found, 1):
        if spec.agree == "equal":
            agreeing = [report.value for report in found[:count] if report.value == latest.value]
        else:
            agreeing = sorted(report.value for report in found[:count])
        if len(agreeing) >= quorum:
            value = agreeing[(len(agreeing) - 1) // 2]
            run.write(fact_key(name, spec.name), Fact(value, latest.by, context.time_ms), FACT)
            run.emit(name, "known", (("fact", spec.name), ("value", value), ("reports", count)))
            return


def _check_time(spec: FactSpec, value: Value, now_ms: int) -> None:
    if spec.type.name != "Time":
        return
    reported, now = time_text(value), time_text(now_ms)
    if value > now_ms:
        raise _refusal("fact", f"{spec.name} lies in the future: {reported}, now it is {now}")
    if spec.max_age_ms is not None and now_ms - value > spec.max_age_ms:
        age = f"more than {spec.max_age_ms} ms old"
        raise _refusal("fact", f"{spec.name} is {age}: {reported}, now it is {now}")


def _refusal(code: str, text: str) -> Revert:
    return Revert(code, text, consumes_all=False)
