"""One instance for people: what was agreed, what it holds, what may be done, and what each rule waits for."""

from __future__ import annotations

from typing import Any

from contracts.arguments import to_json
from contracts.context import Context, parties
from contracts.encoding import decode_key, decode_value
from contracts.execution import Run
from contracts.facts import quorum_of, reports
from contracts.gas import GasMeter
from contracts.layout import FACT, RAW, Instance, InstanceStatus, fact_key, field_key, table_of
from contracts.program import ActionSpec, FieldSpec
from contracts.programs import LoadedContract
from contracts.system.terms import signing_parties
from contracts.views import code
from contracts.views.lifecycle import pause_view
from contracts.views.why import handler_now, rule_now

EVALUATION_GAS_MAX = 1_000_000
"""Gas of evaluating all rules of an instance for a view; what is beyond it shows as unknown."""
TABLE_ROWS_SHOWN = 100
"""Rows of a table in the view of its instance; queries show the others."""
TABLE_BYTES_SHOWN = 64 * 1024
"""Keys and values of a table in the view of its instance, after the first row."""

JsonObject = dict[str, Any]


def summary(name: str, record: Instance, contract: LoadedContract) -> JsonObject:
    """An instance in a list."""
    return {
        "name": name,
        "code": record.code,
        "contract": contract.program.name,
        "text": contract.program.text,
        "status": record.status.value,
        "phase": record.phase,
        "creator": record.creator,
        "height": record.height,
        "time_ms": record.time_ms,
        "wake_ms": record.wake_ms,
        "version": record.version,
    }


def description(context: Context, name: str) -> JsonObject:
    """An instance that exists, with all that people ask about it, at the context's time."""
    record = context.instance(name)
    contract = context.contract(record.code)
    terms = context.terms(name)
    run = Run(context, GasMeter(EVALUATION_GAS_MAX))
    return summary(name, record, contract) | {
        "terms_hash": record.terms_hash.hex(),
        "terms": [
            {
                "name": spec.name,
                "type": str(spec.type),
                "signs": spec.signs,
                "value": to_json(terms[spec.name], spec.type),
            }
            for spec in contract.program.terms
        ],
        "signatures": [
            {"party": party, "signed": party in record.signed} for party in signing_parties(contract, terms)
        ],
        "phases": list(contract.program.phases),
        "facts": [_fact(context, name, contract, fact) for fact in contract.facts],
        "fields": [_field(context, name, spec) for spec in contract.program.fields],
        "rules": [rule_now(run, name, record, contract, spec) for spec in contract.program.rules],
        "handlers": [handler_now(context, name, record, spec) for spec in contract.program.handlers],
        "actions": [_action(context, record, contract, terms, spec) for spec in contract.program.actions],
        "queries": [code.query(spec) for spec in contract.program.queries],
        "pause": pause_view(context, name),
    }


def _fact(context: Context, name: str, contract: LoadedContract, fact: str) -> JsonObject:
    spec = contract.facts[fact]
    reported = context.overlay.get(fact_key(name, fact), FACT)
    shown: JsonObject = {}
    if spec.quorum is not None:
        found = reports(context, name, fact)
        shown = {
            "needed": quorum_of(spec, context.terms(name)),
            "agree": spec.agree,
            "reports": [{"by": each.by, "value": to_json(each.value, spec.type)} for each in found],
        }
    return shown | {
        "name": fact,
        "type": str(spec.type),
        "by": parties(context.terms(name)[spec.by]),
        "value": None if reported is None else to_json(reported.value, spec.type),
        "reported_by": reported and reported.by,
        "reported_ms": reported and reported.time_ms,
    }


def _field(context: Context, name: str, spec: FieldSpec) -> JsonObject:
    shown: JsonObject = {"name": spec.name, "type": str(spec.type)}
    if spec.type.name == "Table":
        prefix = table_of(name, spec.name)
        key_type, value_type = spec.type.items[0], spec.type.items[-1]
        listed: list[list[Any]] = []
        left = TABLE_BYTES_SHOWN
        for key, data in context.overlay.scan(prefix, None, RAW):
            left -= len(key) + len(data or b"")
            if len(listed) == TABLE_ROWS_SHOWN or (listed and left < 0):
                return shown | {"rows": listed, "more": True}
            if data is not None:
                row = (decode_key(key.removeprefix(prefix)), key_type), (decode_value(data), value_type)
                listed.append([to_json(value, type_) for value, type_ in row])
        return shown | {"rows": listed, "more": False}
    stored = context.overlay.get(field_key(name, spec.name), RAW)
    return shown | {"value": to_json(spec.initial if stored is None else decode_value(stored), spec.type)}


def _action(
    context: Context, record: Instance, contract: LoadedContract, terms: dict[str, Any], spec: ActionSpec
) -> JsonObject:
    """An action, with the accounts that may call it and whether phase and pause allow it now."""
    shown = code.action(spec)
    accounts = contract.accounts_in(shown["by"], terms)
    in_phase = not shown["phases"] or record.phase in shown["phases"]
    is_open = record.status == InstanceStatus.ACTIVE and (
        spec.is_exit or not record.is_paused(context.time_ms)
    )
    return shown | {"accounts": accounts, "possible": is_open and in_phase}
