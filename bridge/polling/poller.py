"""Due watches → one question each → what its answer means, written down.

The claim has already scheduled the next poll, so an answer that brings no news costs no
second write, and a crash between the two costs one poll.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random

import structlog

from bridge import lanes, transition
from bridge.bell import Bell
from bridge.cadence import PollPolicy
from bridge.clock import Clock
from bridge.health import Health, Pulse
from bridge.lanes import Lane, Side, Window, share
from bridge.metrics import Metrics
from bridge.model import ClaimedPoll, Observation, PollOutcome
from bridge.polling.asking import Ask, Asking
from bridge.polling.awaited import Awaited
from bridge.polling.lists import Lists
from bridge.polling.pacing import Pacing
from bridge.polling.standing import Standing
from bridge.providers.provider import Provider
from bridge.rate import Rate
from bridge.slots import Place, Slots
from bridge.store import Claims, Pick, Store
from bridge.worker import IDLE_S, Turn, Worker

NOBODY = -1  # the id of no lane
SHOWN = 10  # subscriptions of a crowd that are named in the log

log = structlog.get_logger(__name__)


class Poller:
    """One node's polls: `slots` in flight in all, half of them of one provider, and
    `lane_slots` of one credential; some are kept for who has none in flight (`Slots`).
    """

    def __init__(
        self,
        store: Store,
        upstream: Ask,
        *,
        providers: Callable[[], Mapping[str, Provider]],
        clock: Clock,
        dice: Random,
        bell: Bell,
        health: Health,
        metrics: Metrics,
        on_owed: Callable[[], None],
        pacing: Pacing,
        slots: int = 256,
        lane_slots: int = 64,
    ) -> None:
        self._store, self._providers = store, providers
        self._clock, self._dice, self._bell, self._metrics = clock, dice, bell, metrics
        self._on_owed, self._pacing = on_owed, pacing
        self._lag = metrics.scheduler_lag.labels("poller")
        self._most, self._lane_most = slots, lane_slots
        self._slots = Slots(self._places)
        self._in_flight: dict[int, Lane] = {}  # by watch
        self._asking = Asking(upstream, providers=providers, clock=clock, metrics=metrics)
        self._awaited, self._standing = Awaited(store), Standing(metrics)
        self._lists = Lists(
            store,
            self._asking,
            self._awaited,
            providers=providers,
            pacing=pacing,
            clock=clock,
            metrics=metrics,
        )
        self.worker = Worker("poller", self._claim, self._poll, clock=clock, health=health)

    def pulse(self, provider: str) -> Pulse:
        return self._standing.pulse(provider)

    @property
    def standing(self) -> Standing:
        return self._standing

    async def _claim(self) -> Turn[ClaimedPoll]:
        now = self._clock.now()
        await self._awaited.keep(now)
        if len(self._in_flight) >= self._most:
            return Turn((), min(self._awaited.wait_s(now), IDLE_S))
        ready = await self._store.poll_lanes(now=now, window=self._window())
        now = self._clock.now()
        claims: Claims[ClaimedPoll] = Claims()
        if picks := self._picks(ready.lanes):
            self._note_lag(picks, now)
            claims = await self._store.claim_polls(
                picks,
                now=now,
                pace=self._pacing,
                in_flight=frozenset({*self._in_flight, *self._lists.riding}),
            )
        for item in claims.items:
            self._in_flight[item.watch_id] = lane = lane_of(item)
            self._slots.take(lane)
            self._awaited.add(item)
        wait_s = lanes.wait_s(
            ready,
            claims.moved,
            now=self._clock.now(),
            has_room=lambda lane: self._room(lane) > 0,
            open_to=self._open_to,
        )
        now = self._clock.now()
        longest_s = min(self._awaited.wait_s(now), self._standing.wait_s(now), IDLE_S)
        return Turn(claims.items, longest_s if wait_s is None else min(wait_s, longest_s))

    def _note_lag(self, picks: Sequence[Pick], now: float) -> None:
        for pick in picks:
            if (late_s := now - pick.lane.ready_at) < lanes.SAID_S:
                self._lag.observe(max(late_s, 0.0))

    def _window(self) -> Window:
        known = self._providers().keys() if self._store.database.shared else None
        busy = Counter(lane.owner for lane in self._in_flight.values())
        sides = ((name, False) for name in {*busy, *self._standing.troubled})
        closed = frozenset(side for side in sides if not self._open_to(side))
        return Window(busy, closed=closed, known=known)

    def _open_to(self, side: Side) -> bool:
        """Whether a credential that has nothing in flight may begin a poll."""
        provider, _ = side
        return self._slots.room(Lane(NOBODY, provider, provider)) > 0

    def _picks(self, ready: Sequence[Lane]) -> Sequence[Pick]:
        """Those first who have least in flight, then those who have waited longest."""
        free, now = self._most - len(self._in_flight), self._clock.now()
        due = sorted(ready, key=lambda one: (self._slots.held_by(one), one.ready_at))
        chosen = self._slots.grant(share(due, free, self._room))
        return [
            Pick(
                lane,
                1 if self._lists.wanted(lane.owner, lane.id) else count,
                self._slots.held_by(lane),
                self._rate(lane.owner),
                self._standing.room(lane.owner, now) is not None,
                self._dice.random(),
            )
            for lane, count in chosen
        ]

    def _places(self, lane: Lane) -> Sequence[Place]:
        """What this credential's polls take a slot of."""
        most, provider = self._most, max(self._most // 2, self._lane_most)
        room = self._standing.room(lane.owner, self._clock.now())
        provider = provider if room is None else min(room, provider)
        return (
            Place("node", most, for_idle=most // 4),
            Place(("provider", lane.owner), provider, for_idle=provider // 4),
        )

    def _room(self, lane: Lane) -> int:
        """How many polls of this credential may begin now, as far as slots go."""
        left = (1 if lane.probing else self._lane_most) - self._slots.held_by(lane)
        return min(left, self._slots.room(lane))

    def _rate(self, name: str) -> Rate | None:
        provider = self._providers().get(name)
        return provider.rate if provider else None

    async def _poll(self, claimed: ClaimedPoll) -> None:
        try:
            riders = await self._lists.riders(claimed, self._in_flight)
            if riders:
                await self._lists.ask(claimed, riders, self._saw)
            else:
                await self._saw(claimed, await self._asking.one(claimed))
        finally:
            self._slots.give_back(self._in_flight.pop(claimed.watch_id))
            self._awaited.remove(claimed)

    async def _saw(self, claimed: ClaimedPoll, seen: Observation) -> None:
        self._standing.count(claimed, seen, self._clock.now(), self._dice.random())
        self._pacing.saw(claimed, seen)
        await self._record(claimed, seen)

    async def _record(self, claimed: ClaimedPoll, seen: Observation) -> None:
        now = self._clock.now()
        plan = self._pacing.plan(claimed.provider, seen.model or claimed.model)
        pace = self._pacing.pace(claimed, seen, now)
        if seen.outcome is PollOutcome.ENDED:
            ended = await self._store.record_end(
                claimed.watch_id,
                seen,
                now=now,
                memory_until=self._memory_until(seen, plan.policy),
                clock=self._clock.now,
            )
            self._standing.count_end(
                claimed, seen, told=len(ended), wall=self._clock.wall()
            )
            self._tell(claimed, ended, seen.status)
            return
        move = transition.after(
            claimed, seen, plan, now=now, dice=self._dice.random(), pace=pace
        )
        if await self._awaited.was_kept(claimed) and move.next_at is None:
            again_s = plan.gap_s(now - claimed.born_at, self._dice.random())
            at = claimed.next_at if claimed.next_at > now else now + again_s
            move = replace(move, next_at=at)
        if not move.silent:
            ended = await self._store.record_poll(
                claimed, seen, move, now=now, clock=self._clock.now
            )
            self._tell(claimed, ended, move.closes.outcome if move.closes else None)
            if move.updated:
                self._on_owed()
        self._bell.ring_all()

    def _memory_until(self, seen: Observation, policy: PollPolicy) -> float:
        """How long the answer may be given to others: while its links are good."""
        known = (
            [f.expires_at for f in seen.result.files if f.expires_at] if seen.result else []
        )
        left_s = min(known) - self._clock.wall() if known else policy.link_lifetime_s
        return self._clock.now() + left_s

    def _tell(
        self, claimed: ClaimedPoll, ended: Sequence[str], outcome: str | None
    ) -> None:
        if ended:
            self._metrics.ends.labels(outcome=outcome).inc(len(ended))
            log.info(
                "task.ended",
                provider=claimed.provider,
                watch=claimed.watch_id,
                outcome=outcome,
                polls=claimed.claim_no,
                age_s=round(self._clock.now() - claimed.born_at, 1),
                told=len(ended),
                subscriptions=[f"sub_{key}" for key in ended[:SHOWN]],
            )
            self._bell.ring(ended)
            self._on_owed()


def lane_of(item: ClaimedPoll) -> Lane:
    return Lane(item.credential_id, item.provider, item.provider)
