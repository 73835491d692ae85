"""Checks that a node's answers are what its OpenAPI document promises; works against any node.

    check_answers("http://127.0.0.1:7750")

It starts at the lists and follows what they name, so it sees real blocks, transactions and instances.
"""

from __future__ import annotations

from typing import Any

import httpx
import jsonschema_rs

ITEMS = "5"
"""Items taken from each list."""


class Document:
    """An OpenAPI document that answers can be held against."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    def check(self, method: str, path: str, answer: httpx.Response) -> None:
        """Raises: AssertionError where the answer is none of those that `path` promises."""
        told = f"{method.upper()} {answer.request.url} answered {answer.status_code}"
        promised = self.document["paths"][path][method]["responses"]
        assert str(answer.status_code) in promised, f"{told}, which is not promised: {answer.text[:300]}"
        media = answer.headers["content-type"].partition(";")[0]
        content = promised[str(answer.status_code)].get("content", {})
        assert media in content, f"{told} as {media}"
        schema = {**content[media].get("schema", {}), "components": self.document["components"]}
        errors = list(jsonschema_rs.iter_errors(schema, answer.json()))
        assert not errors, f"{told}: {errors[0].message} at {'.'.join(map(str, errors[0].instance_path))}"


def check_answers(base_url: str) -> set[str]:
    """Read all that can be read of a node and hold it against the promise; the paths that were read."""
    read: set[str] = set()
    with httpx.Client(base_url=base_url, timeout=30) as client:
        document = Document(client.get("/openapi.json").raise_for_status().json())

        def get(path: str, **names: object) -> Any:
            answer = client.get(path.format(**names), params={"limit": ITEMS} if not names else {})
            document.check("get", path, answer)
            read.add(path)
            return answer.json()

        for path in (
            "/livez",
            "/readyz",
            "/version",
            "/v1/status",
            "/v1/consensus/why",
            "/v1/members",
            "/v1/epochs",
            "/v1/evidence",
            "/v1/genesis",
        ):
            get(path)
        for block in get("/v1/blocks")["items"]:
            get("/v1/blocks/{height}", height=block["height"])
        for transaction in get("/v1/transactions")["items"]:
            get("/v1/transactions/{transaction}", transaction=transaction["id"])
        for account in get("/v1/accounts")["items"]:
            get("/v1/accounts/{account}", account=account["id"])
        for contract in get("/v1/contracts")["items"]:
            get("/v1/contracts/{code}", code=contract["code"])
            get("/v1/contracts/{code}/schema", code=contract["code"])
        for instance in get("/v1/instances")["items"]:
            get("/v1/instances/{name}", name=instance["name"])
            get("/v1/instances/{name}/versions", name=instance["name"])
            source = client.get(f"/v1/contracts/{instance['code']}").json()["source"]
            path = "/v1/instances/{name}/rehearsal"
            answer = client.post(path.format(name=instance["name"]), json={"source": f"{source}\n# again\n"})
            document.check("post", path, answer)
            read.add(path)
        for proposal in get("/v1/proposals")["items"]:
            get("/v1/proposals/{proposal}", proposal=proposal["proposal"])
        get("/v1/state/{key}", key="00")
        get("/v1/proof/{key}", key="00")
        for path, names in (
            ("/v1/blocks/{height}", {"height": 2**53 - 1}),
            ("/v1/transactions/{transaction}", {"transaction": "00" * 32}),
            ("/v1/accounts/{account}", {"account": "no-such-account"}),
            ("/v1/contracts/{code}", {"code": "00" * 32}),
            ("/v1/contracts/{code}/schema", {"code": "00" * 32}),
            ("/v1/proposals/{proposal}", {"proposal": 2**53 - 1}),
            ("/v1/instances/{name}", {"name": "no-such-instance"}),
            ("/v1/instances/{name}/query/{query}", {"name": "no-such-instance", "query": "none"}),
        ):
            status = get(path, **names)["status"]
            assert status == 404, f"GET {path} with {names} answered {status}, not 404"
    return read
