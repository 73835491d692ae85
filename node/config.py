"""What an operator sets for one node: flag over QUORATE_* over config.toml over default.

Nothing that members must share is here; that is in the genesis. The layers are merged here and not by a
settings library, because `quorate config show --origin` says from which one each value came.
"""

from __future__ import annotations

import json
import os
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from node.documents import shown
from node.errors import ConfigurationError
from node.keystore import Keystore
from node.members import check_address

ENVIRONMENT_PREFIX = "QUORATE_"
DATA_DIR_DEFAULT = Path(".quorate")
CONFIG_FILE = "config.toml"

OFF = ("off", "0")
"""What switches the ops port off."""

_HOST_AND_PORT = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5})")
_COMMANDS_VARIABLES = {"QUORATE_DATA", "QUORATE_NODE", "QUORATE_KEY", "QUORATE_PASSPHRASE"}
"""Read by commands; not settings of a node."""


class NodeConfig(BaseModel):
    """One node's settings and the layout of its data folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data_dir: Path = Field(description="the data folder; --data or QUORATE_DATA")
    listen: str = Field("/ip4/127.0.0.1/tcp/4001", description="where partners' nodes connect, a multiaddr")
    api_host: str = Field("127.0.0.1", description="interface of the REST API and the page", min_length=1)
    api_port: int = Field(7750, description="port of the REST API and the page", ge=1, le=65_535)
    api_names: str = Field("", description="host names the API answers to, beside localhost; comma-separated")
    ops_address: str = Field(
        "127.0.0.1:7760", description="where probes and metrics are, HOST:PORT (port 0: any free one), or off"
    )
    log_format: Literal["console", "json"] = Field("console", description="for people, or for machines")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level logged")
    execution_wall: Literal["off", "process"] = Field(
        "off", description="process: contracts are executed in confined processes of their own"
    )
    passphrase_file: Path | None = Field(None, description="file with the passphrase of sealed keys")

    @field_validator("listen")
    @classmethod
    def _is_address(cls, value: str) -> str:
        try:
            check_address(value)
        except ConfigurationError as error:
            raise ValueError(str(error)) from None
        return value

    @field_validator("ops_address")
    @classmethod
    def _is_host_and_port(cls, value: str) -> str:
        match = _HOST_AND_PORT.fullmatch(value)
        if value not in OFF and (match is None or int(match["port"]) > 65_535):
            raise ValueError("must be HOST:PORT, such as 127.0.0.1:7760, or off")
        return value

    @property
    def ops_endpoint(self) -> tuple[str, int] | None:
        """Host and port of probes and metrics, None where they are off; port 0 means any free one."""
        match = _HOST_AND_PORT.fullmatch(self.ops_address)
        return None if match is None else (match["host"].strip("[]"), int(match["port"]))

    @property
    def config_path(self) -> Path:
        return self.data_dir / CONFIG_FILE

    @property
    def genesis_path(self) -> Path:
        return self.data_dir / "genesis.json"

    @property
    def keys_dir(self) -> Path:
        return self.data_dir / "keys"

    @property
    def journal_dir(self) -> Path:
        return self.data_dir / "journal"

    @property
    def ledger_dir(self) -> Path:
        """LevelDB."""
        return self.data_dir / "ledger"

    @property
    def recorder_dir(self) -> Path:
        """The flight recorder's files."""
        return self.data_dir / "recorder"

    @property
    def code_cache_dir(self) -> Path:
        return self.data_dir / "code-cache"

    @property
    def node_file(self) -> Path:
        """{pid, api_url, ops_url, listen} while the node runs."""
        return self.data_dir / "node.json"

    def keystore(self) -> Keystore:
        """The keys in this data folder, opened with the configured passphrase where they are sealed."""
        return Keystore(self.keys_dir, lambda: read_passphrase(self.passphrase_file))


SETTINGS = tuple(name for name in NodeConfig.model_fields if name != "data_dir")


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """Settings, where each came from in words, and variables QUORATE_* that name no setting."""

    config: NodeConfig
    origins: Mapping[str, str]
    ignored: tuple[str, ...]


def data_dir_of(flag: Path | None, environ: Mapping[str, str] = os.environ) -> Path:
    """The data folder: flag over QUORATE_DATA over .quorate here."""
    return flag or Path(environ.get("QUORATE_DATA") or DATA_DIR_DEFAULT)


def load_config(
    data_dir: Path | None = None,
    flags: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> LoadedConfig:
    """Merge flags (None: not given), environment and the data folder's config.toml over the defaults.

    Raises: ConfigurationError that names the layer of the wrong value.
    """
    folder = data_dir_of(data_dir, environ)
    file = _read_toml(folder / CONFIG_FILE)
    values: dict[str, Any] = {}
    origins = dict.fromkeys(SETTINGS, "default")
    for name in SETTINGS:
        variable = ENVIRONMENT_PREFIX + name.upper()
        if flags is not None and flags.get(name) is not None:
            values[name], origins[name] = flags[name], f"flag --{name.replace('_', '-')}"
        elif variable in environ:
            values[name], origins[name] = environ[variable], f"environment {variable}"
        elif name in file:
            values[name], origins[name] = file[name], f"file {folder / CONFIG_FILE}"
    try:
        config = NodeConfig(data_dir=folder, **values)
    except ValidationError as error:
        problem = error.errors()[0]
        name = str(problem["loc"][0])
        why = problem["msg"].removeprefix("Value error, ")
        raise ConfigurationError(f"{name} = {shown(values[name])} ({origins[name]}): {why}") from None
    known = {ENVIRONMENT_PREFIX + name.upper() for name in SETTINGS} | _COMMANDS_VARIABLES
    ignored = sorted(name for name in environ if name.startswith(ENVIRONMENT_PREFIX) and name not in known)
    return LoadedConfig(config, origins, tuple(ignored))


def read_passphrase(file: Path | None, environ: Mapping[str, str] = os.environ) -> str | None:
    """QUORATE_PASSPHRASE, or the first line of the passphrase file, or None. Raises: ConfigurationError."""
    if "QUORATE_PASSPHRASE" in environ:
        return environ["QUORATE_PASSPHRASE"]
    if file is None:
        return None
    try:
        if file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigurationError(f"{file} can be read by others; say: chmod 600 {file}")
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read the passphrase file {file}: {error}") from None
    if not lines or not lines[0]:
        raise ConfigurationError(f"the first line of the passphrase file {file} is empty")
    return lines[0]


def config_toml(values: Mapping[str, str | int]) -> str:
    """A config.toml with these settings set and every other one shown as a comment."""
    lines = ["# Settings of this node. A flag or a QUORATE_* variable wins over this file.", ""]
    for name in SETTINGS:
        field = NodeConfig.model_fields[name]
        shown = values.get(name, field.default)
        text = json.dumps("" if shown is None else shown)  # text and numbers look the same in TOML
        lines += [f"# {field.description}", f"{'' if name in values else '# '}{name} = {text}", ""]
    return "\n".join(lines)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            values = tomllib.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:  # no TOML, no UTF-8, too long a number, too deep
        raise ConfigurationError(f"cannot read {path}: {error}") from None
    unknown = sorted(values.keys() - set(SETTINGS))
    if unknown:
        raise ConfigurationError(f"{path}: unknown {', '.join(unknown)}; there is {', '.join(SETTINGS)}")
    return values
