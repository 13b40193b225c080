"""`?wait=30`: an answer that is held until there is something to tell."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from starlette.requests import Request

from bridge.api.deps import Deps
from bridge.errors import StoreUnavailable
from bridge.model import Subscription, SubscriptionState

# Without being woken: another node may have written what we wait for, and we may be told
# to stop.
LOOK_S = 1.0
# All callers that wait are woken by every poll. Each looks again after as many of these as
# there are of them, so that together they read the database a thousand times a second at
# most.
SHARE_S = 0.001
LEAST_GAP_S = 0.05

Done = Callable[[Subscription], bool]


def ended(subscription: Subscription) -> bool:
    return subscription.state is not SubscriptionState.ACTIVE


def polled_or_ended(subscription: Subscription) -> bool:
    return subscription.last_poll is not None or ended(subscription)


class Waiting:
    """Holds answers back."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._callers = 0

    async def until(
        self, done: Done, seen: Subscription, wait_s: float, request: Request
    ) -> Subscription:
        """`seen`, or what has become of it when it is `done` or the time is over.

        Ends early when the caller goes away, when we are stopping, and when the database
        fails: what is known is worth more than an error then.
        """
        if wait_s <= 0 or done(seen):
            return seen
        self._callers += 1
        try:
            with self._deps.bell.listen(seen.id.removeprefix("sub_")) as rung:
                async with departure(request, rung) as gone:
                    return await self._watch(done, seen, wait_s, rung, gone)
        finally:
            self._callers -= 1

    async def _watch(
        self,
        done: Done,
        seen: Subscription,
        wait_s: float,
        rung: asyncio.Event,
        gone: asyncio.Event,
    ) -> Subscription:
        clock, until = self._deps.clock, self._deps.clock.now() + wait_s
        while not gone.is_set() and not self._deps.draining():
            rung.clear()
            looked_at = clock.now()
            seen = await self._look(seen)
            if done(seen) or looked_at >= until:
                break
            await clock.wait(rung, min(until - looked_at, LOOK_S))
            gap_s = max(LEAST_GAP_S, self._callers * SHARE_S)
            rest_s = min(looked_at + gap_s, until) - clock.now()
            if rest_s > 0:
                await clock.wait(gone, rest_s)
        return seen

    async def _look(self, seen: Subscription) -> Subscription:
        key = seen.id.removeprefix("sub_")
        try:
            return await self._deps.store.subscription(key, seen.client) or seen
        except StoreUnavailable:
            return seen


@asynccontextmanager
async def departure(request: Request, rung: asyncio.Event) -> AsyncIterator[asyncio.Event]:
    """An event that is set, and `rung` with it, when the caller closes the connection."""
    gone = asyncio.Event()

    async def listen() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone.set()
        rung.set()

    async with asyncio.TaskGroup() as group:
        listening = group.create_task(listen())
        try:
            yield gone
        finally:
            listening.cancel()
