"""Source text of a contract to a program that runs, and a cache of what compiling gave.

    program = compile_contract(source)         # raises ContractError with every mistake and its place
    problems = check(source)                   # the same mistakes as a list, for a person
    cached = dump_code(program)                # for a cache on this machine only
    program = load_program(source, cached)     # fast; None where the cache does not fit

The same source gives the same behaviour and gas on every supported Python. Compiled code does not travel:
a cache belongs to one source, one version of this compiler and one Python, and is never part of the chain.
"""

from __future__ import annotations

import marshal
import sys
from dataclasses import fields
from hashlib import sha256

from contracts.errors import ContractError, Problem
from contracts.gas import GAS_SCHEDULE_VERSION
from contracts.language.cache import SHAPES, pack, unpack
from contracts.language.checker import check_source
from contracts.language.compiled import FILE_NAME, CompiledContract
from contracts.language.generator import generate
from contracts.language.limits import SOURCE_BYTES_MAX
from contracts.language.problems import START, Place, refuse

COMPILER_VERSION = 4
"""Raised with every change of what a source means; switched by height, as the gas schedule is."""

_CACHED_FIELDS = tuple(part.name for part in fields(CompiledContract) if part.init)
_MAKER = (COMPILER_VERSION, GAS_SCHEDULE_VERSION, sys.implementation.cache_tag, sys.hexversion)
_MAKER_DIGEST = sha256(repr((_MAKER, _CACHED_FIELDS, SHAPES)).encode()).digest()
_SEAL_BYTES = 32


def compile_contract(source: str | bytes) -> CompiledContract:
    """The program of a source. Raises: ContractError."""
    text = _decode(source)
    checked = check_source(text)
    declared = checked.declared
    return CompiledContract(
        code_hash=sha256(text.encode()).digest(),
        source=text,
        name=declared.name,
        text=declared.text,
        phases=declared.phases,
        terms=tuple(declared.terms.values()),
        fields=tuple(declared.fields.values()),
        facts=tuple(declared.facts.values()),
        actions=declared.action_specs(),
        rules=checked.rule_specs,
        queries=declared.query_specs(),
        handlers=declared.handler_specs(),
        interfaces=tuple(declared.interfaces.values()),
        events=tuple(declared.events.values()),
        migration=declared.migration_spec(),
        is_currency=checked.mints,
        code=compile(
            generate(checked.methods, checked.rules), FILE_NAME, "exec", dont_inherit=True, optimize=0
        ),
    )


def check(source: str | bytes) -> list[Problem]:
    """Every mistake in a source, sorted by place; an empty list when it is a contract."""
    try:
        check_source(_decode(source))
    except ContractError as error:
        return list(error.problems)
    return []


def dump_code(program: CompiledContract) -> bytes:
    """What `load_program` needs to be fast; of use to this compiler on this Python only."""
    body = marshal.dumps(pack(tuple(getattr(program, name) for name in _CACHED_FIELDS)))
    return _seal(program.source, body) + body


def load_program(source: str, cached_code: bytes | None) -> CompiledContract | None:
    """The program of a source from `dump_code`; None where that is missing or damaged, or was made of another
    source, or by another compiler or Python.

    What fits is code, and believed: it comes from this machine, as our own files do.
    """
    if cached_code is None or not source.isascii():
        return None
    body = cached_code[_SEAL_BYTES:]
    if cached_code[:_SEAL_BYTES] != _seal(source, body):
        return None
    return CompiledContract(*unpack(marshal.loads(body)))  # noqa: S302 - our own file


def _seal(source: str, body: bytes) -> bytes:
    """What binds compiled code to its source and to what made it, 32 bytes."""
    return sha256(_MAKER_DIGEST + sha256(source.encode()).digest() + body).digest()


def _decode(source: str | bytes) -> str:
    if len(source) > SOURCE_BYTES_MAX:
        raise refuse(START, f"the source has {len(source)} bytes; at most {SOURCE_BYTES_MAX} are allowed")
    if isinstance(source, str):
        return source
    try:
        return source.decode("ascii")
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        column = error.start - source.rfind(b"\n", 0, error.start)
        raise refuse(Place(line, column), "only printable ASCII is allowed") from None
