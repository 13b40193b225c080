"""The bridge to be measured, with its usual settings, and the work that waits for it."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import orjson

from benchmarks.aside import looped
from bridge import logs
from bridge.assembly import Bridge, Current, built
from bridge.config import load
from bridge.lanes import Window
from bridge.metrics import Metrics
from bridge.model import Answer, ClaimedPoll, Destination, PollRequest, Wish
from bridge.polling.poller import Poller
from bridge.providers.configured import configured
from bridge.store import Claims, Pick

API_KEY = "an-api-key-of-the-benchmarks"
HOOK = "/hooks/0123456789abcdef0123456789abcdef"
NOBODY = 9  # a port where nobody listens
SECRET = "whsec_YmVuY2htYXJrcy1zaWduLXdpdGgtdGhpcy1zZWNyZXQ="
CREATED_AGO_S = 10.0  # subscriptions are older than the pause before a first attempt
HOSTS = 10  # of callbacks: enough to fill what one client may have in flight
SEED = 20_261_120
SUBSCRIBED_AT_ONCE = 512
AT_ONCE = "10ms"  # to the next poll: due again before its turn comes
LOOK_S = 0.02


@dataclass(frozen=True, slots=True)
class Place:
    """A folder with a configuration and its database, and who is talked to."""

    folder: Path
    provider_port: int = NOBODY
    receiver_port: int = NOBODY
    interval: str = "1d"  # between two polls of one task
    first: str = "1d"
    url: str = ""  # of the database, if it is not a file in the folder

    @property
    def database(self) -> Path:
        return self.folder / "bridge.db"

    @property
    def kept(self) -> Path:
        """The database as it was prepared."""
        return self.folder / "prepared.db"

    def clear(self) -> None:
        """No database."""
        for path in self.folder.glob(f"{self.database.name}*"):
            path.unlink()

    def settings(self) -> dict[str, Any]:
        """Defaults, but for the limits on what one client and one key may ask for."""
        return {
            "listen": "127.0.0.1:0",
            "database": self.url or f"sqlite:///{self.database}",
            "encryption_keys": ["an-encryption-key-of-the-benchmarks-0123456789"],
            "clients": {
                "shop": {
                    "api_keys": [API_KEY],
                    "signing_secrets": [SECRET],
                    "limits": {"active": 1_000_000_000, "requests": "1000000/s"},
                }
            },
            "providers": {
                "amux": {
                    "base_url": f"http://localhost:{self.provider_port}",
                    "api_key": "sk-of-the-benchmarks",
                    "rate_limit": "1000000/s",
                    "poll": {
                        "first": self.first,
                        "interval": self.interval,
                        "min": "10ms",
                        "max": "1d",
                    },
                }
            },
            "callbacks": {"allow_networks": ["127.0.0.0/8", "::1/128"]},
            "log": {"format": "json"},
        }

    def config_file(self) -> Path:
        path = self.folder / "config.yaml"
        path.write_text(json.dumps(self.settings()), "utf-8")  # JSON is YAML too
        return path


@contextmanager
def folder() -> Iterator[Path]:
    """A new one, below BENCH_DIR if /tmp is memory, where a sync would cost nothing."""
    with TemporaryDirectory(prefix="bench-", dir=os.environ.get("BENCH_DIR")) as path:
        yield Path(path)


@contextmanager
def restored(place: Place) -> Iterator[None]:
    """Begin from what was prepared; the first caller has prepared it."""
    if not place.kept.exists():
        place.database.rename(place.kept)
    shutil.copy(place.kept, place.database)
    try:
        yield
    finally:
        place.clear()


@contextmanager
def quiet_logs() -> Iterator[None]:
    """Logs are made as ever, and written to nowhere."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        logs.set_up(form="json", level="info", stream=nowhere)
        yield


@asynccontextmanager
async def opened(place: Place) -> AsyncIterator[Bridge]:
    """The parts of a node, as `serve` builds them."""
    config = load({"config": place.config_file()}, {}, place.folder)
    with quiet_logs():
        async with built(Current(config, configured(config)), lambda: False) as bridge:
            await bridge.store.begin(now=bridge.clock.now())
            bridge.health.set_ready("start")
            yield bridge


@asynccontextmanager
async def running(bridge: Bridge) -> AsyncIterator[None]:
    """All its loops turn."""
    stop, workers = asyncio.Event(), (bridge.poller.worker, bridge.dispatcher.worker)
    async with asyncio.TaskGroup() as group:
        for loop in (*workers, bridge.upkeep):
            group.create_task(loop.run(stop))
        for other in bridge.beside:
            group.create_task(other(stop))
        yield
        stop.set()
        bridge.dispatcher.stopping.set()
        for worker in workers:
            worker.wake.set()


