"""Structured logs on standard error: for people in a console, or a JSON object a line for machines.

Never keys, never payloads. Other libraries' warnings come through the same door. A line that cannot be
written, because the disk is full or nobody listens any more, is dropped: a node must not depend on its log.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
LOGGERS = (
    "checking", "driver", "executor", "forwarding", "gateway", "key", "membership", "network", "node",
    "recorder", "sync", "wall",
)  # fmt: skip
"""The parts of a node that log."""
REPEATS_MAX = 10
"""Lines that differ in numbers only and come within REPEAT_S; what is beyond is counted."""
REPEAT_S = 60.0
REPEATED_KEPT_MAX = 1024
"""Kinds of lines that are remembered for this; the one not seen for longest goes."""

_NUMBERS = re.compile(r"[0-9a-f]{16,}|\d+")
_METHODS = {"warn": "warning", "exception": "error", "critical": "error", "fatal": "error"}


class StandardError:
    """Standard error as a file, unbuffered, that never fails."""

    def write(self, text: str) -> None:
        """Write what can be written."""
        with suppress(OSError, ValueError):
            if sys.stderr is not None:
                os.write(sys.stderr.fileno(), text.encode(errors="backslashreplace"))

    def flush(self) -> None:
        """Nothing waits here."""


@dataclass(frozen=True, slots=True)
class _Setting:
    """The least level of one logger; `until_s` is of the monotonic clock, None: until it is set again."""

    level: str
    until_s: float | None


class Levels:
    """The least level that each logger logs; may be changed from any thread while the node runs."""

    def __init__(self, default: str = "info", clock_s: Callable[[], float] = time.monotonic) -> None:
        self._start = default
        self._clock_s = clock_s
        self._settings: dict[str | None, _Setting] = {}
        """By logger; None holds the default where it was changed. Values are replaced, never changed."""

    def of(self, logger: str | None) -> str:
        """The least level that counts for a logger now."""
        for name in (logger, None):
            setting = self._settings.get(name)
            if setting is not None and (setting.until_s is None or self._clock_s() < setting.until_s):
                return setting.level
        return self._start

    def set(self, logger: str | None, level: str | None, for_s: int | None) -> None:
        """See `api.ops.LogLevels`."""
        if logger is not None and logger not in LOGGERS:
            raise ValueError(f"there is no logger {logger[:64]!r}; there is {', '.join(LOGGERS)}")
        if level is None:
            self._settings.pop(logger, None)
        elif level in LEVELS:
            until_s = None if for_s is None else self._clock_s() + for_s
            self._settings[logger] = _Setting(level, until_s)
        else:
            raise ValueError(f"there is no level {level[:64]!r}; there is {', '.join(LEVELS)}")

    def describe(self) -> dict[str, Any]:
        """See `api.ops.LogLevels`."""
        return {
            "default": self.of(None),
            "levels": list(LEVELS),
            "loggers": {name: {"level": self.of(name), "for_s": self._left_s(name)} for name in LOGGERS},
        }

    def _left_s(self, logger: str) -> int | None:
        setting = self._settings.get(logger) or self._settings.get(None)
        if setting is None or setting.until_s is None:
            return None
        left_s = setting.until_s - self._clock_s()
        return round(left_s) if left_s > 0 else None


class Repeats:
    """Holds back a kind of line that comes again and again: one member's fault must not fill the disk."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._seen: OrderedDict[tuple[str, ...], tuple[float, int]] = OrderedDict()
        """By kind: when its window began, and lines in it."""

    def __call__(self, logger: Any, _method: str, event: EventDict) -> EventDict:
        """A processor. Raises: DropEvent for a line too many."""
        who = str(event.get("peer", event.get("member", "")))
        kind = (str(getattr(logger, "name", "")), _NUMBERS.sub("#", str(event.get("event", ""))), who)
        now_s = self._clock_s()
        with self._lock:
            began_s, count = self._seen.pop(kind, (now_s, 0))
            held_back = 0
            if now_s - began_s >= REPEAT_S:
                held_back = max(0, count - REPEATS_MAX)
                began_s, count = now_s, 0
            count += 1
            self._seen[kind] = began_s, count
            while len(self._seen) > REPEATED_KEPT_MAX:
                self._seen.popitem(last=False)
        if count > REPEATS_MAX:
            raise structlog.DropEvent
        if held_back:
            event["held_back"] = held_back
        if count == REPEATS_MAX:
            event["more_held_back_s"] = round(began_s + REPEAT_S - now_s)
        return event


class _NamedLogger(structlog.WriteLogger):
    """Writes to standard error and knows what it is called."""

    def __init__(self, name: str | None) -> None:
        super().__init__(cast(TextIO, StandardError()))
        self.name = name


def set_up_logs(
    log_format: Literal["console", "json"], level: str, member: str, names: Mapping[int, str]
) -> Levels:
    """Configure logging for this process; every line names the `node` that it is of.

    `names` are those of all members by number: what is logged of number 3 is read of `swiftship`.
    """
    levels = Levels(level)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _name_members(member, names),
    ]
    renderer: Processor
    if log_format == "json":
        shared.append(structlog.processors.format_exc_info)
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr is not None and sys.stderr.isatty(),
            pad_event_to=32,
            # The default prints local variables, and among those may be keys.
            exception_formatter=structlog.dev.plain_traceback,
        )
    structlog.configure(
        processors=[_drop_below(levels), Repeats(), *shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=lambda *arguments: _NamedLogger(arguments[0] if arguments else None),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(cast(TextIO, StandardError()))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=shared,
        )
    )
    logging.basicConfig(handlers=[handler], level=max(LEVELS[level], logging.WARNING), force=True)
    logging.captureWarnings(True)
    return levels


def _drop_below(levels: Levels) -> Processor:
    def drop(logger: Any, method: str, event: EventDict) -> EventDict:
        name = getattr(logger, "name", None)
        if LEVELS[_METHODS.get(method, method)] < LEVELS[levels.of(name)]:
            raise structlog.DropEvent
        if name is not None:
            event["logger"] = name
        return event

    return drop


def _name_members(node: str, names: Mapping[int, str]) -> Processor:
    def add(_logger: object, _method: str, event: EventDict) -> EventDict:
        event.setdefault("node", node)
        for field in ("peer", "member"):
            if event.get(field) in names:
                event[field] = names[event[field]]
        return event

    return add
