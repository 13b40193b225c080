"""The cases that poll-and-deliver systems are known to get wrong, one by one."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from bridge.assembly import Current, built
from bridge.clock import SystemClock
from bridge.delivery.dispatcher import LEASE_MARGIN_S
from bridge.errors import StoreUnavailable
from bridge.model import (
    Answer,
    AttemptOutcome,
    DeliveryState,
    Outcome,
    PollOutcome,
    Status,
    Subscription,
    SubscriptionState,
)
from bridge.providers.configured import configured
from bridge.simulator.reactions import Reaction
from bridge.simulator.script import Fault, Step, Task
from bridge.store import SubscriptionFilter, open_store
from bridge.vault import Vault
from tests import world as w
from tests.conftest import ENCRYPTION_KEY, FakeClock
from tests.promises.backup import Backup
from tests.promises.databases import either, one_clock, one_file
from tests.promises.wired import wired
from tests.world import TIMEOUT_S, Gate, Machine, World, sqlite

HOUR_S = 3_600.0
DAY_S = 86_400.0
RETENTION_S = 30 * DAY_S
FINISHED = b'{"message": "The execution \\"9 has finished already."}'


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    """On SQLite alone: see `databases.one_clock`."""
    opened = Machine(tmp_path)
    await opened.up()
    yield opened
    assert opened.repaired == await opened.store.sweep(now=opened.clock.now()) == 0
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


async def test_an_answer_asked_for_before_the_deadline_says_nothing_of_it(
    world: World,
) -> None:
    """It comes after it, and says that the task runs. The task may have ended since."""
    gate = Gate()
    world.providers.says = after(gate, w.pending("t"))
    made = await world.subscribe("t", deadline_s=30.0)
    async with world.running():
        await world.until(lambda: gate.held == 1)
        await world.until(lambda: world.clock.now() > made.deadline_at + 5, step_s=1)
        world.providers.says = w.succeeded
        gate.open()
        await world.until(lambda: bool(world.receivers.taken), step_s=1)
    assert (await world.show(made)).outcome is Outcome.SUCCEEDED
    assert world.providers.asked == ["t", "t"]


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


async def test_who_joins_at_any_moment_around_the_end_is_told(world: World) -> None:
    """Before it is recorded, in the same batch, just after: all hear of it, once."""
    gate = Gate()
    world.providers.says = after(gate, w.succeeded("t"))
    await world.subscribe("t", path="first")

    async def join(number: int) -> Subscription:
        for _ in range(number):
            await asyncio.sleep(0)
        return await world.subscribe("t", path=f"joined-{number}")

    async with world.running():
        await world.until(lambda: gate.held == 1)
        joining = [asyncio.create_task(join(number)) for number in range(60)]
        for _ in range(20):
            await asyncio.sleep(0)
        gate.open()
        joined = await asyncio.gather(*joining)
        await world.until(lambda: len(world.receivers.taken) == 61)
    outcomes = [one.outcome for one in joined]
    assert {None, Outcome.SUCCEEDED} == set(outcomes), "some on either side of the end"
    for made in joined:
        assert len(world.ends(made)) == 1


@pytest.mark.parametrize("moment", ["asked", "ended", "sending", "told"])
async def test_a_stop_at_each_moment_leaves_what_was_and_sends_no_more(
    world: World, moment: str
) -> None:
    """What was recorded stays; what is owed is dropped; what is on its way may arrive."""
    asking, sending = Gate(), Gate()

    async def receive(_url: str) -> int:
        await sending.wait()
        return 500 if moment == "sending" else 200

    world.providers.says = after(asking, w.succeeded("t"))
    world.receivers.says = receive
    made = await world.subscribe("t")
    async with world.running():
        await world.until(lambda: asking.held == 1)
        if moment == "asked":
            assert await world.stop(made)
        asking.open()
        if moment == "ended":
            while (await world.show(made)).outcome is None:
                pass
            assert await world.stop(made)
        if moment in ("sending", "told"):
            await world.until(lambda: sending.held == 1)
        if moment == "sending":
            assert await world.stop(made)
        sending.open()
        if moment == "told":
            await world.until(lambda: bool(world.receivers.taken))
            assert await world.stop(made)
        until = world.clock.now() + 60
        await world.until(lambda: world.clock.now() >= until, step_s=1)
    shown = await world.show(made)
    stopped, ended = SubscriptionState.STOPPED, SubscriptionState.ENDED
    assert shown.state is (stopped if moment == "asked" else ended)
    assert shown.delivery.state is (
        DeliveryState.ACCEPTED if moment == "told" else DeliveryState.STOPPED
    )
    assert len(world.ends(made)) == (moment in ("sending", "told"))


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


async def test_a_retry_by_hand_before_the_first_attempt_is_one_post_at_a_time(
    world: World,
) -> None:
    """Both are due at once after an outage; the receiver has one to answer at a time."""
    together, most = 0, 0

    async def receive(_url: str) -> int:
        nonlocal together, most
        together += 1
        most = max(most, together)
        await world.store.backlog(world.clock.now())
        together -= 1
        return 500

    world.providers.says, world.receivers.says = w.succeeded, receive
    made = await world.subscribe("t")
    world.clock.advance(1)
    await world.poller.worker.drain()
    assert await world.retry(made)
    world.clock.advance(600)
    await world.pass_time(4, step_s=0.5)
    assert most == 1
    delivery = await world.delivery(made)
    assert [one.manual for one in delivery.log].count(True) == 1
    assert [one.number for one in delivery.log] == [1, 2]
    assert delivery.next_attempt_at is not None


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
    if world.store.database.shared:  # it may be another's, until its lease has run out
        assert not world.ends(made)
        world.clock.advance(TIMEOUT_S + LEASE_MARGIN_S)
        await world.turn()
    delivery = await world.delivery(made)
    assert [one.outcome for one in delivery.log] == [
        AttemptOutcome.UNKNOWN,
        AttemptOutcome.ACCEPTED,
    ]
    assert [post.id for post in world.ends(made)] == [delivery.id]


async def test_after_such_a_death_a_flow_that_says_it_has_finished_is_believed(
    world: World,
) -> None:
    """A flow of n8n takes an event once. The log shows that it may have had it."""

    def dies(_url: str) -> int:
        raise w.Crash

    world.providers.says, world.receivers.says = w.succeeded, dies
    made = await world.subscribe("t")
    with pytest.raises(BaseExceptionGroup):
        await world.pass_time(10)
    await world.down()
    world.receivers.says, world.receivers.answer = lambda _: 409, FINISHED
    await world.up()
    await world.pass_time(60)
    assert (await world.delivery(made)).state is DeliveryState.PRESUMED
    assert len(world.ends(made)) == 1


async def test_a_days_old_backup_repeats_ids_and_invents_none(world: World) -> None:
    """Everything since is told a second time, and nothing under another id."""
    updates = ("task.ended", "task.updated")
    before = [await world.subscribe(f"t{n}", events=updates) for n in range(5)]
    await world.pass_time(60)
    backup = Backup(world)
    await backup.take()
    world.providers.says = w.succeeded
    await world.pass_time(DAY_S, step_s=1_800)
    told = {one.id: [post.id for post in world.ends(one)] for one in before}
    assert all(len(ids) == 1 for ids in told.values())
    known = {post.id for post in world.receivers.posts}
    await world.down()
    await backup.restore()
    world.receivers.posts.clear()
    await world.up()
    await world.pass_time(60)
    assert {one.id: [post.id for post in world.ends(one)] for one in before} == told
    ids = {post.id for post in world.receivers.posts}
    assert ids <= known


@one_clock
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


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_machine_that_comes_back_with_its_clock_off_ends_and_stalls_nothing(
    machine: Machine, hours: int
) -> None:
    """What is scheduled does not wait for the difference, and no time was really up.

    It died: the last time it has noted was a minute ago. So long a poll may wait.
    """
    made = await machine.subscribe("t", deadline_s=3 * HOUR_S)
    short = await machine.subscribe("short", deadline_s=1_800.0)
    await machine.pass_time(120)
    asked, reached = len(machine.providers.asked), machine.clock.now()
    machine.clock.offset = hours * HOUR_S
    await machine.restart(down_s=60)
    assert machine.clock.now() >= reached - 60, "the last time that was noted"
    machine.providers.says = lambda task: (
        w.succeeded(task) if task == "short" else w.pending(task)
    )
    await machine.pass_time(80)
    assert len(machine.providers.asked) >= asked + 3
    assert (await machine.show(made)).state is SubscriptionState.ACTIVE
    assert (await machine.show(short)).outcome is Outcome.SUCCEEDED
    machine.providers.says = w.succeeded
    await machine.pass_time(10)
    [post] = machine.ends(made)
    assert post.signed_at == pytest.approx(machine.clock.wall(), abs=11)


@pytest.mark.parametrize("deadline_s", [1_800.0, 9_000.0])
@pytest.mark.parametrize("restarts", [1, 3])
async def test_a_restart_with_the_clock_an_hour_ahead_times_out_nothing_early(
    machine: Machine, deadline_s: float, restarts: int
) -> None:
    """By the machine's clock the time was up; ten minutes later somebody sets it right."""
    made = await machine.subscribe("t", deadline_s=deadline_s)
    told = await machine.subscribe("told", deadline_s=deadline_s)
    machine.providers.says = lambda task: (
        w.succeeded(task) if task == "told" and left_s() < 60 else w.pending(task)
    )

    def left_s() -> float:
        return began_at + deadline_s - machine.clock.true

    began_at = machine.clock.true
    await machine.pass_time(120)
    machine.clock.offset = HOUR_S
    for _ in range(restarts):
        await machine.restart(down_s=60)
        await machine.pass_time(600 / restarts)
    machine.clock.offset = 0.0
    await machine.pass_time(left_s() - 1)
    assert (await machine.show(told)).outcome is Outcome.SUCCEEDED
    assert (await machine.show(made)).state is SubscriptionState.ACTIVE
    await machine.pass_time(HOUR_S)
    assert (await machine.show(made)).outcome is Outcome.TIMED_OUT


