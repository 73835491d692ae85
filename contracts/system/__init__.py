"""Contracts that the chain itself runs on, written in Python as part of the node.

They are called like any other contract, by these names; no instance can take one of them.
"""

from collections.abc import Mapping

from contracts.system.accounts import ACCOUNTS
from contracts.system.actions import SystemContract
from contracts.system.decisions import Deciding
from contracts.system.members import DECIDING as MEMBER_DECISIONS
from contracts.system.members import MEMBERS_CONTRACT
from contracts.system.registry import CONTRACTS
from contracts.system.registry import DECIDING as CODE_DECISIONS

DECISIONS: Mapping[str, Deciding] = {each.contract: each for each in (CODE_DECISIONS, MEMBER_DECISIONS)}
"""What each system contract decides by proposals."""
SYSTEM: Mapping[str, SystemContract] = {
    contract.name: contract for contract in (ACCOUNTS, CONTRACTS, MEMBERS_CONTRACT)
}
