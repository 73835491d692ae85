"""Random programs, as many as asked for: two Pythons and hash seeds see the same, and plain Python too.

python -m tests.contracts_lang [programs] [other Python] [first seed]
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.contracts_lang.program_generator import ProgramGenerator
from tests.contracts_lang.test_differential import LIMITS, by_python, by_us

ROOT = Path(__file__).resolve().parents[2]
CHUNK = 1_000
FIRST = 1_000_000
"""Seeds from here on, which no test uses."""


def main(programs: int, other: str, begin: int) -> int:
    for first in range(begin, begin + programs, CHUNK):
        digests = [
            subprocess.run(
                [python, "-m", "tests.contracts_lang.digest", str(CHUNK), "100", str(first)],
                cwd=ROOT,
                env={**os.environ, "PYTHONHASHSEED": seed},
                stdout=subprocess.PIPE,
                check=True,
            ).stdout
            for python, seed in ((sys.executable, "1"), (other, "2"))
        ]
        if len(set(digests)) != 1:
            print(f"seeds from {first} on: {sys.executable} and {other} differ")
            return 1
        for seed in range(first, first + CHUNK):
            body = ProgramGenerator(seed).body()
            ours = by_us(body)
            if ours not in LIMITS and ours != by_python(body):
                print(f"seed {seed} means another thing to Python:\n{body}")
                return 1
        print(f"{first + CHUNK - begin} programs alike", flush=True)
    return 0


if __name__ == "__main__":
    arguments = sys.argv[1:]
    sys.exit(
        main(
            int(arguments[0]) if arguments else 100_000,
            arguments[1] if len(arguments) > 1 else sys.executable,
            int(arguments[2]) if len(arguments) > 2 else FIRST,
        )
    )
