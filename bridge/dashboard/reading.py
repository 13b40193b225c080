"""What is looked at: the overview, lists, a task's timeline, providers."""

from typing import Any, cast

from starlette.requests import Request
from starlette.responses import Response

from bridge.api import deliveries, query, subscriptions
from bridge.api.auth import Caller
from bridge.api.parts import Parts
from bridge.dashboard import charts
from bridge.dashboard.pages import Pages
from bridge.dashboard.session import Session
from bridge.formats import FORMATS
from bridge.messages.events import TYPES
from bridge.model import Delivery, DeliveryState, Outcome, SubscriptionState
from bridge.store import SubscriptionFilter
from bridge.store.figures import COUNTED
from bridge.store.reading import NEWEST
from bridge.store.timeline import Timeline

PAGE = 25
PENDING = (DeliveryState.WAITING, DeliveryState.RETRYING)
CHOICES: dict[str, Any] = {"types": TYPES, "formats": FORMATS}
DONE = {
    "retried": "One more attempt will be made at once.",
    "stopped": "It is stopped: nothing more is polled for it or sent.",
    "over": "It has ended meanwhile; nothing was dropped.",
    "dropped": "What it was still owed is dropped: nothing more of it is sent.",
}
"""What an action that sent us here has done."""

Q = {"q": query.plain_text}
FIELDS = ("q", "host", "task_id", "state", "outcome", "provider", "client")
"""What the form of a list shows; whatever else is asked stays asked."""


