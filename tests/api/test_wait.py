"""?wait=30: answers that are held until there is something to tell."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest

from bridge.store import Store
from tests.api.acting import PENDING, SUCCEEDED, poll
from tests.api.conftest import CALLBACK, SHOP, Answer, Api, NotedClock

BODY = {"provider": "amux", "task_id": "task1", "callback_url": CALLBACK}
Call = asyncio.Task[Answer]


async def held(api: Api, method: str, path: str) -> Call:
    """A call that waits now."""
    body = BODY if method == "POST" else None
    task = asyncio.create_task(api(method, path, json=body))
    await api.asleep(task)
    assert not task.done()
    return task


@pytest.fixture
async def known(api: Api) -> AsyncIterator[str]:
    """A subscription's path, and nobody left waiting for it in the end."""
    yield f"/subscriptions/{(await api.subscribe()).json['id']}"
    assert api.deps.bell.idle


async def test_subscribing_waits_for_the_first_poll(
    api: Api, store: Store, clock: NotedClock
) -> None:
    """A wrong key or a wrong id is told in the answer, not in a log nobody reads."""
    task = await held(api, "POST", "/subscribe?wait=30")
    clock.asked.clear()
    clock.advance(5)
    await poll(store, clock, PENDING)
    api.deps.bell.ring_all()

    answer = await api.passes(task, 2)
    assert answer.status == 202
    assert answer.json["last_poll"] == {
        "at": "2027-01-15T08:00:05Z",
        "outcome": "pending",
        "http_status": 200,
        "detail": None,
        "since": "2027-01-15T08:00:05Z",
        "count": 1,
    }
    assert (answer.json["status"], answer.json["progress"]) == ("running", 30)
    assert api.deps.bell.idle


async def test_a_repeat_of_a_polled_task_does_not_wait(
    api: Api, store: Store, clock: NotedClock, known: str
) -> None:
    """There is something to tell already."""
    clock.advance(5)
    await poll(store, clock, PENDING)
    answer = await api("POST", "/subscribe?wait=60", json=BODY)
    assert (answer.status, answer.json["last_poll"]["count"]) == (200, 1)


async def test_reading_waits_for_the_end_and_not_for_a_poll(
    api: Api, store: Store, clock: NotedClock, known: str
) -> None:
    """Long polling is for those who cannot be called back."""
    task = await held(api, "GET", f"{known}?wait=60")
    clock.asked.clear()
    clock.advance(5)
    await poll(store, clock, PENDING)
    api.deps.bell.ring_all()
    await api.asleep(task)
    assert not task.done()
    await poll(store, clock, SUCCEEDED)
    clock.advance(5)
    ended = await poll(store, clock, SUCCEEDED)
    api.deps.bell.ring(ended)

    answer = await api.passes(task, 3)
    assert (answer.json["state"], answer.json["outcome"]) == ("ended", "succeeded")


async def test_the_end_is_seen_even_if_nobody_rings(
    api: Api, store: Store, clock: NotedClock, known: str
) -> None:
    """Another node may have polled."""
    task = await held(api, "GET", f"{known}?wait=60")
    clock.asked.clear()
    clock.advance(5)
    await poll(store, clock, SUCCEEDED)
    assert (await api.passes(task, 10)).json["state"] == "ended"


async def test_the_seconds_pass(api: Api, clock: NotedClock, known: str) -> None:
    """And the answer is what is known then."""
    task = await held(api, "GET", f"{known}?wait=3")
    began_at = clock.now()
    answer = await api.passes(task, 10)
    assert (answer.status, answer.json["state"]) == (200, "active")
    assert 3 <= clock.now() - began_at <= 4


async def test_stopping_a_subscription_ends_the_wait(
    api: Api, clock: NotedClock, known: str
) -> None:
    """Who waits for it learns that there will be no end."""
    task = await held(api, "GET", f"{known}?wait=60")
    clock.asked.clear()
    clock.advance(0.9)
    assert (await api("DELETE", known)).status == 204
    assert (await api.passes(task, 1)).json["state"] == "stopped"


async def test_a_stopping_process_holds_nobody(api: Api, clock: NotedClock) -> None:
    """SIGTERM must not wait a minute for those who wait."""
    stopping: list[bool] = []
    async with api.changed(draining=lambda: bool(stopping)) as draining:
        task = await held(draining, "POST", "/subscribe?wait=60")
        stopping.append(True)
        answer = await draining.passes(task, 2)
        at_once = await draining("GET", answer.headers["location"] + "?wait=60")
    assert (answer.status, at_once.status) == (202, 200)


async def test_a_caller_that_leaves_is_not_waited_for(
    api: Api, clock: NotedClock, known: str
) -> None:
    """Each would cost a look at the database every second, for nobody."""
    async with aiohttp.ClientSession(headers={"X-API-Key": SHOP}) as impatient:
        task = asyncio.create_task(impatient.get(f"{api.url}{known}?wait=60"))
        await clock.asked.wait()
        task.cancel()
        await asyncio.wait([task])
    while not api.deps.bell.idle:  # noqa: ASYNC110 - ends when the server sees it
        await asyncio.sleep(0)
    assert clock.now() == 1_800_000_000.0


async def test_a_database_that_fails_meanwhile_ends_no_wait(
    api: Api, clock: NotedClock, known: str, tmp_path: Path
) -> None:
    """The 202 has been earned: it must not turn into a 503."""
    task = await held(api, "GET", f"{known}?wait=3")
    with closing(sqlite3.connect(tmp_path / "bridge.db")) as other:
        other.execute("ALTER TABLE subscriptions RENAME TO lost")
        answer = await api.passes(task, 10)
        other.execute("ALTER TABLE lost RENAME TO subscriptions")
    assert (answer.status, answer.json["state"]) == (200, "active")


@pytest.mark.parametrize("wait", ["61", "-1", "soon", "nan"])
async def test_a_wait_out_of_bounds_is_refused(api: Api, known: str, wait: str) -> None:
    """Proxies cut connections that are silent for longer."""
    for method, path in (("POST", "/subscribe"), ("GET", known)):
        answer = await api(method, f"{path}?wait={wait}", json=BODY)
        assert list(answer.faults) == ["wait"]


async def test_no_wait_is_a_wait_too(api: Api, known: str) -> None:
    """`wait=0` and an empty one answer at once."""
    assert (await api("GET", f"{known}?wait=0")).status == 200
    assert (await api("GET", f"{known}?wait=")).status == 200


async def test_many_polls_do_not_make_one_caller_look_as_often(
    api: Api, clock: NotedClock, known: str
) -> None:
    """Every poll of every watch rings; looking each time would wear the database out."""
    task = await held(api, "GET", f"{known}?wait=1")
    clock.asked.clear()
    api.deps.bell.ring_all()
    await clock.asked.wait()
    clock.asked.clear()
    api.deps.bell.ring_all()
    clock.advance(0.04)
    assert not clock.asked.is_set()
    clock.advance(0.02)
    await api.asleep(task)
    assert not task.done()
    await api.passes(task, 3)
