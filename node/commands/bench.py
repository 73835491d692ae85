"""`quorate bench`: what this machine's nodes can carry."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from node.commands.console import JsonOption, say, say_json, warn

NODES_DEFAULT = 4
NODES_MAX = 64
BATCH_DEFAULT = 200


def bench(
    nodes: Annotated[
        int, typer.Option(min=1, max=NODES_MAX, help="How many nodes, all on this machine.")
    ] = NODES_DEFAULT,
    rate: Annotated[
        float, typer.Option(min=0, help="Transactions a second over all nodes; 0: as many as they take.")
    ] = 0.0,
    batch: Annotated[
        int, typer.Option(min=1, max=1000, help="Transactions in a request; 1: single posts.")
    ] = BATCH_DEFAULT,
    seconds: Annotated[float, typer.Option(min=1, help="How long to measure.")] = 20.0,
    warm_up: Annotated[float, typer.Option(min=0, help="Seconds of the same load before that.")] = 5.0,
    svg: Annotated[Path | None, typer.Option(help="Write a picture to this file.")] = None,
    json: JsonOption = False,
) -> None:
    """Measure throughput and latency of real nodes under signed transfers.

    The nodes are made for it in a temporary folder and are gone afterwards. Every node checks every
    signature, executes every transfer and syncs to the disk. Load comes from processes of their own, whose
    processor time is stated, and latencies count from the moment a request was due.

    Examples:

        quorate bench --seconds 60

        quorate bench --rate 100 --batch 1

        quorate bench --nodes 7 --rate 500 --json --svg bench.svg
    """
    from node.bench.report import as_json, in_words, picture
    from node.bench.run import Plan, measure

    plan = Plan(nodes=nodes, rate=rate, batch=batch, seconds=seconds, warm_up_s=warm_up)
    with tempfile.TemporaryDirectory(prefix="quorate-bench-") as folder:
        result = measure(plan, Path(folder) / "network", warn)
    if svg is not None:
        svg.write_text(picture(result))
    if json:
        say_json(as_json(result))
    else:
        for line in in_words(result):
            say(line)
    if result.committed < result.accepted or result.failed:
        raise typer.Exit(1)
