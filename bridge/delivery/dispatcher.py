"""Due deliveries → one signed request each → what the receiver's answer means."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache
from random import Random

import structlog

from bridge import lanes
from bridge.bell import to_nobody
from bridge.clock import Clock
from bridge.delivery.flight import Flight
from bridge.delivery.sending import Send, send_signed
from bridge.errors import StoreUnavailable
from bridge.health import Health
from bridge.metrics import CLOSED, Metrics
from bridge.model import (
    AttemptOutcome,
    ClaimedDelivery,
    DeliveryState,
    Reply,
)
from bridge.receivers import retry
from bridge.receivers.breaker import Breaker, answered, silent
from bridge.receivers.retry import Schedule, Verdict
from bridge.receivers.robots import ALONE_AFTER, shared
from bridge.store import Claims, Followed, Pick, Store
from bridge.worker import IDLE_S, Turn, Worker

LEASE_MARGIN_S = 15.0  # beyond the timeout: to record what came of the attempt
RECORD_AGAIN_S = 1.0
SLOT_WAIT_S = 3.0
FAULT = "a fault in poll-bridge while sending this; its log says more"
UNREADABLE = "not sent: it is sealed with an encryption key that is no longer configured"
UNSIGNABLE = "not sent: its client is no longer configured, so nothing could sign it"

log = structlog.get_logger(__name__)


class Dispatcher:
    """One node's attempts, no more at a time than `Flight` lets begin. `over` is told of
    subscriptions of which an attempt has closed a delivery, its own or another.
    """

    def __init__(
        self,
        store: Store,
        sender: Send,
        *,
        secrets: Callable[[str], Sequence[str]],
        schedule: Schedule,
        timeout_s: float,
        clock: Clock,
        dice: Random,
        health: Health,
        metrics: Metrics,
        slots: int = 256,
        host_slots: int = 16,
        over: Callable[[Sequence[str]], None] = to_nobody,
    ) -> None:
        self._store, self.sender, self._secrets = store, sender, secrets
        self._schedule, self._timeout_s = schedule, timeout_s
        self._clock, self._dice, self._metrics = clock, dice, metrics
        self._attempts = cache(metrics.attempts.labels)
        self._closed = cache(metrics.deliveries.labels)
        self._lag = metrics.scheduler_lag.labels("dispatcher")
        self._over = over
        self._flight = Flight(slots=slots, host_slots=host_slots)
        self._freed = asyncio.Event()
        self.stopping = asyncio.Event()
        self.worker = Worker(
            "dispatcher", self._claim, self._deliver, clock=clock, health=health
        )

    async def _claim(self) -> Turn[ClaimedDelivery]:
        now = self._clock.now()
        flight = self._flight
        if flight.is_full:
            return Turn((), IDLE_S)
        ready = await self._store.delivery_lanes(now=now, window=flight.window(now))
        claims: Claims[ClaimedDelivery] = Claims()
        if picks := flight.picks(ready.lanes, now):
            self._note_lag(picks, now)
            with flight.reserved(picks):
                claims = await self._store.claim_deliveries(
                    picks,
                    now=now,
                    lease_s=self._timeout_s + LEASE_MARGIN_S,
                    in_flight=flight.deliveries,
                )
        for item in claims.items:
            flight.began(item)
        self._freed.set()  # what was reserved and is not needed
        wait_s = lanes.wait_s(
            ready,
            claims.moved,
            now=self._clock.now(),
            has_room=lambda lane: flight.room(flight.known(lane)) > 0,
            open_to=flight.open_to,
        )
        return Turn(claims.items, IDLE_S if wait_s is None else wait_s)

    def _note_lag(self, picks: Sequence[Pick], now: float) -> None:
        for pick in picks:
            late_s = now - pick.lane.ready_at
            if not pick.lane.behind and late_s < lanes.SAID_S:  # replays may wait
                self._lag.observe(max(late_s, 0.0))

    async def _deliver(self, claimed: ClaimedDelivery) -> None:
        began_at = self._clock.now()
        try:
            reply = shared(await self.attempt(claimed, self.sender), len(claimed.riders))
            now = self._clock.now()
            self._note_reply(claimed, reply)
            self._metrics.attempt_seconds.observe(now - began_at)
            told = [
                (each, self._verdict(each, reply, now, alone=not claimed.riders))
                for each in (claimed, *claimed.riders)
            ]
            followed = await self._record(told, reply)
            for each, verdict in told:
                self._note(each, reply, verdict)
            self._note_breaker(claimed, followed.breaker)
            self._over(followed.closed)
        finally:
            self._flight.ended(claimed)
            self._freed.set()

    @asynccontextmanager
    async def slot(self, client: str, host: str) -> AsyncIterator[bool]:
        """One for an attempt that is of no delivery, waited for a little; whether there is
        one.
        """
        until = self._clock.now() + SLOT_WAIT_S
        while (lane := self._flight.begin_trial(client, host)) is None:
            left_s = until - self._clock.now()
            if left_s <= 0:
                break
            self._freed.clear()
            await self._clock.wait(self._freed, left_s)
        try:
            yield lane is not None
        finally:
            if lane is not None:
                self._flight.end_trial(lane)
                self._freed.set()
                self.worker.wake.set()

    def _verdict(
        self, claimed: ClaimedDelivery, reply: Reply, now: float, *, alone: bool
    ) -> Verdict:
        """The final word on a message that told of several is for one of them, and nobody
        knows which: each is told by itself then, and gets a word of its own.
        """
        dice, parted = self._dice.random(), reply.final and not alone
        if parted:
            reply = replace(reply, final=False)
        found = retry.decide(claimed, reply, schedule=self._schedule, now=now, dice=dice)
        if parted:
            return replace(found, failures=max(found.failures, ALONE_AFTER))
        return found

    async def attempt(self, claimed: ClaimedDelivery, sender: Send) -> Reply:
        """Whatever goes wrong is a failed attempt, which the schedule counts."""
        secrets = claimed.signing_secrets or self._secrets(claimed.client)
        if not claimed.readable:
            return Reply(outcome=AttemptOutcome.REFUSED, detail=UNREADABLE)
        if not secrets:
            return Reply(outcome=AttemptOutcome.REFUSED, detail=UNSIGNABLE)
        try:
            return await send_signed(
                sender,
                claimed.destination,
                [claimed.body, *(each.body for each in claimed.riders)],
                format_name=claimed.format,
                method=claimed.method,
                message_id=claimed.message_id,
                secrets=secrets,
                at=self._clock.wall(),
                traceparent=claimed.traceparent,
            )
        except Exception:
            log.exception("work.failed", loop="dispatcher", message=claimed.message_id)
            return Reply(outcome=AttemptOutcome.UNKNOWN, detail=FAULT)

    async def _record(
        self, told: Sequence[tuple[ClaimedDelivery, Verdict]], reply: Reply
    ) -> Followed:
        """Write it down, however often that takes: what is forgotten is sent again."""
        while True:
            try:
                now = self._clock.now()
                if len(told) > 1:
                    return await self._store.record_attempts(told, reply, now=now)
                [(claimed, verdict)] = told
                return await self._store.record_attempt(claimed, reply, verdict, now=now)
            except StoreUnavailable as error:
                if self.stopping.is_set():
                    raise
                log.warning(
                    "attempt.unrecorded",
                    message=told[0][0].message_id,
                    error=str(error),
                )
                await self._clock.wait(self.stopping, RECORD_AGAIN_S)

    def _note_reply(self, claimed: ClaimedDelivery, reply: Reply) -> None:
        spoke = answered(reply)
        if spoke or silent(reply):
            self._flight.heard(claimed, answered=spoke)

    def _note_breaker(self, claimed: ClaimedDelivery, breaker: Breaker | None) -> None:
        whose = {"client": claimed.client, "host": claimed.destination.host}
        if breaker is Breaker.OPENED:
            log.warning("host.silent", **whose)
        elif breaker is Breaker.CLOSED:
            log.info("host.answers", **whose)

    def _note(self, claimed: ClaimedDelivery, reply: Reply, verdict: Verdict) -> None:
        self._attempts(verdict.outcome.value).inc()
        now = self._clock.now()
        if verdict.state in CLOSED:
            self._closed(verdict.state.value).inc()
            self._over([claimed.subscription_id.removeprefix("sub_")])
        if verdict.state is DeliveryState.ACCEPTED:
            self._metrics.delivery_lag.observe(max(now - claimed.created_at, 0.0))
        log.info(
            "delivery.attempted",
            message=claimed.message_id,
            client=claimed.client,
            host=claimed.destination.host,
            type=claimed.type,
            attempt=claimed.attempt,
            manual=claimed.manual,
            outcome=verdict.outcome.value,
            http_status=reply.http_status,
            state=verdict.state and verdict.state.value,
            next_in_s=verdict.next_at and round(verdict.next_at - now, 1),
        )