async def test_a_key_has_its_ten_minutes_though_the_clock_has_jumped(
    machine: Machine,
) -> None:
    """The operator is about to mend it; nothing may be ended before."""
    made = await machine.subscribe("t")
    machine.providers.says = w.refused
    await machine.pass_time(60)
    machine.clock.offset = HOUR_S
    await machine.restart(down_s=5)
    await machine.pass_time(470)
    assert (await machine.show(made)).state is SubscriptionState.ACTIVE
    await machine.pass_time(120)
    assert (await machine.show(made)).outcome is Outcome.UNREACHABLE


async def test_what_is_kept_for_a_time_is_kept_though_the_clock_has_jumped(
    machine: Machine,
) -> None:
    """What was deleted too early is gone for good."""
    machine.providers.says = w.succeeded
    made = await machine.subscribe("t")
    await machine.pass_time(10)
    machine.clock.advance(RETENTION_S - 1_800)
    await machine.turn()
    machine.clock.offset = HOUR_S
    await machine.restart()
    await machine.pass_time(1_200, step_s=60)
    assert (await machine.show(made)).outcome is Outcome.SUCCEEDED
    await machine.pass_time(1_200, step_s=60)
    assert await machine.store.subscription(w.key_of(made), None) is None


async def test_an_outage_costs_a_deadline_an_hour_at_most(machine: Machine) -> None:
    """It may have been the clock; but whoever waits is asked for at once, and told."""
    made = [await machine.subscribe(f"t{n}", deadline_s=n * HOUR_S) for n in (1, 7)]
    ends = await machine.subscribe("ends", deadline_s=7.5 * HOUR_S)
    await machine.pass_time(60)
    machine.providers.says = lambda task: (
        w.succeeded(task) if task == "ends" else w.pending(task)
    )
    await machine.restart(down_s=8 * HOUR_S)
    await machine.pass_time(10)
    assert (await machine.show(ends)).outcome is Outcome.SUCCEEDED
    assert (await machine.show(made[0])).outcome is Outcome.TIMED_OUT
    await machine.pass_time(HOUR_S)
    assert (await machine.show(made[1])).outcome is Outcome.TIMED_OUT


