"""The first state: what a genesis that all members signed says, as records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contracts.epochs import EPOCH, EPOCH_KEY, FIRST_EPOCH, NextEpoch
from contracts.layout import (
    ACCOUNT,
    CHAIN,
    CHAIN_KEY,
    MEMBERS_KEY,
    PARAMETERS_KEY,
    VALUE,
    Account,
    Chain,
    Member,
    account_key,
)
from contracts.register import put_member
from contracts.state import Overlay
from contracts.versions import write_first_version


def write_genesis(overlay: Overlay, body: Mapping[str, Any], genesis_hash: bytes) -> None:
    """Write chain, parameters, members and accounts.

    Every member is a validator of the first epoch, and an account of its administrator key.
    """
    overlay.put(CHAIN_KEY, Chain(body["name"], genesis_hash, body["time_ms"]), CHAIN)
    overlay.put(PARAMETERS_KEY, dict(body["parameters"]), VALUE)
    write_first_version(overlay, body["parameters"]["execution_version"])
    validators = ((each["number"], bytes.fromhex(each["validator_key"])) for each in body["members"])
    overlay.put(EPOCH_KEY, NextEpoch(FIRST_EPOCH, tuple(validators)), EPOCH)
    for member in body["members"]:
        validator, network, admin = (
            bytes.fromhex(member[f"{role}_key"]) for role in ("validator", "network", "admin")
        )
        record = Member(member["number"], member["title"], validator, network, admin, member["address"])
        put_member(overlay, member["id"], record)
        overlay.put(account_key(member["id"]), Account((admin,), member["id"]), ACCOUNT)
    overlay.put(MEMBERS_KEY, len(body["members"]), VALUE)
    for account in body["accounts"]:
        keys = tuple(sorted(bytes.fromhex(key) for key in account["keys"]))
        overlay.put(account_key(account["id"]), Account(keys, account["member"]), ACCOUNT)
