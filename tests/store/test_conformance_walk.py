"""A random walk over everything the store can do, with results that come late and twice."""

import contextlib
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest

from bridge.errors import RequestError
from bridge.model import (
    AttemptOutcome,
    ClaimedDelivery,
    ClaimedPoll,
    DeliveryState,
    Observation,
    Outcome,
    PollOutcome,
    Reply,
    Status,
    SubscriptionState,
)
from bridge.receivers.retry import Schedule
from bridge.store import Doubt
from tests.store.scene import (
    ACCEPTED,
    BROKEN,
    DAY,
    FINISHED,
    GONE,
    HOUR,
    LEASE_S,
    NOT_FOUND,
    REFUSED,
    THROTTLED,
    TIMEOUT,
    TRANSIENT,
    Scene,
    destination,
    failed,
    key_of,
    pending,
    saw,
    succeeded,
)

STEPS = 150
REPLIES = (
    ACCEPTED,
    ACCEPTED,
    BROKEN,
    GONE,
    TIMEOUT,
    FINISHED,
    Reply(outcome=AttemptOutcome.CONFLICT, http_status=409),
    Reply(outcome=AttemptOutcome.THROTTLED, http_status=429, retry_after_s=20.0),
)
SETTLED = {
    DeliveryState.ACCEPTED,
    DeliveryState.PRESUMED,
    DeliveryState.EXHAUSTED,
    DeliveryState.GONE,
    DeliveryState.SUPERSEDED,
    DeliveryState.STOPPED,
    DeliveryState.FILTERED,
}


