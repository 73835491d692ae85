"""Randomness that depends on the seed alone, not on the Python version."""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


class Chance:
    """A thin layer over the generator's raw bits, whose output Python guarantees between versions."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def fraction(self) -> float:
        """At least 0, below 1."""
        return self._random.random()

    def happens(self, probability: float) -> bool:
        return self._random.random() < probability

    def below(self, limit: int) -> int:
        return int(self._random.random() * limit)

    def between(self, low: int, high: int) -> int:
        """Both ends included."""
        return low + self.below(high - low + 1)

    def pick(self, items: Sequence[T]) -> T:
        return items[self.below(len(items))]

    def some(self, items: Sequence[T], count: int) -> list[T]:
        """`count` different ones, in random order."""
        rest = list(items)
        return [rest.pop(self.below(len(rest))) for _ in range(count)]
