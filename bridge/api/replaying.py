"""`POST /deliveries/retry`: one attempt more of each of many deliveries.

They are taken in chunks, each on disk before the next is begun, so that nobody waits long
for the database and a request that breaks off has done what it had done. A repeat of it
goes on with the rest: what still waits for its attempt is not asked for another.
"""

import asyncio
import math
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, NamedTuple

import structlog
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
)
from starlette.requests import Request
from starlette.responses import Response

from bridge import rfc3339
from bridge.api import query
from bridge.api.auth import Caller, Doorkeeper
from bridge.api.body import read_fields
from bridge.api.deliveries import subscription_key
from bridge.api.deps import Deps
from bridge.api.faults import read_model
from bridge.api.fields import at_most, comma_separated, distinct
from bridge.api.listing import Listing
from bridge.api.problem import STORE_AGAIN_S, refusal
from bridge.api.respond import Json
from bridge.errors import FieldFault, RequestError, StoreUnavailable
from bridge.model import DeliveryState
from bridge.store import After, DeliveryFilter

FOUND = 10_000  # by one look, in which nothing is written
CHUNK = 500  # of one transaction
MOST = 1_000_000
STATES = (
    DeliveryState.WAITING,
    DeliveryState.RETRYING,
    DeliveryState.ACCEPTED,
    DeliveryState.PRESUMED,
    DeliveryState.EXHAUSTED,
    DeliveryState.GONE,
)

log = structlog.get_logger(__name__)


def several(given: Any) -> Any:
    """
    >>> several("gone,exhausted"), several(["gone, exhausted", "accepted"])
    (['gone', 'exhausted'], ['gone', 'exhausted', 'accepted'])
    """
    if isinstance(given, list) and all(isinstance(each, str) for each in given):
        return [word for each in given for word in comma_separated(each)]
    return comma_separated(given)


def known_states(given: tuple[str, ...]) -> tuple[str, ...]:
    if not given or not set(given) <= set(STATES):
        raise ValueError(f"must be one or several of {', '.join(STATES)}")
    return distinct(given)


def time(given: Any) -> float:
    return rfc3339.unix(given if isinstance(given, str) else "")


States = Annotated[
    tuple[str, ...],
    at_most(100),
    BeforeValidator(several),
    AfterValidator(known_states),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "string", "enum": list(STATES)},
            "minItems": 1,
            "maxItems": 100,
        }
    ),
]
Time = Annotated[
    float,
    PlainValidator(time),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class ReplayBody(BaseModel):
    """What `POST /deliveries/retry` takes."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    state: States = Field(
        (DeliveryState.EXHAUSTED,), description="One state of deliveries, or several."
    )
    since: Time | None = Field(None, description="Those made then or later.")
    until: Time | None = Field(None, description="Those made before; at most now.")
    host: Annotated[str, AfterValidator(query.host)] | None = Field(
        None, description="Of the callback, without port."
    )
    subscription_id: Annotated[str, AfterValidator(subscription_key)] | None = Field(
        None, description="Those of one subscription."
    )
    limit: Annotated[int, Field(ge=1, le=MOST)] | None = Field(
        None, description="At most so many, the oldest of each state first."
    )
    dry_run: bool = Field(False, description="Only count them.")


class OperatorsBody(ReplayBody):
    """The same for operators, who see all clients."""

    client: Annotated[str, AfterValidator(query.plain_text)] | None = Field(
        None, description="Only this client's."
    )


class Asked(NamedTuple):
    """What was made after `began_at` is not meant, and a 410 that came after it stands."""

    wanted: DeliveryFilter  # of any state
    states: Sequence[str]
    most: int
    began_at: float


class Replaying:
    """One replay of each client at a time: two that are equal share what there is."""

    def __init__(self, deps: Deps, keeper: Doorkeeper, listing: Listing) -> None:
        self._deps, self._keeper, self._listing = deps, keeper, listing
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def replay(self, request: Request, caller: Caller) -> Response:
        query.read_query(request, {})
        body = body_of(await read_fields(request), caller)
        count = await self.replayed(body, caller)
        return Json({"count": count}, 200 if body.dry_run else 202)

    async def replayed(self, body: ReplayBody, caller: Caller) -> int:
        """How many are owed an attempt more, or would be. Raises RequestError."""
        if body.dry_run:
            return await self._count(self._asked(body, caller), caller)
        async with self._turns[caller.name]:
            return await self._take_all(self._asked(body, caller), caller)

    def _asked(self, body: ReplayBody, caller: Caller) -> Asked:
        now = self._deps.clock.now()
        until = math.inf if body.until is None else body.until
        wanted = DeliveryFilter(
            client=getattr(body, "client", None) or caller.scope,
            subscription_key=body.subscription_id,
            host=body.host,
            since=body.since,
            until=min(until, math.nextafter(now, math.inf)),
        )
        return Asked(wanted, body.state, body.limit or MOST, now)

    async def _count(self, asked: Asked, caller: Caller) -> int:
        return sum([len(ids) async for _, ids in self._found(asked, caller)])

    async def _take_all(self, asked: Asked, caller: Caller) -> int:
        taken = 0
        try:
            async for state, ids in self._found(asked, caller):
                for at in range(0, len(ids), CHUNK):
                    if self._deps.draining():
                        raise broken_off("not_ready", taken)
                    chunk = ids[at : at + CHUNK]
                    taken += await self._take(state, chunk, asked.began_at, caller)
        except StoreUnavailable as error:
            if not taken:
                raise
            raise broken_off("store_unavailable", taken) from error
        finally:
            log.info("deliveries.replayed", client=caller.name, count=taken)
        return taken

    async def _take(
        self, state: str, ids: Sequence[int], began_at: float, caller: Caller
    ) -> int:
        await self._deps.leaving.decided(f"clients.{caller.name}")
        self._keeper.again(caller)  # attempts for nobody could not be signed
        now = self._deps.clock.now()
        taken = await self._deps.store.replay(ids, state, began_at=began_at, now=now)
        self._deps.wake_dispatcher()
        return taken

    async def _found(
        self, asked: Asked, caller: Caller
    ) -> AsyncIterator[tuple[str, Sequence[int]]]:
        """By state; some more are looked up when the ones before are done with."""
        left = asked.most
        for state in asked.states:
            after: After | None = After()
            while after is not None and left > 0:
                async with self._listing.turn(caller):
                    found = await self._deps.store.find_replays(
                        replace(asked.wanted, state=state),
                        began_at=asked.began_at,
                        after=after,
                        limit=min(FOUND, left),
                    )
                left, after = left - len(found.ids), found.after
                if found.ids:
                    yield state, found.ids


def body_of(given: Mapping[str, Any], caller: Caller) -> ReplayBody:
    """Raises RequestError."""
    model = OperatorsBody if caller.operator else ReplayBody
    body, faults, _ = read_model(model, given)
    if body.since is not None and body.until is not None and body.since >= body.until:
        faults.append(FieldFault("until", "must be later than `since`"))
    if faults:
        raise refusal(faults)
    return body


def broken_off(code: str, taken: int) -> RequestError:
    detail = f"{taken} deliveries were taken before it broke off; ask again for the rest"
    return RequestError(code, detail, retry_after_s=STORE_AGAIN_S)
