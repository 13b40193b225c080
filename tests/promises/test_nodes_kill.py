"""Promises 1, 2 and 11 where several nodes share a PostgreSQL, and any of them dies.

Figures of the run are printed at the end; BRIDGE_TEST_SEED repeats what was drawn.
"""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

import pytest

from bridge.cli.exits import Exit
from bridge.clock import SystemClock
from bridge.simulator.provider import ProviderSimulator
from bridge.simulator.receiver import ReceiverSimulator
from bridge.store import open_store
from bridge.vault import Vault
from tests.promises.aftermath import (
    IN_FLIGHT,
    Aftermath,
    check_crowd,
    check_ends,
    check_webhooks,
    figures_of,
    healed,
    strange,
    subscriptions,
)
from tests.promises.cluster import Cluster, attempts_in
from tests.promises.crowd import Crowd, configuration, wishes
from tests.promises.executioner import pause
from tests.promises.node import OPERATOR
from tests.store.postgres import Server, running_alone

SEED = int(os.environ.get("BRIDGE_TEST_SEED", str(time.time_ns() % 1_000_000)))
NODES = 3
KILLS = 60  # one a second
RESTARTS = (20, 40)  # of PostgreSQL, after so many
DOWN_S = 1.0
SUBSCRIPTIONS = 5_000
CALLERS = 24
HEALED_S = 150.0
NO_DATABASE = "database: "  # what a node says that finds none, or loses it, and leaves
REFUSED = (*IN_FLIGHT, (503, "store_unavailable"))
POLL = {"first": "500ms", "min": "400ms", "interval": "800ms", "max": "1s"}


@pytest.mark.timeout(480)
async def test_every_subscription_has_one_end_whichever_node_is_killed(
    tmp_path: Path,
    providers: ProviderSimulator,
    receivers: Mapping[str, ReceiverSimulator],
    record_property: Callable[[str, str], None],
) -> None:
    """What the database has, no node's death takes away, nor the database's own."""
    began_at = time.monotonic()
    dice = Random(SEED)
    wanted = wishes(SUBSCRIPTIONS, {name: one.url for name, one in receivers.items()}, dice)
    with running_alone() as server:
        url = server.url(await server.fresh())
        config = configuration(providers.url, database=url)
        config["callbacks"]["timeout"] = "2s"
        for provider in config["providers"].values():
            provider["poll"] = POLL
        async with Cluster(tmp_path, config, nodes=NODES, dice=dice) as cluster:
            await cluster.all_up()
            crowd = Crowd(cluster, wanted, dice)
            async with asyncio.TaskGroup() as group:
                group.create_task(crowd.work(CALLERS))
                await kill(cluster, server, crowd)
            killed_s, codes = time.monotonic() - began_at, cluster.codes.copy()
            await cluster.all_up()
            node = cluster.nodes[0]
            async with asyncio.timeout(HEALED_S):
                await healed(node)
            metrics = [
                (await one.call("GET", "/metrics", key=OPERATOR)).text
                for one in cluster.nodes
            ]
            after = Aftermath(await subscriptions(node), await attempts_in(url))
            await cluster.stop()
            assert cluster.codes == {0: NODES}
        async with open_store(url, Vault(config["encryption_keys"])) as (store, _):
            repaired = await store.sweep(now=SystemClock().now())

    figures = {
        "nodes killed": codes[-signal.SIGKILL],
        "nodes that found no database and left": codes[Exit.UNAVAILABLE],
        "restarts of PostgreSQL": len(RESTARTS),
        **figures_of(crowd, after, receivers),
        "seconds of killing": round(killed_s),
        "seconds in all": round(time.monotonic() - began_at),
        "seed": SEED,
    }
    lines = (f"{count:8} {name}" for name, count in figures.items())
    record_property("figures", "\n".join(lines))

    check_crowd(crowd, wanted, REFUSED)
    check_ends(after, crowd, wanted)
    check_webhooks(after, receivers)
    assert codes.keys() == {-signal.SIGKILL, Exit.UNAVAILABLE}
    assert codes[-signal.SIGKILL] > 0.9 * KILLS  # one may have left just before
    # Whoever sweeps logs what it had to repair.
    told = [line for line in cluster.log if strange(line)]
    assert [line for line in told if not line.startswith(NO_DATABASE)] == []
    assert repaired == 0
    assert all("bridge_sweep_repairs_total 0.0" in text for text in metrics)


async def kill(cluster: Cluster, server: Server, crowd: Crowd) -> None:
    """A node each second, and the database now and then."""
    next_at = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(1, KILLS + 1):
            crowd.allow(SUBSCRIPTIONS * number // KILLS)
            next_at += 1
            await pause(next_at - time.monotonic())
            cluster.kill_one()
            if number in RESTARTS:
                group.create_task(restart(server))


async def restart(server: Server) -> None:
    await asyncio.to_thread(server.stop)
    await pause(DOWN_S)
    await asyncio.to_thread(server.start)
