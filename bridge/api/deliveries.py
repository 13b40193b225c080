"""Reading deliveries with their attempts, and asking for one more attempt."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from bridge.api import idempotency, query
from bridge.api.auth import Caller, Doorkeeper
from bridge.api.deps import Deps
from bridge.api.listing import Listing
from bridge.api.respond import Json
from bridge.api.views import attempt_view, delivery_view
from bridge.errors import RequestError
from bridge.ids import parse_message_id
from bridge.model import Delivery, DeliveryState, IdempotencyKey
from bridge.store import DeliveryFilter
from bridge.store.asking import AskedFor, Once
from bridge.store.reading import NEWEST

LIST, ROUTE = "deliveries", "deliveries/{id}/retry"


def subscription_key(text: str) -> str:
    if not text.startswith("sub_") or not text[4:].isalnum():
        raise ValueError("must be the id of a subscription: sub_…")
    return text[4:]


READERS = {
    "state": query.one_of(DeliveryState),
    "since": query.time,
    "until": query.time,
    "host": query.host,
    "subscription_id": subscription_key,
    "limit": query.limit,
    "cursor": query.cursor(LIST),
}
OPERATORS = {"client": query.plain_text}


class Deliveries:
    def __init__(self, deps: Deps, keeper: Doorkeeper, listing: Listing) -> None:
        self._deps, self._keeper, self._listing = deps, keeper, listing
        self._in_flight = idempotency.InFlight()

    async def list(self, request: Request, caller: Caller) -> Response:
        """Newest first. `since` and `until` mean when the delivery was made."""
        asked = query.read_query(request, READERS | (OPERATORS if caller.operator else {}))
        wanted = DeliveryFilter(
            client=asked.get("client", caller.scope),
            subscription_key=asked.get("subscription_id"),
            state=asked.get("state"),
            host=asked.get("host"),
            since=asked.get("since"),
            until=asked.get("until"),
        )
        async with self._listing.turn(caller):
            page = await self._deps.store.deliveries(
                wanted,
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
        return Json(detailed(await self._found(request, caller), caller))

    async def retry(self, request: Request, caller: Caller) -> Response:
        """One attempt more, at once; the schedule goes on as if it had not been."""
        query.read_query(request, {})
        key, asked = idempotency.key_of(request), AskedFor(*parts_of(request), caller.scope)
        with self._in_flight.hold(caller.name, ROUTE, key):
            await self._deps.leaving.decided(f"clients.{caller.name}")
            caller = self._keeper.again(caller)  # it could not be signed for nobody
            used = idempotency.remembered(ROUTE, key, asked[:3])
            done = await self._ask(asked, caller, used)
        if not done.found:
            raise not_found()
        if not done.replayed:
            self._deps.wake_dispatcher()
        told = detailed(await self._found(request, caller), caller)
        return Json(told, 202, idempotency.replay_header(replayed=done.replayed))

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

    async def _found(self, request: Request, caller: Caller) -> Delivery:
        key, sequence, hook = parts_of(request)
        found = await self._deps.store.delivery(key, sequence, caller.scope, hook)
        if found is None:
            raise not_found()
        return found


def detailed(delivery: Delivery, caller: Caller) -> dict[str, Any]:
    return delivery_view(delivery, caller) | {
        "attempts": [attempt_view(attempt) for attempt in delivery.log]
    }


def parts_of(request: Request) -> tuple[str, int, str]:
    """The subscription's key, the event's number and the hook's key, if it is for one: they
    are in the delivery's id.
    """
    parts = parse_message_id(request.path_params["id"])
    if parts is None:
        raise not_found()
    return parts[0].removeprefix("sub_"), parts[1], parts[2] or ""


def not_found() -> RequestError:
    """Also for what others own: who may not see it learns nothing of it."""
    return RequestError("delivery_not_found", "you have no delivery of this id")