class Reading:
    def __init__(self, parts: Parts, pages: Pages) -> None:
        self._parts, self._deps, self._pages = parts, parts.deps, pages

    async def overview(self, request: Request, session: Session) -> Response:
        query.read_query(request, {})
        caller, now = caller_of(session), self._deps.clock.now()
        async with self._parts.listing.turn(caller):
            seen = await self._deps.store.overview(caller.scope, now=now)
        total = sum(seen.active.values())
        return self._pages.page(
            "overview.html",
            session,
            seen=seen,
            total=total,
            at_least="+" if total >= COUNTED else "",
            lost_more="+" if seen.more_exhausted else "",
            silent_more="+" if seen.more_silent else "",
            ends=charts.ends_chart(seen.ends, now),
            detection=charts.lag_chart(
                [(lag.at, lag.detection_s) for lag in seen.lags], now
            ),
            delivery=charts.lag_chart([(lag.at, lag.delivery_s) for lag in seen.lags], now),
            troubled=[
                each
                for each in await self._parts.accounts.standings(caller)
                if each["state"] != "ok"
            ],
        )

    async def subscriptions(self, request: Request, session: Session) -> Response:
        caller = caller_of(session)
        readers = subscriptions.FILTERS | subscriptions.PAGING | Q
        asked = query.read_query(
            request, readers | (subscriptions.OPERATORS if caller.operator else {})
        )
        if found := self._named(asked.get("q", "")):
            return found
        wanted = dict(asked)
        before, limit = wanted.pop("cursor", NEWEST), wanted.pop("limit", PAGE)
        if task_id := wanted.pop("q", None):
            wanted["task_id"] = task_id
        async with self._parts.listing.turn(caller):
            page = await self._deps.store.subscriptions(
                SubscriptionFilter(**{"client": caller.scope} | wanted),
                limit=limit,
                before=before,
            )
        return self._pages.page(
            "subscriptions.html",
            session,
            items=page.items,
            asked=asked,
            again=again_of(request),
            unshown=unshown_of(request),
            states=list(SubscriptionState),
            outcomes=list(Outcome),
            providers=sorted(self._deps.providers()),
            more=query.cursor_after(subscriptions.LIST, page.next_before),
        )

    def _named(self, text: str) -> Response | None:
        """Where an id that was searched for is."""
        if text.startswith("sub_"):
            return self._pages.see(f"/subscriptions/{text}")
        if text.startswith("msg_"):
            return self._pages.see(f"/deliveries/{text}")
        return None

    async def timeline(self, request: Request, session: Session) -> Response:
        done = query.read_query(request, {"done": query.plain_text}).get("done")
        told = await self._told(request, session)
        return self._pages.page(
            "timeline.html",
            session,
            told=told,
            it=told.subscription,
            owed=owed_of(told),
            done=DONE.get(done or ""),
        )

    async def owed(self, request: Request, session: Session) -> Response:
        """What would be dropped, for somebody to say that it is meant."""
        query.read_query(request, {})
        told = await self._told(request, session)
        it, owed = told.subscription, owed_of(told)
        if not owed:
            return self._pages.see(f"/subscriptions/{it.id}")
        return self._pages.page("drop.html", session, it=it, owed=owed, cut=told.cut)

    async def _told(self, request: Request, session: Session) -> Timeline:
        caller = caller_of(session)
        key = subscriptions.key_of(request.path_params["id"])
        async with self._parts.listing.turn(caller):
            told = await self._deps.store.timeline(key, caller.scope)
        if told is None:
            raise subscriptions.not_found()
        return told

    async def deliveries(self, request: Request, session: Session) -> Response:
        caller = caller_of(session)
        readers = deliveries.READERS | Q
        asked = query.read_query(
            request, readers | (deliveries.OPERATORS if caller.operator else {})
        )
        if found := self._named(asked.get("q", "")):
            return found
        asked["host"] = asked.get("host") or query.host(asked.get("q", "")) or None
        async with self._parts.listing.turn(caller):
            page = await self._deps.store.deliveries(
                deliveries.filter_of(asked, caller),
                limit=asked.get("limit", PAGE),
                before=asked.get("cursor", NEWEST),
            )
        return self._pages.page(
            "deliveries.html",
            session,
            items=page.items,
            asked=asked,
            again=again_of(request),
            unshown=unshown_of(request),
            states=[each for each in DeliveryState if each is not DeliveryState.NONE],
            more=query.cursor_after(deliveries.LIST, page.next_before),
        )

    async def delivery(self, request: Request, session: Session) -> Response:
        done = query.read_query(request, {"done": query.plain_text}).get("done")
        found = await self._parts.deliveries.found(
            request.path_params["id"], caller_of(session)
        )
        return self._pages.page(
            "delivery.html", session, it=found, done=DONE.get(done or "")
        )

    async def providers(self, request: Request, session: Session) -> Response:
        query.read_query(request, {})
        caller = caller_of(session)
        shown = [
            {**each, "kinds": self._kinds(each["name"], caller)}
            for each in await self._parts.accounts.standings(caller)
        ]
        return self._pages.page("providers.html", session, providers=shown)

    def _kinds(self, name: str, caller: Caller) -> list[dict[str, Any]] | None:
        """By model; None: they are not the caller's to see."""
        if name not in caller.grants and not caller.operator:
            return None
        return [
            {**each, "chart": charts.durations_chart(each["ages"])}
            for each in self._parts.accounts.learned(name, caller)
        ]

    async def replay(self, request: Request, session: Session) -> Response:
        query.read_query(request, {})
        return self._pages.page("replay.html", session, given={}, count=None, taken=None)

    async def test(self, request: Request, session: Session) -> Response:
        query.read_query(request, {})
        return self._pages.page("test.html", session, given={}, trial=None, **CHOICES)


def again_of(request: Request) -> dict[str, str]:
    """What is asked of a list, for other pages of it."""
    asked = request.query_params.items()
    return {name: text for name, text in asked if text.strip() and name != "cursor"}


def unshown_of(request: Request) -> dict[str, str]:
    again = again_of(request).items()
    return {name: text for name, text in again if name not in FIELDS}


def owed_of(told: Timeline) -> list[Delivery]:
    """What of a subscription that is over has not been delivered yet."""
    if told.subscription.state is SubscriptionState.ACTIVE:
        return []
    return [each for each in told.deliveries if each.state in PENDING]


def caller_of(session: Session) -> Caller:
    """Of a session that has been let in."""
    return cast("Caller", session.caller)
