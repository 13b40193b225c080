"""The composition root: builds the parts, wires them, runs them.

Nothing else in the package knows where its collaborators come from.
"""

import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from random import SystemRandom
from urllib.parse import urlsplit

import structlog
import uvicorn

from bridge import __version__
from bridge.api.app import create_app, create_metrics_app
from bridge.api.deps import Deps
from bridge.bell import Bell
from bridge.clock import Clock, SystemClock
from bridge.config import Config, changes, redacted, removed
from bridge.dispatcher import Dispatcher
from bridge.errors import ConfigError
from bridge.health import Health
from bridge.metrics import Metrics
from bridge.net.body import ByteBudget
from bridge.net.guard import Egress
from bridge.net.resolver import Resolver
from bridge.poller import Poller
from bridge.providers.configured import configured
from bridge.providers.provider import Provider
from bridge.retry import SCHEDULES, Schedule
from bridge.running import Server, Stop, run
from bridge.simulator.provider import ProviderSimulator
from bridge.store import Store, open_store
from bridge.upkeep import Upkeep
from bridge.upstream import Upstream
from bridge.vault import Vault
from bridge.webhook import Sender

ANSWERS_BYTES = 128 * 1024 * 1024  # of provider answers being read, in all
SANDBOX = "sandbox"
USER_AGENT = f"poll-bridge/{__version__} (self-hosted)"

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Current:
    """What SIGHUP replaces. Whoever uses it asks for it each time."""

    config: Config
    providers: Mapping[str, Provider]


@dataclass(frozen=True, slots=True)
class Bridge:
    """The built parts of one node."""

    store: Store
    poller: Poller
    dispatcher: Dispatcher
    upkeep: Upkeep
    health: Health
    metrics: Metrics
    deps: Deps
    clock: Clock


async def serve(
    config: Config,
    *,
    reload: Callable[[], Config],
    abandon: bool = False,
    on_ready: Callable[[str], None] = lambda _url: None,
) -> None:
    """Serve until SIGTERM or SIGINT. `on_ready` is told the address once it is served.

    Raises ConfigError, StoreUnavailable or SealBroken if it cannot start.
    """
    stop = Stop()
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(served_sandbox(config))
        current = Current(config, configured(config, sandbox))
        bridge = await stack.enter_async_context(built(current, stop))
        await take_over(bridge, current, abandon=abandon)
        listening = listener(config.listen.host, config.listen.port)
        servers = [(server_of(create_app(bridge.deps), config), listening)]
        if config.metrics_listen:
            own = listener(config.metrics_listen.host, config.metrics_listen.port)
            servers.append((server_of(create_metrics_app(bridge.deps), config), own))
        stack.enter_context(stop.on_signals())
        stack.enter_context(stop.on_reload(lambda: renew(current, reload, sandbox)))
        bridge.health.set_ready("start")
        log.info("service.started", version=__version__, config=redacted(config))
        on_ready(address_of(listening))
        await run(
            [bridge.poller.worker.run, bridge.dispatcher.worker.run, bridge.upkeep.run],
            servers,
            stop,
            grace_s=config.shutdown_grace_s,
            on_stop=lambda: wind_down(bridge),
        )
        await bridge.store.note_time(bridge.clock.now())
    log.info("service.stopped")


@asynccontextmanager
async def built(current: Current, stop: Stop) -> AsyncIterator[Bridge]:
    """The parts, ready to run; closed again in reverse order."""
    config = current.config
    async with AsyncExitStack() as stack:
        vault = Vault([key.get_secret_value() for key in config.encryption_keys])
        url = config.database.get_secret_value()
        store, reached_at = await stack.enter_async_context(open_store(url, vault))
        clock = SystemClock(not_before=reached_at)
        names = [stack.enter_context(closing(Resolver(clock=clock.now))) for _ in range(2)]
        upward = await stack.enter_async_context(provider_egress(current, names[0]))
        outward = await stack.enter_async_context(callback_egress(config, names[1]))
        yield parts(current, store, clock, upward, outward, stop)


