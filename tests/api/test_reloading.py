"""A reload while a request is on its way: it is answered as if it had come afterwards."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from bridge.api.leaving import Leaving
from bridge.config import Config
from bridge.providers.provider import Provider
from bridge.store import Store, SubscriptionFilter
from tests.api.acting import ACCEPTED, SUCCEEDED, attempt, poll
from tests.api.conftest import (
    CALLBACK,
    CONFIG,
    OTHER,
    Answer,
    Api,
    NotedClock,
    config_with,
    providers,
)

BODY = {"provider": "amux", "task_id": "task1", "callback_url": CALLBACK}
JSON = {"Content-Type": "application/json"}


@dataclass
class Settings:
    """What a reload swaps. `asked` is set by whoever asks for the configuration."""

    config: Config = field(default_factory=config_with)
    providers: Mapping[str, Provider] = field(default_factory=providers)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    def now(self) -> Config:
        self.asked.set()
        return self.config


Change = Callable[[Settings], None]


def remove_client(settings: Settings) -> None:
    clients = {name: each for name, each in CONFIG["clients"].items() if name != "shop"}
    settings.config = Config.model_validate({**CONFIG, "clients": clients})


def change_key(settings: Settings) -> None:
    settings.config = config_with(api_keys=["a-new-key-1234567890"])


def remove_provider(settings: Settings) -> None:
    settings.config = config_with()
    settings.providers = {
        name: each for name, each in settings.providers.items() if name != "amux"
    }


def take_grant(settings: Settings) -> None:
    settings.config = config_with(providers=[])


def make_full(settings: Settings) -> None:
    settings.config = config_with(limits={"requests": "1000/s", "active": 1})


CHANGES: list[tuple[Change, int, str]] = [
    (remove_client, 401, "unauthorized"),
    (change_key, 401, "unauthorized"),
    (remove_provider, 422, "unknown_provider"),
    (take_grant, 403, "provider_not_granted"),
    (make_full, 429, "limit_active"),
]
PATHS = ["/subscribe", "/subscribe/batch"]


def wanted(path: str) -> Any:
    return BODY if path == "/subscribe" else [BODY]


def refusal(answer: Answer) -> tuple[int, str]:
    """Status and code, of the only item if it was a batch."""
    if answer.status != 200:
        return answer.status, answer.code
    [item] = answer.json
    return item["status"], item["problem"]["code"]


async def tasks(store: Store) -> set[str]:
    page = await store.subscriptions(SubscriptionFilter(client=None), limit=10)
    return {each.task_id for each in page.items}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("change", "status", "code"), CHANGES)
async def test_a_body_that_comes_after_a_reload_is_judged_by_it(
    api: Api, store: Store, path: str, change: Change, status: int, code: str
) -> None:
    """Else it is written for a client that nobody can sign for any more."""
    settings = Settings()

    async def slowly() -> Any:
        change(settings)  # the caller was let in: it has been told to go on
        yield orjson.dumps(wanted(path))

    async with api.changed(
        config=settings.now, providers=lambda: settings.providers
    ) as reloaded:
        assert (await reloaded.subscribe(task_id="before")).status == 202
        answer = await reloaded("POST", path, data=slowly(), expect100=True, headers=JSON)
    assert refusal(answer) == (status, code)
    assert (answer.status == 200) is (path == "/subscribe/batch" and status != 401)
    assert await tasks(store) == {"before"}


@dataclass
class Dns:
    """Answers when the test lets it."""

    hosts: list[str] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    known: asyncio.Event = field(default_factory=asyncio.Event)

    async def vet(self, host: str) -> None:
        self.hosts.append(host)
        self.asked.set()
        await self.known.wait()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("change", "status", "code"), CHANGES)
async def test_a_name_that_is_resolved_after_a_reload_is_no_way_around_it(
    api: Api, store: Store, path: str, change: Change, status: int, code: str
) -> None:
    """A slow DNS server is nothing rare."""
    settings, dns = Settings(), Dns()
    async with api.changed(
        config=settings.now, providers=lambda: settings.providers, vet=dns.vet
    ) as reloaded:
        watch = BODY | {"task_id": "before", "callback_url": None}
        assert (await reloaded("POST", "/subscribe", json=watch)).status == 202
        late = asyncio.create_task(reloaded("POST", path, json=wanted(path)))
        await dns.asked.wait()
        change(settings)
        dns.known.set()
        assert refusal(await late) == (status, code)
    assert await tasks(store) == {"before"}


async def test_a_callback_that_a_reload_brings_is_looked_at_as_well(api: Api) -> None:
    """It must not come in unseen because the one before it was fine."""
    config, dns = config_with(callback_url="https://old.example/"), Dns()
    settings = Settings(config)
    async with api.changed(config=settings.now, vet=dns.vet) as reloaded:
        late = asyncio.create_task(
            reloaded("POST", "/subscribe", json=BODY | {"callback_url": None})
        )
        await dns.asked.wait()
        settings.config = config_with(callback_url="https://new.example/")
        dns.known.set()
        answer = await late
    assert dns.hosts == ["old.example", "new.example"]
    assert (answer.status, answer.json["callback_url"]) == (202, "https://new.example/")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("key", "change", "expected"),
    [
        ("clients.shop", remove_client, (401, "unauthorized")),
        ("providers.amux", remove_provider, (422, "unknown_provider")),
    ],
)
async def test_nobody_gets_in_between_a_reloads_look_and_what_it_does(
    api: Api,
    store: Store,
    path: str,
    key: str,
    change: Change,
    expected: tuple[int, str],
) -> None:
    """What is queued after the look is not seen by it."""
    settings, dns = Settings(), Dns()
    dns.known.set()
    leaving = Leaving()
    async with api.changed(
        config=settings.now,
        providers=lambda: settings.providers,
        vet=dns.vet,
        leaving=leaving,
    ) as reloaded:
        await reloaded.subscribe(task_id="before")  # so that the active ones are counted
        dns.asked.clear()
        with leaving.undecided([key]):
            late = asyncio.create_task(reloaded("POST", path, json=wanted(path)))
            await dns.asked.wait()  # it has then run as far as it could
            change(settings)
        assert refusal(await late) == expected
    assert await tasks(store) == {"before"}


async def test_a_reload_that_is_refused_has_turned_nobody_away(api: Api) -> None:
    """A client that stays may not be told that its key is wrong."""
    leaving, dns = Leaving(), Dns()
    dns.known.set()
    async with api.changed(vet=dns.vet, leaving=leaving) as reloaded:
        with leaving.undecided(["clients.shop", "providers.sandbox"]):
            late = asyncio.create_task(reloaded.subscribe())
            await dns.asked.wait()
            own = {"provider_api_key": "own"}
            other = await reloaded.subscribe(key=OTHER, **own)
            seen = await reloaded("GET", "/subscriptions")
        assert [(await late).status, other.status, seen.status] == [202, 202, 200]


async def ended(api: Api, store: Store, clock: NotedClock) -> str:
    """The id of an accepted delivery of the shop."""
    made = await api.subscribe()
    clock.advance(5)
    await poll(store, clock, SUCCEEDED)
    clock.advance(5)
    await attempt(store, clock, ACCEPTED)
    shown = await api("GET", f"/subscriptions/{made.json['id']}")
    assert shown.json["delivery"]["state"] == "accepted"
    delivery_id: str = shown.json["delivery"]["id"]
    return delivery_id


@pytest.mark.parametrize(
    ("change", "status", "owed"), [(remove_client, 401, 0), (lambda _: None, 202, 1)]
)
async def test_a_retry_waits_for_the_decision_too(
    api: Api,
    store: Store,
    clock: NotedClock,
    change: Change,
    status: int,
    owed: int,
) -> None:
    """What it owes would be owed by nobody."""
    settings, leaving = Settings(), Leaving()
    async with api.changed(config=settings.now, leaving=leaving) as reloaded:
        delivery_id = await ended(reloaded, store, clock)
        settings.asked.clear()
        with leaving.undecided(["clients.shop"]):
            path = f"/deliveries/{delivery_id}/retry"
            late = asyncio.create_task(reloaded("POST", path))
            await settings.asked.wait()  # it has then run as far as it could
            change(settings)
        assert (await late).status == status
    assert (await store.backlog(clock.now()))["deliveries"] == owed


async def test_what_takes_work_away_goes_on_while_a_reload_looks(api: Api) -> None:
    """It can only help the client to go."""
    leaving = Leaving()
    async with api.changed(leaving=leaving) as reloaded:
        made = (await reloaded.subscribe()).json["id"]
        with leaving.undecided(["clients.shop", "providers.amux"]):
            stopped = await reloaded("DELETE", f"/subscriptions/{made}")
            shown = await reloaded("GET", f"/subscriptions/{made}")
    assert (stopped.status, shown.json["state"]) == (204, "stopped")


async def test_the_next_reload_holds_up_who_waited_for_the_last() -> None:
    """Between the two nobody has had a turn."""
    leaving = Leaving()
    waiting = leaving.decided("clients.shop", "providers.amux")
    for key in ("clients.shop", "providers.amux"):
        with leaving.undecided([key]):
            waiting.send(None)
    with pytest.raises(StopIteration):
        waiting.send(None)
