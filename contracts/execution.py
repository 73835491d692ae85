"""One transaction, timer or query while it runs: who may call what, and what it leaves behind.

A run has one meter and one fate: contract code can not catch a Revert, so whoever started the run rolls all
of it back, and nothing here tidies up on the way out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from consensus.transactions import Call, Json
from contracts.arguments import arguments_from_json, arguments_from_values, from_json, time_text
from contracts.context import Context, parties
from contracts.encoding import count_items
from contracts.errors import Revert
from contracts.gas import STORED_BYTE, WRITE
from contracts.host import Meter
from contracts.layout import FACT, Fact, Instance, InstanceStatus, fact_key
from contracts.program import ParameterSpec, Value
from contracts.programs import LoadedContract
from contracts.receipts import EVENTS_MAX
from contracts.runtime_host import QueryHost, RuntimeHost
from contracts.state import Form, T
from contracts.system import SYSTEM

DEPTH_MAX = 8
"""Instances that call each other, the first included."""
ARGUMENT_GAS = 50
"""Gas for each argument, and each element of one, that is read from JSON or copied to another contract."""
NAME_GAS = 400
"""Gas for looking up the account, member or instance that an argument names."""
REPORT = "report"
"""The action that the engine adds to every contract with facts."""

Bind = Callable[[Sequence[ParameterSpec]], list[Value]]
"""Gives the typed arguments for an action's or a query's parameters."""


class Emitted(NamedTuple):
    """An event that has no place in the block yet."""

    contract: str
    name: str
    fields: tuple[tuple[str, Value], ...]


class Run:
    """What a transaction, timer or query does, and has done so far; a `contracts.arguments.Directory`.

    `signers` are the accounts that signed, the sender first. `touched` are the instances whose rules must be
    tried, in the order in which they were acted on. `running` are the instances that are at work, the
    innermost last.
    """

    def __init__(self, context: Context, meter: Meter, signers: tuple[str, ...] = ()) -> None:
        self.context = context
        self.meter = meter
        self.signers = signers
        self.touched: dict[str, None] = {}
        self.running: list[str] = []
        self.events: list[Emitted] = []
        self.firings: list[bytes] = []

    # ---------------------------------------------------------------- calls

    def call(self, call: Call) -> Value:
        """Perform one call of the transaction. Raises: Revert."""
        self.meter.spend(ARGUMENT_GAS * count_items(call.args))
        system = SYSTEM.get(call.contract)
        if system is not None:
            return system.call(self, call.action, call.args)
        if call.action == REPORT and self.contract(call.contract).facts:
            return self._report(call.contract, call.args)
        bind = partial(arguments_from_json, given=call.args, directory=self)
        return self._act(call.contract, call.action, bind, self.signers)

    def call_from(self, caller: str, instance: str, action: str, arguments: Mapping[str, Value]) -> Value:
        """Perform an action that a contract asks for; its escrow account is the only signer."""
        bind = self._bind_values(arguments)
        return self._act(instance, action, bind, (caller,))

    def query(self, instance: str, query: str, arguments: Mapping[str, Json]) -> Value:
        """Answer a query from outside. Raises: Revert."""
        return self._ask(instance, query, partial(arguments_from_json, given=arguments, directory=self))

    def query_from(self, instance: str, query: str, arguments: Mapping[str, Value]) -> Value:
        """Answer a query of a contract. Raises: Revert."""
        return self._ask(instance, query, self._bind_values(arguments))

    def has_account(self, name: str) -> bool:
        """True for a registered account, and for the escrow account of an instance."""
        self.meter.spend(NAME_GAS)
        return self.context.has_account(name)

    def has_member(self, name: str) -> bool:
        """True for an organisation of the consortium."""
        self.meter.spend(NAME_GAS)
        return self.context.has_member(name)

    def has_instance(self, name: str) -> bool:
        """True for an instance that was created."""
        self.meter.spend(NAME_GAS)
        return self.context.has_instance(name)

    def code(self, code: str) -> LoadedContract:
        """The compiled code with this id, which must be deployed; it is paid for as if it had to be read."""
        contract = self.context.contract(code)
        self.meter.spend(contract.read_gas)
        return contract

    def contract(self, name: str) -> LoadedContract:
        """The code of an instance. Raises: Revert("unknown")."""
        return self.code(self.context.instance(name).code)

    def _bind_values(self, given: Mapping[str, Value]) -> Bind:
        self.meter.spend(ARGUMENT_GAS * count_items(given))
        return partial(arguments_from_values, given=given, directory=self)

    def _act(self, name: str, action: str, bind: Bind, signers: tuple[str, ...]) -> Value:
        instance = self._active(name)
        contract = self.code(instance.code)
        spec = contract.actions.get(action)
        if spec is None:
            raise _unknown(name, "action", action, contract.actions)
        if spec.phases and instance.phase not in spec.phases:
            wanted = " or ".join(spec.phases)
            raise _refusal("phase", f"{name} is in phase {instance.phase}; {action} needs phase {wanted}")
        if spec.by:
            self._check_caller(name, spec.by, action, signers[0])
        arguments = bind(spec.parameters)
        self.enter(name)
        result = contract.program.run_action(action, RuntimeHost(self, name, contract, signers), arguments)
        self.leave()
        self.touched[name] = None
        return result

    def _ask(self, name: str, query: str, bind: Bind) -> Value:
        contract = self.contract(name)
        spec = contract.queries.get(query)
        if spec is None:
            raise _unknown(name, "query", query, contract.queries)
        arguments = bind(spec.parameters)
        self.enter(name)
        result = contract.program.run_query(query, QueryHost(self, name, contract), arguments)
        self.leave()
        return result

    def _report(self, name: str, given: Mapping[str, Json]) -> None:
        """Take a fact from the account that may report it: once, not from the future, not too old."""
        self._active(name)
        if given.keys() != {"fact", "value"}:
            raise _refusal("arguments", f"{REPORT} takes exactly the arguments fact and value")
        contract = self.contract(name)
        fact = given["fact"]
        spec = contract.facts.get(fact) if type(fact) is str else None
        if spec is None:
            raise _unknown(name, "fact", fact, contract.facts)
        self._check_caller(name, (spec.by,), f"{REPORT} {spec.name}", self.signers[0])
        key = fact_key(name, spec.name)
        if self.context.overlay.get(key, FACT) is not None:
            raise _refusal("fact", f"{spec.name} of {name} was reported before; a fact is reported once")
        value = from_json(spec.type, given["value"], "value", self)
        now_ms = self.context.time_ms
        if spec.type.name == "Time":
            reported, now = time_text(value), time_text(now_ms)
            if value > now_ms:
                raise _refusal("fact", f"{spec.name} lies in the future: {reported}, now it is {now}")
            if spec.max_age_ms is not None and now_ms - value > spec.max_age_ms:
                raise _refusal(
                    "fact", f"{spec.name} is more than {spec.max_age_ms} ms old: {reported}, now it is {now}"
                )
        self.write(key, Fact(value, self.signers[0], now_ms), FACT)
        self.emit(name, "reported", (("fact", spec.name), ("value", value), ("by", self.signers[0])))
        self.touched[name] = None

    # ---------------------------------------------------------------- what hosts and system contracts use

    def enter(self, name: str) -> None:
        """Note that an instance is at work. Raises: Revert("depth") where it is already, or too many are."""
        if name in self.running:
            raise _refusal("depth", f"{name} is at work already, further out: a contract is not called back")
        if len(self.running) == DEPTH_MAX:
            raise _refusal("depth", f"contracts call each other more than {DEPTH_MAX} deep")
        self.running.append(name)

    def leave(self) -> None:
        """Note that the innermost instance is done."""
        self.running.pop()

    def emit(self, contract: str, name: str, fields: tuple[tuple[str, Value], ...]) -> None:
        """Add an event. Raises: Revert("size")."""
        if len(self.events) == EVENTS_MAX:
            raise _refusal("size", f"more than {EVENTS_MAX} events")
        self.events.append(Emitted(contract, name, fields))

    def write(self, key: bytes, value: T, form: Form[T], group: bytes | None = None) -> None:
        """Write a record and charge for it; see `Overlay.put`. Raises: Revert("gas")."""
        self.meter.spend(WRITE + STORED_BYTE * (len(key) + len(form.encode(value))))
        self.context.overlay.put(key, value, form, group)

    # ---------------------------------------------------------------- checks

    def _active(self, name: str) -> Instance:
        instance = self.context.instance(name)
        if instance.status == InstanceStatus.PROPOSED:
            raise _refusal("phase", f"{name} is not active: not all of its parties have signed")
        if instance.status == InstanceStatus.WITHDRAWN:
            raise _refusal("phase", f"{name} was withdrawn before all had signed")
        return instance

    def _check_caller(self, name: str, by: tuple[str, ...], what: str, caller: str) -> None:
        terms = self.context.terms(name)
        allowed = [party for term in by for party in parties(terms[term])]
        if caller not in allowed:
            roles = f"{' or '.join(by)} ({', '.join(allowed)})"
            raise _refusal("unauthorised", f"{what} on {name} is for {roles}, not for {caller}")


def _refusal(code: str, text: str) -> Revert:
    return Revert(code, text, consumes_all=False)


def _unknown(name: str, kind: str, wanted: object, known: Iterable[str]) -> Revert:
    names = ", ".join(known)
    return _refusal("unknown", f"{name} has no {kind} {wanted!a}; it has {names or 'none'}")
