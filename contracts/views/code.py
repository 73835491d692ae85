"""Deployed code for people: its source, and everything it declares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from contracts.arguments import to_json
from contracts.layout import Code
from contracts.program import ActionSpec, ParameterSpec, Program, QuerySpec, RuleSpec

JsonObject = dict[str, Any]


def summary(code: str, record: Code, program: Program) -> JsonObject:
    """Code in a list."""
    return {
        "code": code,
        "name": program.name,
        "text": program.text,
        "author": record.author,
        "height": record.height,
        "time_ms": record.time_ms,
        "purpose": record.purpose,
        "active_height": record.active_height,
    }


def description(code: str, record: Code, program: Program) -> JsonObject:
    """Code with its source and declarations."""
    return summary(code, record, program) | {
        "code_hash": program.code_hash.hex(),
        "source": record.source,
        "is_currency": program.is_currency,
        "phases": list(program.phases),
        "terms": [
            {
                "name": spec.name,
                "type": str(spec.type),
                "signs": spec.signs,
                "required": not spec.has_default,
                "default": to_json(spec.default, spec.type) if spec.has_default else None,
            }
            for spec in program.terms
        ],
        "fields": [{"name": spec.name, "type": str(spec.type)} for spec in program.fields],
        "facts": [
            {
                "name": spec.name,
                "type": str(spec.type),
                "by": spec.by,
                "max_age_ms": spec.max_age_ms,
                "quorum": spec.quorum,
                "agree": spec.agree,
            }
            for spec in program.facts
        ],
        "actions": [action(spec) for spec in program.actions],
        "rules": [rule(spec) for spec in program.rules],
        "queries": [query(spec) for spec in program.queries],
    }


def action(spec: ActionSpec) -> JsonObject:
    """What may be done, by whom and when."""
    return {
        "name": spec.name,
        "text": spec.text,
        "by": list(spec.by),
        "phases": list(spec.phases),
        "exit": spec.is_exit,
        "parameters": _parameters(spec.parameters),
        "line": spec.line,
    }


def rule(spec: RuleSpec) -> JsonObject:
    """What happens by itself: each "if X then Y"."""
    return {
        "name": spec.name,
        "text": spec.text,
        "phases": list(spec.phases),
        "branches": [
            {"condition": branch.condition, "consequence": list(branch.consequence), "line": branch.line}
            for branch in spec.branches
        ],
        "line": spec.line,
    }


def query(spec: QuerySpec) -> JsonObject:
    """What may be asked."""
    return {
        "name": spec.name,
        "text": spec.text,
        "parameters": _parameters(spec.parameters),
        "returns": str(spec.returns),
        "line": spec.line,
    }


def _parameters(specs: Sequence[ParameterSpec]) -> list[JsonObject]:
    return [{"name": spec.name, "type": str(spec.type)} for spec in specs]
