"""Tells the story: each step is one sentence, with the time since the start and the height it is final at."""

from __future__ import annotations

import time

import typer


class Narrator:
    """Prints sentences and keeps count of what was not as it should be."""

    def __init__(self) -> None:
        self._start_s = time.monotonic()
        self.surprises = 0

    def step(self, sentence: str, height: int | None = None) -> None:
        """Something happened, final at `height`."""
        where = "" if height is None else f"height {height}"
        typer.echo(f"{self._elapsed()}  {where:<10}  {sentence}")

    def check(self, holds: bool, sentence: str, otherwise: str, height: int | None = None) -> None:
        """Something must be so: say that it is, or what is the case instead."""
        if holds:
            self.step(sentence, height)
        else:
            self.surprises += 1
            typer.secho(f"{self._elapsed()}  {'WRONG':<10}  {otherwise}", fg=typer.colors.RED)

    def detail(self, text: str) -> None:
        """More about the step before."""
        typer.echo(f"{'':22}{text}")

    def note(self, text: str = "") -> None:
        """A line that is no step."""
        typer.echo(text)

    def _elapsed(self) -> str:
        return f"{time.monotonic() - self._start_s:6.1f} s"
