"""Steps against an instance of a running node: what would happen now, without committing anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contracts.explain.firings import shown, told_firing
from node.commands.arguments import parse_arguments, parse_value
from node.commands.console import say
from node.commands.scenario import StepFailed, split_words
from node.commands.sending import node_time_ms
from node.errors import ConfigurationError

if TYPE_CHECKING:
    from api.client import Client
    from consensus.transactions import Json

EXPIRES_IN_MS = 60_000


class NodeSteps:
    """`NAME calls ACTION name=value ...`, `NAME reports FACT VALUE` and `why`, each on its own."""

    def __init__(self, client: Client, instance: str) -> None:
        self._client = client
        self._instance = instance
        code = client.get(f"/v1/instances/{instance}")["code"]
        self._code = client.get(f"/v1/contracts/{code}")

    def step(self, line: str) -> None:
        """Say what a step would do. Raises: StepFailed, ConfigurationError."""
        words = split_words(line)
        if not words:
            return
        if words == ["why"]:
            self._why()
        elif len(words) > 2 and words[1] == "calls":
            types = {each["name"]: each["type"] for each in self._declared("actions", words[2])["parameters"]}
            self._simulate(words[0], words[2], dict(parse_arguments(words[3:], types, self._now_ms())))
        elif len(words) == 4 and words[1] == "reports":
            declared, now_ms = self._declared("facts", words[2])["type"], self._now_ms()
            text = str(now_ms) if declared == "Time" and words[3] == "now" else words[3]
            value = parse_value(words[2], text, declared, now_ms)
            self._simulate(words[0], "report", {"fact": words[2], "value": value})
        else:
            steps = "NAME calls ACTION name=value ..., NAME reports FACT VALUE, why"
            raise ConfigurationError(f"{line.strip()!r} is no step on a node; there is {steps}")

    def _now_ms(self) -> int:
        return node_time_ms(self._client.get("/v1/status"))

    def _declared(self, kind: str, name: str) -> dict[str, Any]:
        for item in self._code[kind]:
            if item["name"] == name:
                return dict(item)
        known = ", ".join(item["name"] for item in self._code[kind]) or "none"
        raise StepFailed(f"{self._instance} has no {name} among its {kind}; there is {known}")

    def _simulate(self, sender: str, action: str, arguments: dict[str, Json]) -> None:
        from api.signing import build_transaction
        from consensus.transactions import Call

        status = self._client.get("/v1/status")
        call = Call(self._instance, action, arguments)
        expires_ms = node_time_ms(status) + EXPIRES_IN_MS
        transaction = build_transaction(status["chain"], sender, [call], expires_ms)
        found = self._client.post("/v1/transactions/simulate", {"transaction": transaction})
        if found["status"] != "ok":
            raise StepFailed(f"would be refused: {found['code']}: {found['text']}")
        say(f"  would be done ({found['gas_used']} gas)")
        for firing in found["firings"]:
            if "rule" in firing:
                for line in told_firing(firing):
                    say(f"    {line}")
        for event in found["events"]:
            say(f"    would tell {event['name']} ({shown(event['fields'])})")

    def _why(self) -> None:
        found = self._client.get(f"/v1/instances/{self._instance}")
        say(f"  {self._instance} is {found['status']}, in phase {found['phase']}.")
        for rule in found["rules"]:
            say(f"  {rule['name']}: {rule['next']}")
