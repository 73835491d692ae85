"""What a measurement says: in words, as JSON, and as a picture with its figures beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any
from xml.sax.saxutils import escape

from node.bench.run import Result

QUANTILES = (50, 95, 99, 100)
"""Per cent of all that took no longer; 100: the longest."""
COUNTS = ("posted", "accepted", "overloaded", "failed", "committed")
BARS = 40
"""Of the histogram of latencies."""
_WIDTH, _HEIGHT, _MARGIN = 720, 180, 40


def quantile(sorted_values: Sequence[float], per_cent: int) -> float:
    """The smallest value that so many per cent do not exceed; 0.0 of none."""
    if not sorted_values:
        return 0.0
    return sorted_values[max(0, -(-len(sorted_values) * per_cent // 100) - 1)]


def per_second(result: Result) -> list[int]:
    """Transactions that every node was seen to have executed, for each second of the measured time."""
    counted: Counter[int] = Counter()
    for at_s, count in result.blocks:
        counted[int(at_s)] += count
    return [counted[second] for second in range(int(result.plan.seconds))]


def as_json(result: Result) -> dict[str, Any]:
    """For programs. Latencies in ms, processor time in microseconds a transaction."""
    return {
        "plan": asdict(result.plan),
        "rate": round(result.rate, 1),
        "ordered_rate": round(result.ordered / result.plan.seconds, 1),
        "limit": round(result.limit, 1),
        "of_limit": round(result.rate / result.limit, 3),
        **{name: getattr(result, name) for name in COUNTS},
        "accepted_ms": _quantiles(result.accepted_s),
        "committed_ms": _quantiles(result.committed_s) | {"samples": len(result.committed_s)},
        "per_second": per_second(result),
        "nodes": [
            {
                "cpu_us_per_transaction": round(node.cpu_s / max(1, result.committed) * 1e6, 1),
                "cpu_s": round(node.cpu_s, 2),
                "memory_mib_max": round(node.memory_mib_max, 1),
                "disk_bytes_per_transaction": round(node.disk_bytes / max(1, result.committed)),
            }
            for node in result.nodes
        ],
        "generators_cpu_s": round(result.generators_cpu_s, 2),
        "signing_cpu_s": round(result.signing_cpu_s, 2),
        "elapsed_s": round(result.elapsed_s, 2),
    }


def _quantiles(seconds: Sequence[float]) -> dict[str, float]:
    return {f"p{each}": round(quantile(seconds, each) * 1000, 1) for each in QUANTILES}


def in_words(result: Result) -> Iterator[str]:
    """For people, a line each."""
    found = as_json(result)
    load = f"{result.plan.rate:g} transactions a second" if result.plan.rate else "as many as are taken"
    yield f"{result.plan.nodes} nodes, {load}, {result.plan.batch} in a request, {result.plan.seconds:g} s"
    yield (
        f"{result.rate:.0f} transactions/s executed by every node ({found['ordered_rate']:.0f}/s ordered), "
        f"{found['of_limit']:.2f} of the {result.limit:.0f}/s that this machine could if it only checked "
        "signatures"
    )
    for name, text in (("committed_ms", "to the commit"), ("accepted_ms", "to the acknowledgement")):
        took = ", ".join(f"{key} {value:.0f}" for key, value in found[name].items() if key.startswith("p"))
        yield f"ms {text}: {took}"
    yield (
        f"{result.posted} posted, {result.accepted} accepted, {result.committed} committed, "
        f"{result.overloaded} times asked to come again, {result.failed} failed"
    )
    for place, node in enumerate(found["nodes"], 1):
        yield (
            f"n{place}: a transaction {node['cpu_us_per_transaction']:.0f} µs of processor and "
            f"{node['disk_bytes_per_transaction']} bytes of disk, {node['memory_mib_max']:.0f} MiB at most"
        )
    yield (
        f"the load generators took {result.generators_cpu_s:.1f} s of processor to post and "
        f"{result.signing_cpu_s:.1f} s to sign meanwhile, in {result.elapsed_s:.1f} s"
    )


def picture(result: Result) -> str:
    """Throughput over time and the latencies to the commit, as SVG; `in_words` has the figures."""
    rates = per_second(result)
    worst_ms = quantile(result.committed_s, 100) * 1000
    width_ms = worst_ms / BARS or 1.0
    bars = Counter(min(BARS - 1, int(took * 1000 / width_ms)) for took in result.committed_s)
    parts = [
        *_bars(0, [float(rate) for rate in rates], "transactions/s, second by second", f"{len(rates)} s"),
        *_bars(
            1,
            [float(bars[bar]) for bar in range(BARS)],
            "latency to the commit, number of samples",
            f"{worst_ms:.0f} ms",
        ),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{2 * _HEIGHT}" '
        f'font-family="sans-serif" font-size="12"><title>{escape(" ".join(in_words(result)))}</title>'
        + "".join(parts)
        + "</svg>\n"
    )


def _bars(row: int, values: Sequence[float], title: str, end: str) -> Iterator[str]:
    top, bottom = row * _HEIGHT + _MARGIN, (row + 1) * _HEIGHT - _MARGIN // 2
    highest = max(values, default=0.0) or 1.0
    step = (_WIDTH - 2 * _MARGIN) / max(1, len(values))
    yield f'<text x="{_MARGIN}" y="{top - 12}">{escape(title)} (highest {highest:.0f})</text>'
    for place, value in enumerate(values):
        height = (bottom - top) * value / highest
        yield (
            f'<rect x="{_MARGIN + place * step:.1f}" y="{bottom - height:.1f}" width="{step * 0.9:.1f}" '
            f'height="{height:.1f}" fill="#2a6f97"/>'
        )
    yield f'<text x="{_MARGIN}" y="{bottom + 14}">0</text>'
    yield f'<text x="{_WIDTH - _MARGIN}" y="{bottom + 14}" text-anchor="end">{escape(end)}</text>'
