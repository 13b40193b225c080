"""Promises 1, 2 and 11 under SIGKILL, more often than a long life of a server sees it.

Figures of the run are printed at the end. BRIDGE_TEST_KILLS makes it longer,
BRIDGE_TEST_SEED repeats what was drawn.
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
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
from tests.promises.executioner import ANYWHERE, Executioner, pause
from tests.promises.node import KEYS, OPERATOR, SECRETS, Node, settings
from tests.promises.nursery import Nursery
from tests.promises.points import POINTS

KILLS = int(os.environ.get("BRIDGE_TEST_KILLS", "200"))
SEED = int(os.environ.get("BRIDGE_TEST_SEED", str(time.time_ns() % 1_000_000)))
SUBSCRIPTIONS = max(1_000, 5 * KILLS)
CALLERS = 48
HEALED_S = 60.0


@dataclass(frozen=True)
class Aftermath:
    """What the API says once all is done. The attempts are by delivery."""

    subscriptions: list[Any]
    attempts: Mapping[str, list[Any]]


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
    record_property: Callable[[str, str], None],
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

    async with Node(tmp_path, config) as last:
        await last.start()
        after = await aftermath(last)
        assert await last.stop() == 0
        logs = node.log + last.log
        await last.start()
        metrics = (await last.call("GET", "/metrics", key=OPERATOR)).text
        assert await last.stop() == 0
        logs += last.log

    figures = figures_of(executioner, crowd, after, receivers) | {
        "seconds of killing": round(killed_s),
        "seconds in all": round(time.monotonic() - began_at),
        "seed": SEED,
    }
    lines = (f"{count:8} {name}" for name, count in figures.items())
    record_property("figures", "\n".join(lines))

    check_crowd(crowd, wanted)
    check_ends(after, crowd, wanted)
    check_webhooks(after, receivers)
    assert executioner.tally.total() == KILLS
    assert executioner.tally.keys() == {*POINTS, ANYWHERE}
    # Every process sweeps when it starts, and logs what it had to repair.
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


def figures_of(
    executioner: Executioner,
    crowd: Crowd,
    after: Aftermath,
    receivers: Mapping[str, ReceiverSimulator],
) -> dict[str, int]:
    attempts = [one for log in after.attempts.values() for one in log]
    posts = [posts for one in receivers.values() for posts in one.received.values()]
    accepted = [sum(post.accepted for post in same) for same in posts]
    starts = sorted(executioner.start_s)
    return {
        **{f"killed at {name}": count for name, count in sorted(executioner.tally.items())},
        "killed in all": executioner.tally.total(),
        "subscriptions": len(after.subscriptions),
        "requests repeated because their answer was lost": crowd.repeats,
        "202s that were lost": crowd.lost,
        "attempts": len(attempts),
        "attempts of unknown outcome": sum(x["outcome"] == "unknown" for x in attempts),
        "webhooks received": sum(map(len, posts)),
        "… of these accepted before, by their id": sum(accepted) - len(posts),
        "median milliseconds of a start": round(1000 * starts[len(starts) // 2]),
    }


async def aftermath(node: Node) -> Aftermath:
    async with asyncio.timeout(HEALED_S):
        await healed(node)
    seen = await subscriptions(node)
    attempts = await attempts_of(node, [one["delivery"]["id"] for one in seen])
    return Aftermath(seen, attempts)


async def healed(node: Node) -> None:
    """Return once nothing is left to be done."""
    for path in (
        "/subscriptions?state=active",
        "/deliveries?state=waiting",
        "/deliveries?state=retrying",
    ):
        while (await node.call("GET", f"{path}&limit=1", key=OPERATOR)).json["items"]:
            await pause(0.1)


async def subscriptions(node: Node) -> list[Any]:
    """All there are, as the operator is shown them."""
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


def check_ends(after: Aftermath, crowd: Crowd, wanted: list[Wanted]) -> None:
    """Each subscription is there once, under the id that was told, with the right end."""
    ids = [one["id"] for one in after.subscriptions]
    assert Counter(ids) == Counter(crowd.ids.values())
    ends = dict(zip(ids, after.subscriptions, strict=True))
    for each in wanted:
        end = ends[crowd.ids[each.number]]
        assert end["metadata"] == {"number": each.number}
        assert (end["client"], end["task_id"]) == (each.client, each.task_id)
        assert (end["state"], end["outcome"]) == ("ended", each.outcome), end
        assert end["delivery"]["state"] == "accepted", end
        assert end["delivery"]["id"] == message_id(end["id"], 0)


def check_webhooks(after: Aftermath, receivers: Mapping[str, ReceiverSimulator]) -> None:
    """Each end was accepted, under one id and with one body; no POST is unaccounted for."""
    for client, receiver in receivers.items():
        ours = [one for one in after.subscriptions if one["client"] == client]
        ends = {one["delivery"]["id"]: one for one in ours}
        assert receiver.received.keys() == ends.keys()
        for webhook_id, posts in receiver.received.items():
            assert [post.fault for post in posts if post.fault] == []
            assert any(post.accepted for post in posts)
            assert len({post.body for post in posts}) == 1
            assert {post.query for post in posts} == {
                f"number={ends[webhook_id]['metadata']['number']}"
            }
            log = after.attempts[webhook_id]
            assert [one["number"] for one in log] == list(range(1, len(log) + 1))
            assert len(posts) <= len(log)
            accepted = [one for one in log if one["outcome"] == "accepted"]
            assert len(accepted) == 1
            assert accepted == log[-1:]


def strange(line: str) -> bool:
    return not line.startswith("{") or '"level": "error"' in line
