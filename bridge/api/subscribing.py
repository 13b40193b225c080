"""POST /subscribe and POST /subscribe/batch."""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from bridge.api import body, credential, idempotency, query
from bridge.api.auth import Caller
from bridge.api.deps import Deps, Derived
from bridge.api.limits import ActiveLimit
from bridge.api.problem import as_request_error, problem
from bridge.api.respond import Json
from bridge.api.target import vetted
from bridge.api.views import subscription_view
from bridge.api.waiting import Waiting, polled_or_ended
from bridge.api.wishing import wish_of
from bridge.config import Config
from bridge.errors import RequestError, StoreUnavailable
from bridge.model import IdempotencyKey, SubscriptionState, Wish
from bridge.store import Subscribed

BATCH_ITEMS = 1_000
BATCH_BYTES = 8 * body.MAX_BYTES
AT_ONCE = 100  # items of a batch; others get their turn after so many
READY_AGAIN_S = 5.0

# The routes under which Idempotency-Keys are remembered; both twins are one route.
ONE, BATCH = "subscribe", "subscribe/batch"


class Subscribing:
    """Takes subscriptions. Nothing is answered with 202 or 200 before it is on disk."""

    def __init__(self, deps: Deps, waiting: Waiting) -> None:
        self._deps, self._waiting = deps, waiting
        self._active = ActiveLimit(deps.store.active_counts, deps.clock.now)
        self._in_flight = idempotency.InFlight()
        self._prefix = Derived(deps.config, path_prefix)

    async def one(self, request: Request, caller: Caller) -> Response:
        self._refuse_unready()
        wait_s = query.read_query(request, {"wait": query.wait}).get("wait", 0.0)
        key, provider_key = keys_of(request)
        with self._in_flight.hold(caller.name, ONE, key):
            given = await body.read_fields(request)
            done, warnings = await self._subscribe(given, provider_key, caller, ONE, key)
            seen = await self._waiting.until(
                polled_or_ended, done.subscription, wait_s, request
            )
        headers = {"Location": f"{self._prefix()}/subscriptions/{seen.id}"}
        if done.replayed:
            headers["Idempotency-Replayed"] = "true"
        view = subscription_view(seen, caller, warnings)
        return Json(view, status_of(done), headers)

    async def batch(self, request: Request, caller: Caller) -> Response:
        """A JSON array, or `{"subscriptions": [...]}` for tools that send only objects."""
        self._refuse_unready()
        query.read_query(request, {})
        key, provider_key = keys_of(request)
        with self._in_flight.hold(caller.name, BATCH, key):
            items = items_of(await body.read_json(request, BATCH_BYTES))
            answers: list[dict[str, Any]] = []
            for start in range(0, len(items), AT_ONCE):
                answers += await self._several(items, start, provider_key, caller, key)
        return Json(answers)

    async def _several(
        self,
        items: list[Any],
        start: int,
        provider_key: str | None,
        caller: Caller,
        key: str | None,
    ) -> list[dict[str, Any]]:
        """Together, so that the store writes them with one sync to disk."""
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(
                    self._item(item, provider_key, caller, key and f"{key}#{number}")
                )
                for number, item in enumerate(items[start : start + AT_ONCE], start)
            ]
        return [task.result() for task in tasks]

    async def _item(
        self, item: Any, provider_key: str | None, caller: Caller, key: str | None
    ) -> dict[str, Any]:
        try:
            if not isinstance(item, dict):
                raise RequestError(
                    "malformed_body", f"must be an object, not {body.kind(item)}"
                )
            given = body.present(item)
            done, warnings = await self._subscribe(given, provider_key, caller, BATCH, key)
        except (RequestError, StoreUnavailable) as error:
            why = as_request_error(error)
            told = problem(why.code, why.detail, errors=why.errors)
            return {"status": told["status"], "problem": told}
        view = subscription_view(done.subscription, caller, warnings)
        return {"status": status_of(done), "subscription": view}

    async def _subscribe(
        self,
        given: Mapping[str, Any],
        provider_key: str | None,
        caller: Caller,
        route: str,
        key: str | None,
    ) -> tuple[Subscribed, list[dict[str, Any]]]:
        """What was written or found, and warnings. Raises RequestError."""
        wish = wish_of(
            given,
            provider_key,
            caller,
            self._deps.providers(),
            https_only=self._deps.config().callbacks.https_only,
        )
        remembered = idempotency.remembered(route, key, given, provider_key)
        warnings = (
            await vetted(wish.destination, self._deps.vet) if wish.destination else []
        )
        full = await self._active.full(caller)
        with self._active.place(caller) as taken:
            done = await self._write(wish, remembered, full)
            if done.created:
                taken()
        return done, warnings

    async def _write(
        self, wish: Wish, remembered: IdempotencyKey | None, full: RequestError | None
    ) -> Subscribed:
        done = await self._deps.store.subscribe(
            wish, now=self._deps.clock.now(), idempotency=remembered, full=full
        )
        if done.created:
            self._deps.wake_poller()
            if done.subscription.state is SubscriptionState.ENDED:
                self._deps.wake_dispatcher()
        return done

    def _refuse_unready(self) -> None:
        """What is not ready cannot promise that a 202 will be kept."""
        if self._deps.health.unready:
            raise RequestError(
                "not_ready", "try again in a moment", retry_after_s=READY_AGAIN_S
            )


def keys_of(request: Request) -> tuple[str | None, str | None]:
    """The Idempotency-Key and the provider key among the headers."""
    provider_key = request.headers.get(credential.HEADER, "").strip() or None
    return idempotency.key_of(request), provider_key


def status_of(done: Subscribed) -> int:
    return 202 if done.created or done.replayed else 200


def items_of(given: Any) -> list[Any]:
    """Raises RequestError."""
    if isinstance(given, dict) and list(given) == ["subscriptions"]:
        given = given["subscriptions"]
    if not isinstance(given, list):
        raise RequestError(
            "malformed_body",
            'a batch is a list of subscriptions, or {"subscriptions": [...]}',
        )
    if len(given) > BATCH_ITEMS:
        raise RequestError(
            "body_too_large", f"a batch holds up to {BATCH_ITEMS:,}, not {len(given):,}"
        )
    return given


def path_prefix(config: Config) -> str:
    """The path below which a proxy shows us to the world."""
    return urlsplit(config.public_url or "").path.rstrip("/")
