"""Who listens is told of events that this node and others commit."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import orjson
import pytest

from bridge import live as live_rules
from bridge import sse
from bridge.bell import Bell
from bridge.live import Events, Listener, Live
from bridge.store import Store, live
from bridge.store.live import Mark
from tests.store.scene import Scene, pending, succeeded


async def test_news_come_a_page_at_a_time_in_the_order_of_time(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where more than a page bears the same time."""
    monkeypatch.setattr(live, "PAGE", 2)
    keys = [await scene.add(f"task-{n}") for n in range(5)]
    scene.later(2)
    for claimed in await scene.claim_polls():
        await scene.end(claimed.watch_id)

    found: list[Mark] = []
    after = Mark(scene.now - 1)
    while page := await scene.store.new_events(after):
        assert len(page) <= 2
        found += page
        after = page[-1]
    for clients in (None, ["blog", "shop"]):
        news = await scene.store.event_news(found, clients)
        told = {orjson.loads(one.body)["data"]["subscription_id"] for one in news}
        assert told == {f"sub_{key}" for key in keys}
        assert {one.client for one in news} == {"shop"}
    assert not await scene.store.event_news(found, ["blog"])
    assert {mark.sequence for mark in found} == {0}
    assert not await scene.store.new_events(Mark(scene.now + 1))
    await scene.deliver_all()


async def test_an_event_that_was_pruned_meanwhile_is_no_news(scene: Scene) -> None:
    assert not await scene.store.event_news([Mark(scene.now, 12_345, 0)], None)


class Reading:
    """The store, as one that counts the marks that are read of it."""

    def __init__(self, store: Store) -> None:
        self.event_news, self._store = store.event_news, store
        self.looks = self.marks = 0

    async def new_events(self, after: Mark) -> Sequence[Mark]:
        found = await self._store.new_events(after)
        self.looks, self.marks = self.looks + 1, self.marks + len(found)
        return found


@asynccontextmanager
async def running(
    scene: Scene, store: Events | None = None, bell: Bell | None = None
) -> AsyncIterator[Live]:
    """A node that nobody rings at, unless it is by `bell`."""
    node = Live(store or scene.store, clock=scene.clock, bell=bell or Bell())
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(node.run(stop))
        yield node
        stop.set()
        node.stop()


async def heard(scene: Scene, listener: Listener) -> str:
    """The next message's type."""
    async with asyncio.timeout(10):
        while not (taken := listener.take()):
            scene.later(0.01)
            await asyncio.sleep(0.001)
    [message] = sse.Reader().feed(taken)
    return message.event


async def test_two_nodes_tell_of_what_a_third_has_done(scene: Scene) -> None:
    """Updates as well as ends, each once."""
    key = await scene.add(events=("task.updated", "task.ended"))
    async with running(scene) as one, running(scene) as other:
        listeners = [
            await one.join("shop", "shop", within_s=9),
            await other.join("ops", None, within_s=9),
            await other.join("blog", "blog", within_s=9),
        ]
        await scene.poll(pending(progress=40))
        assert [await heard(scene, each) for each in listeners[:2]] == ["task.updated"] * 2
        scene.later(5)
        [claimed] = await scene.claim_polls()
        await scene.end(claimed.watch_id)
        assert [await heard(scene, each) for each in listeners[:2]] == [
            "task.succeeded"
        ] * 2
        assert listeners[2].take() == b""
    assert (await scene.show(key)).outcome == "succeeded"
    await scene.deliver_all()


async def test_what_is_seen_is_not_read_at_every_look(scene: Scene) -> None:
    """However often somebody rings: many events are a reason to look at fewer of them."""
    events, seconds = 40, 3
    for n in range(events):
        await scene.add(f"task-{n}")
    reading, bell = Reading(scene.store), Bell()
    async with running(scene, reading, bell) as node:
        listener = await node.join("shop", "shop", within_s=9)
        scene.later(5)
        for claimed in await scene.claim_polls():
            await scene.end(claimed.watch_id)
        got = 0
        for _ in range(seconds * 20):
            bell.ring(["any"])
            scene.later(0.05)
            for _ in range(3):
                await scene.store.new_events(Mark(scene.now + 60))  # lets others look
            got += len(list(sse.Reader().feed(listener.take())))
    assert got == events
    assert reading.looks <= seconds / live_rules.GAP_S + 3
    far = seconds / live_rules.BACK_S + 1
    near = live_rules.TAIL_S / live_rules.GAP_S + 1
    assert reading.marks <= events * (far + near)
    await scene.deliver_all()


async def test_what_was_committed_late_is_told(scene: Scene) -> None:
    """Its step was begun long before others that have been told since."""
    await scene.add("late")
    await scene.add("in-time")
    async with running(scene) as node:
        listener = await node.join("shop", "shop", within_s=9)
        scene.later(5)
        first, second = await scene.claim_polls()
        begun_at = scene.now
        scene.later(live_rules.LATE_S - live_rules.BACK_S)
        await scene.end(first.watch_id)
        assert await heard(scene, listener) == "task.succeeded"
        told_at = scene.now
        await scene.store.record_end(
            second.watch_id, succeeded(), now=begun_at, memory_until=told_at
        )
        assert await heard(scene, listener) == "task.succeeded"
        assert scene.now - told_at <= live_rules.BACK_S + live_rules.LOOK_S
    await scene.deliver_all()
