"""The cases that poll-and-deliver systems are known to get wrong, one by one."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from bridge.clock import SystemClock
from bridge.errors import StoreUnavailable
from bridge.model import (
    Answer,
    AttemptOutcome,
    DeliveryState,
    Outcome,
    PollOutcome,
    SubscriptionState,
)
from bridge.store import Store
from tests import world as w
from tests.conftest import FakeClock
from tests.world import Gate, World

HOUR_S = 3_600.0
DAY_S = 86_400.0


@pytest.fixture
async def world(tmp_path: Path, clock: FakeClock) -> AsyncIterator[World]:
    opened = await World(tmp_path, clock).up()
    yield opened
    assert opened.repaired == await opened.store.sweep(now=clock.now()) == 0
    await opened.down()


def after(gate: Gate, answer: Answer) -> Callable[[str], Awaitable[Answer]]:
    async def answered(_task_id: str) -> Answer:
        await gate.wait()
        return answer

    return answered


async def test_an_answer_slower_than_the_gap_is_asked_for_once_and_counts(
    world: World,
) -> None:
    """Fenced by its due time, such an end would be lost at every poll, for ever."""
    gate = Gate()
    world.providers.says = after(gate, w.succeeded("slow"))
    made = await world.subscribe("slow")
    async with world.running():
        await world.until(lambda: gate.held == 1)
        for _ in range(6):  # several gaps of five seconds go by
            world.clock.advance(6)
            world.poller.worker.wake.set()
            await world.show(made)
        assert world.providers.asked == ["slow"]
        gate.open()
        await world.until(lambda: bool(world.receivers.taken))
    assert (await world.show(made)).outcome is Outcome.SUCCEEDED
    assert len(world.ends(made)) == 1


async def test_who_joins_while_the_end_is_on_its_way_is_told_too(world: World) -> None:
    """Between the answer and its record a subscription must not slip through."""
    gate = Gate()
    world.providers.says = after(gate, w.succeeded("t"))
    first = await world.subscribe("t", path="first")
    async with world.running():
        await world.until(lambda: gate.held == 1)
        gate.open()
        joined = await asyncio.gather(
            *(world.subscribe("t", path=f"joined-{n}") for n in range(20))
        )
        await world.until(lambda: len(world.receivers.taken) == 21)
    for made in (first, *joined):
        assert (await world.show(made)).outcome is Outcome.SUCCEEDED
        assert len(world.ends(made)) == 1


async def test_a_stop_that_races_the_end_is_either_in_time_or_not(world: World) -> None:
    """Whoever is first wins whole: an end with its webhook, or silence."""
    gate = Gate()
    world.providers.says = after(gate, w.succeeded("t"))
    made = [await world.subscribe("t", path=f"p{n}") for n in range(20)]
    async with world.running():
        await world.until(lambda: gate.held == 1)
        gate.open()
        await asyncio.gather(*(world.stop(one) for one in made[::2]))
        await world.until(lambda: len(world.receivers.taken) >= 10, step_s=0.5)
    for one in made:
        shown = await world.show(one)
        stopped = shown.state is SubscriptionState.STOPPED
        assert (shown.outcome is None) is stopped
        if stopped:
            assert world.ends(one) == []
    assert all([(await world.show(one)).outcome for one in made[1::2]])


async def test_a_stop_racing_a_subscribe_leaves_the_watch_to_who_stayed(
    world: World,
) -> None:
    """The last to leave takes the watch along, unless somebody came at that moment."""
    for turn in range(20):
        leaver = await world.subscribe(f"t{turn}", path="leaves")
        _, stayed = await asyncio.gather(
            world.stop(leaver), world.subscribe(f"t{turn}", path="stays")
        )
        assert (await world.show(stayed)).next_poll_at is not None
    world.providers.says = w.succeeded
    await world.pass_time(30)
    assert len(world.receivers.taken) == 20


async def test_a_lost_202_repeated_after_the_end_finds_it_and_sends_nothing(
    world: World,
) -> None:
    """The caller did not hear the 202; the webhook came and went; it asks once more."""
    world.providers.says = w.succeeded
    made = await world.subscribe("t")
    await world.pass_time(10)
    again = await world.subscribe("t")
    await world.pass_time(60)
    assert again.id == made.id
    assert again.outcome is Outcome.SUCCEEDED
    assert len(world.ends(made)) == 1
    world.clock.advance(DAY_S)
    assert (await world.subscribe("t")).id != made.id


async def test_a_retry_by_hand_during_an_attempt_waits_its_turn(world: World) -> None:
    """Two attempts at once would double what the first one may yet deliver."""
    gate, statuses = Gate(), iter([500, 500, 200])

    async def receive(_url: str) -> int:
        await gate.wait()
        return next(statuses)

    world.providers.says, world.receivers.says = w.succeeded, receive
    made = await world.subscribe("t")
    async with world.running():
        await world.until(lambda: gate.held == 1)
        assert await world.retry(made)
        world.clock.advance(1)
        assert gate.held == 1
        gate.open()
        await world.until(lambda: bool(world.receivers.taken), step_s=0.5)
    delivery = await world.delivery(made)
    assert [attempt.number for attempt in delivery.log] == [1, 2, 3]
    assert [attempt.manual for attempt in delivery.log] == [False, True, False]
    assert {post.id for post in world.ends(made)} == {delivery.id}
    third, first = delivery.log[2], delivery.log[0]
    assert first.finished_at is not None
    assert third.started_at - first.finished_at >= 5  # the first step of the schedule


async def test_a_death_between_the_receivers_200_and_our_record_repeats_the_id(
    world: World,
) -> None:
    """The receiver acted, we forgot: it hears again, and can tell that it had it."""

    def dies(_url: str) -> int:
        raise w.Crash

    world.providers.says, world.receivers.says = w.succeeded, dies
    made = await world.subscribe("t")
    with pytest.raises(BaseExceptionGroup) as died:
        await world.pass_time(10)
    assert died.group_contains(w.Crash)
    await world.down()
    world.receivers.says = lambda _: 200
    await world.up()
    await world.turn()
    delivery = await world.delivery(made)
    assert [one.outcome for one in delivery.log] == [
        AttemptOutcome.UNKNOWN,
        AttemptOutcome.ACCEPTED,
    ]
    assert [post.id for post in world.ends(made)] == [delivery.id]


async def test_a_days_old_backup_repeats_ids_and_invents_none(world: World) -> None:
    """Everything since is told a second time, and nothing under another id."""
    updates = ("task.ended", "task.updated")
    before = [await world.subscribe(f"t{n}", events=updates) for n in range(5)]
    await world.pass_time(60)
    backup = world.path.with_name("backup.db")
    with (
        closing(sqlite3.connect(world.path)) as source,
        closing(sqlite3.connect(backup)) as target,
    ):
        source.backup(target)
    world.providers.says = w.succeeded
    await world.pass_time(DAY_S, step_s=600)
    told = {one.id: [post.id for post in world.ends(one)] for one in before}
    assert all(len(ids) == 1 for ids in told.values())
    await world.down()
    shutil.copy(backup, world.path)
    world.receivers.posts.clear()
    await world.up()
    await world.pass_time(60)
    assert {one.id: [post.id for post in world.ends(one)] for one in before} == told


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_wall_clock_an_hour_off_ends_and_stalls_nothing(
    world: World, hours: int
) -> None:
    """Somebody sets the machine's clock while tasks run. Signatures follow it."""
    made = await world.subscribe("t", deadline_s=1_800.0)
    await world.pass_time(20)
    world.clock.offset += hours * HOUR_S
    asked = len(world.providers.asked)
    await world.pass_time(60)
    assert len(world.providers.asked) > asked
    assert (await world.show(made)).state is SubscriptionState.ACTIVE
    world.providers.says = w.succeeded
    await world.pass_time(10)
    [post] = world.ends(made)
    assert post.signed_at == pytest.approx(post.at + hours * HOUR_S, abs=1)


