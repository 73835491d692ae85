"""The store: final blocks and everything derived from them, in one LevelDB.

A block arrives as one `BlockCommit` and becomes one synced write batch: after a crash all of it is there or
nothing, and the height, written with the rest, says which. Nothing else is ever written, so no unsynced
write can leave a hole behind. `layout` says what is kept under which key, `view` reads it, `database` writes.
"""

from node.store.database import Store, StoreFailed
from node.store.layout import (
    STORE_FORMAT,
    BlockCommit,
    Epoch,
    Place,
    account_subject,
    contract_subject,
)
from node.store.rows import REMEDY, HotRows, Rows, sealed
from node.store.view import View

__all__ = [
    "REMEDY",
    "STORE_FORMAT",
    "BlockCommit",
    "Epoch",
    "HotRows",
    "Place",
    "Rows",
    "Store",
    "StoreFailed",
    "View",
    "account_subject",
    "contract_subject",
    "sealed",
]
