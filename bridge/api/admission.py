"""A request → what is to be written, by the configuration of that very moment.

Its body may arrive slowly, and the name of its callback may be slow to resolve. If a reload
comes in between, it is judged anew: its client, provider, grant or room may be gone.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from bridge.api.auth import Caller, Doorkeeper
from bridge.api.deps import Deps
from bridge.api.limits import ActiveLimit, Full
from bridge.api.target import vetted
from bridge.api.way import way_warnings
from bridge.api.wishing import wish_of
from bridge.model import Wish


class Admitted(NamedTuple):
    wish: Wish
    caller: Caller  # as it is now
    full: Full | None  # why there is no room, unless it is a repeat
    warnings: list[dict[str, Any]]

    @property
    def counted(self) -> bool:
        """Whether the database counts the client's others before it is written."""
        return self.full is not None and self.full.most is not None


class Admission:
    def __init__(self, deps: Deps, keeper: Doorkeeper, active: ActiveLimit) -> None:
        self._deps, self._keeper, self._active = deps, keeper, active

    async def admitted(
        self, given: Mapping[str, Any], provider_key: str | None, caller: Caller
    ) -> Admitted:
        """Good as long as nobody awaits anything before it is queued to be written: what a
        reload finds is what was queued. Raises RequestError.
        """
        while True:
            config = self._deps.config()
            caller = self._keeper.again(caller)
            wish = wish_of(
                given,
                provider_key,
                caller,
                self._deps.providers(),
                https_only=config.callbacks.https_only,
                first_s=self._deps.first_s,
            )
            to = wish.destination
            warnings = await vetted(to, self._deps.vet) if to else []
            warnings += way_warnings(wish)
            full = await self._active.full(caller)
            await self._deps.leaving.decided(
                f"clients.{caller.name}", f"providers.{wish.provider}"
            )
            if self._deps.config() is config:
                return Admitted(wish, caller, full, warnings)
