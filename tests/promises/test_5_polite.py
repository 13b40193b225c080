"""Promise 5: the provider is asked politely."""

import asyncio
from bisect import bisect_left
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import fmean

import pytest

from bridge.model import Answer
from tests import world as w
from tests.conftest import FakeClock
from tests.promises.databases import either
from tests.world import World, config_with


@pytest.fixture
async def limited(tmp_path: Path, clock: FakeClock, database: str) -> AsyncIterator[World]:
    """A provider that may be asked ten times in two seconds with one key."""
    settings = config_with(rate_limit="10/2s", poll={"interval": "1s", "min": "1s"})
    world = await World(tmp_path, clock, database=database, config=settings).up()
    yield world
    await world.down()


def most_within(times: Sequence[float], span_s: float) -> int:
    """The largest number of instants in any half-open span.

    >>> most_within([0.0, 1.0, 1.5, 2.0], 1.0)
    2
    """
    ordered = sorted(times)
    return max(
        bisect_left(ordered, start + span_s - 1e-6) - n for n, start in enumerate(ordered)
    )


def by_key(world: World) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {}
    for question in world.providers.questions:
        times.setdefault(question.authorization or "", []).append(question.at)
    return times


async def poll_for(world: World, seconds: float, dice: Random) -> None:
    """Look for due polls at uneven moments, as often as a busy loop would."""
    until = world.clock.now() + seconds
    while world.clock.now() < until:
        world.clock.advance(dice.uniform(0.01, 0.15))
        await world.poller.worker.drain()


async def test_a_rate_limit_holds_in_every_window_and_for_each_key(limited: World) -> None:
    """A hundred watches of each key wish for ten times what the provider allows."""
    for key in (None, "sk-b", "sk-c"):
        await asyncio.gather(
            *(limited.subscribe(f"t{n}", provider_key=key) for n in range(100))
        )
    await poll_for(limited, 21, Random(5))
    times = by_key(limited)
    assert len(times) == 3
    for asked in times.values():
        assert most_within(asked, 2.0) <= 10
        assert len(asked) >= 0.8 * 10 / 2 * 20, "the limit is no reason to be idle"


async def test_a_rate_limit_that_is_used_up_is_shared_by_all_watches(
    limited: World,
) -> None:
    """No watch is asked about twice while another waits for its first poll."""
    await asyncio.gather(*(limited.subscribe(f"t{n}") for n in range(40)))
    await poll_for(limited, 20, Random(6))
    counts = Counter(limited.providers.asked)
    assert len(counts) == 40
    assert max(counts.values()) - min(counts.values()) <= 1


async def test_a_restart_does_not_refill_the_limit(
    tmp_path: Path, clock: FakeClock, database: str
) -> None:
    """A process that starts does not know what the former one has spent."""
    settings = config_with(rate_limit="100/20s", poll={"interval": "1s", "min": "1s"})
    world = await World(tmp_path, clock, database=database, config=settings).up()
    dice = Random(7)
    await asyncio.gather(*(world.subscribe(f"t{n}") for n in range(60)))
    for _ in range(6):
        await poll_for(world, 2, dice)
        await world.down()
        await world.up()
    await poll_for(world, 8, dice)
    await world.down()
    [asked] = by_key(world).values()
    assert most_within(asked, 20.0) <= 100
    assert len(asked) >= 60


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("header", ["40", "date"])
async def test_retry_after_rests_the_whole_key_and_no_other(
    world: World, status: int, header: str
) -> None:
    """It is the account that is throttled, or the gateway that is down: not one task."""
    said = header
    if header == "date":  # the clock is at a whole second when it answers
        said = "Fri, 15 Jan 2027 08:00:41 GMT"
    assert (world.clock.now(), world.clock.wall()) == (1_800_000_000.0,) * 2
    for key in (None, "sk-b"):
        for n in range(3):
            await world.subscribe(f"{key}-{n}", provider_key=key)
    await world.subscribe("rong-0", provider="rong")
    answered = [False]

    def says(task_id: str) -> Answer:
        if task_id.startswith("None") and not answered[0]:
            answered[0] = True
            return w.said(status, b"", **{"retry-after": said})
        return w.pending(task_id)

    world.providers.says = says
    world.clock.advance(1.0)
    await world.turn()
    started = len(world.providers.asked)
    assert started == 7
    await world.pass_time(39, step_s=1)
    resting = [t for t in world.providers.asked[started:] if t.startswith("None")]
    assert not resting
    polls = Counter(world.providers.asked)
    assert min(polls[f"sk-b-{n}"] for n in range(3)) >= 7  # every five seconds
    assert polls["rong-0"] >= 3  # every ten
    await world.pass_time(8, step_s=1)
    assert len({t for t in world.providers.asked[started:] if t.startswith("None")}) == 3


