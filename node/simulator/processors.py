"""Work on all processors."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor


def processors(jobs: int | None = None) -> ProcessPoolExecutor:
    """A pool of fresh processes, one for each processor unless `jobs` says otherwise.

    Never of forks: LevelDB's background thread does not come along, and a fork that waits for it never ends.
    """
    return ProcessPoolExecutor(jobs or os.cpu_count(), mp_context=multiprocessing.get_context("spawn"))
