"""How often a client may ask, and how many subscriptions it may have at once."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import NamedTuple

from bridge.api.auth import Caller
from bridge.errors import RequestError, StoreUnavailable
from bridge.rate import Rate

RECOUNT_S = 5.0  # between two counts in the database
STALE_S = 2 * RECOUNT_S  # a count that is older says nothing of what others have added
# Of several nodes each knows what the others added as of its last count. Together they add
# less than this share of a limit in that time, unless it is a small one.
NEAR_SHARE, NEAR_LEAST = 0.2, 500
FULL_AGAIN_S = 30.0  # when a client with too many active subscriptions may come back


class Bucket:
    """Tokens for requests: as many at once as the rate counts, refilled evenly. Of several
    nodes each has its part of it.
    """

    def __init__(self, rate: Rate, now: float) -> None:
        self.rate = rate
        self._tokens, self._at = float(rate.count), now

    def wait_s(self, now: float, nodes: int) -> float:
        """0 and a token taken, or the seconds until there is one."""
        per_second = self.rate.per_second / nodes
        most = max(self.rate.count / nodes, 1.0)
        earned = max(now - self._at, 0.0) * per_second
        self._tokens, self._at = min(self._tokens + earned, most), now
        if self._tokens < 1:
            return (1 - self._tokens) / per_second
        self._tokens -= 1
        return 0.0


class Full(NamedTuple):
    """Why there is no room. With `most`: unless the database counts fewer."""

    refusal: RequestError
    most: int | None = None


def requests_of(caller: Caller) -> Rate:
    return caller.settings.limits.requests


class RequestLimit:
    """`limits.requests` of each client, or another rate, counted in this process; `nodes`
    share it.
    """

    def __init__(
        self,
        now: Callable[[], float],
        nodes: Callable[[], int],
        rate: Callable[[Caller], Rate] = requests_of,
    ) -> None:
        self._now, self._nodes, self._rate = now, nodes, rate
        self._buckets: dict[str, Bucket] = {}

    def take(self, caller: Caller) -> None:
        """Raises RequestError `rate_limited`."""
        rate, now = self._rate(caller), self._now()
        bucket = self._buckets.get(caller.name)
        if bucket is None or bucket.rate != rate:
            bucket = self._buckets[caller.name] = Bucket(rate, now)
        wait_s = bucket.wait_s(now, self._nodes())
        if wait_s:
            raise RequestError(
                "rate_limited", f"you may send {rate} requests", retry_after_s=wait_s
            )


class ActiveLimit:
    """`limits.active` of each client.

    Counted in the database when the process starts and up from there. Ends are not
    counted here: a client at its limit is counted anew, at most every RECOUNT_S. So a
    client never gets beyond its limit through one process, and waits at most that long for
    a place. Where several nodes add, one that may be near the limit has each subscription
    counted in its transaction; so has everybody while there is no recent count, for which
    only the request that makes it waits.
    """

    def __init__(
        self,
        counts: Callable[[], Awaitable[Mapping[str, int]]],
        now: Callable[[], float],
        nodes: Callable[[], int],
    ) -> None:
        self._counts, self._now, self._nodes = counts, now, nodes
        self._known: Counter[str] = Counter()
        self._added: Counter[str] = Counter()  # since the last count began
        self._reserved: Counter[str] = Counter()
        self._counted_at = float("-inf")
        self._counting = asyncio.Lock()
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def full(self, caller: Caller) -> Full | None:
        """The refusal of one more, if there is no room; a repeat needs none."""
        most = caller.settings.limits.active
        if self._nodes() > 1:
            if not self._counting.locked():
                with suppress(StoreUnavailable):  # each can be counted by itself
                    await self._recount_once()
            return None if self._far(caller) else Full(self._refusal(caller), most)
        if self._counted_at == float("-inf") or not self._room(caller):
            await self._recount_once()
        return None if self._room(caller) else Full(self._refusal(caller))

    def _far(self, caller: Caller) -> bool:
        """Whether there is room, whatever other nodes have added since the last count."""
        if self._now() - self._counted_at > STALE_S:
            return False
        most = caller.settings.limits.active
        return self._known[caller.name] < most - max(NEAR_SHARE * most, NEAR_LEAST)

    def turn(self, caller: Caller) -> asyncio.Lock:
        """For a subscription that is counted in its transaction: there it would wait for
        the client's others anyway, and keep a connection from everybody else meanwhile.
        """
        return self._turns[caller.name]

    def _refusal(self, caller: Caller) -> RequestError:
        return RequestError(
            "limit_active",
            f"you have {caller.settings.limits.active} active subscriptions, which is "
            "as many as you may have; stop some, or wait for them to end",
            retry_after_s=FULL_AGAIN_S,
        )

    @contextmanager
    def place(self, caller: Caller) -> Iterator[Callable[[], None]]:
        """Keep a place while a subscription is written; call what it gives if one was."""
        self._reserved[caller.name] += 1
        try:
            yield lambda: self._count(caller)
        finally:
            self._reserved[caller.name] -= 1

    def _count(self, caller: Caller) -> None:
        self._known[caller.name] += 1
        self._added[caller.name] += 1

    async def _recount_once(self) -> None:
        async with self._counting:
            if self._now() - self._counted_at >= RECOUNT_S:
                await self._recount()

    async def _recount(self) -> None:
        """What is added meanwhile may or may not be in that count: it counts on top."""
        self._added.clear()
        counted_at = self._now()
        self._known = Counter(await self._counts()) + self._added
        self._counted_at = counted_at

    def _room(self, caller: Caller) -> bool:
        taken = self._known[caller.name] + self._reserved[caller.name]
        return taken < caller.settings.limits.active
