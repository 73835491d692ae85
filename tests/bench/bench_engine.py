"""How fast the execution core is: token transfers through the real engine, compiler and tree, without disk.

    python -m tests.bench.bench_engine [transfers, default 5000]

Processor time, so that figures compare between machines under load.
"""

import gc
import sys
import time

from consensus.transactions import Transaction
from tests.engine.chain import Call, Chain, signer

HOLDERS = 1_000
BLOCK_TRANSACTIONS = 1_000


def chain_with_holders() -> Chain:
    chain = Chain()
    chain.euro()
    names = [f"bank.holder-{number}" for number in range(HOLDERS)]
    for start in range(0, HOLDERS, 8):
        calls: list[Call] = []
        for name in names[start : start + 8]:
            keys = [signer("holder").public_key.hex()]
            calls.append(("accounts", "register", {"account": name, "keys": keys}))
            calls.append(("euro", "mint", {"to": name, "amount": 1_000_000}))
        chain.succeed("bank", *calls)
    return chain


def transfers(chain: Chain, count: int) -> list[Transaction]:
    """Transfers between pairs of holders that look random, signed by the one key that all of them have."""
    made = []
    for number in range(count):
        source, target = (f"bank.holder-{number * factor % HOLDERS}" for factor in (7, 13))
        call = ("euro", "transfer", {"to": target, "amount": 1 + number % 100})
        made.append(chain.transaction(source, call, keys_of=["holder"]))
    return made


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
    chain = chain_with_holders()
    made = transfers(chain, count)
    spent_ns = ok = gas = 0
    gc.freeze()  # what was made so far is not garbage, and looking through it is not the engine's work
    for start in range(0, count, BLOCK_TRANSACTIONS):
        transactions = tuple(made[start : start + BLOCK_TRANSACTIONS])
        chain.now_ms += 1_000
        block = chain.next_input(*transactions)
        began_ns = time.process_time_ns()
        outcome = chain.engine.execute(chain.ledger, block, chain.outcomes[-1].link)
        spent_ns += time.process_time_ns() - began_ns
        chain.ledger.commit(outcome)
        chain.outcomes.append(outcome)
        ok += sum(receipt.status == "ok" for receipt in outcome.receipts)
        gas += sum(receipt.gas_used for receipt in outcome.receipts)
    print(f"{ok} of {count} transfers ok, {gas // count} gas each, {spent_ns / gas:.1f} ns a gas")
    print(f"{spent_ns / count / 1000:.1f} us a transfer with its receipt, events and the state's tree")
    print(f"{count * 10**9 / spent_ns:,.0f} transfers/s on one core")


if __name__ == "__main__":
    main()
