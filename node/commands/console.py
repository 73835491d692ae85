"""How commands speak, and the options that many of them share.

Results go to standard output; warnings and errors to standard error. Colour appears on a terminal only.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="QUORATE_DATA",
        help="The node's data folder (.quorate by default).",
        show_default=False,
    ),
]
NodeOption = Annotated[
    str | None,
    typer.Option(
        "--node",
        envvar="QUORATE_NODE",
        help="The API of a node, as http://127.0.0.1:7750. By default the node that runs on the data folder.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def group(help_text: str) -> typer.Typer:
    """A command that holds others, in the one style of all."""
    return typer.Typer(help=help_text, no_args_is_help=True, rich_markup_mode="markdown")


def say(text: str = "", *, strong: bool = False) -> None:
    """One line of a result."""
    typer.secho(text, bold=strong)


def good(text: str) -> None:
    """A line that says that something is as it should be."""
    typer.secho(text, fg=typer.colors.GREEN)


def warn(text: str) -> None:
    """A line on standard error."""
    typer.secho(text, err=True, fg=typer.colors.YELLOW)


def say_json(value: Any) -> None:
    """A JSON value, the same text for the same value."""
    import orjson

    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS
    typer.echo(orjson.dumps(value, option=options).decode())


def table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns as wide as their longest entry, without lines around them."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(headers, *texts, strict=True)]
    say(_row(headers, widths), strong=True)
    for row in texts:
        say(_row(row, widths))


def say_fingerprint(data: bytes) -> None:
    """A hash in hex, and in words for the telephone."""
    from node.fingerprint import lines

    for line in (data.hex(), *lines(data)):
        say(f"  {line}")


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return "  ".join(padded).rstrip()
