"""What a look at a node brought to light."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How bad a finding is; a node with a `fail` cannot run, or not well."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, and what to do about it where it is not as it should be."""

    check: str
    verdict: Verdict
    detail: str
    advice: str = ""


def ok(check: str, detail: str) -> Finding:
    """It is as it should be."""
    return Finding(check, Verdict.OK, detail)


def warn(check: str, detail: str, advice: str) -> Finding:
    """The node runs, and should not stay so."""
    return Finding(check, Verdict.WARN, detail, advice)


def fail(check: str, detail: str, advice: str) -> Finding:
    """The node does not run, or not well."""
    return Finding(check, Verdict.FAIL, detail, advice)
