"""The bridge learns from its own polls, keeps it, and shares out what a limit allows."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from bridge.cadence import History
from bridge.model import Answer
from bridge.polling.kinds import ALL, MODELS
from tests import world as w
from tests.conftest import FakeClock
from tests.world import World, config_with

LASTS_S = 60.0


@pytest.fixture
async def world(tmp_path: Path, clock: FakeClock) -> AsyncIterator[World]:
    world = await World(tmp_path, clock).up()
    yield world
    await world.down()


def ending_after(world: World, seconds: float, **more: object) -> None:
    """Every task ends so long after it was first asked for by its own name."""
    begun: dict[str, float] = {}

    def says(task_id: str) -> Answer:
        now = world.clock.now()
        since = begun.setdefault(task_id, now - 5.0)
        if now - since >= seconds:
            return w.succeeded(task_id)
        return w.said(200, {"task_id": task_id, "status": "in_progress", **more})

    world.providers.says = says


async def run_tasks(world: World, name: str, count: int) -> None:
    await asyncio.gather(*(world.subscribe(f"{name}-{n}") for n in range(count)))
    await world.pass_time(2 * LASTS_S, step_s=1.0)
    await world.pacing.exchange()


async def test_it_learns_when_tasks_end_and_asks_then(world: World) -> None:
    """Forty tasks later it looks seldom in the first half and often near the end."""
    ending_after(world, LASTS_S)
    await run_tasks(world, "old", 40)
    before = len(world.providers.questions)
    await run_tasks(world, "new", 40)
    plan = world.pacing.plan("amux", None)
    assert plan.tasks == pytest.approx(80, rel=0.1)
    assert plan.density(LASTS_S) > 3 * plan.density(10.0)
    assert len(world.providers.questions) - before < 1.2 * before


async def test_what_was_learned_outlives_the_process(world: World) -> None:
    ending_after(world, LASTS_S)
    await run_tasks(world, "old", 20)
    await world.down()
    await world.up()
    assert world.pacing.plan("amux", None).tasks == 0
    await world.pacing.exchange()
    assert world.pacing.plan("amux", None).tasks == pytest.approx(20, rel=0.1)


async def test_models_are_learned_apart_and_bounded(world: World) -> None:
    """A caller may invent labels without end; they are then all one kind."""
    ending_after(world, LASTS_S)
    for n in range(MODELS + 10):
        await world.subscribe(f"t{n}", model=f"label-{n}")
    await world.pass_time(2 * LASTS_S, step_s=2.0)
    await world.pacing.exchange()
    known = await world.store.durations(since=0.0)
    assert MODELS <= len(known) <= MODELS + 1
    assert known["amux", ALL].count == MODELS + 10


async def test_what_two_nodes_have_seen_is_added_up(world: World) -> None:
    news = History()
    news.ended(60.0, 60.0)
    for _ in range(2):
        await world.store.learn({("amux", ALL): news}, now=world.clock.now())
    known = await world.store.durations(since=0.0)
    assert known["amux", ALL].count == 2


async def test_an_age_counts_from_the_providers_time(world: World) -> None:
    """Who subscribes late to a task that is nearly done does not wait for a whole one."""
    ending_after(world, LASTS_S)
    await run_tasks(world, "old", 40)
    began = world.clock.wall() - LASTS_S + 2.0
    ending_after(world, LASTS_S - 40.0, created_at=int(began))
    await world.subscribe("late")
    await world.pass_time(70.0, step_s=0.5)
    [first, second, *_] = world.providers.times("late")
    assert second - first < 6.0


async def test_steady_progress_says_when_it_ends(world: World) -> None:
    """A line through two figures and the start: hardly any polls until it comes to 100."""
    started = world.clock.now()

    def says(task_id: str) -> Answer:
        done = (world.clock.now() - started) / 2.0
        if done >= 100:
            return w.succeeded(task_id)
        return w.said(
            200, {"task_id": task_id, "status": "in_progress", "progress": int(done)}
        )

    world.providers.says = says
    await world.subscribe("t")
    await world.pass_time(230.0, step_s=0.25)
    times = world.providers.times("t")
    assert len(times) < 20
    assert times[-1] - (started + 200.0) < 3.0


async def test_after_news_a_cache_is_not_asked_before_it_is_refreshed(
    tmp_path: Path, clock: FakeClock
) -> None:
    """new-api looks every 15 s: what changed has just been looked at."""
    settings = config_with(page={"refresh": "15s"}, poll={"interval": "2s"})
    world = await World(tmp_path, clock, config=settings).up()
    words = iter(["queued", "in_progress"])
    said = ["queued"]

    def says(task_id: str) -> Answer:
        said[0] = next(words, said[0])
        return w.said(200, {"task_id": task_id, "status": said[0]})

    world.providers.says = says
    await world.subscribe("t")
    await world.pass_time(30.0, step_s=0.25)
    [first, second, third, *_] = world.providers.times("t")
    assert second - first < 3.0
    assert third - first >= 15.0
    await world.down()


@pytest.fixture
async def limited(tmp_path: Path, clock: FakeClock) -> AsyncIterator[World]:
    settings = config_with(rate_limit="10/s", poll={"interval": "5s"})
    world = await World(tmp_path, clock, config=settings).up()
    yield world
    await world.down()


async def poll_for(world: World, seconds: float, step_s: float = 0.1) -> None:
    dice, until = Random(5), world.clock.now() + seconds
    while world.clock.now() < until:
        world.clock.advance(dice.uniform(0.2, 1.5) * step_s)
        await world.poller.worker.drain()


async def test_one_clients_crowd_starves_no_other_client(limited: World) -> None:
    """Both use one key, at ten requests a second; one of them has 2,000 tasks."""
    await asyncio.gather(*(limited.subscribe(f"crowd-{n}") for n in range(2_000)))
    await poll_for(limited, 10)
    await limited.subscribe("alone", client="blog")
    await poll_for(limited, 60)
    times = limited.providers.times("alone")
    gaps = [after - before for before, after in pairwise(times)]
    assert len(times) >= 8
    assert max(gaps) < 10.0


async def test_under_a_limit_all_wait_alike_and_nothing_is_idle(limited: World) -> None:
    """A hundred tasks that wish for twice the limit: each is asked in turn."""
    await asyncio.gather(*(limited.subscribe(f"t{n}") for n in range(100)))
    await poll_for(limited, 30, step_s=0.02)
    asked = len(limited.providers.questions)
    await poll_for(limited, 20, step_s=0.02)
    assert len(limited.providers.questions) - asked >= 0.8 * 10 * 20
    counts = [len(limited.providers.times(f"t{n}")) for n in range(100)]
    assert max(counts) - min(counts) <= 3


async def test_where_a_limit_is_too_small_first_polls_wait_as_well(limited: World) -> None:
    """Two hundred tasks of a kind that lasts a minute: they are not asked in their first
    seconds, while others wait that may have ended.
    """
    history = History()
    for n in range(200):
        history.ended(50.0 + n / 10, 50.0 + n / 10)
        history.ran(0.0, 50.0 + n / 10)
    await limited.store.learn({("amux", ALL): history}, now=limited.clock.now())
    await limited.pacing.exchange()
    await asyncio.gather(*(limited.subscribe(f"old-{n}") for n in range(600)))
    await poll_for(limited, 60)
    await asyncio.gather(*(limited.subscribe(f"new-{n}") for n in range(100)))
    began = limited.clock.now()
    await poll_for(limited, 40)
    early = [one for one in limited.providers.questions if one.at > began]
    assert len(early) > 200
    young = [one for one in early if one.task_id.startswith("new-") and one.at < began + 20]
    assert len(young) <= 10


async def test_an_outage_is_no_reason_to_ask_seldom_afterwards(world: World) -> None:
    """All have waited long then, but not because of any limit."""
    await asyncio.gather(*(world.subscribe(f"t{n}") for n in range(300)))
    await world.pass_time(10.0, step_s=1.0)
    world.clock.advance(600.0)
    await world.pass_time(30.0, step_s=1.0)
    before = len(world.providers.questions)
    await world.pass_time(30.0, step_s=1.0)
    assert len(world.providers.questions) - before > 4 * 300


async def test_a_provider_that_was_down_is_soon_asked_as_before(world: World) -> None:
    pending = world.providers.says
    world.providers.says = lambda _: w.said(502, b"bad gateway")
    await asyncio.gather(*(world.subscribe(f"t{n}") for n in range(100)))
    await world.pass_time(300.0, step_s=1.0)
    world.providers.says = pending
    await world.pass_time(360.0, step_s=1.0)
    before = len(world.providers.questions)
    await world.pass_time(30.0, step_s=1.0)
    assert len(world.providers.questions) - before > 4 * 100


async def test_a_crowd_that_has_gone_leaves_nobody_waiting(limited: World) -> None:
    crowd = await asyncio.gather(*(limited.subscribe(f"crowd-{n}") for n in range(600)))
    await poll_for(limited, 60)
    for one in crowd:
        await limited.stop(one)
    limited.clock.advance(600.0)
    await limited.subscribe("alone")
    await poll_for(limited, 40)
    assert len(limited.providers.times("alone")) >= 6


async def test_a_task_that_was_over_before_we_heard_of_it_teaches_nothing(
    world: World,
) -> None:
    """Whoever subscribes late would make all tasks seem to take as long."""
    began = world.clock.wall() - 72_000.0
    world.providers.says = lambda task_id: w.said(
        200,
        {
            "task_id": task_id,
            "status": "completed",
            "url": "https://cdn.test/a.mp4",
            "created_at": int(began),
            "completed_at": int(began) + 100,
        },
    )
    for n in range(5):
        await world.subscribe(f"t{n}")
    await world.pass_time(10.0, step_s=1.0)
    await world.pacing.exchange()
    assert world.pacing.plan("amux", None).tasks == 0


async def test_what_is_not_used_is_forgotten_everywhere(world: World) -> None:
    """Or the table would grow with every label that was ever invented."""
    news = History()
    news.ended(60.0, 60.0)
    kinds = [("amux", ALL), ("amux", "~old"), ("amux", "~dropped")]
    await world.store.learn(dict.fromkeys(kinds, news), now=world.clock.now())
    await world.store.forget_durations([("amux", "~dropped")])
    assert set(await world.store.durations(since=0.0)) == {*kinds[:2]}
    await world.pacing.exchange()
    assert {model for model, _, _ in world.pacing.learned("amux")} == {ALL, "~old"}
    for seconds in (10.0, 31 * 86_400.0):
        world.clock.advance(seconds)
        await world.pacing.exchange()
    assert set(await world.store.durations(since=0.0)) == {("amux", ALL)}
    assert {model for model, _, _ in world.pacing.learned("amux")} == {ALL}