def parts(
    current: Current,
    store: Store,
    clock: Clock,
    upward: Egress,
    outward: Egress,
    stop: Stop,
) -> Bridge:
    config, dice = current.config, SystemRandom()
    bell, health, metrics = Bell(), Health(), Metrics()
    dispatcher = Dispatcher(
        store,
        Sender(outward, timeout_s=config.callbacks.timeout_s, wall=clock.wall),
        secrets=lambda client: signing_secrets(current.config, client),
        schedule=schedule_of(config),
        timeout_s=config.callbacks.timeout_s,
        clock=clock,
        dice=dice,
        health=health,
        metrics=metrics,
        slots=config.callbacks.slots,
        host_slots=config.callbacks.host_slots,
    )
    poller = Poller(
        store,
        Upstream(upward, budget=ByteBudget(ANSWERS_BYTES)),
        providers=lambda: current.providers,
        clock=clock,
        dice=dice,
        bell=bell,
        health=health,
        metrics=metrics,
        on_owed=dispatcher.worker.wake.set,
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
        on_due=poller.worker.wake.set,
        on_owed=dispatcher.worker.wake.set,
    )
    deps = Deps(
        store=store,
        clock=clock,
        config=lambda: current.config,
        providers=lambda: current.providers,
        vet=outward.vet,
        bell=bell,
        health=health,
        metrics=metrics,
        provider_health=poller,
        wake_poller=poller.worker.wake.set,
        wake_dispatcher=dispatcher.worker.wake.set,
        draining=stop.event.is_set,
    )
    return Bridge(store, poller, dispatcher, upkeep, health, metrics, deps, clock)


async def take_over(bridge: Bridge, current: Current, *, abandon: bool) -> None:
    """Check what the database holds against the configuration, then go on with it.

    Raises ConfigError if work is in flight for a client or provider that is gone.
    """
    clients, providers = await bridge.store.in_use()
    gone = sorted(clients - current.config.clients.keys())
    unknown = sorted(providers - current.providers.keys())
    now = bridge.clock.now()
    if (gone or unknown) and not abandon:
        raise ConfigError(
            *(
                f"clients.{name}: has work in flight, but is not configured"
                for name in gone
            ),
            *(
                f"providers.{name}: has tasks in flight, but is not configured"
                for name in unknown
            ),
            "configure them again, or start once with --abandon to stop their subscriptions",
        )
    if gone or unknown:
        stopped = await bridge.store.abandon(gone, unknown, now=now)
        log.warning(
            "work.abandoned", clients=gone, providers=unknown, subscriptions=stopped
        )
    if not await bridge.store.database.synced():
        bridge.health.set_unready("sync", "the database does not wait for the disk")
    released = await bridge.store.begin(now=now)
    if released:
        log.warning("claims.released", attempts=released)


def renew(
    current: Current, reload: Callable[[], Config], sandbox: Callable[[str], str | None]
) -> None:
    """SIGHUP: take over clients and providers from the configuration, or keep the old."""
    try:
        new = reload()
        if lost := removed(current.config, new):
            raise ConfigError(*(f"{key}: restart to remove it" for key in lost))
        providers = configured(new, sandbox)
    except ConfigError as error:
        log.error("config.refused", faults=error.faults)
        return
    kept = changes(current.config, new)
    if kept:
        log.warning("config.needs_restart", keys=kept)
    update = {"clients": new.clients, "providers": new.providers}
    current.config = current.config.model_copy(update=update)
    current.providers = providers
    log.info("config.reloaded")


def wind_down(bridge: Bridge) -> None:
    bridge.health.set_unready("stop", "stopping")
    bridge.dispatcher.stopping.set()
    for worker in (bridge.poller.worker, bridge.dispatcher.worker):
        worker.wake.set()
    bridge.deps.bell.ring_all()


def signing_secrets(config: Config, client: str) -> list[str]:
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


def provider_egress(current: Current, resolver: Resolver) -> Egress:
    """The way to the providers. Those whose address the operator wrote may be inside."""
    return Egress(
        resolver=resolver,
        allow_hosts=listed_hosts(current),
        allow_networks=(),
        limit=current.config.polling.slots,
        user_agent=USER_AGENT,
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
    )


def listener(host: str, port: int) -> socket.socket:
    """A bound socket. Raises ConfigError if the address cannot be listened on."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise ConfigError(f"listen: {host}:{port}: {error.strerror}") from error


def address_of(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def server_of(app: object, config: Config) -> Server:
    return Server(
        uvicorn.Config(
            app,  # type: ignore[arg-type]
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            timeout_graceful_shutdown=max(int(config.shutdown_grace_s), 1),
        )
    )