async def test_whose_deadline_has_not_come_is_not_ended_with_who_shares_the_task(
    machine: Machine,
) -> None:
    """By a clock that is an hour ahead both are late; only one of them is."""
    soon = await machine.subscribe("t", deadline_s=600.0)
    later = await machine.subscribe("t", deadline_s=2_400.0, metadata={"n": 2})
    await machine.pass_time(120)
    machine.clock.offset = HOUR_S
    await machine.restart(down_s=60)
    await machine.pass_time(600)
    assert (await machine.show(soon)).outcome is Outcome.TIMED_OUT
    assert (await machine.show(later)).state is SubscriptionState.ACTIVE


async def test_a_clock_that_was_a_day_ahead_is_forgotten(machine: Machine) -> None:
    """However often it is started again, and without anything waiting for that day."""
    machine.clock.offset = DAY_S
    await machine.restart()
    await machine.pass_time(10)
    machine.clock.offset = 0.0
    for _ in range(10):
        await machine.restart(down_s=60)
        made = await machine.subscribe(f"t{machine.clock.true}", deadline_s=600.0)
        await machine.pass_time(20)
        assert (await machine.show(made)).last_poll is not None
        await machine.pass_time(DAY_S, step_s=DAY_S / 12)
    assert abs(machine.clock.now() - machine.clock.true) < 0.001


