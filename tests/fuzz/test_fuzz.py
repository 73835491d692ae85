"""The short form: what failed once, the samples, and the same fresh seeds in every run."""

from __future__ import annotations

import pytest

from tests.fuzz.decoders import DECODERS
from tests.fuzz.harness import execute
from tests.fuzz.pins import input_of, kept
from tests.fuzz.runs import Block, replay_command, run_block

decoders = pytest.mark.parametrize("name", DECODERS)


@pytest.mark.parametrize(("name", "named"), kept())
def test_what_failed_once_does_not_fail_again(name: str, named: str) -> None:
    decoder = DECODERS[name]
    execute(decoder, input_of(decoder, named))


@decoders
def test_valid_samples_are_read(name: str) -> None:
    """Else spoiling them would show nothing."""
    decoder = DECODERS[name]
    assert [sample for sample in decoder.samples() if not execute(decoder, sample)] == []


@decoders
def test_whatever_comes_is_read_as_what_it_is_or_refused(name: str) -> None:
    decoder = DECODERS[name]
    result = run_block(Block(name, 0, decoder.executions))
    told = [f"{failure}\n  {replay_command(name, seed)}" for seed, failure in result.failures.items()]
    assert not told, "\n".join(told[:3])
    assert (result.accepted < decoder.executions) == bool(decoder.refusals)
