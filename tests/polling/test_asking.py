"""A list call tells of many tasks at once, and loses none that it does not speak of."""

from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from bridge.errors import StoreUnavailable
from bridge.model import Answer, PollRequest
from bridge.store.riders import claim_riders
from tests import world as w
from tests.conftest import FakeClock
from tests.world import World, config_with

BATCH = {"path": "/list", "ids": "id", "items": "items", "most": 50, "rate_limit": "1/s"}


class Lists:
    """A provider with a list call: `tells` says of each task; None: no word of it."""

    def __init__(
        self, clock: FakeClock, tells: Callable[[str], dict[str, Any] | None]
    ) -> None:
        self.clock, self.tells = clock, tells
        self.whole: Answer | None = None  # instead of a list
        self.lists: list[tuple[float, list[str]]] = []
        self.alone: list[str] = []

    async def ask(self, request: PollRequest) -> Answer:
        parts = urlsplit(request.url)
        if parts.path != "/list":
            task_id = parts.path.rpartition("/")[2]
            self.alone.append(task_id)
            return w.said(200, self.tells(task_id) or self.pending(task_id))
        asked = parse_qs(parts.query)["id"]
        self.lists.append((self.clock.now(), asked))
        if self.whole is not None:
            return self.whole
        items = [item for item in map(self.tells, asked) if item is not None]
        return w.said(200, {"total": len(items), "items": items})

    @staticmethod
    def pending(task_id: str) -> dict[str, Any]:
        return {"task_id": task_id, "status": "in_progress"}


@pytest.fixture
async def world(tmp_path: Path, clock: FakeClock) -> AsyncIterator[World]:
    config = config_with(page={"batch": BATCH}, poll={"interval": "10s"})
    world = await World(tmp_path, clock, config=config).up()
    world.lists = Lists(clock, Lists.pending)  # type: ignore[attr-defined]
    world.upstream = world.lists  # type: ignore[attr-defined]
    world.build()
    yield world
    await world.down()


def lists_of(world: World) -> Lists:
    found: Lists = world.lists  # type: ignore[attr-defined]
    return found


async def test_tasks_of_one_key_share_a_request(world: World) -> None:
    """Each is asked about once a second or two, for one request a second in all."""
    for n in range(40):
        await world.subscribe(f"t{n}")
    await world.pass_time(30.0, step_s=0.5)
    lists = lists_of(world)
    times = [at for at, _ in lists.lists]
    assert len(lists.alone) <= 40
    assert all(after - before >= 1.0 for before, after in pairwise(times))
    told = sum(len(asked) for _, asked in lists.lists)
    assert told > 5 * (len(lists.lists) + len(lists.alone))


async def test_an_end_in_a_list_is_told_as_any_other(world: World) -> None:
    for n in range(20):
        await world.subscribe(f"t{n}")
    await world.pass_time(5.0, step_s=0.5)
    url = "https://cdn.test/a.mp4"
    lists_of(world).tells = lambda task_id: {
        "task_id": task_id,
        "status": "completed",
        "url": url,
    }
    await world.pass_time(20.0, step_s=0.5)
    assert len(world.receivers.taken) == 20
    assert {post.event["data"]["result"]["url"] for post in world.receivers.posts} == {url}


async def test_what_a_list_does_not_speak_of_is_asked_about_alone(world: World) -> None:
    """Ark leaves out tasks of another tier: that is no proof of anything."""
    lists = lists_of(world)
    lists.tells = lambda task_id: None if task_id == "t3" else Lists.pending(task_id)
    for n in range(10):
        await world.subscribe(f"t{n}")
    await world.pass_time(130.0, step_s=0.5)
    assert lists.alone.count("t3") >= 8
    before = len(lists.lists)
    await world.pass_time(30.0, step_s=0.5)
    assert not any("t3" in asked for _, asked in lists.lists[before:])


@pytest.mark.parametrize("status", [403, 404, 400])
async def test_a_key_without_lists_is_not_asked_for_them_again(
    world: World, status: int
) -> None:
    lists = lists_of(world)
    lists.whole = w.said(status, {"error": {"code": "AccessDenied", "message": "no"}})
    for n in range(10):
        await world.subscribe(f"t{n}")
    await world.pass_time(60.0, step_s=0.5)
    assert len(lists.lists) == 1
    assert len(lists.alone) >= 40
    seen = [subscription.last_poll for subscription in await shown(world)]
    assert {poll.outcome for poll in seen if poll} == {"pending"}


async def test_a_refused_key_is_no_reason_to_ask_for_each(world: World) -> None:
    lists = lists_of(world)
    lists.whole = w.said(401, {"error": {"code": "AuthenticationError", "message": "no"}})
    for n in range(10):
        await world.subscribe(f"t{n}")
    await world.pass_time(5.0, step_s=0.5)
    assert len(lists.alone) <= 10


async def shown(world: World) -> list[Any]:
    from bridge.store import SubscriptionFilter

    wanted = SubscriptionFilter(client=None)
    return list((await world.store.subscriptions(wanted, limit=100)).items)


@pytest.mark.parametrize("status", [500, 503, 401])
async def test_lists_that_fail_leave_nobody_unasked(world: World, status: int) -> None:
    """Single calls may work all the same, and a key that may not list is still good."""
    lists = lists_of(world)
    lists.whole = w.said(status, {"error": {"code": "oops", "message": "no"}})
    for n in range(30):
        await world.subscribe(f"t{n}")
    await world.pass_time(60.0, step_s=0.5)
    assert all(lists.alone.count(f"t{n}") >= 3 for n in range(30))
    assert len(lists.lists) <= 3


async def test_a_list_that_hangs_stops_nobody_else(world: World) -> None:
    """Its tasks hold one slot, not one each."""
    gate = w.Gate()
    ask = world.poller._asking._upstream.ask

    async def hanging(request: PollRequest) -> Answer:
        if "/list" in request.url:
            await gate.wait()
        return await ask(request)

    lists_of(world).ask = hanging  # type: ignore[method-assign]
    world.build()
    for n in range(400):
        await world.subscribe(f"t{n}")
    async with world.running():
        await world.until(lambda: gate.held >= 1)
        other = await world.subscribe("fine", provider="newapi")
        await world.until(lambda: "fine" in lists_of(world).alone)
        assert (await world.show(other)).state == "active"
        gate.open()


async def test_while_the_database_gives_no_riders_tasks_are_asked_about_alone(
    world: World,
) -> None:
    """What was claimed already is in hand: without an answer it would wait for nothing."""
    lists, write = lists_of(world), world.store.database.write

    async def failing(step: Any, *args: Any, **kwargs: Any) -> Any:
        if step is claim_riders:
            raise StoreUnavailable("away")
        return await write(step, *args, **kwargs)

    setattr(world.store.database, "write", failing)  # noqa: B010 - a fault, no mock
    for n in range(3):
        await world.subscribe(f"t{n}")
    await world.pass_time(5.0, step_s=0.5)
    assert set(lists.alone) == {"t0", "t1", "t2"}
    seen = [subscription.last_poll for subscription in await shown(world)]
    assert {poll.outcome for poll in seen if poll} == {"pending"}
