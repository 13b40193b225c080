"""SIGHUP, sent to the real process; and what it does, seen from inside."""

import asyncio
import json
import signal
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from bridge.api.app import create_app
from bridge.assembly import Bridge, Current, built
from bridge.config import Config
from bridge.providers.configured import configured
from bridge.service import renew
from bridge.simulator.provider import ProviderSimulator
from bridge.simulator.receiver import ReceiverSimulator
from tests.api.conftest import served
from tests.promises.conftest import provider, receiver
from tests.promises.node import KEYS, OPERATOR, Answer, Node, settings

__all__ = ["provider", "receiver"]

JSON = {"Content-Type": "application/json"}
PATHS = ["/subscribe", "/subscribe/batch"]
GONE = [
    ("clients", "shop", (401, "unauthorized")),
    ("providers", "amux", (422, "unknown_provider")),
]


def rewrite(node: Node, **changes: Any) -> None:
    """Change the file and tell the process."""
    config = json.loads(node.config.read_text()) | changes
    node.config.write_text(json.dumps(config))
    node.send(signal.SIGHUP)


def without(config: Mapping[str, Any], section: str, name: str) -> dict[str, Any]:
    """The section of the configuration that lacks one of its parties."""
    return {section: {key: each for key, each in config[section].items() if key != name}}


def wanted(path: str) -> Any:
    one = {"provider": "amux", "task_id": "t1", "callback_url": "http://127.0.0.1:1/"}
    return one if path == "/subscribe" else [one]


def refusal(status: int, told: Any) -> tuple[int, str]:
    """Status and code, of the only item if it was a batch."""
    if status == 200:
        [item] = told
        status, told = item["status"], item["problem"]
    return status, told["code"]


async def test_a_reload_takes_over_clients_and_providers(
    tmp_path: Path, provider: ProviderSimulator
) -> None:
    """Keys are changed, added and taken away without a gap, but only of who is idle."""
    async with Node(tmp_path, settings(provider.url)) as node:
        await node.start()
        clients = json.loads(node.config.read_text())["clients"]
        new_key = "another-key-of-the-shop-01"
        rewrite(
            node,
            clients={
                "shop": clients["shop"] | {"api_keys": [new_key]},
                "operator": clients["operator"],
            },
        )
        await node.told("config.reloaded")
        answers = [
            await node.call("GET", "/subscriptions", key=key)
            for key in (new_key, KEYS["shop"], KEYS["blog"])
        ]
        assert [answer.status for answer in answers] == [200, 401, 401]


async def test_a_reload_that_would_leave_work_behind_changes_nothing(
    tmp_path: Path, provider: ProviderSimulator, receiver: ReceiverSimulator
) -> None:
    """Nobody would be left to sign the webhook."""
    async with Node(tmp_path, settings(provider.url)) as node:
        await node.start()
        await node.promised("task1", f"{receiver.url}/ok")
        clients = json.loads(node.config.read_text())["clients"]
        rewrite(node, clients={"operator": clients["operator"]})
        await node.told("config.refused")
        assert any("clients.shop: has work in flight" in line for line in node.log)
        assert (await node.call("GET", "/subscriptions", key=KEYS["shop"])).status == 200
        await node.promised("task2", f"{receiver.url}/ok")


async def test_a_reload_names_what_needs_a_restart(
    tmp_path: Path, provider: ProviderSimulator
) -> None:
    """Else an operator believes that it is in force."""
    async with Node(tmp_path, settings(provider.url)) as node:
        await node.start()
        rewrite(node, retention="40d")
        await node.told("config.reloaded")
        [named] = node.events("config.needs_restart")
        assert named["keys"] == ["retention"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("section", "name", "expected"), GONE)
async def test_a_request_on_its_way_when_its_party_goes_is_refused(
    tmp_path: Path,
    provider: ProviderSimulator,
    path: str,
    section: str,
    name: str,
    expected: tuple[int, str],
) -> None:
    """It was let in before the reload; its body comes after it."""
    given = settings(provider.url)
    given["providers"]["spare"] = given["providers"]["amux"]  # none at all: all presets
    async with Node(tmp_path, given) as node:
        await node.start()
        config = json.loads(node.config.read_text())

        async def slowly() -> AsyncIterator[bytes]:
            rewrite(node, **without(config, section, name))
            await node.told("config.reloaded")
            yield json.dumps(wanted(path)).encode()

        late = await node.call("POST", path, data=slowly(), expect100=True, headers=JSON)
        assert refusal(late.status, late.json) == expected
        everything = await node.call("GET", "/subscriptions", key=OPERATOR)
        assert (everything.status, everything.json["items"]) == (200, [])


