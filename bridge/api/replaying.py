"""`POST /deliveries/retry`: one attempt more of each of many deliveries.

They are taken in chunks, each on disk before the next is begun, so that nobody waits long
for the database and a request that breaks off has done what it had done. A repeat of it
goes on with the rest: what still waits for its attempt is not asked for another; under an
Idempotency-Key nothing is, that was taken once.
"""

import asyncio
import math
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import structlog
from starlette.requests import Request
from starlette.responses import Response

from bridge.api import idempotency, query
from bridge.api.auth import Caller, Doorkeeper
from bridge.api.body import read_fields
from bridge.api.choosing import MOST, ReplayBody, body_of
from bridge.api.deps import Deps
from bridge.api.listing import Listing
from bridge.api.problem import STORE_AGAIN_S
from bridge.api.respond import Json
from bridge.errors import RequestError, StoreUnavailable
from bridge.model import IdempotencyKey
from bridge.rfc3339 import rfc3339
from bridge.store import After
from bridge.store.replaying import BEGINNING, ReplayFilter
from bridge.store.resuming import Kept, Progress

ROUTE = "deliveries/retry"
FOUND = 10_000  # by one look, in which nothing is written
CHUNK = 500  # of one transaction

log = structlog.get_logger(__name__)


class Asked(NamedTuple):
    """What was made after it began is not meant, and a 410 that came after it stands."""

    wanted: ReplayFilter  # of any state
    states: Sequence[str]
    most: int
    caller: Caller
    kept: Kept | None = None  # under an Idempotency-Key


@dataclass(frozen=True, slots=True)
class Counted:
    """`until` is when those were made at the latest that were counted, `as_of` by when they
    were in their state: given with the replay, it takes no others that come after.
    """

    count: int
    until: float
    as_of: float

    @property
    def told(self) -> dict[str, int | str]:
        until, as_of = rfc3339(self.until), rfc3339(self.as_of)
        return {"count": self.count, "until": until, "as_of": as_of}


