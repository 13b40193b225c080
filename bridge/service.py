"""Starts a node, takes over what a former process left, serves, and stops in order."""

import asyncio
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, suppress

import structlog
import uvicorn
from starlette.applications import Starlette

from bridge import __version__
from bridge.api.app import create_app, create_metrics_app, create_probes_app
from bridge.api.protocol import Protocol
from bridge.assembly import Bridge, Current, built, listed_hosts, served_sandbox
from bridge.config import Config, NodeRole, changes, redacted, removed
from bridge.dashboard import pages
from bridge.errors import ConfigError, StoreUnavailable
from bridge.health import SYNC
from bridge.providers.configured import configured
from bridge.running import Loop, Server, Stop, on_each, run
from bridge.store import Store

log = structlog.get_logger(__name__)


async def serve(
    config: Config,
    *,
    reload: Callable[[], Config],
    abandon: bool = False,
    on_ready: Callable[[str], None] = lambda _url: None,
    nameservers: Sequence[str] = (),
) -> None:
    """Serve until SIGTERM or SIGINT. `on_ready` is told the address once it is served.
    `nameservers`, each `address` or `address:port`, replace the machine's own.

    Raises ConfigError, StoreUnavailable or SealBroken if it cannot start.
    """
    stop = Stop()
    async with AsyncExitStack() as stack:
        stack.enter_context(stop.on_signals())
        sandbox = await stack.enter_async_context(served_sandbox(config))
        current = Current(config, configured(config, sandbox))
        parts = built(current, stop.event.is_set, nameservers=nameservers)
        bridge = await stack.enter_async_context(parts)
        await take_over(bridge, current, abandon=abandon)
        listening = listener(config.listen.host, config.listen.port)
        servers = [(server_of(app_of(bridge, config), config), listening)]
        if config.metrics_listen:
            own = listener(config.metrics_listen.host, config.metrics_listen.port)
            servers.append((server_of(create_metrics_app(bridge.deps), config), own))
        hangup = stack.enter_context(stop.on_hangup())
        bridge.health.set_ready("start")
        log.info("service.started", version=__version__, config=redacted(config))
        on_ready(address_of(listening))
        await run(
            [
                *loops_of(bridge, config),
                on_each(hangup, lambda: renew(bridge, current, reload, sandbox)),
            ],
            servers,
            stop,
            grace_s=config.shutdown_grace_s,
            on_stop=lambda: wind_down(bridge, hangup),
            beside=bridge.beside,
        )
        await note_time(bridge, config)
    log.info("service.stopped")


def app_of(bridge: Bridge, config: Config) -> Starlette:
    """What this node answers: the API with its pages, or whether it lives."""
    if NodeRole.API not in config.roles:
        return create_probes_app(bridge.deps)
    if config.dashboard:
        return create_app(bridge.deps, pages)
    return create_app(bridge.deps)


def loops_of(bridge: Bridge, config: Config) -> Iterator[Loop]:
    """Upkeep goes with polling: both turn time into work. Whoever takes requests places the
    first poll of each, and so has to know what the others have learned.
    """
    if NodeRole.POLLER in config.roles:
        yield bridge.poller.worker.run
        yield bridge.upkeep.run
    if NodeRole.DISPATCHER in config.roles:
        yield bridge.dispatcher.worker.run
    if NodeRole.API in config.roles:
        yield bridge.deps.live.run
    if {NodeRole.API, NodeRole.POLLER} & set(config.roles):
        yield bridge.pacing.run
    yield bridge.vitals.run


async def note_time(bridge: Bridge, config: Config) -> None:
    """For the next start: so far somebody was up to ask."""
    if NodeRole.POLLER in config.roles:
        with suppress(StoreUnavailable):  # a full disk is no reason to fail at the end
            await bridge.upkeep.note_time()


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
            "configure them again, or start once with --abandon to stop what they wait for",
        )
    if gone or unknown:
        stopped = await bridge.store.abandon(gone, unknown, now=now)
        log.warning(
            "work.abandoned", clients=gone, providers=unknown, subscriptions=stopped
        )
    if not await bridge.store.database.synced():
        bridge.health.set_unready(SYNC, "the database does not wait for the disk")
    released = await bridge.store.begin(now=now)
    if released:
        log.warning("claims.released", attempts=released)


async def renew(
    bridge: Bridge,
    current: Current,
    reload: Callable[[], Config],
    sandbox: Callable[[str], str | None],
) -> None:
    """SIGHUP: take over clients and providers from the configuration, or keep the old."""
    try:
        new = reload()
        providers = configured(new, sandbox)
        gone = removed(current.config, new)
        with current.leaving.undecided(gone):
            if gone:  # by the store of those who subscribe: after what they have asked for
                await check_idle(bridge.deps.store, gone)
            kept = changes(current.config, new)
            update = {"clients": new.clients, "providers": new.providers}
            current.config = current.config.model_copy(update=update)
            current.providers = providers
            bridge.upward.allow(listed_hosts(current))
    except (ConfigError, StoreUnavailable) as error:
        log.error("config.refused", faults=str(error).splitlines())
        return
    if kept:
        log.warning("config.needs_restart", keys=kept)
    log.info("config.reloaded")


async def check_idle(store: Store, keys: Iterable[str]) -> None:
    """Raises ConfigError if work is in flight for a client or provider of these."""
    clients, providers = await store.in_use()
    used = {f"clients.{name}" for name in clients}
    used |= {f"providers.{name}" for name in providers}
    if lost := used.intersection(keys):
        raise ConfigError(*(f"{key}: has work in flight" for key in sorted(lost)))


def wind_down(bridge: Bridge, hangup: asyncio.Event) -> None:
    hangup.set()
    bridge.health.set_unready("stop", "stopping")
    bridge.dispatcher.stopping.set()
    for worker in (bridge.poller.worker, bridge.dispatcher.worker):
        worker.wake.set()
    bridge.deps.bell.ring_all()
    bridge.deps.live.stop()


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
            http=Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            timeout_graceful_shutdown=max(int(config.shutdown_grace_s), 1),
        )
    )
