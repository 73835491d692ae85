"""What would have happened: the chain's own blocks, executed as they were and with an instance upgraded.

A rehearsal of an upgrade takes the blocks up to a height and carries the upgrade out at the beginning of the
block after `from_height`, in a fork of the state; what follows is executed in both. Where the two differ is
the outcome: receipts, balances and rows, in numbers and in words. Its hash is what signers approve, so that
all of them have seen the same. Every node that has the same blocks finds the same outcome.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from consensus.errors import ensure
from consensus.parameters import Parameters
from consensus.transactions import Transaction, canonical_json
from contracts.arguments import to_json
from contracts.encoding import decode_value
from contracts.engine import BlockInput, Engine, Outcome
from contracts.errors import StateCorruption
from contracts.layout import INSTANCE, INSTANCES, InstanceStatus
from contracts.memory import MemoryLedger
from contracts.receipts import Event, Receipt, Status
from contracts.system.code_approval import code_id
from contracts.system.upgrading import TRIAL_RECEIPT, Trial

LISTED_MAX = 200
"""Differences of one kind that an outcome lists; `digest` covers all of them."""

JsonObject = dict[str, Any]

_HASH_TAG = b"quorate-rehearsal-v1\n"
_DIGEST_TAG = b"quorate-differences-v1\n"
_SILENT = (b"code/", b"version/", b"due/", b"replay/", b"upgrade/")
"""Rows that differ as a matter of course, or say nothing that others do not say better."""


def outcome_hash(outcome: Mapping[str, Any]) -> str:
    """What approvals of an upgrade name, 64 hex digits."""
    return sha256(_HASH_TAG + canonical_json(dict(outcome))).hexdigest()


def rehearse(
    body: Mapping[str, Any],
    chain: str,
    parameters: Parameters,
    blocks: Iterable[BlockInput],
    trial: Trial,
    from_height: int,
) -> JsonObject:
    """The outcome of a rehearsal over `blocks`, which begin at height 1 and reach `from_height` at least.

    An instance that is not active at that height is upgraded as soon as it is: before, its parties sign.

    Raises: ContractError where the source is no contract.
    """
    as_it_was, upgraded = _Replay(body, chain, parameters), _Replay(body, chain, parameters)
    as_it_was.engine.context(as_it_was.ledger.state).compiled(trial.source)
    differences = _Differences(trial.instance)
    last: BlockInput | None = None
    begun = False
    for block in blocks:
        ensure(
            block.exec_hashes[-1:] in ((), ((as_it_was.height, as_it_was.exec_hash),)),
            f"block {block.height} is executed again on what was executed before",
        )
        begins = not begun and block.height > from_height and as_it_was.runs(trial.instance)
        if begins:
            begun, from_height = True, block.height - 1
        first = trial if begins else None
        differences.compare(block, as_it_was.execute(block), upgraded.execute(block, first), as_it_was)
        last = block
    height = as_it_was.height
    ensure(height >= from_height, f"a rehearsal from height {from_height} needs the blocks up to it")
    if not begun:  # nothing came after: what the upgrade itself does is seen in an empty block
        from_height = height
        time_ms = body["time_ms"] if last is None else last.time_ms
        epoch = as_it_was.engine.epoch(as_it_was.ledger.state).epoch
        empty = BlockInput(height + 1, time_ms + 1, (), False, epoch)
        differences.compare(empty, as_it_was.execute(empty), upgraded.execute(empty, trial), as_it_was)
    return {
        "instance": trial.instance,
        "code": code_id(trial.source),
        "terms": dict(trial.terms),
        "from_height": from_height,
        "height": height,
        **differences.outcome(as_it_was.ledger, upgraded.ledger),
    }


class _Replay:
    """A chain that is executed again, in memory, with an engine of its own."""

    def __init__(self, body: Mapping[str, Any], chain: str, parameters: Parameters) -> None:
        self.engine = Engine(chain=chain, parameters=parameters)
        self.ledger = MemoryLedger()
        outcome = self.engine.genesis(body)
        self.ledger.commit(outcome)
        self._link = outcome.link

    @property
    def height(self) -> int:
        return self._link.height

    @property
    def exec_hash(self) -> bytes:
        return self._link.exec_hash

    def runs(self, instance: str) -> bool:
        """True where an instance is active."""
        context = self.engine.context(self.ledger.state)
        return context.has_instance(instance) and context.instance(instance).status == InstanceStatus.ACTIVE

    def execute(self, block: BlockInput, trial: Trial | None = None) -> Outcome:
        outcome = self.engine.execute(self.ledger, block, self._link, trial)
        self.ledger.commit(outcome)
        self._link = outcome.link
        return outcome


class _Differences:
    """Collects where two executions of the same blocks differ."""

    def __init__(self, instance: str) -> None:
        self._instance = instance
        self._receipts: list[JsonObject] = []
        self._migration: JsonObject = {}
        self._compared = 0

    def compare(self, block: BlockInput, before: Outcome, after: Outcome, replay: _Replay) -> None:
        """Note the receipts of a block that differ, and that of the upgrade itself."""
        known = {transaction.id: transaction for transaction in block.transactions}
        old, new = _by_id(before), _by_id(after)
        upgrade = new.pop(TRIAL_RECEIPT, None)
        if upgrade is not None:
            self._migration = _ended(upgrade, gas=True)
        for identifier in dict.fromkeys((*old, *new)):
            was, would = old.get(identifier), new.get(identifier)
            self._compared += bool(self._migration)
            if _told(was, before) == _told(would, after):
                continue
            self._receipts.append(
                {
                    "height": block.height,
                    "id": identifier.hex(),
                    "sentence": _sentence(replay, known.get(identifier), was or would),
                    "before": None if was is None else _ended(was),
                    "after": None if would is None else _ended(would),
                }
            )

    def outcome(self, before: MemoryLedger, after: MemoryLedger) -> JsonObject:
        """What differs in all, and in words."""
        balances, rows = _state(before, after)
        every = {"receipts": self._receipts, "balances": balances, "state": rows}
        found: JsonObject = {
            "migration": self._migration,
            "compared": self._compared,
            "counts": {kind: len(items) for kind, items in every.items()},
            **{kind: items[:LISTED_MAX] for kind, items in every.items()},
            "digest": sha256(_DIGEST_TAG + canonical_json(every)).hexdigest(),
        }
        return found | {"sentences": _sentences(self._instance, found)}


def _by_id(outcome: Outcome) -> dict[bytes, Receipt]:
    return {receipt.id: receipt for receipt in outcome.receipts}


def _told(receipt: Receipt | None, outcome: Outcome) -> Any:
    """What of a receipt matters to people: how it ended, what it returned and what it made known."""
    if receipt is None:
        return None
    events = outcome.events[receipt.first_event : receipt.first_event + receipt.event_count]
    return receipt.status, receipt.code, receipt.text, receipt.results, [_event(each) for each in events]


def _event(event: Event) -> tuple[Any, ...]:
    return event.contract, event.name, event.fields


def _ended(receipt: Receipt, *, gas: bool = False) -> JsonObject:
    ended: JsonObject = {"status": receipt.status.value, "code": receipt.code, "text": receipt.text}
    ended["results"] = [to_json(result) for result in receipt.results]
    return ended | ({"gas_used": receipt.gas_used} if gas else {})


def _sentence(replay: _Replay, transaction: Transaction | None, receipt: Receipt | None) -> str:
    if transaction is not None:
        return replay.engine.sentence(replay.ledger.state, transaction)
    timer = receipt.timer if receipt is not None else None
    return "an event is told to its listener" if timer is None else f"time wakes {timer.instance}"


def _state(before: MemoryLedger, after: MemoryLedger) -> tuple[list[JsonObject], list[JsonObject]]:
    """Balances and other rows that differ in the end, by their keys."""
    old, new = before.state.rows, after.state.rows
    balances: list[JsonObject] = []
    rows: list[JsonObject] = []
    for key in sorted(key for key in {**old, **new} if old.get(key) != new.get(key)):
        if key.startswith(_SILENT):
            continue
        was, would = _shown(key, old.get(key)), _shown(key, new.get(key))
        if was == would:
            continue
        parts = key.decode("ascii", "backslashreplace").split("/")
        if parts[0] == "balance":
            amounts = {"before": was or 0, "after": would or 0}
            balances.append({"account": parts[1], "currency": parts[2], **amounts})
        else:
            rows.append({"key": "/".join(parts), "before": was, "after": would})
    return balances, rows


def _shown(key: bytes, row: bytes | None) -> Any:
    """A row as plain data: a value where it is one, of an instance what people know of it, else its hash."""
    if row is None:
        return None
    if key.startswith(INSTANCES):
        instance = INSTANCE.decode(row)
        return {"phase": instance.phase, "status": instance.status.value}
    try:
        return to_json(decode_value(row))
    except StateCorruption:
        return sha256(row).hexdigest()


def _sentences(instance: str, found: JsonObject) -> list[str]:
    """The outcome for people."""
    migration = found["migration"]
    if migration["status"] != Status.OK:
        return [f"{instance} can not take this code: {migration['text']} [{migration['code']}]"]
    counts, compared = found["counts"], found["compared"]
    said = [f"{instance} takes the code, for {migration['gas_used']} gas."]
    count = f"{counts['receipts']} of {compared}" if counts["receipts"] else f"None of {compared}"
    said.append(f"{count} transactions, timers and events since would have ended otherwise.")
    said += [
        f'At height {each["height"]}, "{each["sentence"]}" {_change(each["before"], each["after"])}.'
        for each in found["receipts"]
    ]
    for each in found["balances"]:
        held = f"{each['after']} {each['currency']} instead of {each['before']}"
        said.append(f"{each['account']} would hold {held}.")
    if counts["state"]:
        said.append(f"{counts['state']} rows of the state would differ otherwise.")
    return said


def _change(before: JsonObject | None, after: JsonObject | None) -> str:
    """How something ended, and would have ended."""
    if before is None:
        return "did not happen, and would have been " + _end(after)
    if after is None:
        return f"was {_end(before)}, and would not have happened"
    if before["status"] == after["status"] == Status.OK:
        return "was done, and would have had other effects"
    return f"was {_end(before)}, and would have been {_end(after)}"


def _end(ended: JsonObject | None) -> str:
    return "done" if ended is None or ended["status"] == Status.OK else f"refused ({ended['text']})"
