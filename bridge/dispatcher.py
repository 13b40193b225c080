"""Due deliveries → one signed request each → what the receiver's answer means."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from random import Random

import structlog

from bridge import lanes, retry
from bridge.breaker import Breaker
from bridge.clock import Clock
from bridge.errors import StoreUnavailable
from bridge.health import Health
from bridge.lanes import Lane, Side, Window, share
from bridge.metrics import CLOSED, Metrics
from bridge.model import (
    AttemptOutcome,
    ClaimedDelivery,
    DeliveryState,
    Reply,
)
from bridge.retry import Schedule, Verdict
from bridge.robots import ALONE_AFTER, shared
from bridge.sending import Send, send_signed
from bridge.slots import Place, Slots
from bridge.store import Claims, Pick, Store
from bridge.worker import IDLE_S, Turn, Worker

LEASE_MARGIN_S = 15.0  # beyond the timeout: to record what came of the attempt
RECORD_AGAIN_S = 1.0
NOBODY = -1  # the id of no lane
KEPT = 4  # a part of a host's slots is kept from retries
RANKS = (0, 1, 2)  # of lanes: first attempts, retries, replays
FAULT = "a fault in poll-bridge while sending this; its log says more"
UNREADABLE = "not sent: it is sealed with an encryption key that is no longer configured"
UNSIGNABLE = "not sent: its client is no longer configured, so nothing could sign it"

log = structlog.get_logger(__name__)


class Dispatcher:
    """One node's attempts: `slots` in all, half of them for one client, `host_slots` to
    one host; some of each are kept for those who have nothing in flight (`Slots`).
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
    ) -> None:
        self._store, self._sender, self._secrets = store, sender, secrets
        self._schedule, self._timeout_s = schedule, timeout_s
        self._clock, self._dice, self._metrics = clock, dice, metrics
        self._attempts = cache(metrics.attempts.labels)
        self._closed = cache(metrics.deliveries.labels)
        self._lag = metrics.scheduler_lag.labels("dispatcher")
        self._most, self._host_most = slots, host_slots
        self._slots = Slots(self._places)
        self._in_flight: dict[int, Lane] = {}  # by delivery
        self._riding: set[int] = set()  # deliveries that another's message tells of
        self.stopping = asyncio.Event()
        self.worker = Worker(
            "dispatcher", self._claim, self._deliver, clock=clock, health=health
        )

    async def _claim(self) -> Turn[ClaimedDelivery]:
        now = self._clock.now()
        if len(self._in_flight) >= self._most:
            return Turn((), IDLE_S)
        ready = await self._store.delivery_lanes(now=now, window=self._window())
        claims: Claims[ClaimedDelivery] = Claims()
        if picks := self._picks(ready.lanes):
            self._note_lag(picks, now)
            claims = await self._store.claim_deliveries(
                picks,
                now=now,
                lease_s=self._timeout_s + LEASE_MARGIN_S,
                in_flight=self._riding.union(self._in_flight),
            )
        for item in claims.items:
            self._riding.update(each.delivery_id for each in item.riders)
            self._in_flight[item.delivery_id] = lane = lane_of(item)
            self._slots.take(lane)
        wait_s = lanes.wait_s(
            ready,
            claims.moved,
            now=self._clock.now(),
            has_room=lambda lane: self._room(lane) > 0,
            open_to=self._open_to,
        )
        return Turn(claims.items, IDLE_S if wait_s is None else wait_s)

    def _note_lag(self, picks: Sequence[Pick], now: float) -> None:
        for pick in picks:
            late_s = now - pick.lane.ready_at
            if not pick.lane.behind and late_s < lanes.SAID_S:  # replays may wait
                self._lag.observe(max(late_s, 0.0))

    def _window(self) -> Window:
        """Lanes that are busy may be full, and so may all those to a busy host."""
        busy = Counter(lane.owner for lane in self._in_flight.values())
        hosts = self._busiest()
        sides = ((client, which) for client in busy for which in RANKS)
        closed = frozenset(side for side in sides if not self._open_to(side))
        full = {rank: [one for one in hosts if self._is_full(one, rank)] for rank in RANKS}
        return Window(busy, closed, full=full)

    def _open_to(self, side: Side) -> bool:
        """Whether a client may begin an attempt at a host where nothing is in flight."""
        client, rank = side
        return self._slots.room(self._idle(client, "", rank)) > 0

    def _busiest(self) -> Sequence[str]:
        """Hosts that may be full: that have all slots but those kept from retries."""
        held = Counter(lane.key for lane in self._in_flight.values())
        return [
            host
            for host, count in held.items()
            if count >= self._host_most - self._host_most // KEPT
        ]

    def _is_full(self, host: str, rank: int) -> bool:
        return self._slots.room(self._idle("", host, rank)) < 1

    @staticmethod
    def _idle(client: str, host: str, rank: int) -> Lane:
        """A lane that has nothing in flight."""
        return Lane(NOBODY, client, host, retry=rank > 0, behind=rank > 1)

    def _picks(self, ready: Sequence[Lane]) -> Sequence[Pick]:
        """First attempts before retries, then those who have least in flight, and of these
        replays last.
        """
        chosen: list[tuple[Lane, int]] = []
        for retries in (False, True):
            probed = {lane.id for lane, _ in chosen if lane.probing}
            due = [one for one in ready if one.retry is retries and one.id not in probed]
            due.sort(key=lambda one: (self._slots.held_by(one), one.behind, one.ready_at))
            free = self._most - len(self._in_flight) - sum(count for _, count in chosen)
            chosen = self._slots.grant([*chosen, *share(due, free, self._room)])
        return [Pick(lane, count) for lane, count in chosen]

    def _room(self, lane: Lane) -> int:
        room = self._slots.room(lane)
        return min(room, lane.probing - self._slots.held_by(lane)) if lane.probing else room

    def _places(self, lane: Lane) -> Sequence[Place]:
        """What this lane's attempts take a slot of."""
        most, host = self._most, self._host_most
        client = max(most // 2, host)
        return (
            Place("node", most, most // 4, most // 4, most // 8),
            Place(("client", lane.owner), client, client // 4, client // 4, client // 8),
            Place(("host", lane.key), host, host // 8, from_retries=host // KEPT),
        )

    async def _deliver(self, claimed: ClaimedDelivery) -> None:
        began_at = self._clock.now()
        try:
            reply = shared(await self.attempt(claimed, self._sender), len(claimed.riders))
            now = self._clock.now()
            self._metrics.attempt_seconds.observe(now - began_at)
            told = [
                (each, self._verdict(each, reply, now, alone=not claimed.riders))
                for each in (claimed, *claimed.riders)
            ]
            breaker = await self._record(told, reply)
            for each, verdict in told:
                self._note(each, reply, verdict)
            self._note_breaker(claimed, breaker)
        finally:
            self._slots.give_back(self._in_flight.pop(claimed.delivery_id))
            self._riding.difference_update(each.delivery_id for each in claimed.riders)

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
            )
        except Exception:
            log.exception("work.failed", loop="dispatcher", message=claimed.message_id)
            return Reply(outcome=AttemptOutcome.UNKNOWN, detail=FAULT)

    async def _record(
        self, told: Sequence[tuple[ClaimedDelivery, Verdict]], reply: Reply
    ) -> Breaker | None:
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


def lane_of(item: ClaimedDelivery) -> Lane:
    return Lane(item.lane_id, item.client, item.destination.host, retry=item.retry)