@dataclass(frozen=True)
class Inside:
    """A node without its loops, and its API."""

    current: Current
    bridge: Bridge
    path: Path
    url: str
    http: aiohttp.ClientSession
    asked: asyncio.Event  # set by each look at a callback's host

    async def call(self, method: str, path: str, **options: Any) -> Answer:
        headers = {"X-API-Key": KEYS["shop"]}
        async with self.http.request(
            method, self.url + path, headers=headers, **options
        ) as answer:
            return Answer(answer.status, dict(answer.headers), await answer.text())

    async def begun(self, path: str) -> "asyncio.Task[Answer]":
        """A request that has run as far as it could."""
        self.asked.clear()
        late = asyncio.create_task(self.call("POST", path, json=wanted(path)))
        await self.asked.wait()
        return late

    async def reloading(self, section: str, name: str) -> "asyncio.Task[None]":
        """A reload that takes one away, and has run as far as it could."""
        begun = asyncio.Event()
        config = self.current.config
        parties = without({section: getattr(config, section)}, section, name)

        def reload() -> Config:
            begun.set()
            return config.model_copy(update=parties)

        task = asyncio.create_task(
            renew(self.bridge, self.current, reload, lambda _preset: None)
        )
        await begun.wait()
        return task

    @contextmanager
    def nothing_written(self) -> Iterator[None]:
        """Whatever is to be written is queued."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")


@asynccontextmanager
async def inside(folder: Path) -> AsyncIterator[Inside]:
    path, asked = folder / "bridge.db", asyncio.Event()

    async def vet(_host: str) -> None:
        asked.set()

    given = settings("http://127.0.0.1:1", database=f"sqlite:///{path}")
    config = Config.model_validate(given)
    current = Current(config, configured(config))
    async with built(current, lambda: False) as bridge:
        bridge.health.set_ready("start")
        deps = replace(bridge.deps, vet=vet, registry=CollectorRegistry())
        async with served(create_app(deps)) as url, aiohttp.ClientSession() as http:
            one = Inside(current, bridge, path, url, http, asked)
            # So that the active subscriptions have been counted: that takes time, too.
            made = await one.call("POST", "/subscribe", json=wanted("/subscribe"))
            stopped = await one.call("DELETE", f"/subscriptions/{made.json['id']}")
            assert stopped.status == 204
            yield one


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("section", "name", "expected"), GONE)
async def test_nobody_slips_in_while_a_reload_looks_who_is_inside(
    tmp_path: Path, path: str, section: str, name: str, expected: tuple[int, str]
) -> None:
    """The look takes as long as the database does; what is queued behind it is not seen."""
    async with inside(tmp_path) as node:
        with node.nothing_written():
            reloading = await node.reloading(section, name)
            late = await node.begun(path)
        await reloading
        answer = await late
        assert refusal(answer.status, answer.json) == expected
        assert name not in getattr(node.current.config, section)
        assert await node.bridge.store.in_use() == (set(), set())


@pytest.mark.parametrize(("section", "name"), [each[:2] for each in GONE])
async def test_what_is_about_to_be_written_is_work_in_flight(
    tmp_path: Path, section: str, name: str
) -> None:
    """It came before the reload; who comes meanwhile finds all as it was."""
    async with inside(tmp_path) as node:
        with node.nothing_written():
            early = await node.begun("/subscribe")
            reloading = await node.reloading(section, name)
            late = await node.begun("/subscribe")
        await reloading
        assert [(await early).status, (await late).status] == [202, 200]
        assert name in getattr(node.current.config, section)
        assert await node.bridge.store.in_use() == ({"shop"}, {"amux"})


async def test_a_reload_that_takes_nobody_away_needs_no_database(tmp_path: Path) -> None:
    """A leaked key is to be changed even while the disk is full."""
    async with inside(tmp_path) as node:
        with node.nothing_written():
            await (await node.reloading("clients", "nobody"))
        assert (await node.call("GET", "/subscriptions")).status == 200
