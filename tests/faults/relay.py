"""A relay between nodes that plays the network: every pair has a link for each direction, and each can be
cut, delayed, stalled now and then, or reset.

TCP loses nothing, it waits: what a real network loses arrives late, and everything behind it too. So a lossy
link is one that stalls, and a cut one keeps what is sent until it is mended or the connection is reset. Who
dialled is found out from the system's own tables, because all nodes dial the same address of a member.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

CHUNK_BYTES = 16 * 1024
UNDER_WAY_BYTES_MAX = 1024 * 1024
"""A link holds so much; then who sends has to wait, as with a full window."""
LOOK_S = 0.02
"""How often a cut link looks whether it is mended."""
STALL_S = (0.2, 1.0)
"""How long what is lost takes to arrive all the same: a retransmission."""


@dataclass(slots=True)
class Link:
    """One direction between two nodes."""

    is_cut: bool = False
    delay_s: float = 0.0
    stalls: float = 0.0
    """Of all chunks, the part that is late by STALL_S."""


@dataclass(eq=False)
class _Connection:
    pair: tuple[int, int]
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    def reset(self) -> None:
        for writer in self.writers:
            writer.transport.abort()


class Relay:
    """Relays for nodes 0 to n - 1, in a thread of its own. The public methods are for the test's thread."""

    def __init__(
        self, doors: list[int], targets: list[int], pid_of: Callable[[int], int | None], seed: int
    ) -> None:
        """`doors` are the ports that are dialled, `targets` those that nodes listen on, in their order."""
        self._doors = doors
        self._targets = targets
        self._pid_of = pid_of
        self._chance = random.Random(seed)
        nodes = range(len(doors))
        self.links = {(a, b): Link() for a in nodes for b in nodes if a != b}
        self.relayed_bytes = 0
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(60)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()

    # -- faults -------------------------------------------------------------------------------------
    def between(self, some: set[int], others: set[int]) -> Iterator[Link]:
        """The links from some nodes to others, that direction only."""
        return (link for (a, b), link in self.links.items() if a in some and b in others)

    def partition(self, some: set[int]) -> None:
        """Nothing passes between these nodes and the rest."""
        rest = set(range(len(self._doors))) - some
        for link in (*self.between(some, rest), *self.between(rest, some)):
            link.is_cut = True

    def silence(self, source: int, targets: set[int]) -> None:
        """Nothing that `source` sends reaches `targets`; what they send reaches it."""
        for link in self.between({source}, targets):
            link.is_cut = True

    def slow_down(self, delay_s: float, stalls: float) -> None:
        """All links."""
        for link in self.links.values():
            link.delay_s, link.stalls = delay_s, stalls

    def heal(self) -> None:
        """All links are as good as new; what was held is delivered."""
        for link in self.links.values():
            link.is_cut, link.delay_s, link.stalls = False, 0.0, 0.0

    def reset(self, chance: float = 1.0) -> int:
        """Break connections, each with this chance; how many broke."""

        async def reset() -> int:
            chosen = [one for one in self._connections if self._chance.random() < chance]
            for connection in chosen:
                connection.reset()
            return len(chosen)

        return asyncio.run_coroutine_threadsafe(reset(), self._loop).result(60)

    # -- in the relay's thread ------------------------------------------------------------------------
    async def _listen(self) -> None:
        self._servers = [
            await asyncio.start_server(self._welcome(node), "127.0.0.1", port)
            for node, port in enumerate(self._doors)
        ]

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        for connection in self._connections:
            connection.reset()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _welcome(self, node: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = self._loop.create_task(self._serve(node, reader, writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        return welcome

    async def _serve(self, node: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        dialler = self._who_dialled(writer.get_extra_info("peername")[1])
        if dialler is None or dialler == node:
            writer.transport.abort()
            return
        connection = _Connection((dialler, node), [writer])
        self._connections.add(connection)
        try:
            await self._let_in(dialler, node)
            there = await asyncio.open_connection("127.0.0.1", self._targets[node])
            connection.writers.append(there[1])
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._carry(reader, there[1], self.links[dialler, node]))
                tasks.create_task(self._carry(there[0], writer, self.links[node, dialler]))
        except* OSError:
            pass
        finally:
            connection.reset()
            self._connections.discard(connection)

    async def _let_in(self, dialler: int, node: int) -> None:
        """Over a cut link nobody connects; the dialler's system tries again after 1 s, 3 s, 7 s and so on."""
        pause_s = 1.0
        while self.links[dialler, node].is_cut or self.links[node, dialler].is_cut:
            await asyncio.sleep(pause_s)
            pause_s *= 2

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: Link) -> None:
        """One direction. Reading goes on while chunks wait for their time, as long as there is room."""
        waiting: deque[tuple[float, bytes]] = deque()
        room, filled = asyncio.Event(), asyncio.Event()
        room.set()

        async def read() -> None:
            last_s = 0.0
            while True:
                await room.wait()
                try:
                    data = await reader.read(CHUNK_BYTES)
                except OSError:
                    data = b""  # reset: over a link that is cut not even that passes
                late_s = self._chance.uniform(*STALL_S) if self._chance.random() < link.stalls else 0.0
                last_s = max(last_s, self._loop.time() + link.delay_s + late_s)  # order is kept
                waiting.append((last_s, data))
                filled.set()
                if not data:
                    return
                if sum(len(chunk) for _, chunk in waiting) > UNDER_WAY_BYTES_MAX:
                    room.clear()

        async def write() -> None:
            while True:
                while not waiting:
                    filled.clear()
                    await filled.wait()
                due_s, data = waiting.popleft()
                await asyncio.sleep(max(0.0, due_s - self._loop.time()))
                while link.is_cut:  # noqa: ASYNC110 - the test's thread cuts and mends it
                    await asyncio.sleep(LOOK_S)
                if not data:
                    raise ConnectionResetError  # one end is gone, so the other goes too
                writer.write(data)
                await writer.drain()
                self.relayed_bytes += len(data)
                room.set()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(read())
            tasks.create_task(write())

    def _who_dialled(self, port: int) -> int | None:
        """The node that has a socket with this local port."""
        inode = _inode_of(port)
        for node in range(len(self._doors)):
            pid = self._pid_of(node)
            if inode is not None and pid is not None and _has_socket(pid, inode):
                return node
        return None


def _inode_of(port: int) -> str | None:
    """Of the established TCP socket on the loopback interface with this local port."""
    local = f"0100007F:{port:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        columns = line.split()
        if columns[1] == local and columns[9] != "0":
            return columns[9]
    return None


def _has_socket(pid: int, inode: str) -> bool:
    wanted = f"socket:[{inode}]"
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if str(entry.readlink()) == wanted:
                    return True
    return False
