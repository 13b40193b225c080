"""Promises 1 and 2 for standing hooks: a process that is killed, again and again."""

import asyncio
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bridge.clock import SystemClock
from bridge.simulator.provider import ProviderSimulator
from bridge.simulator.receiver import ReceiverSimulator
from tests.promises.node import KEYS, OPERATOR, SECRETS, Node, settings

TASKS, KILLS, HOOKS = 60, 8, 3
QUIET_S = 0.2


@pytest.mark.timeout(240)
async def test_each_hook_is_told_every_end_whenever_the_process_is_killed(
    tmp_path: Path, provider: ProviderSimulator, receiver: ReceiverSimulator
) -> None:
    """One id for each end and hook, however often it had to be sent."""
    dice = Random(7)
    async with Node(tmp_path, settings(provider.url), SSL_CERT_FILE="/dev/null") as node:
        await node.start()
        hooks = [await made(node, f"{receiver.url}/ok?n={n}") for n in range(HOOKS)]
        ids: list[str] = []
        for _ in range(KILLS):
            for number in range(len(ids), len(ids) + TASKS // KILLS):
                url = f"{receiver.url}/ok" if number % 2 else None
                ids.append(await subscribed(node, f"succeed-1s-{number}", url))
            await SystemClock().wait(asyncio.Event(), dice.uniform(0.1, 1.5))
            await node.kill()
            await node.start()
        wanted = {f"msg_{each[4:]}_0_{hook[5:]}" for each in ids for hook in hooks}
        wanted |= {f"msg_{each[4:]}_0" for each in ids[1::2]}
        await receiver.wait_until(lambda: receiver.received.keys() >= wanted, 120)
        await settled(node)
        metrics = await node.call("GET", "/metrics", key=OPERATOR)
        assert "bridge_sweep_repairs_total 0.0" in metrics.text
        assert (await node.call("GET", "/hooks")).json["next_cursor"] is None
        assert await node.stop() == 0
        assert not node.events("sweep.repaired")
    assert receiver.received.keys() == wanted
    for message, posts in receiver.received.items():
        assert len({post.body for post in posts}) == 1
        assert {post.query for post in posts} == {query_of(message, hooks)}
        assert {post.fault for post in posts} == {None}


def query_of(message: str, hooks: list[str]) -> str:
    """By which URL a message comes."""
    _, _, _, *hook = message.split("_")
    return f"n={hooks.index(f'hook_{hook[0]}')}" if hook else ""


async def made(node: Node, url: str) -> str:
    secret = SECRETS["shop"]
    answer = await node.call("POST", "/hooks", json={"url": url, "signing_secret": secret})
    assert answer.status == 201, answer
    found: str = answer.json["id"]
    return found


async def subscribed(node: Node, task_id: str, url: str | None) -> str:
    asked: dict[str, Any] = {"provider": "amux", "task_id": task_id, "callback_url": url}
    answer = await node.call("POST", "/subscribe", json=asked, key=KEYS["shop"])
    assert answer.status == 202, answer
    found: str = answer.json["id"]
    return found


async def settled(node: Node) -> None:
    """Return once nothing is owed any more."""
    async with asyncio.timeout(60):
        for state in ("waiting", "retrying"):
            while (await node.call("GET", f"/deliveries?state={state}")).json["items"]:
                await SystemClock().wait(asyncio.Event(), QUIET_S)
