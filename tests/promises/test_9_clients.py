"""Promise 9: one client never sees or silences another's."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.api.app import create_app
from bridge.model import Answer, DeliveryState, SubscriptionState
from bridge.simulator.reactions import Reaction
from tests import world as w
from tests.api.conftest import served
from tests.conftest import FakeClock
from tests.promises.wired import API_KEYS, Wired, wired
from tests.world import World

SHARED = "https://shared.test/hook"


@dataclass(frozen=True)
class Api:
    """The API as one client after another uses it."""

    node: Wired
    url: str
    http: aiohttp.ClientSession

    async def __call__(
        self, client: str, method: str, path: str, **options: Any
    ) -> tuple[int, Any]:
        headers = {"X-API-Key": API_KEYS[client]} | options.pop("headers", {})
        async with self.http.request(
            method, self.url + path, headers=headers, **options
        ) as answer:
            return answer.status, (await answer.json() if answer.status != 204 else None)

    async def subscribe(
        self, client: str, task_id: str, *, headers: Mapping[str, str] = {}, **more: Any
    ) -> tuple[int, Any]:
        url = f"{self.node.receiver.url}/ok"
        body = {"provider": "amux", "task_id": task_id, "callback_url": url} | more
        return await self(client, "POST", "/subscribe", json=body, headers=headers)


@asynccontextmanager
async def called(folder: Path, clock: FakeClock, **settings: Any) -> AsyncIterator[Api]:
    async with (
        wired(folder, clock, **settings) as node,
        served(create_app(node.bridge.deps)) as url,
        aiohttp.ClientSession() as http,
    ):
        node.bridge.health.set_ready("start")
        yield Api(node, url, http)


@pytest.fixture
async def api(tmp_path: Path, clock: FakeClock, database: str) -> AsyncIterator[Api]:
    async with called(tmp_path, clock, database=database) as one:
        yield one


async def test_ids_of_others_are_not_found_whatever_is_done_with_them(api: Api) -> None:
    """Also for ids that are known: one may have been in a log, or in a webhook."""
    _, running = await api.subscribe("shop", "slow-60s")
    _, ended = await api.subscribe("shop", "no-url-0s")
    await api.node.turn(5)
    _, shown = await api("shop", "GET", f"/subscriptions/{ended['id']}")
    delivery_id = shown["delivery"]["id"]
    assert shown["delivery"]["state"] == "accepted"
    invented = "sub_" + "0" * 22
    for method, path in (
        ("GET", f"/subscriptions/{running['id']}"),
        ("GET", f"/subscriptions/{ended['id']}?wait=1"),
        ("DELETE", f"/subscriptions/{running['id']}"),
        ("DELETE", f"/subscriptions/{ended['id']}"),
        ("GET", f"/deliveries/{delivery_id}"),
        ("POST", f"/deliveries/{delivery_id}/retry"),
    ):
        status, problem = await api("blog", method, path)
        assert (status, problem["status"]) == (404, 404)
        assert running["id"] not in str(problem)
    _, theirs = await api("blog", "GET", f"/subscriptions/{running['id']}")
    _, nobodys = await api("blog", "GET", f"/subscriptions/{invented}")
    for told in (theirs, nobodys):
        del told["request_id"]
    assert theirs == nobodys, "who guesses an id learns whether it exists"
    await api.node.turn(5)
    assert len(api.node.receiver.requests) == 1
    _, shown = await api("shop", "GET", f"/subscriptions/{running['id']}")
    assert shown["state"] == "active"


async def test_no_list_and_no_filter_shows_what_others_have(api: Api) -> None:
    """Filters are wishes; whose things they are is not among them."""
    _, made = await api.subscribe("shop", "no-url-0s")
    await api.node.turn(5)
    for path in (
        "/subscriptions",
        "/subscriptions?task_id=no-url-0s&state=ended",
        "/deliveries",
        "/deliveries?host=127.0.0.1",
        f"/deliveries?subscription_id={made['id']}",
    ):
        for client, count in (("shop", 1), ("blog", 0)):
            status, page = await api(client, "GET", path)
            assert (status, len(page["items"])) == (200, count), path
    for path in ("/subscriptions?client=shop", "/metrics"):
        status, _ = await api("blog", "GET", path)
        assert status in (403, 422)


async def test_equal_requests_and_keys_of_two_clients_have_nothing_in_common(
    api: Api,
) -> None:
    """The same body and the same Idempotency-Key, as two users of one template send."""
    key = {"Idempotency-Key": "order-17"}
    made = [await api.subscribe(client, "t1", headers=key) for client in ("shop", "blog")]
    assert [status for status, _ in made] == [202, 202]
    assert made[0][1]["id"] != made[1][1]["id"]
    status, again = await api.subscribe("blog", "t1", headers=key)
    assert (status, again["id"]) == (202, made[1][1]["id"])  # as the first time


async def test_hooks_hear_of_their_own_client_only(api: Api) -> None:
    """One URL, a shared chat channel's: what one client does with its hook is its own."""
    url = f"{api.node.receiver.url}/ok"
    made = {
        client: (await api(client, "POST", "/hooks", json={"url": url}))[1]["id"]
        for client in ("shop", "blog")
    }
    assert made["shop"] != made["blog"]
    for method in ("GET", "DELETE"):
        assert (await api("blog", method, f"/hooks/{made['shop']}"))[0] == 404
    _, ended = await api.subscribe("shop", "no-url-0s", callback_url=None)
    await api.node.turn(5)
    hooked = f"msg_{ended['id'][4:]}_0_{made['shop'][5:]}"
    assert [one.headers["webhook-id"] for one in api.node.receiver.requests] == [hooked]
    assert (await api("blog", "GET", f"/deliveries/{hooked}"))[0] == 404
    assert (await api("blog", "GET", "/deliveries"))[1]["items"] == []
    await api("blog", "DELETE", f"/hooks/{made['blog']}")
    await api.subscribe("shop", "no-url-0s", callback_url=None, metadata={"n": 2})
    await api.node.turn(5)
    assert len(api.node.receiver.requests) == 2


