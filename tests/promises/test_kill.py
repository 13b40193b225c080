"""Promises 1, 2 and 11 under SIGKILL, more often than a long life of a server sees it.

Figures of the run are printed at the end. BRIDGE_TEST_KILLS makes it longer,
BRIDGE_TEST_SEED repeats what was drawn.
"""

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

import pytest

from bridge.simulator.provider import ProviderSimulator
from bridge.simulator.receiver import ReceiverSimulator
from tests.promises.aftermath import (
    Aftermath,
    attempts_of,
    check_crowd,
    check_ends,
    check_webhooks,
    figures_of,
    healed,
    strange,
    subscriptions,
)
from tests.promises.crowd import Crowd, configuration, wishes
from tests.promises.executioner import ANYWHERE, Executioner
from tests.promises.node import OPERATOR, Node
from tests.promises.nursery import Nursery
from tests.promises.points import POINTS

KILLS = int(os.environ.get("BRIDGE_TEST_KILLS", "200"))
SEED = int(os.environ.get("BRIDGE_TEST_SEED", str(time.time_ns() % 1_000_000)))
SUBSCRIPTIONS = max(1_000, 5 * KILLS)
CALLERS = 48
HEALED_S = 180.0


@pytest.mark.timeout(300 + 3 * KILLS)
async def test_every_subscription_has_one_end_whenever_the_process_is_killed(
    tmp_path: Path,
    providers: ProviderSimulator,
    receivers: Mapping[str, ReceiverSimulator],
    record_property: Callable[[str, str], None],
) -> None:
    """The one promise that everything else here is built on."""
    began_at = time.monotonic()
    dice = Random(SEED)
    config = configuration(providers.url)
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

    figures = (
        executions(executioner)
        | figures_of(crowd, after, receivers)
        | {
            "seconds of killing": round(killed_s),
            "seconds in all": round(time.monotonic() - began_at),
            "seed": SEED,
        }
    )
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


def executions(executioner: Executioner) -> dict[str, int]:
    starts = sorted(executioner.start_s)
    return {
        **{f"killed at {name}": count for name, count in sorted(executioner.tally.items())},
        "killed in all": executioner.tally.total(),
        "median milliseconds of a start": round(1000 * starts[len(starts) // 2]),
    }


async def aftermath(node: Node) -> Aftermath:
    async with asyncio.timeout(HEALED_S):
        await healed(node)
    seen = await subscriptions(node)
    attempts = await attempts_of(node, [one["delivery"]["id"] for one in seen])
    return Aftermath(seen, attempts)
