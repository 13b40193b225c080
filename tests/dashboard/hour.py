"""An hour in the life of a bridge, in standing time: what the pictures of the pages show.

Store, poller, dispatcher and pages are real; providers speak their dialects, receivers
answer as a script says. The same seed gives the same hour.
"""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

from bridge.api.app import create_app
from bridge.api.deps import Deps
from bridge.bell import Bell
from bridge.config import Config
from bridge.dashboard import pages
from bridge.health import Health
from bridge.live import Live
from bridge.model import Answer, AttemptOutcome, Destination, PollRequest, Reply, Status
from bridge.providers.configured import configured
from bridge.receivers.retry import Schedule
from bridge.simulator.mount import Mount
from bridge.simulator.parts import Site
from bridge.simulator.script import Step, course
from bridge.simulator.words import Dialect
from tests.api.conftest import served
from tests.conftest import ENCRYPTION_KEY, START, FakeClock
from tests.world import SECRETS, World

HOUR_S = 3_600.0
STORY = "cgt-20270115-teaser"
OPERATOR_KEY = "operator-key-of-the-pictures"
DIALECTS = {
    "amux": Dialect.FLAT_COMPLETED,
    "newapi": Dialect.ENVELOPE,
    "rong": Dialect.ARK,
    "sandbox": Dialect.SANDBOX,
}
USUAL_S = {"amux": 95.0, "newapi": 150.0, "rong": 60.0, "sandbox": 20.0}
EVERY_S = 18.0  # between two subscriptions
TURN_S, KEPT_S = 2.0, 20.0
DIED_AT = START - 1_200
FAILED = 0.12
SHOP, FLOW, DEAD, STRICT = (
    "api.shop.example",
    "flows.blog.example",
    "old-server.example",
    "hooks.partner.example",
)
CALLED = (*(SHOP,) * 6, *(FLOW,) * 5, STRICT)
OWNERS = {SHOP: "shop", FLOW: "blog", DEAD: "blog", STRICT: "shop"}


def config() -> Config:
    clients: dict[str, Any] = {
        name: {
            "api_keys": [f"api-key-of-{name}-0123456789"],
            "signing_secrets": [secret],
            "providers": list(DIALECTS),
        }
        for name, secret in SECRETS.items()
    }
    clients["ops"] = {**clients["shop"], "api_keys": [OPERATOR_KEY], "role": "operator"}
    providers: dict[str, Any] = {
        name: {
            "preset": name,
            "base_url": f"https://{name}.example",
            "api_key": None if name == "sandbox" else f"sk-of-{name}",
        }
        for name in DIALECTS
    }
    return Config.model_validate(
        {"encryption_keys": [ENCRYPTION_KEY], "clients": clients, "providers": providers}
    )


class Upstreams:
    """All providers, each in its dialect; an answer takes a moment."""

    def __init__(self, clock: FakeClock, dice: Random) -> None:
        self.mounts = {name: Mount(dialect) for name, dialect in DIALECTS.items()}
        self._clock, self._dice = clock, dice

    async def ask(self, request: PollRequest) -> Answer:
        self._clock.advance(self._dice.uniform(0.04, 0.2))
        host = urlsplit(request.url).hostname or ""
        name, task_id = host.partition(".")[0], request.url.rpartition("/")[2]
        site = Site(base_url=f"https://{host}", files_url="https://cdn.example/videos")
        return self.mounts[name].answer(task_id, self._clock.now(), site=site)


class Hosts:
    """Receivers: some are well, one is silent, one wants nothing of it, one stumbles."""

    def __init__(self, clock: FakeClock, dice: Random) -> None:
        self._clock, self._dice = clock, dice
        self._sent: Counter[str] = Counter()

    async def send(self, destination: Destination, *_: object) -> Reply:
        self._sent[destination.url] += 1
        if destination.host == DEAD and self._clock.now() > DIED_AT:
            self._clock.advance(0.4)
            return Reply(outcome=AttemptOutcome.CONNECT_ERROR, detail="connection refused")
        self._clock.advance(self._dice.lognormvariate(-2.6, 0.7))
        if destination.host == STRICT:
            return Reply(
                outcome=AttemptOutcome.REFUSED,
                http_status=401,
                body=b'{"error": "signature does not match"}',
            )
        first = destination.url.endswith("story") and self._sent[destination.url] == 1
        if first or self._dice.random() < 0.06:
            outcome, body = AttemptOutcome.REFUSED, b"upstream is restarting"
            return Reply(outcome=outcome, http_status=503, body=body)
        return Reply(outcome=AttemptOutcome.ACCEPTED, http_status=200, body=b"ok")


