"""What the API takes in a second, and at what processor time: `python -m tests.bench.bench_api`.

The API runs behind uvicorn in a process of its own, over a gateway in memory that parses, checks signatures
and keeps. So the figures are those of HTTP, JSON and admission, without ordering, execution and disk.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection

import orjson

from api.app import create_app
from api.signing import build_transaction, sign_transaction
from consensus.keys import verify_ed25519
from consensus.transactions import Call, canonical_json, signed_bytes
from tests.api.conftest import serving
from tests.api.memory_gateway import GENESIS_TIME_MS, MemoryGateway, signer_of

SINGLE_COUNT = 2_000
BATCH_COUNT = 10_000
BATCH_SIZE = 500
CONNECTIONS = 8
READ_COUNT = 2_000


def _serve(pipe: Connection) -> None:
    gateway = MemoryGateway(instant=False, capacity=BATCH_COUNT + SINGLE_COUNT)
    with serving(create_app(gateway)) as url:
        pipe.send((url, gateway.chain))
        while pipe.recv() != "end":
            pipe.send(time.process_time())


def _request(path: str, body: bytes | None, port: int) -> bytes:
    head = f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    if body is None:
        return f"{head}\r\n".encode()
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def _talk(port: int, requests: Sequence[bytes]) -> None:
    """Send requests one after the other on one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in requests:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 202")):
            raise SystemExit(f"unexpected answer: {head.decode()}")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))
    writer.close()
    await writer.wait_closed()


async def _seconds(port: int, requests: Sequence[bytes]) -> float:
    """How long all requests take over CONNECTIONS connections."""
    shares = [requests[start::CONNECTIONS] for start in range(CONNECTIONS)]
    began = time.perf_counter()
    await asyncio.gather(*(_talk(port, share) for share in shares if share))
    return time.perf_counter() - began


def _processor_s(server: Connection) -> float:
    server.send("how much")
    return float(server.recv())


def main() -> None:
    """Print the figures."""
    here, there = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    server = context.Process(target=_serve, args=(there,))
    server.start()
    url, chain = here.recv()
    port = int(url.rpartition(":")[2])

    signer = signer_of("greenfarm")
    call = Call("euro", "transfer", {"to": "bolt", "amount": "1"})
    signed = [
        sign_transaction(build_transaction(chain, "greenfarm", [call], GENESIS_TIME_MS + 800_000), [signer])
        for _ in range(SINGLE_COUNT + BATCH_COUNT)
    ]
    single = [_request("/v1/transactions", orjson.dumps(item), port) for item in signed[:SINGLE_COUNT]]
    batched = [
        _request(
            "/v1/transactions:batch", orjson.dumps({"transactions": signed[start : start + BATCH_SIZE]}), port
        )
        for start in range(SINGLE_COUNT, len(signed), BATCH_SIZE)
    ]
    reads = [_request("/v1/status", None, port)] * READ_COUNT

    message = signed_bytes(canonical_json(signed[0]["transaction"]))
    signature = signer.sign(message)
    began = time.perf_counter()
    for _ in range(1_000):
        verify_ed25519(signer.public_key, message, signature)
    limit = 1_000 / (time.perf_counter() - began)

    print(f"signature checks alone, one thread    {limit:8.0f} /s")
    for title, requests, each in (
        ("GET /v1/status", reads, 1),
        ("POST /v1/transactions, one each", single, 1),
        (f"POST /v1/transactions:batch, {BATCH_SIZE} each", batched, BATCH_SIZE),
    ):
        count, before_s = len(requests) * each, _processor_s(here)
        rate = count / asyncio.run(_seconds(port, requests))
        spent_us = (_processor_s(here) - before_s) / count * 1e6
        print(f"{title:38}{rate:8.0f} /s {spent_us:6.0f} us of the server's processor each")
    here.send("end")
    server.join(10)


if __name__ == "__main__":
    main()