async def test_a_node_that_starts_knows_how_long_none_ran(tmp_path: Path) -> None:
    """By the time the last one has noted; here it was ten minutes ago."""
    url, clock = f"sqlite:///{tmp_path / 'bridge.db'}", SystemClock()
    async with open_store(url, Vault([ENCRYPTION_KEY])) as (store, _):
        then = clock.now() - 600
        await store.note_time(then)
        wish = w.wish("t", deadline_s=300.0)
        made = (await store.subscribe(wish, now=then)).subscription
    config = w.CONFIG.model_copy(update={"database": SecretStr(url)})
    async with built(Current(config, configured(config)), lambda: False) as bridge:
        await bridge.upkeep.turn()
        found = await bridge.store.subscription(w.key_of(made), None)
        assert found is not None
        assert found.next_poll_at == made.next_poll_at, "nothing hurries it to a last look"


async def test_a_last_answer_is_waited_for_while_somebody_can_ask(world: World) -> None:
    """The database was away for longer than the five minutes; the task has ended since."""
    made = await world.subscribe("t", deadline_s=30.0)
    await world.pass_time(29, step_s=1)
    world.clock.advance(2)
    await world.upkeep.turn()
    world.providers.says = w.succeeded
    world.clock.advance(400)
    await world.turn()
    assert (await world.show(made)).outcome is Outcome.SUCCEEDED


@either
async def test_much_that_is_old_is_deleted_bit_by_bit(world: World) -> None:
    """Nobody else's write waits until the last of it is gone."""
    made = [await world.subscribe(f"t{n}") for n in range(601)]
    for one in made:
        await world.stop(one)
    world.clock.advance(RETENTION_S + 1)
    left = []
    for _ in range(3):
        page = await world.store.subscriptions(SubscriptionFilter(client=None), limit=1_000)
        left.append(len(page.items))
        await world.upkeep.turn()
    assert left == [601, 101, 0]


@one_file
async def test_a_disk_full_when_a_200_is_recorded_sends_nothing_twice(
    world: World,
) -> None:
    """It was delivered; until that is written down, nobody may claim it again."""
    writer = sqlite(world.store)._writer
    limits: list[int] = []

    def limit_pages(connection: sqlite3.Connection) -> None:
        [pages] = connection.execute("PRAGMA page_count").fetchone()
        limits.append(pages)
        connection.execute(f"PRAGMA max_page_count = {pages}")

    async def fills_the_disk(_url: str) -> int:
        await writer.run(limit_pages)
        return 200

    world.receivers.answer = b"x" * 4096  # which takes pages to keep
    world.providers.says, world.receivers.says = w.succeeded, fills_the_disk
    made = await world.subscribe("t")
    async with world.running():
        await world.until(lambda: bool(world.receivers.taken))
        until = world.clock.now() + 60  # well beyond the attempt's lease
        await world.until(lambda: world.clock.now() >= until, step_s=1)
        with pytest.raises(StoreUnavailable, match="full"):
            await world.subscribe("fills it", metadata={"x": "y" * 9_000})
        assert (await world.delivery(made)).state is DeliveryState.WAITING
        await writer.run(lambda one: one.execute("PRAGMA max_page_count = 1000000"))
        world.receivers.says = lambda _: 200
        until = world.clock.now() + 60
        await world.until(lambda: world.clock.now() >= until, step_s=1)
    assert limits
    assert len(world.ends(made)) == 1
    delivery = await world.delivery(made)
    assert (delivery.state, len(delivery.log)) == (DeliveryState.ACCEPTED, 1)


async def test_an_n8n_flow_that_is_not_yet_waiting_is_asked_again_soon(
    tmp_path: Path, clock: FakeClock, database: str
) -> None:
    """409 until its Wait node listens: seconds, not the next step of the schedule."""
    async with wired(tmp_path, clock, database=database) as node:
        made = await node.subscribe("no-url-0s", f"{node.receiver.url}/n8n/9")
        for _ in range(24):
            await node.turn(0.5)
        first, second = node.receiver.requests
        assert (first.status, second.status) == (409, 200)
        assert 1 <= second.at - first.at <= 2.5
        assert first.webhook_id == second.webhook_id
        assert first.fault is second.fault is None
        delivery = await node.delivery(made)
        assert delivery.state is DeliveryState.ACCEPTED
        assert "Wait node" in str(delivery.log[0].hint)


