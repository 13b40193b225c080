"""POST /callbacks/test: one sample event, sent at once, and all that came of it."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from bridge import events
from bridge.api import body, query
from bridge.api.auth import Caller, Doorkeeper
from bridge.api.deps import Deps
from bridge.api.faults import read_model, unknown
from bridge.api.models import SubscribeBody
from bridge.api.problem import refusal
from bridge.api.respond import Json
from bridge.api.target import destination_of, vetted
from bridge.api.views import time
from bridge.api.way import format_of, method_of, way_faults, with_robot
from bridge.api.wishing import Faults
from bridge.errors import FieldFault, RequestError
from bridge.model import AttemptOutcome, ClaimedDelivery, Destination, Reply
from bridge.portable import encode
from bridge.samples import sample
from bridge.store.facade import minted_key
from bridge.trial import Trial

# What a subscription takes of these, a test takes as well.
SHARED = (
    *("callback_url", "headers", "auth", "format", "method", "robot", "signing_secret"),
)
FIELDS = (*SHARED, "type")
DEFAULT_TYPE = "task.succeeded"
AGAIN_S = 1.0
BUSY_S = 5.0  # until slots are looked for again, which hang for some seconds as a rule
MASK = "***"


class Trying:
    """One test of each client at a time. Nothing is stored."""

    def __init__(
        self, deps: Deps, keeper: Doorkeeper, mint: Callable[[], str] = minted_key
    ) -> None:
        self._deps, self._keeper, self._mint = deps, keeper, mint
        self._trying: set[str] = set()

    async def test(self, request: Request, caller: Caller) -> Response:
        query.read_query(request, {})
        given = await body.read_fields(request)
        with self._turn(caller):
            await self._deps.leaving.decided(f"clients.{caller.name}")
            caller = self._keeper.again(caller)  # what is for nobody could not be signed
            claimed = self._claimed(given, caller)
            to = claimed.destination
            warnings = await vetted(to, self._deps.vet)
            async with self._slot(caller, to):
                await self._may_speak(to)
                trial = await self._deps.try_out(claimed)
            await self._heard(trial.reply, caller, to)
        return Json(trial_view(claimed, trial) | {"warnings": warnings})

    @asynccontextmanager
    async def _slot(self, caller: Caller, to: Destination) -> AsyncIterator[None]:
        """One of those that deliveries take as well, so that no host has more to bear."""
        async with self._deps.slot(caller.name, to.host) as free:
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

    async def _heard(self, reply: Reply, caller: Caller, to: Destination) -> None:
        now = self._deps.clock.now()
        if reply.outcome is AttemptOutcome.ACCEPTED:
            await self._deps.store.reopen(caller.name, to, now=now)
        elif reply.outcome is AttemptOutcome.THROTTLED:
            await self._deps.store.mute(to, until=now + (reply.retry_after_s or AGAIN_S))

    @contextmanager
    def _turn(self, caller: Caller) -> Iterator[None]:
        if caller.name in self._trying:
            raise RequestError(
                "rate_limited",
                "one test at a time: wait for the answer to the other",
                retry_after_s=AGAIN_S,
            )
        self._trying.add(caller.name)
        try:
            yield
        finally:
            self._trying.discard(caller.name)

    def _claimed(self, given: Mapping[str, Any], caller: Caller) -> ClaimedDelivery:
        """Raises RequestError with everything that is wrong."""
        asked, type_, to = read_test(
            given, caller, https_only=self._deps.config().callbacks.https_only
        )
        now = self._deps.clock.now()
        subscription_id = f"sub_{self._mint()}"
        event = sample(type_, now=now, subscription_id=subscription_id)
        return ClaimedDelivery(
            schedule_id=0,
            delivery_id=0,
            claim_no=0,
            claimed_at=now,
            attempt=1,
            manual=True,
            failures=0,
            conflicts=0,
            seen_lost=False,
            created_at=now,
            message_id=event["id"],
            subscription_id=subscription_id,
            client=caller.name,
            lane_id=0,
            retry=False,
            type=type_,
            destination_id=0,
            destination=to,
            method=method_of(asked),
            format=format_of(asked),
            signing_secrets=asked.signing_secret,
            body=encode(event),
        )


def read_test(
    given: Mapping[str, Any], caller: Caller, *, https_only: bool
) -> tuple[SubscribeBody, str, Destination]:
    """The way to call, the type of event, and where to. Raises RequestError."""
    strange = [unknown(name, FIELDS) for name in given if name not in FIELDS]
    shared = {name: given[name] for name in SHARED if name in given}
    asked, found, wrong = read_model(
        SubscribeBody, {"provider": "sandbox", "task_id": "sample", **shared}
    )
    faults = Faults([*strange[:20], *found], wrong)
    faults.add(way_faults(asked))
    type_ = given.get("type", DEFAULT_TYPE)
    if type_ not in events.TYPES:
        faults.add([FieldFault("type", f"must be one of {', '.join(events.TYPES)}")])
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
    return asked, type_, with_robot(to, asked)


def trial_view(claimed: ClaimedDelivery, trial: Trial) -> dict[str, Any]:
    """The values of the caller's own headers are passwords as a rule."""
    reply, own = trial.reply, claimed.destination.headers
    response = reply.http_status and {
        "status": reply.http_status,
        "headers": reply.headers,
        "body": reply.body.decode("utf-8", "replace") or None,
        "duration_s": round(trial.finished_at - trial.started_at, 3),
    }
    return {
        "attempt": {
            "id": claimed.message_id,
            "type": claimed.type,
            "callback_url": claimed.destination.shown,
            "method": trial.method,
            "started_at": time(trial.started_at),
            "finished_at": time(trial.finished_at),
            "outcome": reply.outcome,
            "http_status": reply.http_status,
            "detail": reply.detail,
        },
        "sent_headers": {
            name: MASK if name in own else value for name, value in trial.headers.items()
        },
        "sent_query": trial.added or None,
        "sent_body": trial.body and trial.body.decode("utf-8", "replace"),
        "response": response,
        "hint": trial.hint,
    }