@dataclass(frozen=True)
class Hour:
    url: str
    story: str  # a subscription whose timeline has everything

    @property
    def paths(self) -> Mapping[str, str]:
        """Below the dashboard."""
        return {
            "overview": "",
            "list": "/subscriptions",
            "timeline": f"/subscriptions/{self.story}",
        }


@asynccontextmanager
async def an_hour(folder: Path, seed: int = 7) -> AsyncIterator[Hour]:
    """The pages after it. Time stands still from then on."""
    clock, dice = FakeClock(START - HOUR_S), Random(seed)
    world = World(folder, clock, seed=seed, config=config(), schedule=Schedule((5, 20, 60)))
    upstreams = Upstreams(clock, dice)
    world.upstream, world.sender = upstreams, Hosts(clock, dice)
    await world.up()
    try:
        story = await lived(world, upstreams, clock, dice)
        async with served(create_app(deps_of(world), pages)) as url:
            yield Hour(url, story)
    finally:
        await world.down()


async def lived(world: World, upstreams: Upstreams, clock: FakeClock, dice: Random) -> str:
    """Tasks come and go until START; the story is of one of the last."""
    next_at, kept_at, number, story = clock.now(), 0.0, 0, ""
    while clock.now() < START:
        if clock.now() >= next_at:
            number, next_at = number + 1, next_at + dice.expovariate(1 / EVERY_S)
            await subscribed(world, upstreams, dice, f"{number:04}")
        if not story and clock.now() > START - 300:
            story = await told(world, upstreams)
        if clock.now() >= kept_at + KEPT_S:
            kept_at = clock.now()
            await world.upkeep.turn()
            await world.pacing.exchange()
        clock.advance(TURN_S)
        await turned(world)
    return story


async def turned(world: World) -> None:
    while await world.poller.worker.drain() + await world.dispatcher.worker.drain():
        pass


async def subscribed(world: World, upstreams: Upstreams, dice: Random, name: str) -> None:
    provider = dice.choice(("amux", "amux", "newapi", "rong", "rong", "sandbox"))
    host = DEAD if name.endswith(("3", "7")) else dice.choice(CALLED)
    task_id = f"cgt-20270115{name}-{dice.randrange(16**5):05x}"
    end = Step(status=Status.FAILED) if dice.random() < FAILED else done(task_id)
    end_s = USUAL_S[provider] * dice.lognormvariate(0, 0.35)
    upstreams.mounts[provider].add(task_id, course(end_s, end))
    await world.subscribe(
        task_id,
        client=OWNERS[host],
        host=host,
        provider=provider,
        metadata={"order": 1_000 + int(name)},
    )


def done(task_id: str) -> Step:
    return Step(status=Status.SUCCEEDED, progress=100, video=f"{task_id}.mp4")


async def told(world: World, upstreams: Upstreams) -> str:
    """One whose receiver stumbles at first."""
    upstreams.mounts["rong"].add(STORY, course(70.0, done(STORY)))
    subscription = await world.subscribe(
        STORY,
        client="blog",
        host=FLOW,
        path="story",
        provider="rong",
        metadata={"order": 1_234, "flow": "teaser"},
    )
    return subscription.id


def deps_of(world: World) -> Deps:
    known, health, bell = configured(world.config), Health(), Bell()
    health.set_ready("start")
    return Deps(
        store=world.store,
        clock=world.clock,
        config=lambda: world.config,
        providers=lambda: known,
        vet=vetted,
        bell=bell,
        health=health,
        live=Live(world.store, clock=world.clock, bell=bell),
        pulse=world.poller.pulse,
        learned=world.pacing.learned,
        first_s=world.pacing.first_s,
        wake_poller=lambda: None,
        wake_dispatcher=lambda: None,
        draining=lambda: False,
    )


async def vetted(_host: str) -> None:
    """Nothing is sent from here on."""
