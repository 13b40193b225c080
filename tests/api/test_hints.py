"""POST /hints/{token}: has a task polled now, and can do nothing else."""

from typing import Any

import pytest

from bridge.api.hints import base_url
from bridge.config import Config
from bridge.lanes import Window
from tests.api.acting import PENDING, SUCCEEDED, poll
from tests.api.conftest import CONFIG, Api


async def subscribed(api: Api) -> dict[str, Any]:
    """To a task that has been polled once and is to be polled again in five seconds."""
    view: dict[str, Any] = (await api.subscribe()).json
    api.clock.advance(6.0)
    await poll(api.deps.store, api.clock, PENDING)
    api.clock.advance(2.0)
    return view


def path_of(view: dict[str, Any]) -> str:
    url: str = view["hint_url"]
    return url[url.index("/hints/") :]


async def hint(api: Api, path: str) -> None:
    """Whatever it is worth, the answer tells nothing."""
    answer = await api("POST", path, key=None, data=b"anything at all")
    assert (answer.status, answer.body) == (204, b"")


async def due(api: Api) -> bool:
    now = api.clock.now()
    return bool((await api.deps.store.poll_lanes(now=now, window=Window())).lanes)


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({"listen": "0.0.0.0:8080"}, "http://127.0.0.1:8080"),
        ({"listen": "[::]:8080"}, "http://[::1]:8080"),
        ({"listen": "10.0.0.7:80"}, "http://10.0.0.7:80"),
        ({"listen": "0.0.0.0:80", "public_url": "https://b.test/p/"}, "https://b.test/p"),
    ],
)
def test_the_address_it_starts_with_is_one_that_can_be_called(
    settings: dict[str, Any], url: str
) -> None:
    """0.0.0.0 is where a container listens, and nobody's address."""
    assert base_url(Config.model_validate({**CONFIG, **settings})) == url


async def test_a_hint_has_the_task_polled_now(api: Api) -> None:
    """Without a key: a provider's callback has none."""
    view = await subscribed(api)
    assert not await due(api)
    api.woken.clear()
    await hint(api, path_of(view))
    assert await due(api)
    assert api.woken == ["poller"]


async def test_hints_without_end_cost_one_poll_in_a_while(api: Api) -> None:
    """`poll.min` is one second here: a hundred hints, and no second poll before that."""
    path, polls = path_of(await subscribed(api)), 0
    for _ in range(100):
        await hint(api, path)
        polls += await due(api)
        await poll(api.deps.store, api.clock, PENDING)
        api.clock.advance(0.02)
    assert 1 <= polls <= 3


@pytest.mark.parametrize("token", ["x", "a.b", "IjAi.AAAA", "x" * 4_000, "%00", "%F0%9F"])
async def test_a_forged_hint_does_nothing(api: Api, token: str) -> None:
    await subscribed(api)
    await hint(api, f"/hints/{token}")
    assert not await due(api)


async def test_a_hint_decides_nothing(api: Api) -> None:
    """It may well say that the task has ended."""
    view = await subscribed(api)
    answer = await api("POST", path_of(view), key=None, json={"status": "succeeded"})
    assert answer.status == 204
    seen = (await api("GET", f"/subscriptions/{view['id']}")).json
    assert (seen["state"], seen["status"]) == ("active", "running")


async def test_what_has_ended_takes_no_hints(api: Api) -> None:
    view = await subscribed(api)
    await hint(api, path_of(view))
    await poll(api.deps.store, api.clock, SUCCEEDED)
    api.clock.advance(5.0)
    await hint(api, path_of(view))
    key = view["id"].removeprefix("sub_")
    assert not await api.deps.store.hint(key, lambda _: 1.0, now=api.clock.now())
    seen = (await api("GET", f"/subscriptions/{view['id']}")).json
    assert (seen["state"], seen["hint_url"]) == ("ended", None)


async def test_a_hint_while_the_answer_is_awaited_asks_once_more(api: Api) -> None:
    """The poll under way may have been answered just before the news."""
    view, store = await subscribed(api), api.deps.store
    await hint(api, path_of(view))
    await poll(store, api.clock, PENDING)
    api.clock.advance(1.5)
    await hint(api, path_of(view))
    assert await due(api)


async def test_one_hint_url_is_good_for_one_subscription(api: Api) -> None:
    """Who is given the URL of one can do nothing about the other."""
    mine, other = await subscribed(api), (await api.subscribe(task_id="task2")).json
    assert path_of(mine) != path_of(other)
