"""What the methods of each room work with."""

import secrets
import string
from collections.abc import Callable

from bridge.store.box import Box
from bridge.store.delivering import Rest
from bridge.store.steps import Database

ALPHABET = string.digits + string.ascii_letters
KEY_LENGTH = 22  # characters of base62: 131 bits


def minted_key() -> str:
    """The random part of a subscription's id, from which all its other ids derive.

    Drawn as one number: a draw for each character would take a third of a subscribe.
    """
    drawn, key = secrets.randbelow(len(ALPHABET) ** KEY_LENGTH), ""
    for _ in range(KEY_LENGTH):
        drawn, digit = divmod(drawn, len(ALPHABET))
        key += ALPHABET[digit]
    return key


class Room:
    """Every method is one transaction; each write is on disk when it returns.

    Times are unix seconds. `client` None stands for the operator, who sees all clients.
    Keys of subscriptions are their ids without the prefix.
    Raises StoreUnavailable, with nothing written, if the database does not answer.
    """

    def __init__(
        self, database: Database, box: Box, mint: Callable[[], str] = minted_key
    ) -> None:
        self.database, self._box, self._mint = database, box, mint

    async def finish(self, rest: Rest | None) -> list[str]:
        """Do what a step has left, each part a transaction; the keys of all it closes."""
        closed: list[str] = []
        while rest is not None:
            closed += rest.closed
            rest = await self.database.write(rest.step) if rest.step else None
        return closed
