"""POST /callbacks/test: one sample event, sent at once, and all that came of it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from bridge.api import body, query
from bridge.api.auth import Caller, Doorkeeper
from bridge.api.deps import Deps
from bridge.api.faults import read_model
from bridge.api.models import TrialBody
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

AGAIN_S = 1.0
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
        return Json(await self.tried(await body.read_fields(request), caller))

    async def tried(self, given: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        """Send one, and say what came of it. Raises RequestError."""
        with self._turn(caller):
            await self._deps.leaving.decided(f"clients.{caller.name}")
            caller = self._keeper.again(caller)  # what is for nobody could not be signed
            claimed = self._claimed(given, caller)
            to = claimed.destination
            warnings = await vetted(to, self._deps.vet)
            await self._may_speak(to)
            trial = await self._deps.try_out(claimed)
            await self._heard(trial.reply, caller, to)
        return trial_view(claimed, trial) | {"warnings": warnings}

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
        asked, to = read_test(
            given, caller, https_only=self._deps.config().callbacks.https_only
        )
        now = self._deps.clock.now()
        subscription_id = f"sub_{self._mint()}"
        event = sample(asked.type, now=now, subscription_id=subscription_id)
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
            type=asked.type,
            destination_id=0,
            destination=to,
            method=method_of(asked),
            format=format_of(asked),
            signing_secrets=asked.signing_secret,
            body=encode(event),
        )


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
