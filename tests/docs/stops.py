"""Brings about the reasons to stop that docs/operators.md names, and says how the node stopped.

    python -m tests.docs.stops FOLDER SCRATCH

FOLDER is a data folder whose node has run and stopped; each reason gets a copy in SCRATCH. Prints a JSON
object: what the page says -> [exit code, what the node wrote]. One process serves for all, because importing
libp2p takes long.
"""

from __future__ import annotations

import errno
import json
import re
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path
from unittest import mock

from node import genesis, journal
from node.config import NodeConfig, load_config
from node.disk import Disk, FolderLock
from node.keystore import Keystore, Role
from node.ports import free_ports
from node.runtime import run_node
from node.store import Store, sealed


class FullDisk(Disk):
    """Takes no more bytes."""

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def change_key(config: NodeConfig, role: Role) -> None:
    (config.keys_dir / f"{role}.pem").unlink()
    Keystore(config.keys_dir).create(role)


def seal_key(config: NodeConfig) -> None:
    key = config.keystore().private(Role.VALIDATOR)
    (config.keys_dir / "validator.pem").unlink()
    Keystore(config.keys_dir).add(Role.VALIDATOR, key, "secret")


def drop_signatures(config: NodeConfig) -> None:
    unsigned = genesis.SignedGenesis(genesis.read_genesis(config.genesis_path).genesis, {})
    config.genesis_path.unlink()
    genesis.write_genesis(config.genesis_path, unsigned)


def port_of(address: str) -> int:
    return int(re.split("[:/]", address)[-1])


def take_port(port: int) -> socket.socket:
    other = socket.socket()
    other.bind(("127.0.0.1", port))
    other.listen()
    return other


def flip_bit(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def damage_journal(config: NodeConfig) -> None:
    (segment,) = config.journal_dir.glob("segment-*")
    flip_bit(segment, -3)


def damage_ledger(config: NodeConfig) -> None:
    Store.open(config.ledger_dir).close()  # what is in LevelDB's log becomes a table
    table = max(config.ledger_dir.glob("*.ldb"), key=lambda path: path.stat().st_size)
    flip_bit(table, table.stat().st_size // 2)


def change_ledger(config: NodeConfig) -> None:
    store = Store.open(config.ledger_dir)
    key = b"account/solo"
    value = store.state.get(key)
    assert value is not None
    store._source.put(b"S" + key, sealed(key, value[:-1] + bytes([value[-1] ^ 1])), sync=True)
    store.close()


def bring_another_chains_ledger(config: NodeConfig) -> None:
    store = Store.open(config.ledger_dir)
    key = b"X" + bytes(8)
    # As if block 0 had been executed from another genesis.
    store._source.put(key, bytes(32) + store._source.get(key)[32:], sync=True)
    store.close()


STOPS: dict[str, Callable[[NodeConfig], object]] = {
    "there is no genesis at": lambda config: config.genesis_path.unlink(),
    "is not signed by ...: a chain starts only when every member signed": drop_signatures,
    "the validator key in ... belongs to no member of": lambda config: change_key(config, Role.VALIDATOR),
    "the network key in ... belongs to no member of": lambda config: change_key(config, Role.NETWORK),
    "was not made with this genesis": bring_another_chains_ledger,
    "can be read by others; say: chmod 600": lambda config: (config.keys_dir / "validator.pem").chmod(0o644),
    "is sealed: set QUORATE_PASSPHRASE, or passphrase_file": seal_key,
    "is in use by process": lambda config: FolderLock(config.journal_dir),
    "cannot listen on ...: the port is taken by another program": lambda config: take_port(
        port_of(config.listen)
    ),
    "the API cannot listen on": lambda config: take_port(config.api_port),
    "probes and metrics cannot listen on": lambda config: take_port(
        int(config.ops_address.rpartition(":")[2])
    ),
    "No space left on device; check the disk": lambda _: mock.patch.object(journal, "Disk", FullDisk).start(),
    "a frame fails its checksum": damage_journal,
    "the database is damaged": damage_ledger,
    "is not what the state root says": change_ledger,
}
"""What the page says, and what brings it about; what that returns is kept until the node has stopped."""


def stop(folder: Path, prepare: Callable[[NodeConfig], object]) -> tuple[int, str]:
    """Exit code and words of a node for which something is prepared."""
    listen, api_port, ops_port = free_ports(3)
    flags = {
        "listen": f"/ip4/127.0.0.1/tcp/{listen}",
        "api_port": api_port,
        "ops_address": f"127.0.0.1:{ops_port}",
        "log_level": "error",
    }
    config = load_config(folder, flags, {}).config
    kept = prepare(config)
    with tempfile.TemporaryFile("w+") as said:  # a real file: the last words go out past Python's buffers
        with redirect_stderr(said):
            code = run_node(config)
        mock.patch.stopall()
        del kept
        said.seek(0)
        return code, said.read()


def main() -> None:
    """Stop nodes for every reason."""
    base, scratch = map(Path, sys.argv[1:])
    found = {}
    for number, (reason, prepare) in enumerate(STOPS.items()):
        folder = shutil.copytree(base, scratch / f"{number}")
        found[reason] = stop(folder, prepare)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
