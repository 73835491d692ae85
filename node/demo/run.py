"""The demo from its start to its end: stage, nodes, story, and then whatever other terminals ask for."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from api.client import ApiProblem, Unreachable
from node.demo.control import FOLDER_DEFAULT, ControlServer, Say
from node.demo.faults import Faults
from node.demo.narrator import Narrator
from node.demo.partner import Partner
from node.demo.processes import stop_all
from node.demo.stage import Stage, build
from node.demo.story import Story
from node.errors import CommandFailed, ConfigurationError

START_S = 120.0
"""Longest wait for all nodes to answer."""
WATCH_S = 0.5
"""How often the demo looks whether its nodes still run."""
AGAIN_S = 1.0
"""An interruption that has not ended the story after so long is repeated."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)


class Interrupted(BaseException):
    """Ctrl-C, SIGTERM, a closed terminal, or `quorate demo stop`."""


def run_demo(folder: Path | None, contracts: Sequence[Path], api_port: int, *, stay: bool) -> int:
    """Tell the story in `folder`, and stay up until told to end; 0 where all was as it should be, else 1."""
    for contract in contracts:
        if not contract.is_file():
            raise ConfigurationError(f"there is no contract {contract}")
    return _Demo(build(folder or FOLDER_DEFAULT, api_port)).run(contracts, stay=stay)


class _Demo:
    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._narrator = Narrator()
        self._partners = [Partner(seat) for seat in stage.seats]
        self._faults = Faults(self._partners, stop=lambda: os.kill(os.getpid(), signal.SIGTERM))
        self._told = False

    def run(self, contracts: Sequence[Path], *, stay: bool) -> int:
        control = ControlServer(self._stage.folder, self._handle)
        for number in _SIGNALS:
            signal.signal(number, _interrupt)
        try:
            self._start()
            self._tell(contracts)
            self._told = True
            self._sum_up()
            if stay:
                self._narrator.note(
                    "\nIt stays up until Ctrl-C. In another terminal try: quorate demo kill n3"
                )
                self._watch()
        except Interrupted:
            self._narrator.note("The demo ends.")
        finally:
            for number in _SIGNALS:  # from here on nothing keeps it from ending its nodes
                signal.signal(number, signal.SIG_IGN)
            control.close()
            stop_all([partner.process for partner in self._partners])
        return 0 if self._told and not self._narrator.surprises else 1

    def _handle(self, request: dict[str, Any], say: Say) -> int:
        if not self._told and request.get("command") in ("kill", "restart", "tamper"):
            say("The story is still being told; try again when the demo says that it stays up.")
            return 1
        return self._faults.handle(request, say)

    def _start(self) -> None:
        """Start all nodes, and wait until each answers."""
        narrator = self._narrator
        for partner in self._partners:
            partner.process.start()
        narrator.step(
            f"Four organisations have made their keys, and signed one genesis: chain {self._stage.chain}."
        )
        for partner in self._partners:
            partner.await_start(START_S)
        for partner in self._partners:
            actor = partner.seat.actor
            narrator.step(
                f"{partner.seat.label} runs for {actor.title} ({actor.member}), which {actor.part}."
            )

    def _tell(self, contracts: Sequence[Path]) -> None:
        try:
            Story(self._stage, self._partners, self._narrator).tell(list(contracts))
        except (ApiProblem, CommandFailed, Unreachable) as error:
            self._narrator.check(False, "", f"the story ends here: {error}")

    def _sum_up(self) -> None:
        narrator = self._narrator
        if narrator.surprises:
            narrator.note(f"\nNot all is as it should be ({narrator.surprises} times WRONG above).")
        else:
            narrator.note("\nEverything is as it should be.")
        for partner in self._partners:
            seat = partner.seat
            narrator.note(
                f"  {seat.label}  {seat.actor.title:<24}  API and page {seat.api_url}/  data {seat.home}"
            )
        narrator.note(f"  Contracts to read, edit and try again: {self._stage.sources[0].parent}")

    def _watch(self) -> NoReturn:
        """Say so when a node ends that nobody ended here."""
        while True:
            time.sleep(WATCH_S)
            for partner in self._partners:
                if partner.process.ended_by_itself():
                    self._narrator.step(
                        f"{partner.seat.label} ({partner.name}) ended by itself, exit code "
                        f"{partner.process.exit_code}: {partner.process.last_words()}"
                    )


def _interrupt(*_: object) -> None:
    # Python drops what is raised while it finalizes an object, so this one may be lost.
    signal.setitimer(signal.ITIMER_REAL, AGAIN_S)
    raise Interrupted
