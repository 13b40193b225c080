"""POST /subscribe and POST /subscribe/batch."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from bridge.api import body, credential, idempotency, query
from bridge.api.admission import Admission, Admitted
from bridge.api.auth import Caller, Doorkeeper
from bridge.api.deps import Deps, Derived
from bridge.api.hints import Hints
from bridge.api.limits import ActiveLimit, Full
from bridge.api.problem import as_request_error, problem
from bridge.api.respond import Json
from bridge.api.views import subscription_view
from bridge.api.waiting import Waiting, polled_or_ended
from bridge.config import Config
from bridge.errors import RequestError, StoreUnavailable
from bridge.model import IdempotencyKey, SubscriptionState, Wish
from bridge.store import Subscribed
from bridge.traces import HEADER, accepted

BATCH_ITEMS = 1_000
BATCH_BYTES = 8 * body.MAX_BYTES
AT_ONCE = 100  # items of a batch that are looked at, whose names are resolved
READY_AGAIN_S = 5.0

# The routes under which Idempotency-Keys are remembered; both twins are one route.
ONE, BATCH, ITEM = "subscribe", "subscribe/batch", "subscribe/batch/item"
REUSED = "idempotency_key_reused"

Item = dict[str, Any]  # the answer to one of a batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What holds for all that comes in one request."""

    caller: Caller
    provider_key: str | None = field(repr=False)
    trace: str | None
    places: asyncio.Semaphore  # of what is written at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What came in one request."""

    items: Sequence[Any] = field(repr=False)
    sent: Sent
    whole: IdempotencyKey | None

    def part(self, number: int) -> IdempotencyKey | None:
        """The key of one item, which is good for the same batch only."""
        return self.whole and replace(
            self.whole, route=ITEM, key=f"{number} {self.whole.key}"
        )