class Walk:
    """What was done so far, and what must be true whatever was done."""

    def __init__(self, scene: Scene, seed: int) -> None:
        self.scene, self.dice = scene, Random(seed)
        self.scene.schedule = Schedule((5.0, 60.0))
        self.keys: list[str] = []
        self.polls: list[ClaimedPoll] = []
        self.attempts: list[ClaimedDelivery] = []
        self.late_polls: list[ClaimedPoll] = []  # of a process that is thought dead
        self.late_attempts: list[ClaimedDelivery] = []
        self.ended: dict[str, Outcome | None] = {}
        self.stopped: set[str] = set()
        self.accepted: set[str] = set()
        self.acts: tuple[Callable[[], Awaitable[None]], ...] = (
            self.subscribe,
            self.subscribe,
            self.stop,
            self.claim_polls,
            self.claim_polls,
            self.answer,
            self.answer,
            self.answer,
            self.claim_deliveries,
            self.claim_deliveries,
            self.hear,
            self.hear,
            self.late_result,
            self.retry,
            self.time_passes,
            self.time_passes,
            self.check_deadlines,
            self.crash,
            self.upkeep,
        )

    async def subscribe(self) -> None:
        d = self.dice
        changes: dict[str, Any] = {
            "client": d.choice(("shop", "blog")),
            "destination": d.choice((None, destination("a"), destination("b", "b.test"))),
            "events": d.choice(
                (("task.ended",), ("task.ended", "task.updated"), ("task.failed",))
            ),
            "provider_key": d.choice((None, None, "sk-own")),
            "deadline_s": d.choice((30.0, HOUR, DAY)),
            "metadata": {"n": d.randrange(4)},
        }
        done = await self.scene.subscribe(f"task-{d.randrange(5)}", **changes)
        if done.created:
            self.keys.append(key_of(done))
            if done.subscription.state is SubscriptionState.ENDED:
                self.note_ends([key_of(done)])

    async def stop(self) -> None:
        if self.keys:
            key = self.dice.choice(self.keys)
            assert await self.scene.stop(key, None)
            if key not in self.ended:
                self.stopped.add(key)

    async def claim_polls(self) -> None:
        in_flight = [claimed.watch_id for claimed in self.polls]
        found = await self.scene.claim_polls(in_flight=in_flight)
        assert not {claimed.watch_id for claimed in found} & set(in_flight)
        self.polls += found

    async def answer(self) -> None:
        if self.polls:
            claimed = self.polls.pop(self.dice.randrange(len(self.polls)))
            self.note_ends(await self.scene.answer(claimed, self.observation()))

    def observation(self) -> Observation:
        d = self.dice
        return d.choice(
            (
                pending(
                    d.choice((Status.QUEUED, Status.RUNNING)), progress=d.randrange(99)
                ),
                pending(),
                succeeded(),
                failed(),
                NOT_FOUND,
                REFUSED,
                THROTTLED,
                TRANSIENT,
                saw(PollOutcome.FORBIDDEN),
            )
        )

    async def claim_deliveries(self) -> None:
        in_flight = [claimed.delivery_id for claimed in self.attempts]
        found = await self.scene.claim_deliveries(in_flight=in_flight)
        self.attempts += found
        ids = [claimed.delivery_id for claimed in self.attempts]
        assert len(ids) == len(set(ids)), "two attempts of one delivery at a time"

    async def hear(self) -> None:
        if self.attempts:
            claimed = self.attempts.pop(self.dice.randrange(len(self.attempts)))
            await self.note_reply(claimed, self.dice.choice(REPLIES))

    async def note_reply(self, claimed: ClaimedDelivery, reply: Reply) -> None:
        await self.scene.hear(claimed, reply)
        if reply is ACCEPTED:
            self.accepted.add(claimed.message_id)

    async def late_result(self) -> None:
        """A node that was given up for dead comes back with what it has."""
        if self.late_polls:
            self.note_ends(
                await self.scene.answer(self.late_polls.pop(), self.observation())
            )
        if self.late_attempts:
            await self.note_reply(self.late_attempts.pop(), self.dice.choice(REPLIES))

    async def retry(self) -> None:
        if self.keys:
            with contextlib.suppress(RequestError):  # it was stopped, superseded, filtered
                await self.scene.retry(self.dice.choice(self.keys), client=None)

    async def time_passes(self) -> None:
        self.scene.later(self.dice.choice((0.5, 3.0, 5.0, LEASE_S, 90.0, 700.0)))

    async def check_deadlines(self) -> None:
        self.note_ends(await self.scene.check_deadlines())
        self.note_ends(await self.scene.store.end_keyless(Doubt.none(self.scene.now)))

    async def crash(self) -> None:
        self.late_polls, self.polls = self.polls, []
        self.late_attempts, self.attempts = self.attempts, []
        await self.scene.store.begin(now=self.scene.now)

    async def upkeep(self) -> None:
        now = self.scene.now
        await self.scene.store.forget(now=now, idempotency_before=now - DAY)
        await self.scene.store.prune(before=now - 1_000)
        left = {key_of(one) for one in await self.scene.list_subscriptions()}
        assert set(self.keys) - left <= self.stopped | set(self.ended), "an active one"
        self.keys = [key for key in self.keys if key in left]

    def note_ends(self, keys: list[str]) -> None:
        for key in keys:
            assert key not in self.ended, "a second end"
            assert key not in self.stopped, "an end after a stop"
            self.ended[key] = None

    async def check(self) -> None:
        """After every step."""
        assert await self.scene.store.sweep(now=self.scene.now) == 0
        for shown in await self.scene.list_subscriptions():
            key = key_of(shown)
            assert (shown.state is SubscriptionState.ENDED) == (key in self.ended)
            assert (shown.event is not None) == (key in self.ended)
            if key in self.ended:
                before = self.ended[key] or shown.outcome
                assert shown.outcome is before, "an end was changed"
                self.ended[key] = shown.outcome
        for delivery in await self.scene.list_deliveries():
            if delivery.id in self.accepted:
                assert delivery.state is DeliveryState.ACCEPTED

    async def settle(self) -> None:
        """Providers and receivers are well again: everything comes to its end."""
        for _ in range(40):
            self.scene.later(HOUR)
            for claimed in (*self.polls, *await self.scene.claim_polls()):
                self.note_ends(await self.scene.answer(claimed, succeeded()))
            self.polls = []
            for attempt in (*self.attempts, *await self.scene.claim_deliveries()):
                await self.note_reply(attempt, ACCEPTED)
            self.attempts = []
        for shown in await self.scene.list_subscriptions():
            assert shown.state is not SubscriptionState.ACTIVE
        assert {one.state for one in await self.scene.list_deliveries()} <= SETTLED
        backlog = await self.scene.store.backlog(self.scene.now)
        assert (backlog["watches"], backlog["deliveries"]) == (0, 0)


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_happens_every_subscription_has_one_end(
    scene: Scene, seed: int
) -> None:
    """Promise 2 and 11 by brute force: one end each, nothing lost, nothing to repair."""
    walk = Walk(scene, seed)
    for _ in range(STEPS):
        await walk.dice.choice(walk.acts)()
        await walk.check()
    await walk.settle()
    await walk.check()
