"""A node's parts, opened in order and closed in reverse: alone, or as one of several."""

import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import cache

import structlog

from bridge.assembly.current import Current
from bridge.assembly.egress import callback_egress, names, provider_egress
from bridge.assembly.parts import Bridge, parts
from bridge.clock import Clock, SharedClock, SystemClock
from bridge.config import Config, NodeRole
from bridge.membership import Membership
from bridge.metrics import Metrics
from bridge.running import until_stop
from bridge.signals import CHANNELS
from bridge.store import Store, open_store
from bridge.tracing.otlp import exporter_of
from bridge.tracing.writing import Tracing
from bridge.upkeep import gap_since
from bridge.vault import Vault

CLOCK_OFF_S = 3_600.0  # by which the machine's clock is behind what was reached: told

log = structlog.get_logger(__name__)


@asynccontextmanager
async def built(
    current: Current,
    draining: Callable[[], bool],
    *,
    wall: Callable[[], float] = time.time,
    nameservers: Sequence[str] = (),
) -> AsyncIterator[Bridge]:
    """The parts, ready to run; closed again in reverse order.

    `wall` is this machine's clock, which is held against that of a shared database.
    `nameservers` replace the machine's own.
    """
    config = current.config
    async with AsyncExitStack() as stack:
        vault = Vault([key.get_secret_value() for key in config.encryption_keys])
        url = config.database.get_secret_value()
        store, reached = await stack.enter_async_context(open_store(url, vault))
        shared = store.database.shared
        clock = await shared_clock(store, wall) if shared else clock_since(reached.at)
        metrics = Metrics()
        waits = cache(metrics.database_seconds.labels)
        store = store.timed(lambda kind, seconds: waits(kind).observe(seconds))
        upward_names = await stack.enter_async_context(names(clock, nameservers))
        outward_names = await stack.enter_async_context(names(clock, nameservers))
        upward = provider_egress(current, upward_names)
        outward = callback_egress(config, outward_names)
        tracing = None
        if (otlp := exporter_of(config.traces.endpoint, os.environ)) is not None:
            stack.callback(otlp.close)
            tracing = Tracing(store, otlp.export, clock=clock, metrics=metrics)
        await stack.enter_async_context(upward)
        await stack.enter_async_context(outward)
        bridge = parts(
            current,
            store,
            clock,
            upward=upward,
            outward=outward,
            draining=draining,
            metrics=metrics,
            tracing=tracing,
            gap_s=0.0 if shared else gap_since(reached.believed_at, clock.now()),
        )
        yield await joined(bridge, config) if shared else bridge


async def joined(bridge: Bridge, config: Config) -> Bridge:
    """The node as one of several that share its database."""
    from bridge.store.postgres import FOR_CALLERS
    from bridge.store.postgres.listening import Listener

    assert isinstance(bridge.clock, SharedClock)  # noqa: S101 - made so above
    membership = Membership(
        bridge.store,
        secrets.token_hex(8),
        takes=lambda: NodeRole.API in config.roles and not bridge.deps.draining(),
        clock=bridge.clock,
        health=bridge.health,
    )
    await membership.turn()
    url = (config.listen_database or config.database).get_secret_value()
    listener = Listener(url, CHANNELS, bridge.signals.hear, clock=bridge.clock)
    bridge.signals.tell = listener.tell
    store = bridge.store.bounded(FOR_CALLERS)
    deps = replace(bridge.deps, store=store, nodes=lambda: membership.nodes)
    beside = (*bridge.beside, membership.run, until_stop(listener.run))
    return replace(bridge, deps=deps, beside=beside)


async def shared_clock(store: Store, wall: Callable[[], float]) -> Clock:
    """It has the database's time before anybody asks it."""
    clock = SharedClock(wall=wall)
    clock.start(await store.database.time())
    return clock


def clock_since(reached_at: float) -> Clock:
    """The node's clock, which goes on from the scheduling time that was reached."""
    clock = SystemClock(not_before=reached_at)
    off_s = clock.now() - clock.wall()
    if off_s > CLOCK_OFF_S:
        log.warning("clock.off", seconds=round(off_s))
    return clock
