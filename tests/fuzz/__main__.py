"""The fuzzer from the command line.

python -m tests.fuzz list                          the decoders
python -m tests.fuzz replay DECODER SEED           one input again, in full; also a line of seeds.txt
python -m tests.fuzz long [DECODER ...]            fresh seeds of all decoders, or of these, for a while
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import traceback

from tests.fuzz.decoders import DECODERS
from tests.fuzz.harness import Failure, execute
from tests.fuzz.pins import input_of, pin, shortened
from tests.fuzz.runs import Block, replay_command, run_block, run_long

MINUTES_DEFAULT = "10"
SEED_MAX = 2**48


def main(words: list[str] | None = None) -> int:
    """The exit code: 1 where something failed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="the decoders")
    replay = commands.add_parser("replay", help="one input again")
    replay.add_argument("decoder", choices=DECODERS, metavar="DECODER")
    replay.add_argument("seed", help="a seed, or an input as seeds.txt writes it", metavar="SEED")
    replay.add_argument("--count", type=int, default=1, help="so many seeds from this one on")
    long = commands.add_parser("long", help="fresh seeds for a while")
    long.add_argument("decoders", nargs="*", metavar="DECODER", help="only those that begin so")
    long.add_argument(
        "--minutes", type=float, default=os.environ.get("QUORATE_FUZZ_MINUTES", MINUTES_DEFAULT)
    )
    long.add_argument("--seed", type=int, help="the first seed; by default one that was never run")
    long.add_argument("--jobs", type=int, help="processes; by default one for each processor")
    options = parser.parse_args(words)
    if options.command == "list":
        for decoder in DECODERS.values():
            print(
                f"{decoder.name:44} {len(decoder.samples()):3} samples, {decoder.executions:5} inputs in CI"
            )
        return 0
    if options.command == "replay":
        return _replay(options.decoder, options.seed, options.count)
    names = [name for name in DECODERS if not options.decoders or name.startswith(tuple(options.decoders))]
    if not names:
        parser.error(f"there is no decoder like {', '.join(options.decoders)}")
    first = secrets.randbelow(SEED_MAX) if options.seed is None else options.seed
    print(f"{len(names)} decoders for {options.minutes:g} min, seeds from {first} on", flush=True)
    return 1 if run_long(names, first, options.minutes, options.jobs) else 0


def _replay(name: str, named: str, count: int) -> int:
    if count > 1:
        failures = run_block(Block(name, int(named), count)).failures
        for seed, failure in failures.items():
            print(f"FAILED {failure}\n  {replay_command(name, seed)}")
        print(f"{count} seeds, {len(failures)} failures")
        return 1 if failures else 0
    decoder = DECODERS[name]
    data = input_of(decoder, named)
    print(f"{name}: {len(data)} bytes\n{data[:2_000]!r}{' ...' if len(data) > 2_000 else ''}")
    try:
        accepted = execute(decoder, data)
    except Failure as failure:
        cause = failure.__cause__
        if cause is not None:
            print("".join(traceback.format_exception(cause, chain=False)), end="")
        print(f"FAILED {failure}\nIts shortest form, for tests/fuzz/seeds.txt:")
        print(f"{name} {pin(shortened(decoder, data, str(failure)))}")
        return 1
    print("accepted" if accepted else "refused, as it should be")
    return 0


if __name__ == "__main__":
    sys.exit(main())
