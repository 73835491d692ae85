"""What a second terminal does to the running demo, and what the nodes make of it.

Each command does something to one node, waits, and says what happened to it and to the others.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from typing import Any

from api.client import ApiProblem, Call, Unreachable
from consensus.errors import ConsensusError, ensure
from contracts.encoding import decode_value, encode_value
from contracts.layout import balance_key
from node.demo.control import Say
from node.demo.partner import Partner, execution_of_all, wait_until
from node.demo.story import CURRENCY, money
from node.errors import CommandFailed, NodeError
from node.store import Store, sealed

PROGRESS_S = 60.0
"""Longest wait for a transaction while nodes are down."""
CATCH_UP_S = 60.0
VERDICT_S = 60.0
"""Longest wait for a falsified node to notice, or for the others to name it."""


class Faults:
    """Commands on the running nodes, by label (n1) or member (greenfarm)."""

    def __init__(self, partners: Sequence[Partner], stop: Callable[[], None]) -> None:
        self._partners = partners
        self._stop = stop

    def handle(self, request: dict[str, Any], say: Say) -> int:
        """Serve one request of another terminal; the exit code for it."""
        command, node = request.get("command"), request.get("node")
        try:
            if command == "status":
                return self._status(say)
            if command == "stop":
                say("The demo ends.")
                self._stop()
                return 0
            partner = self._find(node)
            if command == "kill":
                self._kill(partner, say)
            elif command == "restart":
                self._restart(partner, say, fresh=request.get("fresh") is True)
            elif command == "tamper":
                self._tamper(partner, say)
            else:
                raise CommandFailed(f"the demo knows no command {command!r}")
        except (ApiProblem, ConsensusError, NodeError, Unreachable) as error:
            say(f"It failed: {error}")
            return 1
        return 0

    # ---------------------------------------------------------------- commands

    def _status(self, say: Say) -> int:
        for partner in self._partners:
            found = partner.look()
            if found is not None:
                state = f"height {found['height']}  exec {found['exec_hash'][:16]}  {found['why']}"
            elif partner.process.is_running():
                state = "runs, but gives no answer"
            else:
                state = f"does not run (exit code {partner.process.exit_code})"
            say(f"{partner.seat.label}  {partner.name:<10}  {partner.seat.api_url}  {state}")
        return 0

    def _kill(self, victim: Partner, say: Say) -> None:
        if not victim.process.is_running():
            raise CommandFailed(
                f"{victim.called} does not run; start it again: quorate demo restart {victim.seat.label}"
            )
        height = victim.height()
        victim.process.kill()
        say(f"{victim.called} is killed (kill -9) at height {height}.")
        self._show_progress(victim, say)

    def _restart(self, partner: Partner, say: Say, *, fresh: bool) -> None:
        if partner.process.is_running():
            raise CommandFailed(f"{partner.called} runs already")
        if fresh:
            shutil.rmtree(partner.seat.home / "ledger", ignore_errors=True)
            say(f"The ledger of {partner.called} is thrown away: it fetches every block from the others.")
        target = max(other.height() for other in self._partners)
        start_s = time.monotonic()
        partner.process.start()
        say(f"{partner.called} starts again; the others are at height {target}.")
        partner.await_start(CATCH_UP_S)
        if not partner.await_height(target, CATCH_UP_S):
            words = partner.process.last_words()
            raise CommandFailed(f"{partner.called} did not come to height {target}; its last words: {words}")
        took_s = time.monotonic() - start_s
        seen = execution_of_all(self._running(), PROGRESS_S)
        if len(set(seen.values())) != 1:
            raise CommandFailed(f"it caught up, but the nodes differ: {seen}")
        say(
            f"It caught up in {took_s:.1f} s, to height {partner.height()}, and executed what the others did."
        )

    def _tamper(self, victim: Partner, say: Say) -> None:
        victim.process.stop()
        say(f"{victim.called} is stopped, as if somebody with access to its disk had done it.")
        say(self._falsify(victim))
        victim.process.start()
        say("It starts again. The files are a sound database; only what they say is wrong.")
        found = self._verdict(victim)
        say(found or f"Nobody has noticed within {VERDICT_S:.0f} s.")
        self._show_progress(victim, say)
        if found is None:
            raise CommandFailed("a falsified balance went unnoticed")
        say(f"To mend it: quorate demo restart {victim.seat.label} --fresh")

    # ---------------------------------------------------------------- parts

    def _falsify(self, victim: Partner) -> str:
        """Give the victim's own member a hundred times its money, in the victim's own files."""
        key = balance_key(victim.name, CURRENCY)
        store = Store.open(victim.seat.home / "ledger")
        try:
            data = store.state.get(key)
            before = 0 if data is None else int(decode_value(data))
            after = max(before, 1) * 100
            # A store has no way to change a committed state, on purpose: this is what an attacker would do.
            store._source.put(b"S" + key, sealed(key, encode_value(after)), sync=True)  # noqa: SLF001
            ensure(store.state.get(key) is not None, "the falsified balance is there")
        finally:
            store.close()
        return f"In its ledger {victim.name} now has {money(after)} instead of {money(before)}."

    def _verdict(self, victim: Partner) -> str | None:
        """What the falsified node, or the others, say; None when nobody notices."""
        end_s = time.monotonic() + VERDICT_S
        wait_until(lambda: victim.process.is_ready() or not victim.process.is_running(), VERDICT_S)
        while victim.process.is_running() and time.monotonic() < end_s:
            # Its own money is moved, so that the falsified value takes part in an execution.
            others = self._running(without=victim)
            self._transfer(others, victim.name)
            wait_until(lambda: not victim.process.is_running(), 1.0)
            for other in others:
                found = other.look()
                if found is not None and victim.name in found["why"] and "differ" in found["why"]:
                    return f"{other.name}'s node says: {found['why']}"
        if victim.process.is_running():
            return None
        return f"It stopped with exit code {victim.process.exit_code}: {victim.process.last_words()}"

    def _show_progress(self, victim: Partner, say: Say) -> None:
        """Whether the others go on: a transfer is posted to one of them."""
        others = self._running(without=victim)
        quorum = len(self._partners) - (len(self._partners) - 1) // 3
        if len(others) < quorum:
            say(f"{len(others)} nodes run, {quorum} are needed: the chain waits, and nothing is lost.")
            return
        start_s = time.monotonic()
        height = self._transfer(others, victim.name)
        took_s = time.monotonic() - start_s
        say(f"The other {len(others)} go on: a transfer was final after {took_s:.1f} s, at height {height}.")

    def _running(self, without: Partner | None = None) -> list[Partner]:
        return [
            partner for partner in self._partners if partner is not without and partner.process.is_running()
        ]

    def _transfer(self, running: Sequence[Partner], to: str) -> int:
        """Send a cent from whoever has one; the height. Raises: CommandFailed."""
        for partner in running:
            if partner.balance(CURRENCY) > 0:
                call = Call(CURRENCY, "transfer", {"to": to, "amount": "1"})
                status = partner.client.send(partner.account, [call], timeout_s=PROGRESS_S)
                if status.height is not None and status.outcome == "ok":
                    return status.height
                raise CommandFailed(f"a transfer by {partner.name} is {status.state} {status.detail or ''}")
        raise CommandFailed("nobody among those who run has money to transfer")

    def _find(self, node: object) -> Partner:
        for partner in self._partners:
            if node in (partner.seat.label, partner.name):
                return partner
        names = ", ".join(f"{partner.seat.label} ({partner.name})" for partner in self._partners)
        raise CommandFailed(f"there is no node {node!r}; there is {names}")
