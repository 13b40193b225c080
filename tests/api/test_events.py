"""GET /events: what happens, as it happens."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp
import orjson
import pytest
from starlette.types import Message

from bridge import live, sse
from bridge.api import streaming
from bridge.config import Config
from bridge.store import Store
from tests.api.acting import SUCCEEDED, poll
from tests.api.conftest import OPS, OTHER, SHOP, Api, NotedClock, config_with

T = TypeVar("T")


@dataclass
class Stream:
    """One who listens, and the messages so far."""

    api: Api
    response: aiohttp.ClientResponse
    reader: sse.Reader = field(default_factory=sse.Reader)
    got: list[sse.Message] = field(default_factory=list)
    raw: bytes = b""

    async def until(self, count: int) -> list[sse.Message]:
        while len(self.got) < count and await self.more():
            pass
        return self.got

    async def more(self) -> bool:
        piece = await ticking(self.api, self.response.content.readany())
        self.raw += piece
        self.got += self.reader.feed(piece)
        return bool(piece)

    async def told(self, key: str) -> list[str]:
        """Task ids, up to that of a new event of the client's."""
        while not (ids := self.task_ids()) or ids[-1] != key:
            assert await self.more()
        return ids

    def task_ids(self) -> list[str]:
        return [orjson.loads(one.data)["data"]["task_id"] for one in self.got]


async def ticking(api: Api, coming: Awaitable[T]) -> T:
    """Time passes a little at a time until it has come."""
    task = asyncio.ensure_future(coming)
    async with asyncio.timeout(60):
        while not task.done():
            api.clock.advance(0.05)
            await asyncio.sleep(0)
    return task.result()


@asynccontextmanager
async def listening(api: Api, key: str = SHOP) -> AsyncIterator[Stream]:
    get = api.http.get(f"{api.url}/events", headers={"X-API-Key": key})
    response = await ticking(api, get)
    async with response:
        assert response.status == 200, await response.read()
        yield Stream(api, response)


@pytest.fixture(autouse=True)
async def _running(api: Api) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(api.deps.live.run(stop))
        yield
        stop.set()
        api.deps.live.stop()
        api.clock.advance(2)


async def end(api: Api, store: Store, task_id: str, **fields: Any) -> str:
    """Subscribe and end: the subscription's id."""
    made = await api.subscribe(task_id=task_id, **fields)
    assert made.status == 202
    api.clock.advance(5)
    api.deps.bell.ring(await poll(store, api.clock, SUCCEEDED))
    id_: str = made.json["id"]
    return id_


async def test_an_end_is_told_as_its_webhook_would_be(api: Api, store: Store) -> None:
    """The same JSON; the id of the message is the event's."""
    async with listening(api) as stream:
        id_ = await end(api, store, "task1", metadata={"order": 7})
        [message] = await stream.until(1)

    event = orjson.loads(message.data)
    assert (message.event, message.id) == ("task.succeeded", event["event_id"])
    key = id_.removeprefix("sub_")
    assert (event["id"], event["event_id"]) == (f"msg_{key}_0", f"evt_{key}_0")
    assert event["data"]["metadata"] == {"order": 7}
    assert stream.response.headers["content-type"].startswith("text/event-stream")
    assert stream.response.headers["cache-control"] == "no-store"


async def test_what_was_before_is_not_told(api: Api, store: Store) -> None:
    """Live only, also for who comes while another listens, and for `Last-Event-ID`."""
    await end(api, store, "before")
    async with listening(api) as first:
        await end(api, store, "task1")
        assert await first.told("task1") == ["task1"]
        async with listening(api) as second:
            await end(api, store, "task2")
            assert await second.told("task2") == ["task2"]
        assert await first.told("task2") == ["task1", "task2"]


async def test_what_another_node_adds_is_told_too(api: Api, store: Store) -> None:
    """It rings no bell here."""
    async with listening(api) as stream:
        await api.subscribe(task_id="task1")
        api.clock.advance(5)
        await poll(store, api.clock, SUCCEEDED)
        assert await stream.told("task1") == ["task1"]


async def test_an_event_that_was_committed_late_is_told_as_well(
    api: Api, store: Store
) -> None:
    """Its step took its time before that of others, and ended after them."""
    async with listening(api) as stream:
        await api.subscribe(task_id="late")
        await end(api, store, "task1")
        await stream.until(2)
        await api.subscribe(task_id="late2")
        at = api.clock.now() + 5
        api.clock.advance(15)
        await end(api, store, "task2")
        await stream.told("task2")
        moved = api.clock.now()
        api.clock._now = at + 2
        await poll(store, api.clock, SUCCEEDED)
        api.clock._now = moved
    assert sorted(stream.task_ids()) == ["late", "late2", "task1", "task2"]


async def test_a_client_is_told_its_own_and_an_operator_all(api: Api, store: Store) -> None:
    async with listening(api, OTHER) as other, listening(api, OPS) as operator:
        await end(api, store, "of-shop")
        await end(api, store, "of-other", key=OTHER, provider_api_key="sk-own")
        assert await other.told("of-other") == ["of-other"]
        assert sorted(await operator.told("of-other")) == ["of-other", "of-shop"]


