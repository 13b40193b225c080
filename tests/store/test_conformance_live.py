"""Who listens is told of events that this node and others commit."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import pytest

from bridge import sse
from bridge.bell import Bell
from bridge.live import Listener, Live
from bridge.store import live
from bridge.store.live import Mark
from tests.store.scene import Scene, pending


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
    news = await scene.store.event_news(found)
    told = {orjson.loads(one.body)["data"]["subscription_id"] for one in news}
    assert told == {f"sub_{key}" for key in keys}
    assert {(mark.client, mark.sequence) for mark in found} == {("shop", 0)}
    assert not await scene.store.new_events(Mark(scene.now + 1))
    await scene.deliver_all()


async def test_an_event_that_was_pruned_meanwhile_is_no_news(scene: Scene) -> None:
    assert not await scene.store.event_news([Mark(scene.now, 12_345, 0, "shop")])


@asynccontextmanager
async def running(scene: Scene) -> AsyncIterator[Live]:
    """A node that nobody rings at."""
    node, stop = Live(scene.store, clock=scene.clock, bell=Bell()), asyncio.Event()
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
