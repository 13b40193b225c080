"""Builds the parts of a node and wires them: the composition root.

Nothing else in the package knows where its collaborators come from.
"""

import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from random import Random
from urllib.parse import urlsplit

import structlog

from bridge import __version__
from bridge.api.deps import Deps
from bridge.api.leaving import Leaving
from bridge.bell import Bell, to_nobody
from bridge.clock import Clock, SharedClock, SystemClock
from bridge.config import Callbacks, Config, NodeRole
from bridge.delivery.dispatcher import Dispatcher
from bridge.delivery.trial import Trials
from bridge.delivery.webhook import Sender
from bridge.health import Health
from bridge.live import Live
from bridge.membership import Membership
from bridge.messages.notices import NOBODY
from bridge.metrics import Metrics
from bridge.model import Way
from bridge.net.body import ByteBudget
from bridge.net.guard import Egress
from bridge.net.resolver import Resolver
from bridge.noticing import Noticing
from bridge.polling.pacing import Pacing
from bridge.polling.poller import Poller
from bridge.polling.upstream import Upstream
from bridge.providers.provider import Provider
from bridge.receivers.retry import SCHEDULES, Schedule
from bridge.running import Loop, until_stop
from bridge.signals import CHANNELS, Signals
from bridge.simulator.provider import ProviderSimulator
from bridge.store import Store, open_store
from bridge.tracing.otlp import exporter_of
from bridge.tracing.writing import Tracing
from bridge.upkeep import Upkeep, gap_since
from bridge.vault import Vault
from bridge.vitals import Vitals

ANSWERS_BYTES = 128 * 1024 * 1024  # of provider answers being read, in all
SANDBOX = "sandbox"
KEEP_ALIVE_S = 60.0  # a provider is asked again and again, and a closed GET is repeated
CLOCK_OFF_S = 3_600.0  # by which the machine's clock is behind what was reached: told
USER_AGENT = f"poll-bridge/{__version__} (self-hosted)"

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Current:
    """What SIGHUP replaces. Whoever uses it asks for it each time."""

    config: Config
    providers: Mapping[str, Provider]
    leaving: Leaving = field(default_factory=Leaving)


@dataclass(frozen=True, slots=True)
class Bridge:
    """The built parts of one node."""

    store: Store
    poller: Poller
    dispatcher: Dispatcher
    upkeep: Upkeep
    pacing: Pacing
    vitals: Vitals
    health: Health
    deps: Deps
    clock: Clock
    upward: Egress
    signals: Signals
    beside: tuple[Loop, ...] = ()  # the three, to their end


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


