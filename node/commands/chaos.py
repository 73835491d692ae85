"""`quorate chaos`: your contracts on the production core, in a world where everything goes wrong."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.commands.console import good, say, warn
from node.errors import ConfigurationError

if TYPE_CHECKING:
    from node.simulator.chaos import Result

NODES_MAX = 13


def chaos(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Contracts; by default the library's DeliveryOrPenalty."),
    ] = None,
    nodes: Annotated[int, typer.Option(help="How many members.", min=1, max=NODES_MAX)] = 4,
    byzantine: Annotated[int, typer.Option(help="How many of them lie.", min=0)] = 1,
    seed: Annotated[int, typer.Option(help="What everything follows from.", min=0)] = 1,
    seeds: Annotated[int, typer.Option(help="How many seeds, from this one on.", min=1)] = 1,
    only: Annotated[
        str | None, typer.Option(help="Of the seed's faults, only these, with commas between; or none.")
    ] = None,
    end_ms: Annotated[int | None, typer.Option(help="When the faults end, in simulated ms.", min=1)] = None,
    jobs: Annotated[
        int | None, typer.Option(help="Runs at a time; by default one on each processor.", min=1)
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Print every step.")] = False,
) -> None:
    """Run members with real consensus, journals, engines and stores in simulated time, under seeded faults.

    Contracts are deployed and called with generated arguments, while messages are lost and doubled, members
    crash, lose power, pause, are cut off, lie or have wrong clocks, and disks fail. What must hold: one
    order, equal state, nothing acknowledged lost, money conserved; and once the faults end, all goes on.

    Exit code 0 when all of it held, else 1, with the fewest faults that still break it.

    Example:

        quorate chaos --nodes 7 --byzantine 2 --seed 1 --seeds 20
    """
    from node.simulator.chaos import Plan, faults, run, run_all, shrink

    bearable = (nodes - 1) // 3
    if byzantine > bearable:
        raise ConfigurationError(f"{nodes} members bear at most {bearable} that lie, not {byzantine}")
    sources = [_source(file) for file in files or ()]
    kept = None if only is None else tuple(name for name in only.split(",") if name not in ("", "none"))
    plans = [Plan(number, nodes, byzantine, kept, end_ms) for number in range(seed, seed + seeds)]
    known = faults(Plan(seed, nodes, byzantine).swarm)
    if unknown := sorted(set(kept or ()) - set(known)):
        raise ConfigurationError(f"seed {seed} has no fault {', '.join(unknown)}; it has {', '.join(known)}")
    results = [run(plans[0], sources, say)] if show else run_all(plans, sources, jobs)
    failed: list[Result] = []
    for result in results:
        _tell(result)
        failed += [result] if result.failure is not None else []
    if not failed:
        good(f"All held in {len(plans)} of {len(plans)} runs.")
        return
    say(f"Broken in {len(failed)} of {len(plans)} runs. The least that breaks seed {failed[0].plan.seed}:")
    least = shrink(failed[0], sources, lambda line: say(f"  {line}"))
    swarm = least.plan.swarm
    warn(f"{least.failure}")
    say(f"It takes {', '.join(faults(swarm)) or 'no fault'}, for {swarm.heal_at_ms} ms. Again:")
    words = [least.plan.options, *(shlex.quote(str(file)) for file in files or ())]
    say(f"  quorate chaos {' '.join(words)}")
    raise typer.Exit(1)


def _tell(result: Result) -> None:
    if result.failure is None:
        after_s = result.recovery_ms / 1000
        outcome = f"well {after_s:.1f} s after the faults ended, at height {result.height}"
    else:
        outcome = f"BROKEN: {result.failure}"
    say(f"seed {result.plan.seed}: {outcome}, trace {result.trace}")


def _source(file: Path) -> str:
    from contracts.compiler import compile_contract
    from contracts.errors import ContractError

    try:
        source = file.read_text()
        compile_contract(source)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} can not be read: {error}") from None
    except ContractError as error:
        raise ConfigurationError(f"{file} is no contract: {error}") from None
    return source