class Replaying:
    """One replay of each client at a time: two that are equal share what there is."""

    def __init__(self, deps: Deps, keeper: Doorkeeper, listing: Listing) -> None:
        self._deps, self._keeper, self._listing = deps, keeper, listing
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._in_flight = idempotency.InFlight()

    async def replay(self, request: Request, caller: Caller) -> Response:
        query.read_query(request, {})
        key, given = idempotency.key_of(request), await read_fields(request)
        body = body_of(given, caller)
        if body.dry_run:
            counted = await self.counted(body, caller)
            return Json(counted.told)
        used = idempotency.remembered(ROUTE, key, given)
        taken, again = await self.replayed(body, caller, used)
        headers = idempotency.replay_header(replayed=again)
        return Json({"count": taken}, 202, headers)

    async def counted(self, body: ReplayBody, caller: Caller) -> Counted:
        """How many would be owed an attempt more. Raises RequestError."""
        start = Progress(self._deps.clock.now())
        until = min(math.inf if body.until is None else body.until, end_of(start.began_at))
        as_of = min(start.began_at if body.as_of is None else body.as_of, start.began_at)
        as_of = math.floor(as_of * 1000) / 1000  # as it is written
        asked = asked_of(body.model_copy(update={"as_of": as_of}), caller, start)
        found = self._found(asked, start)
        return Counted(sum([len(some) async for _, some in found]), until, as_of)

    async def replayed(
        self, body: ReplayBody, caller: Caller, used: IdempotencyKey | None = None
    ) -> tuple[int, bool]:
        """How many are owed an attempt more; whether they were before, under the same key.
        Raises RequestError.
        """
        kept = None if used is None else Kept(caller.name, used)
        with self._in_flight.hold(caller.name, ROUTE, used.key if used else None):
            start, done = await self._taken(body, caller, kept)
        return done.taken, start.ended

    async def _taken(
        self, body: ReplayBody, caller: Caller, kept: Kept | None = None
    ) -> tuple[Progress, Progress]:
        """How far it had come, and has come now."""
        async with self._turns[caller.name]:
            start = await self._begun(kept)
            asked = asked_of(body, caller, start, kept)
            return start, start if start.ended else await self._take_all(asked, start)

    async def _begun(self, kept: Kept | None) -> Progress:
        now = self._deps.clock.now()
        if kept is None:
            return Progress(now)
        return await self._deps.store.begin_replay(kept, now=now)

    async def _take_all(self, asked: Asked, start: Progress) -> Progress:
        done = start
        try:
            done = await self._take_left(asked, done)
            async for number, found in self._found(asked, done):
                for at in range(0, len(found), CHUNK):
                    if self._deps.draining():
                        raise broken_off("not_ready", done.taken)
                    done = await self._take(asked, done, number, found[at : at + CHUNK])
            if asked.kept is not None:
                done = await self._deps.store.end_replay(asked.kept, done)
        except StoreUnavailable as error:
            if not done.taken:
                raise
            log.warning("store.unavailable", loop="api", error=str(error))
            raise broken_off("store_unavailable", done.taken) from error
        finally:
            count = done.taken - start.taken
            log.info("deliveries.replayed", client=asked.caller.name, count=count)
        return done

    async def _take_left(self, asked: Asked, so_far: Progress) -> Progress:
        """Where the request broke off that came first under the key."""
        if asked.kept is None or not so_far.left:
            return so_far
        now = await self._still_signed(asked.caller)
        state = asked.states[so_far.state]
        return await self._deps.store.replay_left(asked.kept, so_far, state, now=now)

    async def _take(
        self, asked: Asked, so_far: Progress, number: int, chunk: Sequence[After]
    ) -> Progress:
        """`number`: of the state that these are in."""
        now, store = await self._still_signed(asked.caller), self._deps.store
        ids, state = [one.id for one in chunk], asked.states[number]
        chosen = so_far.chosen + len(chunk)
        done = so_far._replace(state=number, after=chunk[-1], chosen=chosen)
        if asked.kept is not None:
            done = await store.replay_on(asked.kept, so_far, done, ids, state, now=now)
        else:
            began_at = so_far.began_at
            taken = await store.replay(ids, state, began_at=began_at, now=now)
            done = done._replace(taken=so_far.taken + taken)
        self._deps.wake_dispatcher()
        return done

    async def _still_signed(self, caller: Caller) -> float:
        """Now, for attempts for nobody could not be signed. Raises RequestError."""
        await self._deps.leaving.decided(f"clients.{caller.name}")
        self._keeper.again(caller)
        return self._deps.clock.now()

    async def _found(
        self, asked: Asked, start: Progress
    ) -> AsyncIterator[tuple[int, Sequence[After]]]:
        """By number of their state, from where it has come to; some more are looked up when
        the ones before are done with.
        """
        left, begin = asked.most - start.chosen, start.after
        for number in range(start.state, len(asked.states)):
            wanted = replace(asked.wanted, state=asked.states[number])
            after: After | None = begin
            while after is not None and left > 0:
                async with self._listing.turn(asked.caller):
                    page = await self._deps.store.find_replays(
                        wanted,
                        began_at=start.began_at,
                        after=after,
                        limit=min(FOUND, left),
                    )
                left, after = left - len(page.found), page.after
                if page.found:
                    yield number, page.found
            begin = BEGINNING


def end_of(now: float) -> float:
    """The next millisecond, as times are written with these: what is made now is before.

    >>> end_of(5.25), end_of(5.2509)
    (5.251, 5.251)
    """
    return (math.floor(now * 1000) + 1) / 1000


def asked_of(
    body: ReplayBody, caller: Caller, start: Progress, kept: Kept | None = None
) -> Asked:
    until = math.inf if body.until is None else body.until
    wanted = ReplayFilter(
        client=getattr(body, "client", None) or caller.scope,
        subscription_key=body.subscription_id,
        host=body.host,
        since=body.since,
        until=min(until, math.nextafter(start.began_at, math.inf)),
        as_of=body.as_of,
    )
    return Asked(wanted, body.state, body.limit or MOST, caller, kept)


def broken_off(code: str, taken: int) -> RequestError:
    detail = f"{taken} deliveries were taken before it broke off; ask again for the rest"
    return RequestError(code, detail, retry_after_s=STORE_AGAIN_S)