async def test_what_was_in_flight_does_not_cut_a_rest_short(world: World) -> None:
    """One answer says 429, wait; others, asked before it, say that all is well."""
    await world.subscribe("a")
    for n in range(3):
        await world.subscribe(f"t{n}")
    world.providers.says = lambda t: {"a": w.throttled, "t0": w.succeeded}.get(
        t, w.pending
    )(t)
    world.clock.advance(1.0)
    await world.turn()
    assert sorted(world.providers.asked) == ["a", "t0", "t1", "t2"]
    await world.pass_time(29, step_s=1)
    assert len(world.providers.asked) == 4


@either
async def test_throttled_without_a_hint_the_rest_grows(world: World) -> None:
    """Who does not say how long is asked after 1, 2, 4 … seconds, a minute at most."""
    await world.subscribe("t")
    world.providers.says = lambda _: w.said(429, b"")
    await world.pass_time(400, step_s=0.5)
    gaps = [later - at for at, later in pairwise(world.providers.times("t"))]
    rests = (5, 5, 5, 8, 16, 32, 60, 60, 60)  # never sooner than the interval
    for gap, rest in zip(gaps, rests, strict=False):
        assert 0.9 * rest <= gap <= 1.1 * rest + 0.5
    assert len(gaps) >= len(rests)


@either
async def test_the_patience_asked_for_one_task_is_only_for_that_task(world: World) -> None:
    """A pending answer with Retry-After speaks of the task, which will take a while."""
    slow, quick = await world.subscribe("slow"), await world.subscribe("quick")
    patient = w.said(
        200, {"task_id": "slow", "status": "in_progress"}, **{"retry-after": "50"}
    )
    world.providers.says = lambda t: patient if t == "slow" else w.pending(t)
    await world.pass_time(50, step_s=1)
    assert len(world.providers.times("slow")) == 1
    assert len(world.providers.times("quick")) >= 9
    assert not world.ends(slow)
    assert not world.ends(quick)


async def test_fifty_subscribers_cost_no_more_polls_than_one(world: World) -> None:
    """Whatever they want to hear, and whoever they are, if they use the same key."""
    alone = await world.subscribe("alone")
    for n in range(50):
        events = ("task.ended", "task.updated") if n % 2 else ("task.ended",)
        client = "shop" if n % 3 else "blog"
        await world.subscribe("shared", client=client, events=events, metadata={"n": n})
        world.clock.advance(0.001)
    await world.pass_time(60, step_s=0.5)
    polls = Counter(world.providers.asked)
    assert abs(polls["shared"] - polls["alone"]) <= 1
    assert 11 <= polls["alone"] <= 13
    assert not world.ends(alone)


@either
async def test_the_first_poll_waits_as_long_as_the_page_says(world: World) -> None:
    """No task ends in a second, and the id may not be known everywhere yet."""
    late = await world.subscribe("late", first_poll_s=20.0)
    await world.pass_time(19.5, step_s=0.5)
    assert not world.providers.asked
    await world.pass_time(0.5)
    assert world.providers.times("late") == [late.created_at + 20]


@either
async def test_jitter_keeps_the_mean_of_the_interval(world: World) -> None:
    """What polling costs is what the operator has written, no two in step."""
    watched = await world.subscribe("t")
    for _ in range(250):
        due_at = (await world.show(watched)).next_poll_at
        assert due_at is not None
        world.clock.advance(due_at - world.clock.now())
        await world.poller.worker.drain()
    gaps = [later - at for at, later in pairwise(world.providers.times("t"))]
    assert len(gaps) == 249
    assert abs(fmean(gaps) - 5.0) < 0.1
    assert all(4.5 <= gap <= 5.5 for gap in gaps)
    assert max(gaps) - min(gaps) > 0.8


FAILING = {
    "silence": w.silence,
    "web page": w.rubbish,
    "502": lambda _: w.said(502, b"<html>", **{"content-type": "text/html"}),
    "empty": lambda _: w.said(200, b""),
}


@either
@pytest.mark.parametrize("kind", FAILING)
async def test_pauses_grow_while_polls_fail_and_only_then(world: World, kind: str) -> None:
    """A gateway that is down is not knocked at every five seconds; one that works is."""
    watched = await world.subscribe("t")
    await world.pass_time(30, step_s=0.25)
    world.providers.says = FAILING[kind]
    before = len(world.providers.questions)
    await world.pass_time(1_500, step_s=1)
    world.providers.says = w.pending
    await world.pass_time(330, step_s=1)
    times = world.providers.times("t")
    gaps = [later - at for at, later in pairwise(times)]
    calm, growing, after = gaps[: before - 1], gaps[before : before + 8], gaps[-5:]
    assert all(4.4 <= gap <= 6 for gap in (*calm, *after))
    assert growing == sorted(growing)
    assert growing[0] < 7
    assert 260 <= growing[-1] <= 331
    assert not world.ends(watched)


@either
async def test_unknown_words_are_no_reason_to_ask_less(world: World) -> None:
    """The provider works; it only has a new word for being under way."""
    await world.subscribe("t")
    world.providers.says = lambda t: w.said(200, {"task_id": t, "status": "MELTING"})
    await world.pass_time(60, step_s=0.5)
    assert len(world.providers.asked) >= 11