def parts(
    current: Current,
    store: Store,
    clock: Clock,
    *,
    upward: Egress,
    outward: Egress,
    draining: Callable[[], bool],
    metrics: Metrics,
    tracing: Tracing | None = None,
    gap_s: float = 0.0,
) -> Bridge:
    config, dice = current.config, Random()
    over = tracing.over if tracing else to_nobody
    bell, health, signals = Bell(over), Health(), Signals()
    sender = Sender(outward, timeout_s=config.callbacks.timeout_s, wall=clock.wall)
    dispatcher = Dispatcher(
        store,
        sender,
        secrets=lambda client: signing_secrets(current.config, client),
        schedule=schedule_of(config),
        timeout_s=config.callbacks.timeout_s,
        clock=clock,
        dice=dice,
        health=health,
        metrics=metrics,
        slots=config.callbacks.slots,
        host_slots=config.callbacks.host_slots,
        over=over,
    )
    pacing = Pacing(store, providers=lambda: current.providers, clock=clock, dice=dice)
    poller = Poller(
        store,
        Upstream(upward, budget=ByteBudget(ANSWERS_BYTES)),
        providers=lambda: current.providers,
        clock=clock,
        dice=dice,
        bell=bell,
        health=health,
        metrics=metrics,
        on_owed=signals.owed,
        pacing=pacing,
        slots=config.polling.slots,
        lane_slots=config.polling.lane_slots,
    )
    upkeep = Upkeep(
        store,
        providers=lambda: current.providers,
        retention_s=config.retention_s,
        clock=clock,
        bell=bell,
        health=health,
        metrics=metrics,
        on_due=signals.due,
        on_owed=signals.owed,
        gap_s=gap_s,
        notify=Noticing(
            store,
            config.notify,
            providers=lambda: current.providers,
            standing=poller.standing,
            clock=clock,
        ).turn,
        down=lambda: poller.standing.down,
    )
    signals.connect(polls=poller.worker.wake.set, deliveries=dispatcher.worker.wake.set)
    deps = Deps(
        store=store,
        clock=clock,
        config=lambda: current.config,
        providers=lambda: current.providers,
        vet=outward.vet,
        bell=bell,
        health=health,
        live=Live(store, clock=clock, bell=bell),
        pulse=poller.pulse,
        first_s=pacing.first_s,
        learned=pacing.learned,
        registry=metrics.registry,
        try_out=Trials(dispatcher.attempt, sender, clock.now).make,
        slot=dispatcher.slot,
        wake_poller=signals.due,
        wake_dispatcher=signals.owed,
        draining=draining,
        leaving=current.leaving,
    )
    return Bridge(
        store,
        poller,
        dispatcher,
        upkeep,
        pacing,
        Vitals(metrics, health, clock=clock, draining=draining),
        health,
        deps,
        clock,
        upward,
        signals,
        (tracing.run,) if tracing else (),
    )


def signing_secrets(config: Config, client: str) -> list[str]:
    if client == NOBODY:
        return [one.get_secret_value() for one in config.notice_secrets]
    settings = config.clients.get(client)
    return [one.get_secret_value() for one in settings.signing_secrets] if settings else []


def schedule_of(config: Config) -> Schedule:
    retries = config.callbacks.retries
    return SCHEDULES[retries] if isinstance(retries, str) else Schedule(tuple(retries))


@asynccontextmanager
async def served_sandbox(config: Config) -> AsyncIterator[Callable[[str], str | None]]:
    """Where each preset is that we serve ourselves: the sandbox, if it is switched on."""
    wanted = any(p.enabled and p.preset == SANDBOX for p in config.providers.values())
    if not wanted:
        yield lambda _preset: None
        return
    async with ProviderSimulator(SystemClock()) as simulator:
        yield {SANDBOX: simulator.url}.get


@asynccontextmanager
async def names(clock: Clock, nameservers: Sequence[str] = ()) -> AsyncIterator[Resolver]:
    """A resolver of their own for providers and for callbacks: none waits for the other."""
    resolver = Resolver(now=clock.now, nameservers=nameservers)
    try:
        yield resolver
    finally:
        await resolver.close()


def provider_egress(current: Current, resolver: Resolver) -> Egress:
    """The way to the providers. Those whose address the operator wrote may be inside."""
    return Egress(
        resolver=resolver,
        allow_hosts=listed_hosts(current),
        allow_networks=(),
        limit=current.config.polling.slots,
        user_agent=USER_AGENT,
        keep_alive_s=KEEP_ALIVE_S,
    )


def listed_hosts(current: Current) -> set[str]:
    settings = current.config.providers
    written = (
        provider.base_url
        for name, provider in current.providers.items()
        if settings[name].base_url or provider.preset == SANDBOX
    )
    return {urlsplit(url).hostname or "" for url in written}


def callback_egress(config: Config, resolver: Resolver) -> Egress:
    return Egress(
        resolver=resolver,
        allow_hosts=config.callbacks.allow_hosts,
        allow_networks=config.callbacks.allow_networks,
        limit=config.callbacks.slots,
        user_agent=USER_AGENT,
        way=callback_way(config.callbacks),
    )


def callback_way(settings: Callbacks) -> Way:
    return Way(
        proxy=settings.proxy.get_secret_value() if settings.proxy else None,
        authorities=settings.ca_file.pem if settings.ca_file else None,
    )
