"""Committed transactions per second of four nodes on this machine, each checking every signature.

    python -m tests.bench.bench_consortium [--transactions 20000] [--batch 200] [--profile FILE]
    python -m tests.bench.bench_consortium --rate 10 --transactions 200

Signed token transfers are made beforehand, so that the generator only posts. The limit is what this
machine could do if it did nothing but check four signatures per transaction, measured in the same run.
With --rate, posts single transactions at that rate instead and prints commit latencies, from the moment
each should have been sent to the answer that it is committed.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import orjson

from api.gateway import JsonObject
from consensus.keys import Ed25519Signer, verify_ed25519
from tests.bench.where_time_goes import summarise
from tests.consortium.four import Consortium, running
from tests.consortium.load import signed_transfers

MINTED = 1_000_000_000
CORES = 2
NODES = 4
CALIBRATION_CHECKS = 4_000
DRAIN_S = 60.0
JSON = {"Content-Type": "application/json"}


def signature_limit() -> float:
    """Transactions per second if all cores did nothing but check one signature on each of four nodes."""
    signer = Ed25519Signer(bytes(32))
    message = bytes(300)
    signature = signer.sign(message)

    def check(count: int) -> None:
        for _ in range(count):
            verify_ed25519(signer.public_key, message, signature)

    started = time.perf_counter()
    with ThreadPoolExecutor(CORES) as pool:
        list(pool.map(check, [CALIBRATION_CHECKS] * CORES))
    return CORES * CALIBRATION_CHECKS / (time.perf_counter() - started) / NODES


async def flood(consortium: Consortium, bodies: list[list[bytes]]) -> tuple[int, float]:
    """Post all batches, a few at a time to each node; transactions accepted, and seconds it took."""

    async def post(index: int) -> int:
        accepted = 0
        url = consortium.partners[index].seat.api_url
        async with httpx.AsyncClient(base_url=url, timeout=60, headers=JSON) as client:
            for body in bodies[index]:
                while True:
                    answer = await client.post("/v1/transactions:batch", content=body)
                    if answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
                        break
                    await asyncio.sleep(0.1)
                answer.raise_for_status()
                accepted += answer.json()["accepted"]
        return accepted

    started = time.perf_counter()
    accepted = await asyncio.gather(*(post(index) for index in range(NODES)))
    return sum(accepted), time.perf_counter() - started


def executed(consortium: Consortium) -> int:
    """Successful transfers on the first node, by the balance that each moves by 1."""
    return sum(MINTED - partner.balance("euro") for partner in consortium.partners[1:])


async def latencies(consortium: Consortium, submissions: list[JsonObject], rate: float) -> list[float]:
    """Seconds from the intended send to the answer `committed`, posting singly at `rate` a second."""
    loop = asyncio.get_running_loop()
    took: list[float] = []

    async def one(client: httpx.AsyncClient, submission: JsonObject, due: float) -> None:
        answer = await client.post(
            "/v1/transactions?wait=committed&timeout=30", content=orjson.dumps(submission)
        )
        if answer.json().get("state") == "committed":
            took.append(loop.time() - due)

    source_url = consortium.partners[1].seat.api_url
    async with httpx.AsyncClient(base_url=source_url, timeout=60, headers=JSON) as client:
        start = loop.time()
        tasks = []
        for number, submission in enumerate(submissions):
            due = start + number / rate
            await asyncio.sleep(max(0.0, due - loop.time()))
            tasks.append(asyncio.create_task(one(client, submission, due)))
        await asyncio.gather(*tasks)
    return sorted(took)


def cpu_seconds(consortium: Consortium) -> list[float]:
    """User and system time of each node's process so far."""
    ticks = []
    for partner in consortium.partners:
        fields = Path(f"/proc/{partner.process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        ticks.append((int(fields[11]) + int(fields[12])) / 100)
    return ticks


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--transactions", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=200)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--profile", metavar="FILE", help="record the second node with py-spy, and sum up")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "four") as consortium:
        consortium.open_currency(MINTED)
        if options.rate:
            measure_latency(consortium, options.transactions, options.rate)
        else:
            measure_throughput(consortium, options.transactions, options.batch, options.profile)


def measure_latency(consortium: Consortium, count: int, rate: float) -> None:
    source = consortium.partners[1]
    submissions = signed_transfers(source, consortium.stage.chain, "coopbank", count)
    took = asyncio.run(latencies(consortium, submissions, rate))
    quantiles = statistics.quantiles(took, n=100)
    print(
        f"{len(took)}/{count} committed at {rate:.0f}/s: p50 {quantiles[49] * 1000:.0f} ms, "
        f"p95 {quantiles[94] * 1000:.0f} ms, p99 {quantiles[98] * 1000:.0f} ms, max {took[-1] * 1000:.0f} ms"
    )


def measure_throughput(consortium: Consortium, count: int, batch: int, profile: str | None) -> None:
    share = count // (NODES - 1)
    bodies: list[list[bytes]] = [[]]
    for partner in consortium.partners[1:]:
        made = signed_transfers(partner, consortium.stage.chain, "coopbank", share)
        bodies.append(
            [
                orjson.dumps({"transactions": made[start : start + batch]})
                for start in range(0, len(made), batch)
            ]
        )
    limit = signature_limit()
    before = cpu_seconds(consortium)
    recorder = None
    if profile:
        recorder = subprocess.Popen(
            [
                str(Path(sys.executable).with_name("py-spy")),
                "record",
                "-p",
                str(consortium.partners[1].process.pid),
                "-f",
                "raw",
                "-o",
                profile,
                "-r",
                "100",
                "-t",
            ]
        )
    started = time.perf_counter()
    accepted, posting_s = asyncio.run(flood(consortium, bodies))
    while executed(consortium) < accepted and time.perf_counter() - started < posting_s + DRAIN_S:
        time.sleep(0.1)
    elapsed_s = time.perf_counter() - started
    done = executed(consortium)
    if recorder is not None:
        recorder.send_signal(2)
        recorder.wait()
    consortium.assert_equal_execution()
    used = [after - start for after, start in zip(cpu_seconds(consortium), before, strict=True)]
    rate = done / elapsed_s
    print(f"limit of this machine (signature checks alone): {limit:.0f}/s")
    print(f"{done} of {accepted} transfers committed in {elapsed_s:.1f} s")
    print(f"{rate:.0f}/s = {rate / limit:.3f} of the limit")
    print(f"height {consortium.bank.height()}, posting took {posting_s:.1f} s")
    if profile:
        for part, fraction in summarise(Path(profile)):
            print(f"  {fraction:6.1%}  {part}")
    print("CPU per transaction and node: " + ", ".join(f"{each / done * 1e6:.0f} us" for each in used))


if __name__ == "__main__":
    main()
