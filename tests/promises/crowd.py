"""Callers who want their 202 whatever happens to the bridge, and what they were told."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

import aiohttp

from bridge.clock import SystemClock
from tests.promises.node import KEYS, settings

CALL_S = 5.0
AGAIN_S = 0.01
LOST, NOBODY = 0, -1  # in place of a status: no answer came; nobody listened
DOUBTERS = 0.3  # how often a caller asks once more for something it has been promised

# How tasks go, how often, and what must be told of each. `rubbish` answers in every
# strange way before it succeeds; `vanish` is found once and then never again.
FATES: Mapping[str, tuple[str, int, str]] = {
    "succeed-0.2s": ("amux", 20, "succeeded"),
    "succeed-1s": ("amux", 25, "succeeded"),
    "slow-2s": ("amux", 5, "succeeded"),
    "fail-0.5s": ("amux", 15, "failed"),
    "rubbish-0.8s": ("amux", 10, "succeeded"),
    "vanish-0.3s": ("amux", 10, "unreachable"),
    "missing": ("amux", 2, "unreachable"),
    "cancel-0.5s": ("ark", 6, "cancelled"),
    "expire-0.5s": ("ark", 7, "expired"),
}
# How receivers answer, and how often: see `bridge.simulator.reactions`.
MOODS = {"/ok": 60, "/flaky/1": 12, "/flaky/2": 8, "/lost/1": 10, "/slow/0.2": 10}
SHARED = 0.25  # of the subscriptions are for a task that somebody else has asked for


@dataclass(frozen=True)
class Wanted:
    """One subscription that somebody wants."""

    number: int
    client: str
    provider: str
    task_id: str
    callback_url: str
    outcome: str

    @property
    def body(self) -> dict[str, object]:
        return {
            "provider": self.provider,
            "task_id": self.task_id,
            "callback_url": self.callback_url,
            "metadata": {"number": self.number},
        }

    @property
    def headers(self) -> dict[str, str]:
        """Every fourth caller draws an Idempotency-Key as well."""
        named = {"Idempotency-Key": f"number-{self.number}"} if self.number % 4 == 0 else {}
        return {"Authorization": f"Bearer {KEYS[self.client]}", **named}


def configuration(url: str, **changes: Any) -> dict[str, Any]:
    """Both providers of the fates, at this simulator's URL."""
    base = settings(url, shutdown_grace="1s")
    ark = {
        **base["providers"]["amux"],
        "preset": "ark",
        "base_url": f"{url}/ark",
        "api_key": "sk-ark",
    }
    for name in KEYS:
        base["clients"][name]["providers"] = ["amux", "ark"]
    return base | {"providers": {**base["providers"], "ark": ark}} | changes


def wishes(count: int, receivers: Mapping[str, str], dice: Random) -> list[Wanted]:
    """`receivers` has a URL for each client."""
    tasks: list[tuple[str, str, str]] = []
    found = []
    for number in range(count):
        if tasks and dice.random() < SHARED:
            provider, task_id, outcome = dice.choice(tasks)
        else:
            weights = [weight for _, weight, _ in FATES.values()]
            [word] = dice.choices(list(FATES), weights)
            provider, _, outcome = FATES[word]
            task_id = f"{word}-{number}" if word != "missing" else f"missing-x{number}"
            tasks.append((provider, task_id, outcome))
        client = dice.choice(sorted(receivers))
        [mood] = dice.choices(list(MOODS), list(MOODS.values()))
        url = f"{receivers[client]}{mood}?number={number}"
        found.append(Wanted(number, client, provider, task_id, url, outcome))
    return found


class Bridge(Protocol):
    """One node, or several that callers do not tell apart."""

    @property
    def url(self) -> str:
        """Where the next request goes; empty while nobody listens."""


class Crowd:
    """Callers at work. Each repeats a request, word for word, until it is answered."""

    def __init__(self, bridge: Bridge, wanted: Sequence[Wanted], dice: Random) -> None:
        self.ids: dict[int, str] = {}  # by number
        self.other_ids: list[tuple[str, str]] = []  # two for one subscription: never
        self.refused: Counter[tuple[int, str]] = Counter()
        self.repeats = 0  # requests whose answer was lost
        self.lost = 0  # … after which the subscription proved to have been made
        self._bridge, self._wanted, self._dice = bridge, wanted, dice
        self._left = iter(wanted)
        self._allowed, self._more = 0, asyncio.Event()

    def allow(self, count: int) -> None:
        """Let them ask for so many in all."""
        self._allowed = count
        self._more.set()

    async def work(self, callers: int) -> None:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(CALL_S)) as http,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(callers):
                group.create_task(self._caller(http))

    async def _caller(self, http: aiohttp.ClientSession) -> None:
        for wanted in self._left:
            while wanted.number >= self._allowed:
                self._more.clear()
                await self._more.wait()
            await self._ask(http, wanted)
            if self._dice.random() < DOUBTERS:
                await self._ask(http, self._wanted[self._dice.choice(list(self.ids))])

    async def _ask(self, http: aiohttp.ClientSession, wanted: Wanted) -> None:
        first = wanted.number not in self.ids
        status, found = await self._post(http, wanted)
        while not found:
            self.repeats += status == LOST
            await SystemClock().wait(asyncio.Event(), AGAIN_S)
            status, found = await self._post(http, wanted)
        self.lost += first and status == 200
        if self.ids.setdefault(wanted.number, found) != found:
            self.other_ids.append((self.ids[wanted.number], found))

    async def _post(self, http: aiohttp.ClientSession, wanted: Wanted) -> tuple[int, str]:
        """The status and the id, if there is one."""
        try:
            async with http.post(
                self._bridge.url + "/subscribe", json=wanted.body, headers=wanted.headers
            ) as response:
                told = await response.json(content_type=None)
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL):
            return NOBODY, ""
        except (aiohttp.ClientError, TimeoutError):
            return LOST, ""
        if response.status in (200, 202):
            return response.status, told["id"]
        self.refused[response.status, told["code"]] += 1
        return response.status, ""