async def test_a_full_client_leaves_others_their_room(api: Api) -> None:
    """Three at a time each: the fourth of one is refused, the first of another is not."""
    answers = [await api.subscribe("shop", f"t{n}") for n in range(4)]
    assert [status for status, _ in answers] == [202, 202, 202, 429]
    assert answers[3][1]["code"] == "limit_active"
    assert (await api.subscribe("blog", "t1"))[0] == 202


async def test_a_hasty_client_uses_up_its_own_requests_only(
    tmp_path: Path, clock: FakeClock
) -> None:
    """A loop that has run wild at one customer's is one customer's affair."""
    async with called(tmp_path, clock, limits={"requests": "5/s"}) as api:
        statuses = [(await api("shop", "GET", "/subscriptions"))[0] for _ in range(8)]
        assert statuses == [200] * 5 + [429] * 3
        assert (await api("blog", "GET", "/subscriptions"))[0] == 200


async def test_another_key_than_the_configured_one_is_for_who_was_granted_it(
    tmp_path: Path, clock: FakeClock
) -> None:
    """Whoever may not use the operator's key learns nothing of tasks behind it."""
    grants = {"shop": ["amux"], "blog": []}
    async with called(tmp_path, clock, grants=grants) as api:
        assert (await api.subscribe("shop", "no-url-0s"))[0] == 202
        await api.node.turn(5)
        status, problem = await api.subscribe("blog", "no-url-0s")
        assert (status, problem["code"]) == (403, "provider_not_granted")
        status, made = await api.subscribe("blog", "no-url-0s", provider_api_key="sk-own")
        assert (status, made["outcome"]) == (202, None), "answered from others' memory"
        asked = api.node.provider.requests
        await api.node.turn(6)
        assert api.node.provider.requests == asked + 1


Says = Callable[[str], Answer]


def by_key(ours: Says, theirs: Says, world: World) -> Says:
    """A provider that tells holders of the configured key one thing, others another."""

    def says(task_id: str) -> Answer:
        last = world.providers.questions[-1]
        return (ours if last.authorization == "Bearer sk-amux" else theirs)(task_id)

    return says


async def test_what_one_key_is_told_is_remembered_for_that_key(world: World) -> None:
    """An account sees its own tasks; another that names them is to be asked itself."""
    world.providers.says = by_key(w.succeeded, w.not_found, world)
    shared = await world.subscribe("t")
    own = await world.subscribe("t", client="blog", provider_key="sk-own")
    await world.pass_time(20)
    assert (await world.show(shared)).state is SubscriptionState.ENDED
    assert (await world.show(own)).state is SubscriptionState.ACTIVE
    late = await world.subscribe("t", client="blog", provider_key="sk-late")
    assert (await world.show(late)).state is SubscriptionState.ACTIVE
    sharing = await world.subscribe("t", client="blog")
    assert (await world.show(sharing)).state is SubscriptionState.ENDED
    await world.pass_time(5)
    assert {one.authorization for one in world.providers.questions} == {
        "Bearer sk-amux",
        "Bearer sk-own",
        "Bearer sk-late",
    }