def test_a_clock_that_came_back_behind_goes_on_from_what_was_reached() -> None:
    """What was scheduled by the old clock must not wait for the difference."""
    reached = SystemClock().now() + HOUR_S
    clock = SystemClock(not_before=reached)
    assert clock.now() >= reached
    assert abs(clock.wall() - SystemClock().now()) < 60


async def test_a_disk_full_when_a_200_is_recorded_sends_nothing_twice(
    world: World,
) -> None:
    """It was delivered; until that is written down, nobody may claim it again."""
    world.providers.says = w.succeeded
    made = await world.subscribe("t")
    refusals = iter([True, True, True])
    recorded = world.store.record_attempt

    class Full(Store):
        async def record_attempt(self, *args: object, **named: object) -> None:
            if next(refusals, False):
                raise StoreUnavailable("database or disk is full")
            await recorded(*args, **named)  # type: ignore[arg-type]

    world.store.__class__ = Full
    async with world.running():
        await world.until(lambda: next(refusals, None) is None, step_s=0.5)
        await world.until(lambda: bool(world.receivers.taken), step_s=0.5)
    assert len(world.ends(made)) == 1
    assert (await world.delivery(made)).state is DeliveryState.ACCEPTED


async def test_an_n8n_flow_that_is_not_yet_waiting_is_asked_again_soon(
    world: World,
) -> None:
    """409 until its Wait node listens: seconds, not the next step of the schedule."""
    statuses = iter([409, 409, 200])
    world.providers.says = w.succeeded
    world.receivers.says = lambda _: next(statuses)
    made = await world.subscribe("t", path="webhook-waiting/9")
    await world.pass_time(12, step_s=0.5)
    posts = world.ends(made)
    assert [post.status for post in posts] == [409, 409, 200]
    assert all(later.at - one.at <= 2.5 for one, later in pairwise(posts))


async def test_what_the_provider_cannot_say_leaves_the_subscription_open(
    world: World,
) -> None:
    """An answer too large, and then the truth."""
    world.providers.says = lambda _: Answer(http_status=200, too_large=True)
    made = await world.subscribe("t")
    await world.pass_time(30)
    shown = await world.show(made)
    assert shown.state is SubscriptionState.ACTIVE
    assert shown.last_poll is not None
    assert shown.last_poll.outcome is PollOutcome.ANSWER_TOO_LARGE
    world.providers.says = w.succeeded
    await world.pass_time(120)
    assert len(world.ends(made)) == 1
