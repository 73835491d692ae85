"""Settings: flag over environment over file over default, and a wrong value names where it came from."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from node.commands.nodes import start
from node.config import SETTINGS, NodeConfig, config_toml, load_config, read_passphrase
from node.errors import ConfigurationError


def test_each_layer_wins_over_the_next(tmp_path: Path) -> None:
    """Guards the order of layers and what `config show --origin` says of it."""
    (tmp_path / "config.toml").write_text('api_port = 8001\nlog_level = "debug"\nlog_format = "json"\n')
    environ = {"QUORATE_API_PORT": "8002", "QUORATE_LOG_LEVEL": "error", "QUORATE_API_PROT": "1"}
    loaded = load_config(tmp_path, {"api_port": 8003, "listen": None}, environ)
    assert (loaded.config.api_port, loaded.config.log_level, loaded.config.log_format) == (
        8003,
        "error",
        "json",
    )
    assert loaded.config.listen == NodeConfig.model_fields["listen"].default
    assert loaded.origins == dict.fromkeys(SETTINGS, "default") | {
        "api_port": "flag --api-port",
        "log_level": "environment QUORATE_LOG_LEVEL",
        "log_format": f"file {tmp_path / 'config.toml'}",
    }
    assert loaded.ignored == ("QUORATE_API_PROT",)


def test_every_setting_has_a_flag() -> None:
    """Guards the promise that a flag wins: `quorate start` takes one for each setting."""
    assert set(SETTINGS) <= inspect.signature(start).parameters.keys()


def test_the_data_folder_comes_from_the_flag_or_the_environment(tmp_path: Path) -> None:
    """Guards commands that find the folder by QUORATE_DATA."""
    assert load_config(tmp_path, environ={"QUORATE_DATA": "/elsewhere"}).config.data_dir == tmp_path
    assert load_config(environ={"QUORATE_DATA": str(tmp_path)}).config.data_dir == tmp_path
    assert load_config(environ={}).config.data_dir == Path(".quorate")


@pytest.mark.parametrize(
    ("text", "environ", "complaint"),
    [
        (
            "api_port = 70000",
            {},
            r"api_port = 70000 \(file .*\): Input should be less than or equal to 65535",
        ),
        ("", {"QUORATE_API_PORT": "0"}, r"api_port = '0' \(environment QUORATE_API_PORT\)"),
        ("", {"QUORATE_LISTEN": "localhost:1"}, "is no address of a node"),
        ("", {"QUORATE_LOG_FORMAT": "xml"}, "'console' or 'json'"),
        ("prot = 1", {}, "unknown prot; there is listen, api_host"),
        ("port = ", {}, r"cannot read .*config\.toml"),
    ],
)
def test_a_wrong_value_is_one_clear_line(
    tmp_path: Path, text: str, environ: dict[str, str], complaint: str
) -> None:
    """Guards the operator: value, layer and reason in the message."""
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=complaint):
        load_config(tmp_path, environ=environ)


def test_the_file_that_init_writes_reads_back(tmp_path: Path) -> None:
    """Guards config.toml: every setting is in it, the ones not set as comments."""
    text = config_toml({"api_port": 9000, "listen": "/ip4/0.0.0.0/tcp/4001", "passphrase_file": '/a "b"\\c'})
    (tmp_path / "config.toml").write_text(text)
    loaded = load_config(tmp_path, environ={})
    assert (loaded.config.api_port, loaded.config.listen) == (9000, "/ip4/0.0.0.0/tcp/4001")
    assert loaded.config.passphrase_file == Path('/a "b"\\c')
    assert [name for name, origin in loaded.origins.items() if origin != "default"] == [
        "listen",
        "api_port",
        "passphrase_file",
    ]
    assert all(f"{name} = " in text for name in SETTINGS)


def test_a_passphrase_file_is_private_and_not_empty(tmp_path: Path) -> None:
    """Guards the passphrase that an unattended node starts with."""
    file = tmp_path / "passphrase"
    file.write_text("correct horse\n")
    file.chmod(0o600)
    assert read_passphrase(file, {}) == "correct horse"
    assert read_passphrase(file, {"QUORATE_PASSPHRASE": "battery"}) == "battery"
    assert read_passphrase(None, {}) is None
    file.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        read_passphrase(file, {})
    empty = tmp_path / "empty"
    empty.touch(0o600)
    with pytest.raises(ConfigurationError, match="is empty"):
        read_passphrase(empty, {})
    with pytest.raises(ConfigurationError, match="cannot read the passphrase file"):
        read_passphrase(tmp_path / "absent", {})
