"""The pages' routes: the chain at a glance, one transaction, one instance, the problems, the API's document.

Every page is whole without its script. The script asks for the same page again when the event stream says
that something happened, and takes over what changed; so there is one language of rendering, the templates.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
from fastapi import APIRouter, FastAPI, Response
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api.catalogue import CATALOGUE, ApiError
from api.errors import problem_body
from api.gateway import Gateway, JsonObject, Refused, TransactionState
from api.http import Node
from api.pages.words import in_words
from api.transactions import status_body

TRANSACTIONS_SHOWN = 20
INSTANCES_SHOWN = 24
ROWS_SHOWN = 10
"""Rows of a contract's table on its page; the JSON below has more."""

_HERE = Path(__file__).parent
_STATIC = _HERE / "static"

router = APIRouter(include_in_schema=False)


def install(app: FastAPI) -> None:
    """Add the pages and their assets to the application."""
    app.include_router(router)
    app.mount("/static", StaticFiles(directory=_STATIC))


@router.get("/")
async def home(node: Node) -> Response:
    """The chain at a glance."""
    return await _page("home.html", node, lambda: _overview(node))


@router.get("/transactions/{transaction}")
async def transaction(node: Node, transaction: str) -> Response:
    """One transaction: the sentence first, the JSON second."""
    return await _page("transaction.html", node, lambda: _transaction(node, transaction))


@router.get("/instances/{name}")
async def instance(node: Node, name: str) -> Response:
    """One instance: what it is about, its rules as they stand, then the JSON."""

    async def load() -> JsonObject:
        recent = await node.transactions(None, TRANSACTIONS_SHOWN, contract=name)
        return {"instance": await node.instance(name), "transactions": recent}

    return await _page("instance.html", node, load)


@router.get("/problems")
async def problems(node: Node) -> Response:
    """Every problem that the API names."""
    return _render("problems.html", node, {"problems": list(CATALOGUE.values())})


@router.get("/problems/{code}")
async def problem(node: Node, code: str) -> Response:
    """What a problem means and what to do."""
    known = CATALOGUE.get(code)
    if known is None:
        return _render_problem(node, problem_body("not_found", f"no problem is named {code[:64]!r}"))
    return _render("problem.html", node, {"problem": known})


@router.get("/docs")
async def docs(node: Node) -> Response:
    """The OpenAPI document, readable, with forms to try it."""
    return _render("docs.html", node, {})


async def _overview(gateway: Gateway) -> JsonObject:
    listed = await gateway.instances(None, INSTANCES_SHOWN)
    return {
        "node": await gateway.node(),
        "members": (await gateway.members())["items"],
        "proposals": await gateway.proposals(),
        "transactions": await gateway.transactions(None, TRANSACTIONS_SHOWN),
        "instances": [await gateway.instance(item["name"]) for item in listed],
    }


async def _transaction(gateway: Gateway, identifier: str) -> JsonObject:
    if re.fullmatch("[0-9a-f]{64}", identifier) is None:
        raise ApiError("unknown_transaction", "a transaction's id is 64 hex digits")
    status = await gateway.status(identifier)
    if status.state is TransactionState.UNKNOWN:
        raise ApiError("unknown_transaction", f"{identifier} is neither executed nor waiting here")
    whole = await gateway.transaction(identifier) if status.state is TransactionState.COMMITTED else None
    known = CATALOGUE.get(status.code or "")
    return {"status": status, "transaction": whole, "problem": known, "json": whole or status_body(status)}


async def _page(template: str, gateway: Gateway, load: Callable[[], Awaitable[JsonObject]]) -> Response:
    """The page, or the problem that keeps it from being shown as a page."""
    try:
        return _render(template, gateway, await load())
    except ApiError as error:
        return _render_problem(gateway, problem_body(error.code, error.detail))
    except Refused as refused:
        return _render_problem(gateway, problem_body(refused.code, refused.detail, status=refused.status))


def _render_problem(gateway: Gateway, body: JsonObject) -> Response:
    return _render("failure.html", gateway, {"problem": body}, body["status"])


def _render(template: str, gateway: Gateway, context: JsonObject, status: int = 200) -> Response:
    text = _TEMPLATES.get_template(template).render(context, chain=gateway.chain, height=gateway.height)
    return Response(text, status, {"Cache-Control": "no-store"}, "text/html; charset=utf-8")


def _moment(time_ms: int) -> str:
    """A block's time as people read it."""
    try:
        return datetime.fromtimestamp(time_ms // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError):
        return f"{time_ms} ms"


def _iso(time_ms: int) -> str:
    """The same for machines."""
    try:
        return datetime.fromtimestamp(time_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError):
        return ""


def _pretty(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def _words(name: str) -> str:
    """`late_fee` as "late fee"."""
    return name.replace("_", " ")


def _plain(value: Any, type_name: str = "") -> str:
    """A contract's value as people write it."""
    if value is None:
        return "not yet"
    if value is True or value is False:
        return "yes" if value else "no"
    if type_name == "Time":
        return _moment(value)
    if type_name == "Span":
        return _span(value)
    if type_name == "Percent":
        return f"{value} %"
    if isinstance(value, dict):
        if value.keys() == {"amount", "currency"}:
            return f"{_digits(str(value['amount']))} {value['currency']}"
        return "; ".join(f"{_words(key)}: {_plain(item)}" for key, item in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(_plain, value)) or "none"
    return str(value)


def _span(span_ms: int) -> str:
    """A length of time in the largest unit that fits."""
    for unit_ms, unit in (
        (86_400_000, "days"),
        (3_600_000, "hours"),
        (60_000, "minutes"),
        (1_000, "seconds"),
    ):
        if span_ms and span_ms % unit_ms == 0:
            return f"{span_ms // unit_ms} {unit}"
    return f"{span_ms} ms"


def _digits(amount: str) -> str:
    """Groups of three digits, parted by thin spaces."""
    return re.sub(r"(?<=\d)(?=(\d{3})+$)", "\u2009", amount)


def _rows(items: Sequence[JsonObject]) -> list[tuple[str, str]]:
    """Terms, facts or fields as (name, value) in words."""
    return [
        (_words(item["name"]), _table(item) if "rows" in item else _plain(item["value"], item["type"]))
        for item in items
    ]


def _table(item: JsonObject) -> str:
    rows = "; ".join(f"{_plain(key)}: {_plain(value)}" for key, value in item["rows"][:ROWS_SHOWN])
    return f"{rows} …" if len(item["rows"]) > ROWS_SHOWN or item.get("more") else rows or "empty"


def _assets_version() -> str:
    """Changes with any asset, so that browsers never mix old and new ones."""
    return sha256(b"".join(path.read_bytes() for path in sorted(_STATIC.iterdir()))).hexdigest()[:12]


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "moment": _moment,
        "iso": _iso,
        "pretty": _pretty,
        "words": _words,
        "in_words": in_words,
        "digits": _digits,
        "rows": _rows,
        "plain": _plain,
    }
    environment.globals["assets"] = _assets_version()
    return environment


_TEMPLATES = _environment()
