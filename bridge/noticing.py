"""Tells the operator each minute what is new, by this node and by the database."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import structlog

from bridge import formats
from bridge.clock import Clock
from bridge.config import Notify
from bridge.messages.notices import Seen
from bridge.model import Destination, Robot
from bridge.polling.standing import Standing
from bridge.providers.provider import Provider
from bridge.receivers import callback
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
        to = self._to(destination_of(self._notify))
        owed = await self._store.notice(to, seen, now=self._clock.now())
        del self._standing.untold[: len(words)]
        for notice in owed:
            log.warning("operator.noticed", type=notice.type, subject=notice.subject)
        return bool(owed)

    def _to(self, destination: Destination) -> NoticesTo:
        keyed = [name for name, each in self._providers().items() if each.key is not None]
        return NoticesTo(
            destination=destination,
            format=self._notify.format,
            types=self._notify.events,
            keyed=keyed,
        )


def destination_of(notify: Notify) -> Destination:
    """Where notices go. Raises RequestError if it cannot be called at all."""
    assert notify.url is not None  # noqa: S101 - the caller has looked
    url = notify.url.get_secret_value()
    found = callback.destination(url, {}, https_only=False, field=FIELD)
    if notify.format not in formats.ROBOTS:
        return found
    secret = notify.robot_secret
    robot = Robot(
        kind=notify.format,
        secret=secret.get_secret_value() if secret else None,
        keyword=notify.robot_keyword,
    )
    return replace(found, robot=robot)
