"""One transaction, timer or query while it runs: who may call what, and what it leaves behind.

A run has one meter and one fate: contract code can not catch a Revert, so whoever started the run rolls all
of it back, and nothing here tidies up on the way out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import orjson

from consensus.transactions import Call, Json
from contracts.arguments import arguments_from_json, arguments_from_values, checked_copy
from contracts.context import Context
from contracts.encoding import count_items
from contracts.errors import Revert
from contracts.facts import report
from contracts.gas import CROSS, EVENT_BYTE, STORED_BYTE, WRITE, bytes_gas
from contracts.host import Meter
from contracts.layout import Instance, InstanceStatus
from contracts.listening import Task
from contracts.program import ActionSpec, HandlerSpec, ParameterSpec, QuerySpec, Value, plain, same_parameters
from contracts.programs import LoadedContract
from contracts.receipts import EVENTS_MAX, FIRINGS_MAX, Firing, Read, Tried
from contracts.runtime_host import QueryHost, RuleHost, RuntimeHost
from contracts.state import Form, T
from contracts.system import SYSTEM
from contracts.system.pausing import pause_text
from contracts.values import Call as KeptCall

DEPTH_MAX = 8
"""Instances that call each other, the first included."""
ARGUMENT_GAS = 50
"""Gas for each argument, and each element of one, that is read from JSON or copied to another contract."""
NAME_GAS = 400
"""Gas for looking up the account, member or instance that an argument names."""
DEFERRED_MAX = 64
"""Kept calls of one transaction or timer."""
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
        self._deferred: list[tuple[str, KeptCall]] = []

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

    def call_from(
        self,
        caller: str,
        instance: str,
        action: str,
        arguments: Mapping[str, Value],
        wanted: QuerySpec | None = None,
    ) -> Value:
        """Perform an action that a contract asks for; its escrow account is the only signer."""
        bind = self._bind_values(arguments, instance, wanted)
        return self._act(instance, action, bind, (caller,))

    def defer(self, caller: str, call: KeptCall) -> None:
        """Note a kept call, to be made as soon as nothing is at work. Raises: Revert("size")."""
        if len(self._deferred) == DEFERRED_MAX:
            raise _refusal("size", f"more than {DEFERRED_MAX} kept calls")
        self._deferred.append((caller, call))

    def perform_deferred(self) -> bool:
        """Make the kept call that was noted first; False where there is none."""
        if not self._deferred:
            return False
        caller, call = self._deferred.pop(0)
        self.meter.spend(CROSS + bytes_gas(len(call.arguments)))
        given = orjson.loads(call.arguments)
        self.meter.spend(ARGUMENT_GAS * count_items(given))
        self._act(
            call.contract, call.action, partial(arguments_from_json, given=given, directory=self), (caller,)
        )
        return True

    def tell(self, task: Task, handler: HandlerSpec) -> None:
        """Let a listener do one of the things that it does on an event, and note it as a firing.

        Nothing is done where what was done before it has led to another phase. Raises: Revert.
        """
        name, emitter, _ = task.delivery
        contract = self.contract(name)
        if not handler.is_for(self.context.instance(name).phase):
            return
        fields = dict(task.queued.fields)
        arguments = []
        for parameter in handler.parameters:
            if parameter.name not in fields:
                text = f"{task.queued.event} of {emitter} has no field {parameter.name}"
                raise _refusal("interface", text)
            self.meter.spend(ARGUMENT_GAS * (1 + count_items(fields[parameter.name])))
            arguments.append(checked_copy(parameter.type, fields[parameter.name], parameter.name, self))
        host = RuleHost(self, name, contract)
        for parameter, value in zip(handler.parameters, arguments, strict=True):
            host.note_read(parameter.name, parameter.type, value)
        self.enter(name)
        contract.program.run_handler(handler.name, host, arguments)
        self.leave()
        self.fired(host, handler.name, (Tried(f"{emitter} emitted {task.queued.event}", True, ()),))
        self.touched[name] = None

    def fired(self, host: RuleHost, rule: str, conditions: tuple[Tried, ...]) -> None:
        """Keep why a rule fired, the last of `conditions`, and what it did. Raises: Revert("rules")."""
        if len(self.firings) == FIRINGS_MAX:
            text = f"more than {FIRINGS_MAX} rules fired, the last was {rule} of {host.instance}"
            raise Revert("rules", text)
        firing = Firing(
            instance=host.instance,
            rule=rule,
            branch=len(conditions) - 1,
            conditions=conditions,
            reads=tuple(Read(name, str(spec), value) for name, (spec, value) in host.reads.items()),
            effects=tuple(host.effects),
            height=host.height,
            time_ms=host.now_ms,
        ).encode()
        self.meter.spend(EVENT_BYTE * len(firing))
        self.firings.append(firing)

    def query(self, instance: str, query: str, arguments: Mapping[str, Json]) -> Value:
        """Answer a query from outside. Raises: Revert."""
        return self._ask(instance, query, partial(arguments_from_json, given=arguments, directory=self))

    def query_from(
        self, instance: str, query: str, arguments: Mapping[str, Value], wanted: QuerySpec | None = None
    ) -> Value:
        """Answer a query of a contract. Raises: Revert."""
        return self._ask(instance, query, self._bind_values(arguments, instance, wanted), wanted)

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

    def _bind_values(self, given: Mapping[str, Value], name: str, wanted: QuerySpec | None) -> Bind:
        """Arguments of a contract, for one that must be as the caller's interface says."""
        self.meter.spend(ARGUMENT_GAS * count_items(given))

        def bind(parameters: Sequence[ParameterSpec]) -> list[Value]:
            if wanted is not None and not same_parameters(parameters, wanted.parameters):
                takes = ", ".join(f"{spec.name}: {spec.type}" for spec in parameters)
                raise _not_as_agreed(name, wanted, f"it takes ({takes})")
            return arguments_from_values(parameters, given, self)

        return bind

    def _act(self, name: str, action: str, bind: Bind, signers: tuple[str, ...]) -> Value:
        instance = self._active(name)
        contract = self.code(instance.code)
        spec = contract.actions.get(action)
        if spec is None:
            raise _unknown(name, "action", action, contract.actions)
        if not spec.is_exit and instance.is_paused(self.context.time_ms):
            exits = [each.name for each in contract.actions.values() if each.is_exit]
            open_ = f"; open are {', '.join(exits)}" if exits else ""
            raise _refusal("paused", f"{pause_text(self.context, name)}{open_}")
        if spec.phases and instance.phase not in spec.phases:
            wanted = " or ".join(spec.phases)
            raise _refusal("phase", f"{name} is in phase {instance.phase}; {action} needs phase {wanted}")
        if spec.by:
            self._check_caller(name, contract, spec.by, action, signers[0])
        arguments = bind(spec.parameters)
        self.enter(name)
        result = contract.program.run_action(action, RuntimeHost(self, name, contract, signers), arguments)
        self.leave()
        self.touched[name] = None
        return result

    def _ask(self, name: str, query: str, bind: Bind, wanted: QuerySpec | None = None) -> Value:
        contract = self.contract(name)
        spec = contract.queries.get(query)
        if spec is None:
            raise _unknown(name, "query", query, contract.queries)
        if wanted is not None and not _offers(spec, wanted):
            raise _not_as_agreed(name, wanted, f"it returns {spec.returns}")
        arguments = bind(spec.parameters)
        self.enter(name)
        result = contract.program.run_query(query, QueryHost(self, name, contract), arguments)
        self.leave()
        return result

    def _report(self, name: str, given: Mapping[str, Json]) -> None:
        """Take a fact from an account that may report it."""
        self._active(name)
        if given.keys() != {"fact", "value"}:
            raise _refusal("arguments", f"{REPORT} takes exactly the arguments fact and value")
        contract = self.contract(name)
        fact = given["fact"]
        spec = contract.facts.get(fact) if type(fact) is str else None
        if spec is None:
            raise _unknown(name, "fact", fact, contract.facts)
        self._check_caller(name, contract, (spec.by,), f"{REPORT} {spec.name}", self.signers[0])
        report(self, name, spec, given["value"], self.signers[0])
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

    def check_interfaces(self, contract: LoadedContract, terms: Mapping[str, Value]) -> None:
        """Refuse terms with an instance that does not offer what the code asks of it. Raises: Revert."""
        for spec in contract.terms.values():
            interface = contract.interfaces.get(spec.type.items[0].name if spec.type.items else "")
            if spec.type.name != "Instance" or interface is None:
                continue
            other = self.contract(terms[spec.name])
            for wanted in (*interface.actions, *interface.queries):
                offered: ActionSpec | QuerySpec | None = other.queries.get(wanted.name)
                if wanted in interface.actions:
                    offered = other.actions.get(wanted.name)
                if offered is None or not _offers(offered, wanted):
                    raise _not_as_agreed(terms[spec.name], wanted, "it offers no such thing")

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

    def _check_caller(
        self, name: str, contract: LoadedContract, by: tuple[str, ...], what: str, caller: str
    ) -> None:
        allowed = contract.accounts_in(by, self.context.terms(name))
        if caller not in allowed:
            roles = f"{' or '.join(by)} ({', '.join(allowed)})"
            raise _refusal("unauthorised", f"{what} on {name} is for {roles}, not for {caller}")


def _refusal(code: str, text: str) -> Revert:
    return Revert(code, text, consumes_all=False)


def _offers(offered: ActionSpec | QuerySpec, wanted: QuerySpec) -> bool:
    """True where a method is as an interface says; actions return nothing."""
    returns = offered.returns if isinstance(offered, QuerySpec) else wanted.returns
    return plain(returns) == plain(wanted.returns) and same_parameters(offered.parameters, wanted.parameters)


def _not_as_agreed(name: str, wanted: QuerySpec, problem: str) -> Revert:
    expected = ", ".join(f"{spec.name}: {spec.type}" for spec in wanted.parameters)
    text = f"{wanted.name} of {name} is not ({expected}) -> {wanted.returns} as its caller expects: {problem}"
    return _refusal("interface", text)


def _unknown(name: str, kind: str, wanted: object, known: Iterable[str]) -> Revert:
    names = ", ".join(known)
    return _refusal("unknown", f"{name} has no {kind} {wanted!a}; it has {names or 'none'}")
