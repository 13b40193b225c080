"""POST /callbacks/test and /hooks/{id}/test: one sample event, sent at once, and all that
came of it.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from bridge.api import body, query, subscriptions
from bridge.api.auth import Caller, Doorkeeper
from bridge.api.deps import Deps
from bridge.api.faults import read_model
from bridge.api.hooks import FIELD as HOOK_FIELD
from bridge.api.hooks import key_of, not_found
from bridge.api.models import DEFAULT_TYPE, HookTrialBody, TrialBody
from bridge.api.problem import refusal
from bridge.api.respond import Json
from bridge.api.target import FIELD, destination_of, vetted
from bridge.api.trials import sample_attempt, trial_view
from bridge.api.way import format_of, method_of, way_faults, with_robot
from bridge.api.wishing import Faults
from bridge.errors import FieldFault, RequestError
from bridge.messages import events
from bridge.model import AttemptOutcome, ClaimedDelivery, Destination, Reply
from bridge.store.calling import Call
from bridge.store.rooms.room import minted_key

AGAIN_S = 1.0
BUSY_S = 5.0  # until slots are looked for again, which hang for some seconds as a rule
UNREADABLE = Destination(url="", host="")


class Trying:
    """One test of each client at a time. Nothing is stored."""

    def __init__(
        self, deps: Deps, keeper: Doorkeeper, mint: Callable[[], str] = minted_key
    ) -> None:
        self._deps, self._keeper, self._mint = deps, keeper, mint
        self._trying: set[str] = set()

    async def test(self, request: Request, caller: Caller) -> Response:
        query.read_query(request, {})
        return Json(await self.tried(await body.read_fields(request), caller))

    async def tried(self, given: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        """Send one, and say what came of it. Raises RequestError."""
        async with self._turn(caller) as again:
            return await self._told(self._claimed(given, again), FIELD)

    async def test_hook(self, request: Request, caller: Caller) -> Response:
        """As the hook is called, whatever it is told of; a body may be left out."""
        query.read_query(request, {})
        key = key_of(request)
        type_ = read_type(await body.read_fields(request, may_lack=True))
        async with self._turn(caller) as again:
            call = await self._deps.store.hook_call(key, again.scope)
            if call is None:
                raise not_found()
            claimed = self._claimed_for(call, type_, hook_id=f"hook_{key}")
            return Json(await self._told(claimed, HOOK_FIELD))

    async def tried_for(self, subscription_id: str, caller: Caller) -> dict[str, Any]:
        """Send one as this subscription is called. Raises RequestError."""
        key = subscriptions.key_of(subscription_id)
        async with self._turn(caller) as again:
            call = await self._deps.store.call(key, again.scope)
            if call is None:
                raise subscriptions.not_found()
            return await self._told(self._claimed_for(call, None), FIELD)

    async def _told(self, claimed: ClaimedDelivery, field: str) -> dict[str, Any]:
        """What came of it. `field`: where the caller has written the URL."""
        to, client = claimed.destination, claimed.client
        warnings = await vetted(to, self._deps.vet, field=field) if claimed.readable else []
        async with self._slot(client, to):
            await self._may_speak(to)
            trial = await self._deps.try_out(claimed)
        await self._heard(trial.reply, client, to)
        return trial_view(claimed, trial) | {"warnings": warnings}

    @asynccontextmanager
    async def _slot(self, client: str, to: Destination) -> AsyncIterator[None]:
        """One of those that deliveries take as well, so that no host has more to bear."""
        async with self._deps.slot(client, to.host) as free:
            if not free:
                detail = (
                    f"as many attempts are under way to {to.host} as may be, or for you"
                )
                raise RequestError("rate_limited", detail, retry_after_s=BUSY_S)
            yield

    async def _may_speak(self, to: Destination) -> None:
        """A chat robot's limit is that of all who speak to it: a test counts as well."""
        now = self._deps.clock.now()
        free_at = await self._deps.store.speak(to, now=now)
        if free_at > now:
            detail = "the chat robot takes no more messages now: its service has a limit"
            raise RequestError("rate_limited", detail, retry_after_s=free_at - now)

    async def _heard(self, reply: Reply, client: str, to: Destination) -> None:
        now = self._deps.clock.now()
        if reply.outcome is AttemptOutcome.ACCEPTED:
            await self._deps.store.reopen(client, to, now=now)
        elif reply.outcome is AttemptOutcome.THROTTLED:
            await self._deps.store.mute(to, until=now + (reply.retry_after_s or AGAIN_S))

    @asynccontextmanager
    async def _turn(self, caller: Caller) -> AsyncIterator[Caller]:
        """One at a time. Yields the caller as it is now: nothing could be signed for one
        that is gone.
        """
        if caller.name in self._trying:
            raise RequestError(
                "rate_limited",
                "one test at a time: wait for the answer to the other",
                retry_after_s=AGAIN_S,
            )
        self._trying.add(caller.name)
        try:
            await self._deps.leaving.decided(f"clients.{caller.name}")
            yield self._keeper.again(caller)
        finally:
            self._trying.discard(caller.name)

    def _claimed(self, given: Mapping[str, Any], caller: Caller) -> ClaimedDelivery:
        """Raises RequestError with everything that is wrong."""
        asked, to = read_test(
            given, caller, https_only=self._deps.config().callbacks.https_only
        )
        return sample_attempt(
            asked.type,
            to,
            client=caller.name,
            method=method_of(asked),
            format_name=format_of(asked),
            secrets=asked.signing_secret,
            key=self._mint(),
            now=self._deps.clock.now(),
        )

    def _claimed_for(
        self, call: Call, type_: str | None, hook_id: str | None = None
    ) -> ClaimedDelivery:
        return sample_attempt(
            type_ or told_of(call),
            call.to or UNREADABLE,
            client=call.client,
            method=call.method,
            format_name=call.format,
            secrets=call.secrets or (),
            key=self._mint(),
            hook_id=hook_id,
            readable=call.readable,
            now=self._deps.clock.now(),
        )


def told_of(call: Call) -> str:
    """A type of event that the hook gets when it is no test."""
    types = events.expand(call.events)
    return DEFAULT_TYPE if DEFAULT_TYPE in types else min(types)


def read_type(given: Mapping[str, Any]) -> str | None:
    """None: not given. Raises RequestError."""
    asked, found, wrong = read_model(HookTrialBody, given)
    Faults(found, wrong).raise_any()
    return asked.type


def read_test(
    given: Mapping[str, Any], caller: Caller, *, https_only: bool
) -> tuple[TrialBody, Destination]:
    """The way to call, and where to. Raises RequestError."""
    asked, found, wrong = read_model(TrialBody, given)
    faults = Faults(found, wrong)
    faults.add(way_faults(asked))
    to: Destination | None = None
    try:
        to = destination_of(
            asked.callback_url,
            asked.headers,
            caller,
            https_only=https_only,
            auth=asked.auth,
        )
    except RequestError as error:
        faults.add(error.errors)
    else:
        if to is None:
            faults.add([FieldFault("callback_url", "is required")])
    faults.raise_any()
    if to is None:  # it has been a fault, unless another field's hid it
        raise refusal([FieldFault("callback_url", "is required")])
    return asked, with_robot(to, asked)