async def test_a_key_refused_to_one_is_asked_with_for_nobody_else(world: World) -> None:
    """One client's typing mistake rests its own key, not the operator's."""
    world.providers.says = by_key(w.pending, w.refused, world)
    for n in range(3):
        await world.subscribe(f"t{n}", client="blog", provider_key="sk-wrong")
        await world.subscribe(f"t{n}")
    await world.pass_time(60, step_s=1)
    by_shared = [
        q for q in world.providers.questions if q.authorization == "Bearer sk-amux"
    ]
    assert len(by_shared) >= 3 * 11
    assert len(world.providers.questions) - len(by_shared) <= 12


async def test_leaving_a_shared_watch_takes_nothing_from_who_stays(world: World) -> None:
    """They do not even know that they share it."""
    left = await world.subscribe("t")
    stays = await world.subscribe("t", client="blog")
    await world.pass_time(10)
    assert not await world.stop(stays, "shop")
    assert await world.stop(left, "shop")
    world.providers.says = w.succeeded
    await world.pass_time(10)
    assert not world.ends(left)
    [post] = world.ends(stays)
    assert post.client == "blog"


async def test_a_410_to_one_closes_nothing_for_another(world: World) -> None:
    """The URL is the same, a shared chat channel's; whose it is differs."""
    world.providers.says = w.succeeded
    statuses = {"shop": 410, "blog": 200}

    async def receive(_url: str) -> int:
        return statuses[whose.pop(0)]

    world.receivers.says = receive
    whose = ["shop"]
    closed = await world.subscribe("a", url=SHARED)
    await world.pass_time(5)
    whose[:] = ["blog", "blog"]
    told = [await world.subscribe(task, client="blog", url=SHARED) for task in ("a", "b")]
    assert (await world.delivery(closed)).state is DeliveryState.GONE
    await world.pass_time(5)
    for one in told:
        assert (await world.delivery(one)).state is DeliveryState.ACCEPTED
    assert [post.client for post in world.receivers.posts] == ["shop", "blog", "blog"]


async def test_a_410_drops_what_is_owed_to_that_client_only(world: World) -> None:
    """Several of both wait for the same URL when it answers 410 to one."""
    world.providers.says = w.succeeded
    world.receivers.says = lambda _: 500
    ours = [await world.subscribe(f"t{n}", url=SHARED) for n in range(3)]
    theirs = [await world.subscribe(f"t{n}", client="blog", url=SHARED) for n in range(3)]
    await world.pass_time(4)
    world.receivers.says = lambda _: 410
    key = w.key_of(ours[0])
    await world.store.ask_for_attempt(key, 0, "shop", now=world.clock.now())
    await world.dispatcher.worker.drain()
    states = [(await world.delivery(one)).state for one in (*ours, *theirs)]
    assert states == [DeliveryState.GONE] * 3 + [DeliveryState.RETRYING] * 3


@pytest.mark.parametrize("status", [429, 503])
async def test_a_receiver_that_slows_one_client_down_slows_no_other(
    tmp_path: Path, clock: FakeClock, database: str, status: int
) -> None:
    """Both call the same host, as all do who use a hosted tool. Nor does it slow down
    what else that client is sent there.
    """
    async with wired(tmp_path, clock, database=database) as node:
        busy = Reaction(status=status, headers={"retry-after": "50"})
        node.receiver.script("/shop", [busy])
        for n in range(3):
            await node.subscribe(f"no-url-0s-{n}", f"{node.receiver.url}/shop")
        await node.turn(5)
        resting = len(node.receiver.requests)
        for n in range(3):
            await node.subscribe(f"no-url-0s-{n}", f"{node.receiver.url}/ok", client="blog")
            await node.subscribe(f"no-url-0s-{n}", f"{node.receiver.url}/ok")
        await node.turn(5)
        assert len(node.receiver.requests) == resting + 6
        for received in node.receiver.requests:
            assert received.fault is None
        await node.turn(50)
        assert len(node.receiver.requests) == resting + 6 + 1, "one tries for all"