def task_id(number: int) -> str:
    return f"task-{number:012}"


def hook_url(number: int, port: int) -> str:
    """One of HOSTS names. They lead to this machine without being asked for: RFC 6761."""
    return f"http://hook{number % HOSTS}.localhost:{port}{HOOK}"


def wish(place: Place, number: int, first_poll_s: float) -> Wish:
    """One plain subscription."""
    url = hook_url(number, place.receiver_port)
    return Wish(
        client="shop",
        provider="amux",
        task_id=task_id(number),
        destination=Destination(url=url, host=url.split("/")[2].partition(":")[0]),
        deadline_s=90_000.0,
        first_poll_s=first_poll_s,
        canonical=orjson.dumps([task_id(number), url]),
    )


async def subscribe(bridge: Bridge, place: Place, numbers: range) -> None:
    """A subscription, and so a watch, for each number, by the way the API takes.

    All are due, in another order than they were made in.
    """
    dice, now = Random(SEED + numbers.start), bridge.clock.now() - CREATED_AGO_S
    for begin in range(numbers.start, numbers.stop, SUBSCRIBED_AT_ONCE):
        several = range(begin, min(begin + SUBSCRIBED_AT_ONCE, numbers.stop))
        wishes = [wish(place, number, dice.uniform(0, 1)) for number in several]
        await asyncio.gather(*(bridge.store.subscribe(one, now=now) for one in wishes))


def add_watches(place: Place, numbers: range) -> None:
    """A watch for each number, polled before and due again, to those there are."""
    looped(watches_added(place, numbers))


async def watches_added(place: Place, numbers: range) -> None:
    async with opened(place) as bridge:
        await subscribe(bridge, place, numbers)
        await poll(bridge, numbers.stop)


async def poll(bridge: Bridge, count: int) -> None:
    """Ask about as many, so that the next answer brings no news."""
    provider, stop = Canned("in_progress"), asyncio.Event()
    worker = poller(bridge, provider).worker
    async with asyncio.TaskGroup() as group:
        group.create_task(worker.run(stop))
        while provider.asked < count:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)
        stop.set()
        worker.wake.set()


async def end_all(bridge: Bridge) -> None:
    """Every watch that is due ends, and its webhooks are owed."""
    await poller(bridge, Canned("completed")).worker.drain()


async def claim_polls(bridge: Bridge, count: int, *, gap_s: float) -> Claims[ClaimedPoll]:
    """As the poller does: look for lanes, then claim so many of each."""
    now = bridge.clock.now()
    ready = await bridge.store.poll_lanes(now=now, window=Window())
    picks = [Pick(lane, count) for lane in ready.lanes]
    return await bridge.store.claim_polls(picks, now=now, pace=Every(gap_s))


class Every:
    """Asks at an interval."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s

    def gap_s(self, *_about: object) -> float:
        return self._interval_s

    def waited(
        self, _provider: str, _model: str | None, since_s: float, until_s: float
    ) -> float:
        return (until_s - since_s) / self._interval_s


class Canned:
    """Stands for a provider that says the same of every task, and for the way to it."""

    def __init__(self, status: str) -> None:
        self._status = status
        self.asked = 0

    async def ask(self, request: PollRequest) -> Answer:
        self.asked += 1
        name = request.url.rpartition("/")[2]
        return Answer(
            http_status=200,
            headers={"content-type": "application/json"},
            body=said(name.encode(), self._status.encode()),
        )


def said(name: bytes, status: bytes) -> bytes:
    """The body of a provider's answer, as the documents of new-api show it."""
    return (
        b'{"task_id":"%b","status":"%b","url":"https://cdn.example.com/%b.mp4",'
        b'"format":"mp4","metadata":{"duration":5,"fps":24,"width":1280,"height":720},'
        b'"error":null}' % (name, status, name)
    )


def poller(bridge: Bridge, provider: Canned) -> Poller:
    """The bridge's own, but for whom it asks."""
    return Poller(
        bridge.store,
        provider,
        providers=bridge.deps.providers,
        clock=bridge.clock,
        dice=Random(SEED),
        bell=bridge.deps.bell,
        health=bridge.health,
        metrics=Metrics(),
        on_owed=lambda: None,
        pacing=bridge.pacing,
    )


def bare_session(connections: int) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections))
