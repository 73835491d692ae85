"""What running contract code gets when it asks the engine: the implementations of `contracts.host.Host`.

`RuntimeHost` serves an action. `RuleHost` also notes what a rule reads and does, so that a firing can be
explained. `QueryHost` refuses every change. Compiled code has charged the fixed costs already; what depends
on the size of data is charged here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from consensus.codec import PUBLIC_KEY_BYTES, SIGNATURE_BYTES
from consensus.keys import verify_ed25519
from consensus.transactions import INTEGER_MAX
from contracts.encoding import (
    copy_value,
    count_items,
    decode_key,
    decode_value,
    encode_key,
    encode_value,
    size_bytes,
)
from contracts.errors import Revert
from contracts.gas import EVENT_BYTE, SCAN_ITEM, STORED_BYTE, VALUE_BYTES, bytes_gas
from contracts.layout import FACT, RAW, fact_key, field_key, table_of
from contracts.program import QuerySpec, TypeSpec
from contracts.programs import LoadedContract
from contracts.receipts import EXPLAINED_BYTES_MAX, EXPLAINED_MAX, Effect
from contracts.values import Call, Money, escrow_account

if TYPE_CHECKING:
    from contracts.execution import Run

T = TypeVar("T")

VALUE_BYTES_MAX = 64 * 1024
"""One stored value, as `contracts.encoding.size_bytes` counts."""
KEY_BYTES_MAX = 512
"""One table key, in canonical bytes."""
EVENT_BYTES_MAX = 16 * 1024
"""One event, as `contracts.encoding.size_bytes` counts."""
SHOWN_LENGTH_MAX = 512
"""Characters of a question to another instance, as the record of a firing names it."""
STORED_ITEM = 20
"""Gas for each element of a list or dict that comes from the state or goes into it."""

_COPIED = (list, dict, tuple)
_TEXT, _NUMBER, _ANY = TypeSpec("str"), TypeSpec("int"), TypeSpec("?")


class RuntimeHost:
    """Serves one entry of one instance, within one run."""

    __slots__ = (
        "_context",
        "_contract",
        "_escrow",
        "_run",
        "_signers",
        "height",
        "instance",
        "meter",
        "now_ms",
        "sender",
    )

    def __init__(
        self, run: Run, instance: str, contract: LoadedContract, signers: tuple[str, ...] = ()
    ) -> None:
        self._escrow = escrow_account(instance)
        self.meter = run.meter
        self.instance = instance
        self.now_ms = run.context.time_ms
        self.height = run.context.height
        self.sender = signers[0] if signers else self._escrow
        self._run = run
        self._context = run.context
        self._contract = contract
        self._signers = signers

    def is_signer(self, account: str) -> bool:
        return account in self._signers

    def wake(self, time_ms: int) -> None:
        """Only rules are tried again."""

    def saw(self, part: int, held: bool) -> bool:
        """Only rules have conditions."""
        return held

    # ---------------------------------------------------------------- terms, facts and variables

    def term(self, name: str) -> Any:
        return self._copy(self._context.terms(self.instance)[name])

    def fact(self, name: str) -> Any:
        fact = self._context.overlay.get(fact_key(self.instance, name), FACT)
        return None if fact is None else self._copy(fact.value)

    def get_phase(self) -> str:
        return self._context.instance(self.instance).phase

    def set_phase(self, phase: str) -> None:
        self._context.set_phase(self.instance, phase)

    def load(self, field: str) -> Any:
        data = self._context.overlay.get(field_key(self.instance, field), RAW)
        return self._copy(self._contract.fields[field].initial) if data is None else self._decode(data)

    def store(self, field: str, value: Any) -> None:
        self._put(field_key(self.instance, field), value, None)

    # ---------------------------------------------------------------- tables

    def table_get(self, table: str, key: Any) -> Any:
        data = self._context.overlay.get(self._row(table, key), RAW)
        return None if data is None else self._decode(data)

    def table_set(self, table: str, key: Any, value: Any) -> None:
        row = self._row(table, key)
        self._put(row, value, table_of(self.instance, table))

    def table_delete(self, table: str, key: Any) -> None:
        self._context.overlay.put(self._row(table, key), None, RAW, table_of(self.instance, table))

    def table_scan(self, table: str, after: Any, limit: int, first: Any = None) -> Iterator[tuple[Any, Any]]:
        prefix = table_of(self.instance, table)
        within = prefix if first is None else self._row(table, first)
        start = None if within == prefix else within
        if after is not None:
            start = self._row(table, after)
        for row, data in self._context.overlay.scan(prefix, start, RAW):
            self.meter.spend(SCAN_ITEM + bytes_gas(len(row)))  # a deleted row costs its passing, too
            if not row.startswith(within):
                return
            if data is not None:
                yield decode_key(row[len(prefix) :]), self._decode(data)
                limit -= 1
                if not limit:
                    return

    # ---------------------------------------------------------------- money

    def take(self, account: str, money: Money) -> None:
        self._need_signer(account)
        self._context.ledger.move(money.currency, account, self._escrow, money.amount)

    def pay(self, account: str, money: Money) -> None:
        self._context.ledger.move(money.currency, self._escrow, account, money.amount)

    def mint(self, account: str, amount: int) -> None:
        self._context.ledger.mint(self.instance, account, amount)

    def burn(self, account: str, amount: int) -> None:
        if account != self._escrow:
            self._need_signer(account)
        self._context.ledger.burn(self.instance, account, amount)

    def move(self, source: str, target: str, amount: int) -> None:
        self._need_signer(source)
        self._context.ledger.move(self.instance, source, target, amount)

    def balance(self, currency: str, account: str) -> int:
        return self._context.ledger.balance(currency, account)

    def supply(self, currency: str) -> int:
        return self._context.ledger.supply(currency)

    # ---------------------------------------------------------------- others

    def emit(self, name: str, fields: tuple[tuple[str, Any], ...]) -> None:
        size = len(name)
        for field, value in fields:
            size += len(field) + size_bytes(value)
        if size > EVENT_BYTES_MAX:
            raise Revert("size", f"event {name} has {size} bytes, at most {EVENT_BYTES_MAX} are allowed")
        self.meter.spend(EVENT_BYTE * size)
        self._run.emit(self.instance, name, tuple((field, self._copy(value)) for field, value in fields))

    def call(self, instance: str, action: str, arguments: Mapping[str, Any], interface: str = "") -> Any:
        wanted = self._wanted(interface, action)
        return self._run.call_from(self._escrow, instance, action, arguments, wanted)

    def query(self, instance: str, query: str, arguments: Mapping[str, Any], interface: str = "") -> Any:
        return self._run.query_from(instance, query, arguments, self._wanted(interface, query))

    def perform(self, call: Call) -> None:
        self._run.defer(self._escrow, call)

    def verify(self, public_key: bytes, message: bytes, signature: bytes) -> bool:
        self.meter.spend(bytes_gas(len(message)))
        lengths = (len(public_key), len(signature)) == (PUBLIC_KEY_BYTES, SIGNATURE_BYTES)
        return lengths and verify_ed25519(public_key, message, signature)

    def _wanted(self, interface: str, method: str) -> QuerySpec | None:
        return self._contract.interfaces[interface].method(method) if interface else None

    # ---------------------------------------------------------------- what data costs

    def _row(self, table: str, key: Any) -> bytes:
        data = encode_key(key)
        if len(data) > KEY_BYTES_MAX:
            raise Revert(
                "size", f"a key of {table} has {len(data)} bytes, at most {KEY_BYTES_MAX} are allowed"
            )
        self.meter.spend(bytes_gas(len(data)))
        return table_of(self.instance, table) + data

    def _put(self, key: bytes, value: Any, group: bytes | None) -> None:
        size = size_bytes(value)
        if size > VALUE_BYTES_MAX:
            raise Revert("size", f"a stored value has {size} bytes, at most {VALUE_BYTES_MAX} are allowed")
        self.meter.spend(STORED_ITEM * count_items(value) + STORED_BYTE * (len(key) + size))
        self._context.overlay.put(key, encode_value(value), RAW, group)

    def _decode(self, data: bytes) -> Any:
        value = decode_value(data)
        self._charge(count_items(value), len(data))
        return value

    def _copy(self, value: Any) -> Any:
        """Lists and dicts belong to whoever holds them, so they are never handed on as they are."""
        if type(value) not in _COPIED:
            return value
        self._charge(count_items(value), size_bytes(value))
        return copy_value(value)

    def _charge(self, items: int, size: int) -> None:
        self.meter.spend(STORED_ITEM * items + bytes_gas(size))
        self.meter.allocate(VALUE_BYTES * (items + 1) + size)

    def _need_signer(self, account: str) -> None:
        if account not in self._signers:
            raise Revert(
                "unauthorised",
                f"{self.instance} may only take money of who signed this transaction, not of {account}",
                consumes_all=False,
            )


class RuleHost(RuntimeHost):
    """Serves one rule: nobody signed, and what it reads and does is noted."""

    __slots__ = ("_bytes_left", "effects", "reads", "seen", "wake_ms")

    def __init__(self, run: Run, instance: str, contract: LoadedContract) -> None:
        super().__init__(run, instance, contract)
        self.reads: dict[str, tuple[TypeSpec, Any]] = {}
        self.effects: list[Effect] = []
        self.seen: dict[int, bool] = {}
        self.wake_ms: int | None = None
        self._bytes_left = EXPLAINED_BYTES_MAX

    def wake(self, time_ms: int) -> None:
        if self.now_ms < time_ms <= INTEGER_MAX and (self.wake_ms is None or time_ms < self.wake_ms):
            self.wake_ms = time_ms

    def saw(self, part: int, held: bool) -> bool:
        self.seen[part] = held
        return held

    def term(self, name: str) -> Any:
        return self._read(name, self._contract.terms[name].type, super().term(name))

    def fact(self, name: str) -> Any:
        return self._read(name, self._contract.facts[name].type, super().fact(name))

    def get_phase(self) -> str:
        return self._read("phase", _TEXT, super().get_phase())

    def load(self, field: str) -> Any:
        return self._read(field, self._contract.fields[field].type, super().load(field))

    def table_get(self, table: str, key: Any) -> Any:
        return self._read_entry(table, key, super().table_get(table, key))

    def balance(self, currency: str, account: str) -> int:
        return self._read(f"balance({currency}, {account})", _NUMBER, super().balance(currency, account))

    def supply(self, currency: str) -> int:
        return self._read(f"supply({currency})", _NUMBER, super().supply(currency))

    def query(self, instance: str, query: str, arguments: Mapping[str, Any], interface: str = "") -> Any:
        answer = super().query(instance, query, arguments, interface)
        wanted = self._wanted(interface, query)
        shown = ", ".join(f"{name}={value!a}" for name, value in arguments.items())
        return self._read(
            f"{instance}.{query}({shown})"[:SHOWN_LENGTH_MAX], wanted.returns if wanted else _ANY, answer
        )

    def table_scan(self, table: str, after: Any, limit: int, first: Any = None) -> Iterator[tuple[Any, Any]]:
        for key, value in super().table_scan(table, after, limit, first):
            yield key, self._read_entry(table, key, value)

    def set_phase(self, phase: str) -> None:
        super().set_phase(phase)
        self._note("phase", phase)

    def store(self, field: str, value: Any) -> None:
        super().store(field, value)
        self._note("set", field, value)

    def table_set(self, table: str, key: Any, value: Any) -> None:
        super().table_set(table, key, value)
        self._note("set", f"{table}[{key!a}]", value)

    def table_delete(self, table: str, key: Any) -> None:
        super().table_delete(table, key)
        self._note("delete", f"{table}[{key!a}]")

    def pay(self, account: str, money: Money) -> None:
        super().pay(account, money)
        self._note("pay", account, money)

    def mint(self, account: str, amount: int) -> None:
        super().mint(account, amount)
        self._note("mint", account, Money(amount, self.instance))

    def burn(self, account: str, amount: int) -> None:
        super().burn(account, amount)
        self._note("burn", account, Money(amount, self.instance))

    def emit(self, name: str, fields: tuple[tuple[str, Any], ...]) -> None:
        super().emit(name, fields)
        self._note("emit", name)

    def call(self, instance: str, action: str, arguments: Mapping[str, Any], interface: str = "") -> Any:
        result = super().call(instance, action, arguments, interface)
        self._note("call", instance, action, dict(arguments))
        return result

    def perform(self, call: Call) -> None:
        super().perform(call)
        self._note("perform", call)

    def note_read(self, name: str, spec: TypeSpec, value: Any) -> None:
        """Note a value that the rule was given."""
        self._read(name, spec, value)

    def _read_entry(self, table: str, key: Any, value: T) -> T:
        return self._read(f"{table}[{key!a}]", self._contract.fields[table].type.items[-1], value)

    def _read(self, name: str, spec: TypeSpec, value: T) -> T:
        if len(self.reads) < EXPLAINED_MAX and name not in self.reads and self._has_room(name, value):
            self.reads[name] = spec, copy_value(value)
        return value

    def _note(self, verb: str, *operands: Any) -> None:
        if len(self.effects) < EXPLAINED_MAX and self._has_room(verb, *operands):
            self.effects.append(Effect(verb, tuple(map(copy_value, operands))))

    def _has_room(self, *parts: Any) -> bool:
        """Take up the room of what is to be explained, if there is as much."""
        size = sum(map(size_bytes, parts))
        if size > self._bytes_left:
            return False
        self._bytes_left -= size
        return True


class QueryHost(RuntimeHost):
    """Serves a query: everything may be read, nothing changed."""

    __slots__ = ()

    def _refuse(self, *_: Any) -> NoReturn:
        raise Revert("readonly", "a query can not change anything")

    set_phase = store = table_set = table_delete = _refuse  # type: ignore[assignment]
    take = pay = mint = burn = move = emit = call = perform = _refuse  # type: ignore[assignment]


class WhyHost(QueryHost, RuleHost):
    """Serves who looks at a rule: what is read is noted, and nothing changed, by others neither."""

    __slots__ = ()

    def query(self, instance: str, query: str, arguments: Mapping[str, Any], interface: str = "") -> Any:
        """A question that fails leaves nobody at work: the next part is looked at all the same."""
        depth = len(self._run.running)
        try:
            return super().query(instance, query, arguments, interface)
        finally:
            del self._run.running[depth:]