class Subscribing:
    """Takes subscriptions. Nothing is answered with 202 or 200 before it is on disk."""

    def __init__(
        self, deps: Deps, waiting: Waiting, keeper: Doorkeeper, hints: Hints
    ) -> None:
        self._deps, self._waiting, self._keeper = deps, waiting, keeper
        self._hints = hints
        self._active = ActiveLimit(deps.store.active_counts, deps.clock.now, deps.nodes)
        self._admission = Admission(deps, keeper, self._active)
        self._in_flight = idempotency.InFlight()
        self._prefix = Derived(deps.config, path_prefix)

    async def one(self, request: Request, caller: Caller) -> Response:
        self._refuse_unready()
        wait_s = query.read_query(request, query.WAITING).get("wait", 0.0)
        key, provider_key, trace = keys_of(request)
        with self._in_flight.hold(caller.name, ONE, key):
            given = await body.read_fields(request)
            remembered = idempotency.remembered(ONE, key, [given, provider_key])
            sent = self._sent(caller, provider_key, trace)
            done, warnings = await self._subscribe(given, sent, remembered)
            seen = await self._waiting.until(
                polled_or_ended, done.subscription, wait_s, request
            )
        headers = {"Location": f"{self._prefix()}/subscriptions/{seen.id}"}
        headers |= idempotency.replay_header(replayed=done.replayed)
        view = subscription_view(seen, caller, warnings, hint_url=self._hints.url(seen))
        return Json(view, status_of(done), headers)

    async def batch(self, request: Request, caller: Caller) -> Response:
        """A JSON array, or `{"subscriptions": [...]}` for tools that send only objects."""
        self._refuse_unready()
        query.read_query(request, {})
        key, provider_key, trace = keys_of(request)
        with self._in_flight.hold(caller.name, BATCH, key):
            items = items_of(await body.read_json(request, BATCH_BYTES))
            asked = Batch(
                items=items,
                sent=self._sent(self._keeper.again(caller), provider_key, trace),
                whole=idempotency.remembered(BATCH, key, [items, provider_key]),
            )
            answers, opened = await self._opening(asked) if key else ([], None)
            answers += await self._others(asked, len(answers))
        if opened is not None:
            restore_status(answers, opened)
        return Json(answers)

    async def _opening(self, asked: Batch) -> tuple[list[Item], Item | None]:
        """The answers up to that of the first item which is taken, and what the key of the
        whole batch has brought.

        With that item the key is remembered, before anything else is written.
        Raises RequestError if it was used for another batch.
        """
        answers: list[Item] = []
        for number in range(len(asked.items)):
            opened = await self._item(asked, number, asked.whole)
            if "problem" not in opened:
                # Under its own key: what the batch's key brings back may be another's.
                answers.append(await self._item(asked, number, asked.part(number)))
                return answers, opened
            if opened["problem"]["code"] == REUSED:
                raise RequestError(REUSED, opened["problem"]["detail"])
            answers.append(opened)
        return answers, None

    async def _others(self, asked: Batch, start: int) -> list[Item]:
        """Together, so that the store writes them with one sync to disk."""
        places = asyncio.Semaphore(AT_ONCE)

        async def answered(number: int) -> Item:
            async with places:
                return await self._item(asked, number, asked.part(number))

        async with asyncio.TaskGroup() as group:
            numbers = range(start, len(asked.items))
            tasks = [group.create_task(answered(number)) for number in numbers]
        return [task.result() for task in tasks]

    async def _item(self, asked: Batch, number: int, key: IdempotencyKey | None) -> Item:
        item = asked.items[number]
        try:
            if not isinstance(item, dict):
                raise RequestError(
                    "malformed_body", f"must be an object, not {body.kind(item)}"
                )
            done, warnings = await self._subscribe(body.present(item), asked.sent, key)
        except (RequestError, StoreUnavailable) as error:
            why = as_request_error(error)
            told = problem(why.code, why.detail, errors=why.errors)
            return {"status": told["status"], "problem": told}
        view = subscription_view(
            done.subscription,
            asked.sent.caller,
            warnings,
            hint_url=self._hints.url(done.subscription),
        )
        return {"status": status_of(done), "subscription": view}

    def _sent(self, caller: Caller, provider_key: str | None, trace: str | None) -> Sent:
        """More writes at once than the database gains by would wait for each other there,
        and the last of many be sent away for it.
        """
        places = asyncio.Semaphore(self._deps.store.database.at_once)
        return Sent(caller=caller, provider_key=provider_key, trace=trace, places=places)

    async def _subscribe(
        self, given: Mapping[str, Any], sent: Sent, key: IdempotencyKey | None
    ) -> tuple[Subscribed, list[dict[str, Any]]]:
        """What was written or found, and warnings. Raises RequestError."""
        admit = partial(self._admission.admitted, given, sent.provider_key, sent.caller)
        admitted = await admit()
        waits = sent.places.locked()
        async with sent.places:
            if waits:
                admitted = await admit()
            if not admitted.counted:
                return await self._written(admitted, key, sent.trace)
            async with self._active.turn(admitted.caller):
                return await self._written(await admit(), key, sent.trace)

    async def _written(
        self, admitted: Admitted, key: IdempotencyKey | None, trace: str | None
    ) -> tuple[Subscribed, list[dict[str, Any]]]:
        """Nothing is awaited between its admission and the store's queue."""
        with self._active.place(admitted.caller) as taken:
            wish = replace(admitted.wish, trace=trace)
            done = await self._write(wish, key, admitted.full)
            if is_new(done):
                taken()
        return done, admitted.warnings

    async def _write(
        self, wish: Wish, key: IdempotencyKey | None, full: Full | None
    ) -> Subscribed:
        done = await self._deps.store.subscribe(
            wish,
            now=self._deps.clock.now(),
            idempotency=key,
            full=full and full.refusal,
            most=full and full.most,
        )
        if is_new(done):
            self._deps.wake_poller()
            if done.subscription.state is SubscriptionState.ENDED:
                self._deps.bell.ring([done.subscription.id.removeprefix("sub_")])
                self._deps.wake_dispatcher()
        return done

    def _refuse_unready(self) -> None:
        """What is not ready cannot promise that a 202 will be kept."""
        if self._deps.health.unready:
            raise RequestError(
                "not_ready", "try again in a moment", retry_after_s=READY_AGAIN_S
            )


def keys_of(request: Request) -> tuple[str | None, str | None, str | None]:
    """The Idempotency-Key, the provider key and the caller's trace among the headers."""
    provider_key = request.headers.get(credential.HEADER, "").strip() or None
    trace = accepted(request.headers.getlist(HEADER))
    return idempotency.key_of(request), provider_key, trace


def is_new(done: Subscribed) -> bool:
    """Whether it was written just now; a replay tells what was so the first time."""
    return done.created and not done.replayed


def status_of(done: Subscribed) -> int:
    return 202 if done.created else 200


def restore_status(answers: Sequence[Item], opened: Item) -> None:
    """The item that was taken with the batch's key repeats itself under its own, and so is
    said to have been there before; the batch's key knows whether it was.
    """
    for answer in answers:
        if "problem" not in answer and (
            answer["subscription"]["id"] == opened["subscription"]["id"]
        ):
            answer["status"] = max(answer["status"], opened["status"])
            return


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
