"""What the second wall costs: the same blocks of token transfers without it and with it, by turns.

    python -m tests.bench.bench_wall [transfers, default 5000]

Processor time of both processes, so that figures compare between machines under load; rows are in memory.
"""

import gc
import sys
import time
from contextlib import closing
from statistics import median

from node.wall.engine import WalledEngine
from node.wall.reading import ReadingEngine
from tests.bench.bench_engine import chain_with_holders, transfers
from tests.engine.chain import Chain

BLOCK_TRANSACTIONS = 500
QUERIES = 200


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
    chain = chain_with_holders()
    made = transfers(chain, count)
    without, node, behind, longer = [], [], [], []
    began_ns = time.monotonic_ns()
    with closing(WalledEngine(chain=chain.name, parameters=chain.parameters)) as walled:
        start_ms = (time.monotonic_ns() - began_ns) // 10**6
        process = walled._process
        assert process is not None
        gc.freeze()
        for start in range(0, count, BLOCK_TRANSACTIONS):
            chain.now_ms += 1_000
            block, link = chain.next_input(*made[start : start + BLOCK_TRANSACTIONS]), chain.outcomes[-1].link
            at_ns, wall_ns = time.process_time_ns(), time.monotonic_ns()
            outcome = chain.engine.execute(chain.ledger, block, link)
            without.append(time.process_time_ns() - at_ns)
            took_ns = time.monotonic_ns() - wall_ns
            at_ns, used_ns, wall_ns = time.process_time_ns(), process.used_ns(), time.monotonic_ns()
            assert walled.execute(chain.ledger, block, link) == outcome
            node.append(time.process_time_ns() - at_ns)
            behind.append(process.used_ns() - used_ns)
            longer.append((time.monotonic_ns() - wall_ns) / took_ns)
            chain.ledger.commit(outcome)
            chain.outcomes.append(outcome)
    plain_us, node_us, behind_us = (
        median(spent) / BLOCK_TRANSACTIONS / 1_000 for spent in (without, node, behind)
    )
    print(f"a transfer without the wall: {plain_us:.1f} us of processor time")
    print(f"with it: {behind_us:.1f} us behind the wall and {node_us:.1f} us in the node")
    print(f"{(node_us + behind_us) / plain_us:.2f} times the processor, {median(longer):.2f} times as long")
    print(f"the process starts in {start_ms} ms")
    reads(chain)


def reads(chain: Chain) -> None:
    """What a query takes by the clock, within the node and behind the wall."""
    asked = chain.ledger.state, "euro", "balance", {"account": "bigmarket"}, chain.height, chain.now_ms
    with closing(ReadingEngine(chain=chain.name, parameters=chain.parameters)) as walled:
        for where, engine in {"in the node": chain.engine, "behind the wall": walled}.items():
            took = []
            for _ in range(QUERIES):
                began_ns = time.perf_counter_ns()
                engine.query(*asked)
                took.append(time.perf_counter_ns() - began_ns)
            print(f"a query {where}: {median(took) / 1_000:.0f} us")


if __name__ == "__main__":
    main()
