"""A database as commands look at it, beside those who serve from it: it is only read."""

from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from bridge.vault import Vault


class Condition(StrEnum):
    """What `serve` would find."""

    MISSING = "does not exist yet; the bridge will make it"
    EMPTY = "has no tables yet; the bridge, or `migrate`, will make them"
    OLD = "has an older schema; the bridge, or `migrate`, will bring it up to date"
    CURRENT = "is up to date"


class Beside(Protocol):
    """Every method raises StoreUnavailable; a URL that cannot be used is a ConfigError."""

    name: str  # for people, without the password

    async def condition(self) -> Condition:
        """Raises StoreUnavailable also if the bridge could not make it."""

    async def schema(self) -> int:
        """The number of the last migration; 0: there are no tables."""

    async def in_use(self) -> tuple[set[str], set[str]]:
        """Clients and providers that have work in flight."""

    async def trial(self, vault: "Vault") -> tuple[bool, str]:
        """Whether its commits wait for the disk, and who is at work on it.

        Raises SealBroken if the keys do not open it, StoreLocked if nobody else may look.
        """

    async def check_free(self) -> None:
        """Raises StoreLocked if a bridge is seen to be at work, StoreUnavailable also if
        there is nothing to work on: a slip in the name must not make a new database.
        """

    def alone(self) -> AbstractAsyncContextManager[None]:
        """No bridge starts meanwhile. Raises StoreLocked if one is just starting."""
