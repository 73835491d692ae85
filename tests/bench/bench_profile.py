"""Where a node's processor time goes under `quorate bench`, by part of the house.

    python -m tests.bench.bench_profile [--rate 100 --batch 1] [--seconds 20]

Records the second node with py-spy while it runs under the same load as `quorate bench` makes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from node.bench.report import in_words
from node.bench.run import Plan, measure
from node.documents import read_json
from tests.bench.where_time_goes import processor_s, summarise

WARM_UP_S = 4.0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--batch", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    plan = Plan(options.nodes, options.rate, options.batch, options.seconds, WARM_UP_S)
    with tempfile.TemporaryDirectory() as folder:
        network, recording = Path(folder) / "network", Path(folder) / "stacks"
        taken_s: dict[int, float] = {}
        recorder = threading.Thread(target=record, args=(network, recording, plan.seconds - 1, taken_s))

        def tell(text: str) -> None:
            sys.stderr.write(f"{text}\n")
            if text.startswith("warming up"):
                recorder.start()

        result = measure(plan, network, tell)
        recorder.join()
        for line in in_words(result):
            print(line)
        for part, fraction in summarise(recording, taken_s):
            print(f"  {fraction:6.1%}  {part}")


def record(network: Path, recording: Path, seconds: float, taken_s: dict[int, float]) -> None:
    """The second node's stacks, from the end of the warm-up on, and what its threads took meanwhile."""
    time.sleep(WARM_UP_S)
    (announced,) = network.glob("n2-*/node.json")
    pid = read_json(announced)["pid"]
    before_s = processor_s(pid)
    command = [
        str(Path(sys.executable).with_name("py-spy")),
        "record",
        "--pid",
        str(pid),
    ]
    command += ["--format", "raw", "--output", str(recording), "--rate", "100", "--threads"]
    subprocess.run([*command, "--duration", str(max(1, int(seconds)))], check=True, capture_output=True)
    taken_s.update((thread, s - before_s.get(thread, 0)) for thread, s in processor_s(pid).items())


if __name__ == "__main__":
    main()
