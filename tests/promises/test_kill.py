"""Promises 1, 2 and 11 under SIGKILL, as often as a long life of a server sees it.

Figures of the run are printed. BRIDGE_TEST_KILLS makes it longer, BRIDGE_TEST_SEED
repeats what was drawn.
"""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bridge.clock import SystemClock
from bridge.ids import message_id
from bridge.simulator.provider import ProviderSimulator
from bridge.simulator.receiver import ReceiverSimulator
from bridge.simulator.words import Dialect
from tests.promises.crowd import Crowd, Wanted, wishes
from tests.promises.node import KEYS, OPERATOR, SECRETS, Node, settings
from tests.promises.nursery import Nursery
from tests.promises.points import FRESH, RUNNING, STARTING, STOPPING

KILLS = int(os.environ.get("BRIDGE_TEST_KILLS", "200"))
SEED = int(os.environ.get("BRIDGE_TEST_SEED", str(time.time_ns() % 1_000_000)))
SUBSCRIPTIONS = max(1_000, 5 * KILLS)
CALLERS = 48
RANDOM_SHARE = 0.4
REACHED_S = 2.0  # within which a point must be reached, else it is a random instant
LIFE_S = 0.35  # at most, of a process that dies at a random instant
HEALED_S = 40.0
ANYWHERE = "a random instant"
# How often a process passes a point within REACHED_S, at least; else once.
PASSED = dict.fromkeys(RUNNING, 3) | {
    "open: amid the schema": 20,
    "commit: begun": 12,
    "commit: a step is done": 24,
    "commit: before": 12,
    "commit: after": 12,
}

Tally = Counter[str]


class Executioner:
    """Kills a serving process over and over. `tally` is of where it died."""

    def __init__(self, node: Nursery, dice: Random) -> None:
        self.tally: Tally = Counter()
        self.start_s: list[float] = []
        self._node, self._dice = node, dice

    def plan(self, kills: int) -> list[str]:
        """Where to kill: what only a new database passes comes first, the rest mixed."""
        first = [point for point in FRESH for _ in range(2)]
        count = kills - len(first)
        named = [*STARTING, *RUNNING, *STOPPING]
        random = round(count * RANDOM_SHARE)
        rest = [ANYWHERE] * random + [
            named[turn % len(named)] for turn in range(count - random)
        ]
        self._dice.shuffle(rest)
        return first + rest

    async def kill(self, point: str) -> None:
        """Start it, and see it dead."""
        began_at = time.monotonic()
        if point == ANYWHERE:
            await self._node.launch()
            await pause(self._dice.uniform(0.0, LIFE_S))
        else:
            await self._node.launch(point, self._dice.randint(1, PASSED.get(point, 1)))
            if point in STOPPING:
                await self._node.until(lambda: bool(self._node.url))
                await pause(self._dice.uniform(0.0, LIFE_S / 2))
                self._node.send(signal.SIGTERM)
            if not await self._node.dead(REACHED_S):
                point = ANYWHERE
        if self._node.url:
            self.start_s.append(self._node.up_at - began_at)
        if not await self._node.dead(0):
            self._node.send(signal.SIGKILL)
        assert await self._node.ended() == -signal.SIGKILL, self._node.log[-20:]
        self.tally[point] += 1


@pytest.fixture
async def providers() -> AsyncIterator[ProviderSimulator]:
    async with ProviderSimulator(SystemClock()) as simulator:
        simulator.mount("/ark", Dialect.ARK, key="sk-ark")
        yield simulator


@pytest.fixture
async def receivers() -> AsyncIterator[Mapping[str, ReceiverSimulator]]:
    """One for each client, so that each webhook is verified with its own secret."""
    pytest.importorskip("standardwebhooks")
    async with AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(
                ReceiverSimulator(SystemClock(), secrets=[SECRETS[name]])
            )
            for name in KEYS
        }