async def test_an_n8n_flow_whose_answer_was_lost_is_not_started_again(
    tmp_path: Path, clock: FakeClock, database: str
) -> None:
    """It went on with the event; what it says to the repeat shows that it has."""
    async with wired(tmp_path, clock, database=database) as node:
        script = [Reaction(lost=True), Reaction(status=409, body=FINISHED)]
        node.receiver.script("/webhook-waiting/9", script)
        url = f"{node.receiver.url}/webhook-waiting/9"
        made = await node.subscribe("no-url-0s", url)
        for _ in range(8):
            await node.turn(5)
        assert len(node.receiver.requests) == 2
        assert (await node.delivery(made)).state is DeliveryState.PRESUMED


async def test_three_names_that_nobody_answers_for_delay_no_fourth(
    tmp_path: Path, clock: FakeClock
) -> None:
    """Three are enough to stop a resolver that asks in threads."""
    names = {**dict.fromkeys(("a.test", "b.test", "c.test")), "d.test": ["127.0.0.1"]}
    callbacks = {"allow_networks": ["127.0.0.0/8"]}
    async with wired(tmp_path, clock, names, callbacks=callbacks) as node:
        port = node.receiver.url.rpartition(":")[2]
        made = {
            name: await node.subscribe("no-url-0s", f"http://{name}:{port}/ok")
            for name in names
        }
        async with node.running(), asyncio.timeout(0.9):  # a look-up may take a second
            await node.until(lambda: bool(node.receiver.requests))
        outcomes = [(await node.delivery(one)).last_outcome for one in made.values()]
        assert outcomes == [AttemptOutcome.DNS_ERROR] * 3 + [AttemptOutcome.ACCEPTED]


async def test_an_answer_too_large_is_no_end_and_the_truth_is_told_later(
    tmp_path: Path, clock: FakeClock
) -> None:
    """Sixty-four MiB of blanks, over HTTP; half of that is the most that is read."""
    async with wired(tmp_path, clock) as node:
        good = Step(status=Status.SUCCEEDED, video="v.mp4")
        phases = ((0.0, Step(fault=Fault.HUGE)), (10.0, good))
        node.provider.add("t", Task(phases=phases))
        made = await node.subscribe("t", f"{node.receiver.url}/ok")
        await node.turn(5)
        shown = await node.show(made)
        assert shown.state is SubscriptionState.ACTIVE
        assert shown.last_poll is not None
        assert shown.last_poll.outcome is PollOutcome.ANSWER_TOO_LARGE
        await node.turn(30)
        await node.turn(5)
        assert (await node.show(made)).outcome is Outcome.SUCCEEDED
        [received] = node.receiver.requests
        assert received.fault is None


async def test_a_queue_longer_than_the_last_five_minutes_ends_nobody_unasked(
    tmp_path: Path, clock: FakeClock
) -> None:
    """A credential that cannot keep up must still ask whoever's time is up."""
    config = w.config_with(rate_limit="1/s")
    world = await World(tmp_path, clock, config=config).up()
    made = [await world.subscribe(f"t{n}", deadline_s=600.0) for n in range(200)]
    others = [await world.subscribe(f"other{n}") for n in range(400)]
    await world.pass_time(590, step_s=10)
    world.providers.says = w.succeeded
    await world.pass_time(330, step_s=0.515)  # half of the gap between two requests
    outcomes = {(await world.show(one)).outcome for one in made}
    assert outcomes == {Outcome.SUCCEEDED}
    assert len(others) == 400
    await world.down()


async def test_one_stray_401_does_not_hold_a_deadline(world: World) -> None:
    """Only a refusal that is confirmed, or still the last word, waits to be mended."""
    await world.subscribe("neighbour")
    made = await world.subscribe("t", deadline_s=600.0)
    await world.pass_time(20)
    moods = iter([w.refused("t")])
    world.providers.says = lambda _: next(moods, w.silence("t"))
    await world.pass_time(1_200, step_s=10)
    assert (await world.show(made)).outcome is Outcome.TIMED_OUT


async def test_a_410_from_before_does_not_silence_who_asked_anew(world: World) -> None:
    """The receiver came back, and said so by subscribing, while an attempt was open."""
    gate = Gate()

    async def gone(_url: str) -> int:
        await gate.wait()
        return 410

    world.providers.says, world.receivers.says = w.succeeded, gone
    await world.subscribe("t1")
    async with world.running():
        await world.until(lambda: gate.held == 1)
        world.clock.advance(1)
        newer = await world.subscribe("t2")
        world.receivers.says = lambda _: 200
        gate.open()
        await world.until(lambda: newer.id in world.receivers.taken, step_s=0.5)
    assert (await world.delivery(newer)).state is DeliveryState.ACCEPTED
