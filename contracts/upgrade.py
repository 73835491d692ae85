"""An instance takes other code: what of its state stays, what is migrated, and what stands in the way.

Every row of an instance has the type that its present code declares; an upgrade keeps it so. A variable of
the same name and type stays. One whose type differs is refused unless `@migrate` reads it; what the new code
does not declare is deleted, so that no later version can take it for something else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from consensus.transactions import Json
from contracts.arguments import to_json
from contracts.errors import Revert
from contracts.facts import decide
from contracts.gas import SCAN, SCAN_ITEM, WRITE
from contracts.layout import (
    FACT,
    INSTANCE,
    RAW,
    TERMS,
    VERSION,
    Version,
    fact_key,
    field_key,
    instance_key,
    reports_of,
    table_of,
    terms_key,
    version_key,
)
from contracts.listening import listen, unlisten
from contracts.program import FieldSpec, TypeSpec, Value
from contracts.programs import LoadedContract
from contracts.runtime_host import RuntimeHost
from contracts.values import ITEMS_MAX

if TYPE_CHECKING:
    from contracts.execution import Run


def merged_terms(
    old: LoadedContract, new: LoadedContract, terms: Mapping[str, Value], given: Mapping[str, Json]
) -> dict[str, Json]:
    """The terms that the new code gets, as JSON: those given, else those that stay; others take defaults."""
    kept = {
        name: to_json(terms[name], spec.type)
        for name, spec in new.terms.items()
        if name in old.terms and old.terms[name].type == spec.type
    }
    return kept | dict(given)


def check_storage(run: Run, name: str, old: LoadedContract, new: LoadedContract) -> None:
    """Refuse code that could not read what the instance has stored. Raises: Revert("schema")."""
    migration = new.program.migration
    read = {} if migration is None else {each.name: each.type for each in migration.parameters}
    for field, type_ in read.items():
        before = old.fields.get(field)
        if before is None or _as_value(before.type) != type_:
            found = f"is {before.type}" if before else "is not declared"
            raise _refusal(f"@migrate reads {field}: {type_}, which {found} in the code that {name} runs")
    for field, spec in new.fields.items():
        before = old.fields.get(field)
        if before is not None and before.type != spec.type and field not in read:
            raise _refusal(
                f"{field} of {name} is {before.type} in the code that it runs and {spec.type} in the new: "
                "read it in @migrate, or give it another name"
            )
    for fact, fact_spec in new.facts.items():
        known = old.facts.get(fact)
        if known is not None and known.type != fact_spec.type and _reported(run, name, fact):
            raise _refusal(f"the fact {fact} of {name} is reported as {known.type}, and stays what it is")
    phase = run.context.instance(name).phase
    if phase not in new.program.phases and migration is None:
        raise _refusal(f"{name} is in phase {phase}, which the new code does not have: set one in @migrate")
    if old.program.is_currency and not new.program.is_currency and run.context.ledger.supply(name):
        raise _refusal(f"{name} is a currency that people hold, and the new code mints none")


def perform_upgrade(run: Run, name: str, code: str, terms: dict[str, Value], hashed: bytes, by: int) -> None:
    """Let an instance run `code` with `terms` from now on; `by` is the proposal. Raises: Revert."""
    context = run.context
    instance = context.instance(name)
    old, new = run.code(instance.code), run.code(code)
    check_storage(run, name, old, new)
    migration = new.program.migration
    arguments = (
        [] if migration is None else [_read(run, name, old, each.name) for each in migration.parameters]
    )
    unlisten(run, name)
    _drop(run, name, old, new)
    superseded = Version(instance.code, instance.terms_hash, context.height, by)
    run.write(version_key(name, instance.version), superseded, VERSION)
    phase = instance.phase if instance.phase in new.program.phases else new.program.phases[0]
    context.arm(name, None)
    upgraded = replace(
        context.instance(name), code=code, terms_hash=hashed, phase=phase, version=instance.version + 1
    )
    run.write(instance_key(name), upgraded, INSTANCE)
    run.write(terms_key(name), terms, TERMS)
    if migration is not None:
        run.enter(name)
        new.program.run_migration(RuntimeHost(run, name, new), arguments)
        run.leave()
    for fact in new.facts.values():
        decide(run, name, fact)
    listen(run, name)
    if upgraded.is_paused(context.time_ms):
        context.arm(name, upgraded.paused_until_ms)
    fields = (("instance", name), ("before", instance.code), ("code", code), ("proposal", by))
    run.emit("contracts", "upgraded", fields)
    run.touched[name] = None


def _as_value(type_: TypeSpec) -> TypeSpec:
    """What a stored variable is when it is given as an argument: a table comes as a dict."""
    return TypeSpec("dict", type_.items) if type_.name == "Table" else type_


def _read(run: Run, name: str, old: LoadedContract, field: str) -> Value:
    """A variable as the code before had it. Raises: Revert."""
    host = RuntimeHost(run, name, old)
    if old.fields[field].type.name != "Table":
        return host.load(field)
    rows = dict(host.table_scan(field, None, ITEMS_MAX + 1))
    if len(rows) > ITEMS_MAX:
        raise _refusal(f"the table {field} of {name} has more than {ITEMS_MAX} rows, too many for @migrate")
    return rows


def _drop(run: Run, name: str, old: LoadedContract, new: LoadedContract) -> None:
    """Delete what the new code does not declare with the same type."""
    for spec in old.program.fields:
        after = new.fields.get(spec.name)
        if after is not None and after.type == spec.type:
            continue
        for key, group in _rows(run, name, spec):
            run.meter.spend(WRITE)
            run.context.overlay.put(key, None, RAW, group)
    for fact in old.facts:
        if (fact not in new.facts or new.facts[fact].type != old.facts[fact].type) and _reported(
            run, name, fact
        ):
            run.meter.spend(WRITE)
            run.context.overlay.put(fact_key(name, fact), None, FACT)
            for key in _reports(run, name, fact):
                run.meter.spend(WRITE)
                run.context.overlay.put(key, None, FACT, reports_of(name, fact))


def _rows(run: Run, name: str, spec: FieldSpec) -> Iterator[tuple[bytes, bytes | None]]:
    if spec.type.name != "Table":
        yield field_key(name, spec.name), None
        return
    prefix = table_of(name, spec.name)
    run.meter.spend(SCAN)
    for key, data in run.context.overlay.scan(prefix, None, RAW):
        run.meter.spend(SCAN_ITEM)
        if data is not None:
            yield key, prefix


def _reported(run: Run, name: str, fact: str) -> bool:
    """True where somebody has reported a fact, also one that waits for further reports."""
    return run.context.overlay.get(fact_key(name, fact), FACT) is not None or any(_reports(run, name, fact))


def _reports(run: Run, name: str, fact: str) -> list[bytes]:
    rows = run.context.overlay.scan(reports_of(name, fact), None, FACT)
    return [key for key, report in rows if report is not None]


def _refusal(text: str) -> Revert:
    return Revert("schema", text, consumes_all=False)