async def test_silence_is_broken_by_signs_of_life(api: Api) -> None:
    """Proxies cut connections on which nothing moves."""
    async with listening(api) as stream:
        began_at = api.clock.now()
        while streaming.ALIVE not in stream.raw:
            await stream.more()
        assert not stream.got
        assert api.clock.now() - began_at < 2 * streaming.ALIVE_S


async def test_who_is_too_slow_is_told_and_cut(api: Api, store: Store) -> None:
    """What waits for it in memory is bounded, and others are told all."""
    big = sse.written(b'"' + b"x" * 200_000 + b'"', event="task.succeeded")
    async with listening(api) as slow:
        [listener] = api.deps.live._listeners
        while listener.why is None:
            listener.put(big)
        size = listener._bytes
        assert size <= live.MOST_BYTES
        listener.put(big)
        *_, last = await slow.until(1_000_000)

    assert last.event == "stream.ended"
    assert orjson.loads(last.data)["reason"] == "too_slow"


async def test_who_does_not_read_at_all_does_not_hold_up_a_stop(
    api: Api, store: Store
) -> None:
    """Its connection is ended with what it left unread."""
    big = sse.written(b'"' + b"x" * 900_000 + b'"', event="task.succeeded")
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", int(api.url.rpartition(":")[2]), limit=1_024
    )
    writer.write(f"GET /events HTTP/1.1\r\nHost: a\r\nX-API-Key: {SHOP}\r\n\r\n".encode())
    await ticking(api, reader.readline())
    [listener] = api.deps.live._listeners
    for _ in range(20):
        listener.put(big)
        await asyncio.sleep(0.005)
    api.deps.live.stop()
    async with asyncio.timeout(streaming.LAST_S + 2):
        while api.deps.live._listeners:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    writer.close()


async def test_a_stop_ends_streams_in_order(api: Api) -> None:
    async with listening(api) as stream:
        api.deps.live.stop()
        [last] = await stream.until(2)
        assert (last.event, orjson.loads(last.data)["reason"]) == (
            "stream.ended",
            "stopping",
        )
    refused = await api("GET", "/events")
    assert (refused.status, refused.code) == (503, "not_ready")


async def test_one_who_leaves_costs_nothing_any_more(api: Api) -> None:
    async with listening(api):
        assert api.deps.live._listeners
    while api.deps.live._listeners:  # noqa: ASYNC110
        await asyncio.sleep(0)


async def test_a_client_listens_so_often_and_no_more(api: Api) -> None:
    """Others are not kept from it."""
    for _ in range(live.LISTENERS):
        api.deps.live._listeners.add(live.Listener("shop", "shop"))
    refused = await api("GET", "/events")
    assert (refused.status, refused.code) == (429, "limit_listeners")
    assert refused.headers["retry-after"] == "5"
    async with listening(api, OTHER):
        pass


async def test_a_key_that_is_taken_away_hears_no_more(
    api: Api, store: Store, clock: NotedClock
) -> None:
    """Not even what happens at that moment."""
    configs = [config_with()]
    async with (
        api.changed(config=lambda: configs[0]) as reloading,
        listening(reloading) as stream,
    ):
        configs[0] = without_shop()
        await end(api, store, "task1")
        [last] = await stream.until(1)
    assert (last.event, orjson.loads(last.data)["reason"]) == (
        "stream.ended",
        "unauthorized",
    )


def without_shop() -> Config:
    config = config_with()
    clients = {name: one for name, one in config.clients.items() if name != "shop"}
    return config.model_copy(update={"clients": clients})


async def test_a_database_that_does_not_answer_lets_nobody_wait(
    api: Api, clock: NotedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 200 would promise that nothing is missed."""
    monkeypatch.setattr(streaming, "JOIN_S", 0.01)
    other = live.Live(api.deps.store, clock=clock, bell=api.deps.bell)  # nobody runs it
    async with api.changed(live=other) as stuck:
        refused = await stuck("GET", "/events")
    assert (refused.status, refused.code) == (503, "store_unavailable")
    assert not other._listeners


async def test_only_asking_is_no_listening(api: Api) -> None:
    """HEAD has no body to wait for; parameters there are none."""
    head = await api("HEAD", "/events")
    assert (head.status, head.body) == (200, b"")
    assert list((await api("GET", "/events?type=x")).faults) == ["type"]
    assert (await api("GET", "/events", key=None)).code == "unauthorized"


def test_a_message_without_end_is_none() -> None:
    with pytest.raises(ValueError, match="without end"):
        list(sse.Reader().feed(b"data: " + b"x" * sse.BLOCK_BYTES))


async def test_a_stream_that_is_cut_already_can_still_be_told_to_end() -> None:
    """The node stops just then; nobody is to stumble over a listener who is leaving."""

    async def send(_message: Message) -> None:
        raise AssertionError("nothing more is sent")

    async def cut() -> None:
        async with asyncio.timeout(0) as limit:
            try:
                await asyncio.Event().wait()
            finally:
                streaming.Taking(send, limit).hurry()

    with pytest.raises(TimeoutError):
        await cut()
