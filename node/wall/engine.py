"""The engine of a node whose blocks are executed behind the second wall."""

from __future__ import annotations

import pickle
from collections.abc import Sequence

import structlog

from consensus.parameters import Parameters
from contracts.block import Effects
from contracts.engine import BlockInput, Engine, Outcome
from contracts.programs import CodeCache
from contracts.receipts import ExecLink
from contracts.state import LedgerReader, RowsReader
from contracts.system.upgrading import Trial
from node.errors import NodeError
from node.wall.messages import effects_of
from node.wall.process import COMMAND, Died, Process, block_s

log = structlog.get_logger("wall")

ATTEMPTS = 2
"""Processes that may die over one block, before the node stops."""


class WallFailed(NodeError):
    """The process that executes died over a block twice: the node must not guess what it came to."""


class WalledEngine(Engine):
    """Executes blocks in a process behind the second wall, one at a time; answers all else itself."""

    def __init__(
        self,
        *,
        chain: str,
        parameters: Parameters,
        code_cache: CodeCache | None = None,
        command: Sequence[str] = COMMAND,
    ) -> None:
        """Starts the process. Raises: WallFailed."""
        super().__init__(chain=chain, parameters=parameters, code_cache=code_cache)
        self._command = command
        self._block_s = block_s(parameters)
        self._newest: ExecLink | None = None
        try:
            self._process: Process | None = self._start()
        except Died as why:
            raise WallFailed(f"the process that executes contracts does not start: {why}") from None
        self.missing = self._process.missing
        """What this system does not offer, so that the wall stands without it."""

    @property
    def where(self) -> str:
        """Where blocks are executed, in words."""
        gaps = f", with gaps: {'; '.join(self.missing)}" if self.missing else ""
        return f"in a confined process{gaps}"

    def execute(
        self, ledger: LedgerReader, block: BlockInput, previous: ExecLink, trial: Trial | None = None
    ) -> Outcome:
        """As the engine does. Raises: WallFailed, EngineFault."""
        if trial is not None:
            return super().execute(ledger, block, previous, trial)
        if self._newest not in (None, previous):
            self.close()  # what the process has at hand is of another state
        outcome = super().execute(ledger, block, previous)
        self._newest = outcome.link
        return outcome

    def perform(self, rows: RowsReader, block: BlockInput, trial: Trial | None = None) -> Effects:
        """As the engine does. Raises: WallFailed, EngineFault."""
        if trial is not None:
            return super().perform(rows, block, trial)
        reasons = []
        for _ in range(ATTEMPTS):
            try:
                if self._process is None:
                    self._process = self._start()
                return self._process.ask(rows, self._block_s, effects_of, "execute", block)
            except Died as why:
                reasons.append(str(why))
                log.error("the process that executes contracts died", height=block.height, reason=str(why))
                self.close()
            except BaseException:
                self.close()  # it still waits for an answer
                raise
        raise WallFailed(
            f"block {block.height} can not be executed behind the second wall: the process died "
            f"{' and again '.join(reasons)}; nothing of the block was stored, see docs/operators.md"
        )

    def close(self) -> None:
        """End the process; another one starts when it is needed."""
        if self._process is not None:
            self._process.end()
            self._process = None

    def _start(self) -> Process:
        return Process(self._command, pickle.dumps((self.chain, self._parameters)))
