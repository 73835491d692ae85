"""How fast contract code is, against plain Python, and how much time one gas stands for.

    python -m tests.bench.bench_language

The ratio to plain Python hardly depends on the machine; nanoseconds per gas do, and should lie between
10 and 20 on the machine of `docs/benchmarks.md` for whatever a contract spends its time on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from contracts import library
from contracts.compiler import compile_contract, dump_code, load_program
from contracts.language.compiled import CompiledContract
from tests.contracts_lang.memory_host import MemoryHost
from tests.contracts_lang.sources import host_of, method

LIBRARY = Path(str(library.__file__)).parent
EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
TOKEN = (LIBRARY / "token.py").read_text()
GAS = 10**9
REPEATS = 7

ADDS = """
    x = 0
    for i in range(1000):
        x = x + i
    return x
"""
TALLY = """
    tally: dict[str, int] = {}
    for name in ["ann", "bob", "cas", "dan", "eve"]:
        for i in range(20):
            tally[name] = tally.get(name, 0) + i
    return tally["eve"]
"""
OPERATIONS = {
    "empty turn": "",
    "assign": "y = x",
    "add": "y = x + 3",
    "add three": "y = x + x + 3",
    "multiply": "y = x * 7",
    "multiply large": "y = big * 3",
    "divide": "y = x // 7",
    "power": "y = 10 ** 18",
    "compare": "z = x < 7",
    "if": "if x < 0:\n    y = 1",
    "call": "y = self.same(x)",
    "compare texts": "z = text == other",
    "join texts": "s = text + other",
    "str": "s = str(x)",
    "hash": "h = sha256(data)",
    "hex": "s = data.hex()",
    "money add": "p = price + price",
    "money compare": "z = price < price",
    "percent": "p = RATE.of(price)",
    "list item": "y = items[3]",
    "set item": "items[3] = x",
    "append, pop": "items.append(x)\ny = items.pop()",
    "list": "i3 = [1, 2, 3]",
    "in list": "z = 99 in items",
    "in texts": "z = text in texts",
    "sorted": "i100 = sorted(items)",
    "sorted texts": "t100 = sorted(texts)",
    "slice": "i50 = items[0:50]",
    "loop over a list": "for y in items:\n    pass",
    "loop over a dict": "for k in known:\n    pass",
    "dict get": "y = known.get(5, 1)",
    "dict set": "known[5] = x",
    "sum": "y = sum(items)",
    "min of list": "y = min(items)",
    "while": "y = 0\nwhile y < 10:\n    y += 1",
    "decimal add": "d = d + d",
    "decimal times": "d = half.times(half, HALF_EVEN)",
    "decimal text": "s = str(half)",
    "share rounded": "p = RATE.of(price, HALF_UP)",
    "record": "r = Pair(number=x, text=text)",
    "record changed": "r = replace(r, number=x)",
    "field of a record": "y = r.number",
    "is not None": "y = maybe if maybe is not None else 1",
    "date": "y = moment.year",
    "months": "moment = moment.add_months(1).add_months(-1)",
}
SETUP = """
    x = 5
    y = 1
    z = True
    s = ""
    big = 2 ** 200
    text = "a"
    other = "b"
    data = b"0123456789abcdef0123456789abcdef"
    h = data
    price = self.price
    p = price
    items: list[int] = []
    texts: list[str] = []
    known: dict[int, int] = {}
    for i in range(100):
        items.append((i * 37) % 100)
        texts.append(text + str(i))
        known[i] = i
    d = Decimal("0")
    half = Decimal("0.5")
    r = Pair(number=1, text=text)
    moment = Time("2026-05-31")
    maybe: int | None = self.scores.get(self.buyer)
    i3 = items
    i50 = items
    i100 = items
    t100 = texts
    for n in range(2000):
