"""Standing hooks: POST, GET and DELETE /hooks."""

import re
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from bridge import signature
from bridge.api import body, idempotency, query
from bridge.api.auth import Caller, Doorkeeper
from bridge.api.deps import Deps
from bridge.api.faults import read_model
from bridge.api.listing import Listing
from bridge.api.models import HookBody
from bridge.api.respond import Json
from bridge.api.target import NOWHERE, destination_of, resumed_early, vetted
from bridge.api.views import hook_view
from bridge.api.way import format_of, method_of, way_faults, way_warnings, with_robot
from bridge.api.wishing import Faults, unknown_provider
from bridge.errors import RequestError
from bridge.model import HookWish
from bridge.providers.provider import Provider
from bridge.receivers import callback
from bridge.store.reading import NEWEST

LIST, ROUTE = "hooks", "hooks"
MOST = 100  # of one client: each event is told to all of them
FIELD = "url"
AGAIN_S = 30.0
READY_AGAIN_S = 5.0

PAGING: dict[str, query.Reader] = {
    "limit": query.limit,
    "cursor": query.Cursor(LIST),
}

_ID = re.compile("hook_([0-9A-Za-z]{1,64})")


class Hooks:
    def __init__(self, deps: Deps, keeper: Doorkeeper, listing: Listing) -> None:
        self._deps, self._keeper, self._listing = deps, keeper, listing
        self._in_flight = idempotency.InFlight()

    async def add(self, request: Request, caller: Caller) -> Response:
        """201, or 200 for what is there already. Its secret is told to who has none."""
        query.read_query(request, {})
        if self._deps.health.unready:
            raise RequestError(
                "not_ready", "try again in a moment", retry_after_s=READY_AGAIN_S
            )
        key = idempotency.key_of(request)
        with self._in_flight.hold(caller.name, ROUTE, key):
            given = await body.read_fields(request)
            wish, warnings = await self._admitted(given, caller)
            done = await self._deps.store.add_hook(
                wish,
                now=self._deps.clock.now(),
                most=MOST,
                full=full(),
                idempotency=idempotency.remembered(ROUTE, key, given),
            )
        told = hook_view(done.hook, caller) | {"warnings": warnings}
        if done.hook.minted_secret is not None:
            told["signing_secret"] = done.hook.minted_secret
        status = 201 if done.created else 200
        return Json(told, status, idempotency.replay_header(replayed=done.replayed))

    async def _admitted(
        self, given: Mapping[str, Any], caller: Caller
    ) -> tuple[HookWish, list[dict[str, Any]]]:
        """By the configuration of the very moment at which it is queued to be written."""
        while True:
            config = self._deps.config()
            caller = self._keeper.again(caller)
            https_only = config.callbacks.https_only
            wish = wish_of(given, caller, self._deps.providers(), https_only=https_only)
            warnings = await vetted(wish.destination, self._deps.vet, field=FIELD)
            warnings += way_warnings(wish)
            await self._deps.leaving.decided(f"clients.{caller.name}")
            if self._deps.config() is config:
                return wish, warnings

    async def list(self, request: Request, caller: Caller) -> Response:
        asked = query.read_query(request, PAGING)
        async with self._listing.turn(caller):
            page = await self._deps.store.hooks(
                caller.scope,
                limit=asked.get("limit", query.DEFAULT_LIMIT),
                before=asked.get("cursor", NEWEST),
            )
        return Json(
            {
                "items": [hook_view(item, caller) for item in page.items],
                "next_cursor": query.cursor_after(LIST, page.next_before),
            }
        )

    async def get(self, request: Request, caller: Caller) -> Response:
        query.read_query(request, {})
        found = await self._deps.store.hook(key_of(request), caller.scope)
        if found is None:
            raise not_found()
        return Json(hook_view(found, caller))

    async def remove(self, request: Request, caller: Caller) -> Response:
        """204 as well if it was removed in the last day, by a 410 too."""
        query.read_query(request, {})
        key, now = key_of(request), self._deps.clock.now()
        if not await self._deps.store.remove_hook(key, caller.scope, now=now):
            raise not_found()
        return Response(status_code=204)


def wish_of(
    given: Mapping[str, Any],
    caller: Caller,
    providers: Mapping[str, Provider],
    *,
    https_only: bool,
) -> HookWish:
    """Raises RequestError with everything that is wrong."""
    asked, faulty, wrong = read_model(HookBody, given)
    faults = Faults(faulty, wrong)
    faults.add(way_faults(asked))
    destination = callback.destination(NOWHERE, {}, https_only=False, field=FIELD)
    try:
        found = destination_of(
            asked.url or NOWHERE,
            asked.headers,
            caller,
            https_only=https_only,
            auth=asked.auth,
            field=FIELD,
        )
        destination = found or destination
        faults.add(resumed_early(destination, asked.events))
    except RequestError as error:
        faults.add(error.errors)
    if asked.provider is not None and asked.provider not in providers:
        faults.add([unknown_provider(asked.provider, providers)], "unknown_provider")
    faults.raise_any()
    secrets = asked.signing_secret
    return HookWish(
        client=caller.name,
        destination=with_robot(destination, asked),
        events=asked.events,
        provider=asked.provider,
        method=method_of(asked),
        format=format_of(asked),
        signing_secrets=secrets or (signature.mint(),),
        minted=not secrets,
        canonical=canonical(asked, destination.url),
    )


def canonical(asked: HookBody, url: str) -> bytes:
    """What was asked for, in one spelling: equal for two requests that mean the same."""
    said = asked.model_dump() | {"url": url}
    said |= {"method": method_of(asked), "format": format_of(asked)}
    return orjson.dumps(said, option=orjson.OPT_SORT_KEYS)


def key_of(request: Request) -> str:
    match = _ID.fullmatch(request.path_params["id"])
    if match is None:
        raise not_found()
    return match[1]


def not_found() -> RequestError:
    """Also for what others own: who may not see it learns nothing of it."""
    return RequestError("hook_not_found", "you have no hook of this id")


def full() -> RequestError:
    return RequestError(
        "limit_hooks",
        f"you have {MOST} hooks; remove one with DELETE /hooks/{{id}}",
        retry_after_s=AGAIN_S,
    )