@pytest.mark.timeout(150 + KILLS)
async def test_every_subscription_has_one_end_whenever_the_process_is_killed(
    tmp_path: Path,
    providers: ProviderSimulator,
    receivers: Mapping[str, ReceiverSimulator],
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The one promise that everything else here is built on."""
    began_at = time.monotonic()
    dice = Random(SEED)
    config = configuration(providers)
    urls = {name: receiver.url for name, receiver in receivers.items()}
    wanted = wishes(SUBSCRIPTIONS, urls, dice)
    # Nothing here speaks TLS, and reading the system's certificates is half of a start.
    async with Nursery(tmp_path, config, SSL_CERT_FILE=os.devnull) as node:
        crowd, executioner = Crowd(node, wanted, dice), Executioner(node, dice)
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(crowd.work(CALLERS))
            for number, point in enumerate(executioner.plan(KILLS), 1):
                await executioner.kill(point)
                crowd.allow(SUBSCRIPTIONS * number // KILLS)
            killed_s = time.monotonic() - began_at
            await node.launch()
            await asking
        await node.kill()
        logs = node.log

    async with Node(tmp_path, config) as node:
        await node.start()
        await healed(node)
        logs += node.log
        seen = await subscriptions(node)
        attempts = await attempts_of(node, [one["delivery"]["id"] for one in seen])
        metrics = (await node.call("GET", "/metrics", key=OPERATOR)).text
        assert await node.stop() == 0

    figures = {
        **{f"killed at {name}": count for name, count in sorted(executioner.tally.items())},
        "killed in all": executioner.tally.total(),
        "subscriptions": len(seen),
        "requests repeated because their answer was lost": crowd.repeats,
        "202s that were lost": crowd.lost,
        "attempts": sum(len(each) for each in attempts.values()),
        "attempts of unknown outcome": outcomes(attempts)["unknown"],
        "webhooks received": sum(len(one.requests) for one in receivers.values()),
        "… of these accepted before": sum(
            max(sum(each.accepted for each in same) - 1, 0)
            for one in receivers.values()
            for same in one.received.values()
        ),
        "median start, in ms": round(
            1000 * sorted(executioner.start_s)[len(executioner.start_s) // 2]
        ),
        "seconds of killing": round(killed_s),
        "seconds in all": round(time.monotonic() - began_at),
        "seed": SEED,
    }
    with capfd.disabled():
        print("\n" + "\n".join(f"{count:8} {name}" for name, count in figures.items()))

    check_crowd(crowd, wanted)
    check_ends(seen, crowd, wanted)
    check_webhooks(seen, receivers, attempts)
    assert executioner.tally.total() >= KILLS
    assert {*STARTING, *RUNNING, *STOPPING, *FRESH} <= executioner.tally.keys()
    # Every process swept when it started; a repair would have been logged, and counted.
    assert [line for line in logs if strange(line)] == []
    assert "bridge_sweep_repairs_total 0.0" in metrics


def configuration(providers: ProviderSimulator) -> dict[str, Any]:
    base = settings(providers.url, shutdown_grace="1s")
    ark = {
        **base["providers"]["amux"],
        "preset": "ark",
        "base_url": f"{providers.url}/ark",
        "api_key": "sk-ark",
    }
    for name in KEYS:
        base["clients"][name]["providers"] = ["amux", "ark"]
    return base | {"providers": {**base["providers"], "ark": ark}}


async def healed(node: Node) -> None:
    """Return once nothing is left to be done. Raises TimeoutError."""
    async with asyncio.timeout(HEALED_S):
        for path in (
            "/subscriptions?state=active",
            "/deliveries?state=waiting",
            "/deliveries?state=retrying",
        ):
            while (await node.call("GET", f"{path}&limit=1", key=OPERATOR)).json["items"]:
                await pause(0.1)


async def subscriptions(node: Node) -> list[Any]:
    """All there are, by what the operator is shown."""
    found, cursor = [], ""
    while True:
        page = await node.call("GET", f"/subscriptions?limit=200{cursor}", key=OPERATOR)
        found += page.json["items"]
        if page.json["next_cursor"] is None:
            return found
        cursor = f"&cursor={page.json['next_cursor']}"


async def attempts_of(node: Node, ids: list[str]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    left = iter(ids)

    async def read() -> None:
        for each in left:
            answer = await node.call("GET", f"/deliveries/{each}", key=OPERATOR)
            found[each] = answer.json["attempts"]

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(read())
    return found


def check_crowd(crowd: Crowd, wanted: list[Wanted]) -> None:
    """Everybody was answered, and a repeat with the same id."""
    assert crowd.other_ids == []
    assert len(crowd.ids) == len(wanted)
    assert set(crowd.refused) <= {(503, "not_ready"), (409, "idempotency_in_flight")}
    assert crowd.lost > 0


def check_ends(seen: list[Any], crowd: Crowd, wanted: list[Wanted]) -> None:
    """Each subscription is there once, under the id that was told, with the right end."""
    assert Counter(one["id"] for one in seen) == Counter(crowd.ids.values())
    ends = {one["id"]: one for one in seen}
    for each in wanted:
        end = ends[crowd.ids[each.number]]
        assert end["metadata"] == {"number": each.number}
        assert (end["client"], end["task_id"]) == (each.client, each.task_id)
        assert (end["state"], end["outcome"]) == ("ended", each.outcome), end
        assert end["delivery"]["state"] == "accepted", end
        assert end["delivery"]["id"] == message_id(end["id"], 0)


def check_webhooks(
    seen: list[Any],
    receivers: Mapping[str, ReceiverSimulator],
    attempts: Mapping[str, list[Any]],
) -> None:
    """Each end was accepted, under one id and with one body; no POST is unaccounted for."""
    for client, receiver in receivers.items():
        ends = {one["delivery"]["id"]: one for one in seen if one["client"] == client}
        assert receiver.received.keys() == ends.keys()
        for webhook_id, posts in receiver.received.items():
            assert [post.fault for post in posts if post.fault] == []
            assert any(post.accepted for post in posts)
            assert len({post.body for post in posts}) == 1
            assert {post.query for post in posts} == {
                f"number={ends[webhook_id]['metadata']['number']}"
            }
            log = attempts[webhook_id]
            assert [one["number"] for one in log] == list(range(1, len(log) + 1))
            assert len(posts) <= len(log)
            accepted = [one for one in log if one["outcome"] == "accepted"]
            assert len(accepted) == 1
            assert accepted == log[-1:]


def outcomes(attempts: Mapping[str, list[Any]]) -> Tally:
    return Counter(one["outcome"] for log in attempts.values() for one in log)


def strange(line: str) -> bool:
    return not line.startswith("{") or '"level": "error"' in line


async def pause(seconds: float) -> None:
    await SystemClock().wait(asyncio.Event(), seconds)