"""


def best(function: Callable[[], Any], count: int = 1) -> float:
    """Processor seconds for one call, the best of some, so that a busy machine matters little."""
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        for _ in range(count):
            function()
        times.append((time.process_time() - start) / count)
    return min(times)


def plain(body: str) -> Callable[[], Any]:
    """The same body as a Python function."""
    namespace: dict[str, Any] = {}
    lines = "\n".join("    " + line for line in body.strip("\n").splitlines())
    exec(f"def run():\n{lines}", namespace)
    return namespace["run"]  # type: ignore[no-any-return]


def compiled(body: str) -> tuple[CompiledContract, MemoryHost]:
    """A query of this body and a host that does not run dry."""
    program = compile_contract(method(body, "@query\ndef asked(self) -> int:"))
    host = host_of(program)
    host.meter.gas = host.meter.allocation = GAS
    return program, host


class PlainToken:
    """A transfer as a Python program without a chain would write it."""

    def __init__(self) -> None:
        self.balances = {"a": 10**9, "b": 0}
        self.events: list[tuple[str, str, str, int]] = []

    def transfer(self, sender: str, to: str, amount: int) -> None:
        if amount <= 0:
            raise ValueError
        balances = self.balances
        if balances.get(sender, 0) < amount:
            raise ValueError
        balances[sender] -= amount
        balances[to] = balances.get(to, 0) + amount
        self.events.append(("Transferred", sender, to, amount))


def ratios() -> None:
    token = compile_contract(TOKEN)
    host = MemoryHost(token, {"issuer": "bank"}, instance="euro")
    host.meter.gas = host.meter.allocation = GAS
    host.sign("a")
    host.balances["euro", "a"] = 10**12
    naive = PlainToken()
    rows = [
        (
            "token transfer",
            best(lambda: naive.transfer("a", "b", 1), 2000),
            best(lambda: token.run_action("transfer", host, ("b", 1)), 2000),
        )
    ]
    for name, body in (("loop of 1000 adds", ADDS), ("tally of 100", TALLY)):
        program, memory = compiled(body)
        without_types = body.replace(": dict[str, int]", "")
        run = plain(without_types)
        rows.append((name, best(run, 50), best(lambda p=program, m=memory: p.run_query("asked", m, ()), 50)))  # type: ignore[misc]
    print(f"{'':22}{'plain, us':>12}{'contract, us':>14}{'ratio':>8}")
    for name, by_python, by_us in rows:
        print(f"{name:22}{by_python * 1e6:12.2f}{by_us * 1e6:14.2f}{by_us / by_python:8.1f}")


def cache() -> None:
    print(f"\n{'':22}{'compiled, us':>14}{'from a cache':>14}{'ratio':>8}")
    for path in (*sorted(LIBRARY.glob("[a-z]*.py")), *sorted(EXAMPLES.glob("*.py"))):
        source = path.read_text()
        cached = dump_code(compile_contract(source))
        fresh = best(lambda s=source: compile_contract(s))  # type: ignore[misc]
        loaded = best(lambda s=source, c=cached: load_program(s, c), 20)  # type: ignore[misc]
        print(f"{path.stem:22}{fresh * 1e6:14.0f}{loaded * 1e6:14.0f}{loaded / fresh:8.1%}")


def calibration() -> None:
    print(f"\n{'':22}{'gas':>8}{'ns':>10}{'ns a gas':>10}")
    helper = "\n    def same(self, v: int) -> int:\n        return v\n"
    for name, operation in OPERATIONS.items():
        inner = "\n".join("        " + line for line in (operation or "pass").splitlines())
        source = method(SETUP + inner + "\n    return x", "@query\ndef asked(self) -> int:")
        program = compile_contract(source + helper)
        host = host_of(program)
        host.meter.gas = host.meter.allocation = GAS
        program.run_query("asked", host, ())
        used = GAS - host.meter.gas
        seconds = best(lambda p=program, h=host: p.run_query("asked", h, ()))  # type: ignore[misc]
        print(f"{name:22}{used / 2000:8.1f}{seconds / 2000 * 1e9:10.1f}{seconds / used * 1e9:10.1f}")


if __name__ == "__main__":
    ratios()
    cache()
    calibration()
