"""Reading deliveries with their attempts, and asking for one more attempt."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from bridge.api import idempotency, query
from bridge.api.auth import Caller, Doorkeeper
from bridge.api.deps import Deps
from bridge.api.listing import Listing
from bridge.api.respond import Json
from bridge.api.views import delivery_view, detailed
from bridge.errors import RequestError
from bridge.messages.ids import parse_message_id
from bridge.model import Delivery, DeliveryState, IdempotencyKey
from bridge.store import DeliveryFilter
from bridge.store.asking import AskedFor, Once
from bridge.store.reading import NEWEST

LIST, ROUTE = "deliveries", "deliveries/{id}/retry"


def subscription_key(text: str) -> str:
    if not text.startswith("sub_") or not text[4:].isalnum():
        raise ValueError("must be the id of a subscription: sub_…")
    return text[4:]


READERS: dict[str, query.Reader] = {
    "state": query.one_of(DeliveryState),
    "since": query.time,
    "until": query.time,
    "host": query.host,
    "subscription_id": subscription_key,
    "limit": query.limit,
    "cursor": query.Cursor(LIST),
}
OPERATORS: dict[str, query.Reader] = {"client": query.plain_text}


class Deliveries:
    def __init__(self, deps: Deps, keeper: Doorkeeper, listing: Listing) -> None:
        self._deps, self._keeper, self._listing = deps, keeper, listing
        self._in_flight = idempotency.InFlight()

    async def list(self, request: Request, caller: Caller) -> Response:
        """Newest first. `since` and `until` mean when the delivery was made."""
        asked = query.read_query(request, READERS | (OPERATORS if caller.operator else {}))
        async with self._listing.turn(caller):
            page = await self._deps.store.deliveries(
                filter_of(asked, caller),
                limit=asked.get("limit", query.DEFAULT_LIMIT),
                before=asked.get("cursor", NEWEST),
            )
        return Json(
            {
                "items": [delivery_view(item, caller) for item in page.items],
                "next_cursor": query.cursor_after(LIST, page.next_before),
            }
        )

    async def get(self, request: Request, caller: Caller) -> Response:
        query.read_query(request, {})
        found = await self.found(request.path_params["id"], caller)
        return Json(detailed(found, caller))

    async def retry(self, request: Request, caller: Caller) -> Response:
        query.read_query(request, {})
        message_id, key = request.path_params["id"], idempotency.key_of(request)
        replayed = await self.ask_again(message_id, caller, key)
        told = detailed(await self.found(message_id, caller), caller)
        return Json(told, 202, idempotency.replay_header(replayed=replayed))

    async def ask_again(
        self, message_id: str, caller: Caller, key: str | None = None
    ) -> bool:
        """One attempt more, at once; the schedule goes on as if it had not been. Whether it
        had been asked for before, under this Idempotency-Key. Raises RequestError.
        """
        parts = parts_of(message_id)
        with self._in_flight.hold(caller.name, ROUTE, key):
            await self._deps.leaving.decided(f"clients.{caller.name}")
            caller = self._keeper.again(caller)  # it could not be signed for nobody
            used = idempotency.remembered(ROUTE, key, parts)
            done = await self._ask(AskedFor(*parts, caller.scope), caller, used)
        if not done.found:
            raise not_found()
        if not done.replayed:
            self._deps.wake_dispatcher()
        return done.replayed

    async def _ask(
        self, asked: AskedFor, caller: Caller, used: IdempotencyKey | None
    ) -> Once:
        now = self._deps.clock.now()
        if used is not None:
            return await self._deps.store.ask_once(asked, caller.name, used, now=now)
        return Once(
            await self._deps.store.ask_for_attempt(
                asked.key, asked.sequence, asked.client, now=now, hook=asked.hook
            )
        )

    async def found(self, message_id: str, caller: Caller) -> Delivery:
        """With its attempts. Raises RequestError."""
        key, sequence, hook = parts_of(message_id)
        found = await self._deps.store.delivery(key, sequence, caller.scope, hook)
        if found is None:
            raise not_found()
        return found


def filter_of(asked: Mapping[str, Any], caller: Caller) -> DeliveryFilter:
    """Of what READERS have read."""
    return DeliveryFilter(
        client=asked.get("client", caller.scope),
        subscription_key=asked.get("subscription_id"),
        state=asked.get("state"),
        host=asked.get("host"),
        since=asked.get("since"),
        until=asked.get("until"),
    )


def parts_of(message_id: str) -> tuple[str, int, str]:
    """The subscription's key, the event's number and the hook's key, if it is for one: they
    are in the delivery's id.
    """
    parts = parse_message_id(message_id)
    if parts is None:
        raise not_found()
    return parts[0].removeprefix("sub_"), parts[1], parts[2] or ""


def not_found() -> RequestError:
    """Also for what others own: who may not see it learns nothing of it."""
    return RequestError("delivery_not_found", "you have no delivery of this id")
