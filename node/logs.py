"""Structured logs on standard error: for people in a console, or a JSON object a line for machines.

Never keys, never payloads. Other libraries' warnings come through the same door. A line that cannot be
written, because the disk is full or nobody listens any more, is dropped: a node must not depend on its log.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Literal, TextIO, cast

import structlog

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class StandardError:
    """Standard error as a file, unbuffered, that never fails."""

    def write(self, text: str) -> None:
        """Write what can be written."""
        with suppress(OSError, ValueError):
            if sys.stderr is not None:
                os.write(sys.stderr.fileno(), text.encode(errors="backslashreplace"))

    def flush(self) -> None:
        """Nothing waits here."""


def set_up_logs(
    log_format: Literal["console", "json"], level: str, member: str, names: Mapping[int, str]
) -> None:
    """Configure logging for this process; every line names the `member` whose node it is.

    `names` are those of all members by number: what is logged of number 3 is read of `swiftship`.
    """
    stderr = cast(TextIO, StandardError())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _name_members(member, names),
    ]
    renderer: structlog.typing.Processor
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
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=shared,
        )
    )
    logging.basicConfig(handlers=[handler], level=max(LEVELS[level], logging.WARNING), force=True)
    logging.captureWarnings(True)


def _name_members(node: str, names: Mapping[int, str]) -> structlog.typing.Processor:
    def add(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event.setdefault("node", node)
        for field in ("peer", "member"):
            if event.get(field) in names:
                event[field] = names[event[field]]
        return event

    return add
