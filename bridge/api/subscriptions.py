"""Reading subscriptions, and stopping them."""

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from bridge.api import query
from bridge.api.auth import Caller
from bridge.api.deps import Deps
from bridge.api.hints import Hints
from bridge.api.listing import Listing
from bridge.api.respond import Json
from bridge.api.views import subscription_view, timeline_view
from bridge.api.waiting import Waiting, ended
from bridge.errors import RequestError
from bridge.model import Outcome, Status, Subscription, SubscriptionState
from bridge.store import SubscriptionFilter
from bridge.store.reading import NEWEST

LIST = "subscriptions"

FILTERS: dict[str, query.Reader] = {
    "state": query.one_of(SubscriptionState),
    "status": query.one_of(Status),
    "outcome": query.one_of(Outcome),
    "provider": query.plain_text,
    "task_id": query.plain_text,
}
PAGING: dict[str, query.Reader] = {"limit": query.limit, "cursor": query.Cursor(LIST)}
OPERATORS: dict[str, query.Reader] = {"client": query.plain_text}

_ID = re.compile("sub_([0-9A-Za-z]{1,64})")


class Subscriptions:
    def __init__(
        self, deps: Deps, waiting: Waiting, listing: Listing, hints: Hints
    ) -> None:
        self._deps, self._waiting = deps, waiting
        self._listing, self._hints = listing, hints

    async def list(self, request: Request, caller: Caller) -> Response:
        readers = FILTERS | PAGING | (OPERATORS if caller.operator else {})
        asked = query.read_query(request, readers)
        limit = asked.pop("limit", query.DEFAULT_LIMIT)
        before = asked.pop("cursor", NEWEST)
        wanted = SubscriptionFilter(**{"client": caller.scope} | asked)
        async with self._listing.turn(caller):
            page = await self._deps.store.subscriptions(wanted, limit=limit, before=before)
        return Json(
            {
                "items": [self._view(item, caller) for item in page.items],
                "next_cursor": query.cursor_after(LIST, page.next_before),
            }
        )

    async def get(self, request: Request, caller: Caller) -> Response:
        wait_s = query.read_query(request, query.WAITING).get("wait", 0.0)
        found = await self._deps.store.subscription(
            key_of(request.path_params["id"]), caller.scope
        )
        if found is None:
            raise not_found()
        seen = await self._waiting.until(ended, found, wait_s, request)
        return Json(self._view(seen, caller))

    async def timeline(self, request: Request, caller: Caller) -> Response:
        """With all that became of it: polls, updates, deliveries and their attempts."""
        query.read_query(request, {})
        key = key_of(request.path_params["id"])
        async with self._listing.turn(caller):
            told = await self._deps.store.timeline(key, caller.scope)
        if told is None:
            raise not_found()
        hint_url = self._hints.url(told.subscription)
        return Json(timeline_view(told, caller, hint_url=hint_url))

    def _view(self, subscription: Subscription, caller: Caller) -> dict[str, Any]:
        hint_url = self._hints.url(subscription)
        return subscription_view(subscription, caller, hint_url=hint_url)

    async def stop(self, request: Request, caller: Caller) -> Response:
        query.read_query(request, {})
        await self.end_wish(request.path_params["id"], caller)
        return Response(status_code=204)

    async def end_wish(self, subscription_id: str, caller: Caller) -> None:
        """Stop it, and drop what it owes. Raises RequestError."""
        key = key_of(subscription_id)
        now = self._deps.clock.now()
        if not await self._deps.store.stop(key, caller.scope, now=now):
            raise not_found()
        self._deps.bell.ring([key])

    async def end_active(self, subscription_id: str, caller: Caller) -> bool:
        """Stop it, and drop what it owes, unless it is over: then False, and nothing is
        changed. Raises RequestError.
        """
        key = key_of(subscription_id)
        now = self._deps.clock.now()
        stopped = await self._deps.store.stop_active(key, caller.scope, now=now)
        if stopped is None:
            raise not_found()
        if stopped:
            self._deps.bell.ring([key])
        return stopped


def key_of(subscription_id: str) -> str:
    match = _ID.fullmatch(subscription_id)
    if match is None:
        raise not_found()
    return match[1]


def not_found() -> RequestError:
    """Also for what others own: who may not see it learns nothing of it."""
    return RequestError("subscription_not_found", "you have no subscription of this id")
