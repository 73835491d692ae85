"""The system contract `accounts`: who may act, and with which keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from consensus.codec import PUBLIC_KEY_BYTES
from consensus.transactions import Json, is_name
from contracts.layout import ACCOUNT, KEYS_MAX, Account, account_key
from contracts.system.actions import SystemAction, SystemContract, refusal, text_argument

if TYPE_CHECKING:
    from contracts.execution import Run

_NAME = "accounts"
_KEY = re.compile(rf"[0-9a-f]{{{2 * PUBLIC_KEY_BYTES}}}\Z")


def _register(run: Run, arguments: Mapping[str, Json]) -> None:
    member, account = run.signers[0], text_argument(arguments, "account")
    if not run.has_member(member):
        raise refusal("unauthorised", f"only a member registers accounts; {member} is none")
    if not is_name(account) or not account.startswith(f"{member}."):
        raise refusal("arguments", f"{member} may register names that begin with {member}. (64 long at most)")
    if run.context.has_account(account):
        raise refusal("exists", f"there is an account {account}; its own keys change it, with set_keys")
    keys = _keys(arguments["keys"])
    run.write(account_key(account), Account(keys, member), ACCOUNT)
    run.emit(_NAME, "registered", (("account", account), ("member", member), ("keys", list(keys))))


def _set_keys(run: Run, arguments: Mapping[str, Json]) -> None:
    account = text_argument(arguments, "account")
    if account != run.signers[0]:
        raise refusal("unauthorised", f"only {account} changes its own keys, not {run.signers[0]}")
    before = run.context.account(account)
    if before is None:
        raise refusal("unknown", f"there is no account {account}")
    keys = _keys(arguments["keys"])
    run.write(account_key(account), Account(keys, before.member), ACCOUNT)
    run.emit(_NAME, "keys_set", (("account", account), ("before", list(before.keys)), ("keys", list(keys))))


def _keys(raw: Json) -> tuple[bytes, ...]:
    if type(raw) is not list or not 1 <= len(raw) <= KEYS_MAX:
        raise refusal("arguments", f"keys must be a list of 1 to {KEYS_MAX}")
    if not all(type(key) is str and _KEY.match(key) for key in raw):
        raise refusal("arguments", f"a key is {2 * PUBLIC_KEY_BYTES} lower-case hex digits (Ed25519)")
    if len(set(raw)) != len(raw):
        raise refusal("arguments", "a key is listed twice")
    return tuple(sorted(bytes.fromhex(key) for key in raw))


ACCOUNTS = SystemContract(
    name=_NAME,
    text="Who may act, and with which keys.",
    actions={
        "register": SystemAction(
            "a member opens an account for its own people or systems", ("account", "keys"), _register
        ),
        "set_keys": SystemAction("an account replaces its own keys", ("account", "keys"), _set_keys),
    },
)
