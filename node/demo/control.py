"""How a second terminal talks to the running demo: one request and lines of answer over a Unix socket.

The socket lies in a short-named folder of its own, because its path may be 100 bytes long at most; the demo's
folder says where. A pointer in the user's state folder says where the running demo is.

    request   {"command": "kill", "node": "n3"}
    answer    {"say": "..."} any number of times, then {"exit": 0}
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from node.documents import read_json, write_json
from node.errors import ConfigurationError

FOLDER_DEFAULT = Path("quorate-demo")
MARK = "demo.json"
"""In the demo's folder, which it marks as one: {pid, control}."""
REQUEST_BYTES_MAX = 4096
SILENCE_S = 5.0
"""A terminal that connects and says nothing, or reads nothing, for this long is hung up on."""

Say = Callable[[str], None]
Handler = Callable[[dict[str, Any], Say], int]
"""Serves one request: says what happens, and returns the exit code for the asking terminal."""


class ControlServer:
    """Answers other terminals, one after the other, while the demo runs."""

    def __init__(self, folder: Path, handler: Handler) -> None:
        self._folder = folder
        self._handler = handler
        self._socket_folder = Path(tempfile.mkdtemp(prefix="quorate-"))
        self._listener = socket.socket(socket.AF_UNIX)
        self.path = self._socket_folder / "control"
        self._listener.bind(str(self.path))
        self._listener.listen()
        write_json(folder / MARK, {"pid": os.getpid(), "control": str(self.path)})
        pointer_path().parent.mkdir(parents=True, exist_ok=True)
        write_json(pointer_path(), {"folder": str(folder.absolute())})
        threading.Thread(target=self._serve, name="control", daemon=True).start()

    def close(self) -> None:
        """No more requests; the folder stays marked as a demo's."""
        self._listener.close()
        shutil.rmtree(self._socket_folder, ignore_errors=True)
        if find_running(None) == self._folder.absolute():  # not that of a demo started later
            pointer_path().unlink(missing_ok=True)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed: the demo ends
                return
            # A terminal that goes away, or talks nonsense, is no reason to stop answering others.
            with connection, contextlib.suppress(OSError, ValueError, RecursionError):
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        connection.settimeout(SILENCE_S)
        with connection.makefile("rw") as stream:

            def send(value: dict[str, Any]) -> None:
                stream.write(json.dumps(value) + "\n")
                stream.flush()

            request = json.loads(stream.readline(REQUEST_BYTES_MAX))
            if isinstance(request, dict):
                send({"exit": self._handler(request, lambda text: send({"say": text}))})


def ask(folder: Path, request: dict[str, Any], say: Say) -> int:
    """Have the running demo do something; the exit code it answers. Raises: ConfigurationError."""
    with _connect(folder) as connection, connection.makefile("rw") as stream:
        stream.write(json.dumps(request) + "\n")
        stream.flush()
        for line in stream:
            answer = json.loads(line)
            if "exit" in answer:
                return int(answer["exit"])
            say(answer["say"])
    raise ConfigurationError(f"the demo in {folder} ended while it answered")


def is_running(folder: Path) -> bool:
    """True while a demo in this folder answers."""
    try:
        _connect(folder).close()
    except ConfigurationError:
        return False
    return True


def find_running(folder: Path | None) -> Path:
    """The folder asked for, else that of the demo this user started last, else ./quorate-demo."""
    if folder is not None:
        return folder
    try:
        return Path(read_json(pointer_path())["folder"])
    except (ConfigurationError, KeyError, TypeError):
        return FOLDER_DEFAULT


def pointer_path() -> Path:
    """Where the running demo of this user is noted."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "quorate" / "demo.json"


def _connect(folder: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(read_json(folder / MARK)["control"])
    except (ConfigurationError, KeyError, TypeError, OSError):
        connection.close()
        raise ConfigurationError(f"no demo runs in {folder}; start one with: quorate demo") from None
    return connection
