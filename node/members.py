"""Cards of members as files that partners exchange; `contracts.cards` says what a card is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from contracts import cards
from contracts.cards import CARD_PREFIX, Account, Card
from contracts.errors import InvalidCard
from node.errors import ConfigurationError
from node.keystore import Keystore, Role

__all__ = ["CARD_PREFIX", "Account", "Card"]


@contextmanager
def card_rules() -> Iterator[None]:
    """What breaks the rules of cards in here is the operator's to mend. Raises: ConfigurationError."""
    try:
        yield
    except InvalidCard as error:
        raise ConfigurationError(str(error)) from None


check_description = card_rules()(cards.check_description)
check_address = card_rules()(cards.check_address)
check_account_name = card_rules()(cards.check_account_name)
parse_card = card_rules()(cards.parse_card)


@card_rules()
def card_of(keys: Keystore, member: str, title: str, address: str, accounts: Sequence[str]) -> Card:
    """The card of a member whose keys lie here. Raises: ConfigurationError."""
    return Card(
        id=member,
        title=title,
        address=address,
        validator_key=keys.public(Role.VALIDATOR),
        network_key=keys.public(Role.NETWORK),
        admin_key=keys.public(Role.ADMINISTRATOR),
        accounts=tuple(Account(name, (keys.public(name),)) for name in sorted(accounts)),
    )


def signed_card(card: Card, keys: Keystore) -> dict[str, Any]:
    """The JSON object for member.json. Raises: ConfigurationError."""
    message = cards.card_message(card)
    signatures = {role.value: keys.private(role).sign(message).hex() for role in Role}
    return {"card": cards.card_json(card), "signatures": signatures}
