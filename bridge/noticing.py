"""Tells the operator each minute what is new, by this node and by the database."""

from collections.abc import Callable, Mapping

import structlog

from bridge import callback
from bridge.clock import Clock
from bridge.config import Notify
from bridge.notices import Seen
from bridge.providers.provider import Provider
from bridge.standing import Standing
from bridge.store import NoticesTo, Store

FIELD = "notify.url"

log = structlog.get_logger(__name__)


class Noticing:
    """Without a `notify.url` nobody is told, and nothing is looked for."""

    def __init__(
        self,
        store: Store,
        notify: Notify,
        *,
        providers: Callable[[], Mapping[str, Provider]],
        standing: Standing,
        clock: Clock,
    ) -> None:
        self._store, self._notify, self._providers = store, notify, providers
        self._standing, self._clock = standing, clock

    async def turn(self, late: Mapping[str, float]) -> bool:
        """Whether there is something to deliver. `late`: seconds, by backlog."""
        if self._notify.url is None:
            return False
        words = tuple(self._standing.untold)
        seen = Seen(
            down=dict(self._standing.down), up=self._standing.up, words=words, late=late
        )
        to = self._to(self._notify.url.get_secret_value())
        owed = await self._store.notice(to, seen, now=self._clock.now())
        del self._standing.untold[: len(words)]
        for notice in owed:
            log.warning("operator.noticed", type=notice.type, subject=notice.subject)
        return bool(owed)

    def _to(self, url: str) -> NoticesTo:
        keyed = [name for name, each in self._providers().items() if each.key is not None]
        return NoticesTo(
            destination=callback.destination(url, {}, https_only=False, field=FIELD),
            format=self._notify.format,
            types=self._notify.events,
            keyed=keyed,
        )
