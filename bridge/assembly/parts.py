"""Each part of a node, and who of them knows whom."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from random import Random

from bridge.api.deps import Deps
from bridge.assembly.current import Current, signing_secrets
from bridge.bell import Bell, to_nobody
from bridge.clock import Clock
from bridge.config import Callbacks
from bridge.delivery.dispatcher import Dispatcher
from bridge.delivery.trial import Trials
from bridge.delivery.webhook import Sender
from bridge.health import Health
from bridge.live import Live
from bridge.metrics import Metrics
from bridge.net.body import ByteBudget
from bridge.net.guard import Egress
from bridge.noticing import Noticing
from bridge.polling.pacing import Pacing
from bridge.polling.poller import Poller
from bridge.polling.upstream import Upstream
from bridge.providers.provider import Provider
from bridge.receivers.retry import SCHEDULES, Schedule
from bridge.running import Loop
from bridge.signals import Signals
from bridge.store import Store
from bridge.tracing.writing import Tracing
from bridge.upkeep import Upkeep
from bridge.vitals import Vitals

ANSWERS_BYTES = 128 * 1024 * 1024  # of provider answers being read, in all


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


@dataclass(frozen=True, slots=True)
class Common:
    """What all parts of a node share."""

    current: Current
    store: Store
    clock: Clock
    metrics: Metrics
    bell: Bell
    dice: Random = field(default_factory=Random)
    health: Health = field(default_factory=Health)
    signals: Signals = field(default_factory=Signals)

    def providers(self) -> Mapping[str, Provider]:
        return self.current.providers


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
    over = tracing.over if tracing else to_nobody
    common = Common(current, store, clock, metrics, Bell(over))
    sender = Sender(outward, timeout_s=current.config.callbacks.timeout_s, wall=clock.wall)
    dispatcher = dispatcher_of(common, sender, over)
    pacing = Pacing(store, providers=common.providers, clock=clock, dice=common.dice)
    poller = poller_of(common, upward, pacing)
    common.signals.connect(
        polls=poller.worker.wake.set, deliveries=dispatcher.worker.wake.set
    )
    deps = deps_of(
        common, poller, pacing, dispatcher, sender, vet=outward.vet, draining=draining
    )
    return Bridge(
        store,
        poller,
        dispatcher,
        upkeep_of(common, poller, gap_s),
        pacing,
        Vitals(metrics, common.health, clock=clock, draining=draining),
        common.health,
        deps,
        clock,
        upward,
        common.signals,
        (tracing.run,) if tracing else (),
    )


def dispatcher_of(
    common: Common, sender: Sender, over: Callable[[Iterable[str]], None]
) -> Dispatcher:
    callbacks = common.current.config.callbacks
    return Dispatcher(
        common.store,
        sender,
        secrets=lambda client: signing_secrets(common.current.config, client),
        schedule=schedule_of(callbacks),
        timeout_s=callbacks.timeout_s,
        clock=common.clock,
        dice=common.dice,
        health=common.health,
        metrics=common.metrics,
        slots=callbacks.slots,
        host_slots=callbacks.host_slots,
        over=over,
    )


def poller_of(common: Common, upward: Egress, pacing: Pacing) -> Poller:
    polling = common.current.config.polling
    return Poller(
        common.store,
        Upstream(upward, budget=ByteBudget(ANSWERS_BYTES)),
        providers=common.providers,
        clock=common.clock,
        dice=common.dice,
        bell=common.bell,
        health=common.health,
        metrics=common.metrics,
        on_owed=common.signals.owed,
        pacing=pacing,
        slots=polling.slots,
        lane_slots=polling.lane_slots,
    )


def upkeep_of(common: Common, poller: Poller, gap_s: float) -> Upkeep:
    config, standing = common.current.config, poller.standing
    noticing = Noticing(
        common.store,
        config.notify,
        providers=common.providers,
        standing=standing,
        clock=common.clock,
    )
    return Upkeep(
        common.store,
        providers=common.providers,
        retention_s=config.retention_s,
        clock=common.clock,
        bell=common.bell,
        health=common.health,
        metrics=common.metrics,
        on_due=common.signals.due,
        on_owed=common.signals.owed,
        gap_s=gap_s,
        notify=noticing.turn,
        down=lambda: standing.down,
    )


def deps_of(
    common: Common,
    poller: Poller,
    pacing: Pacing,
    dispatcher: Dispatcher,
    sender: Sender,
    *,
    vet: Callable[[str], Awaitable[None]],
    draining: Callable[[], bool],
) -> Deps:
    return Deps(
        store=common.store,
        clock=common.clock,
        config=lambda: common.current.config,
        providers=common.providers,
        vet=vet,
        bell=common.bell,
        health=common.health,
        live=Live(common.store, clock=common.clock, bell=common.bell),
        pulse=poller.pulse,
        first_s=pacing.first_s,
        learned=pacing.learned,
        registry=common.metrics.registry,
        try_out=Trials(dispatcher.attempt, sender, common.clock.now).make,
        slot=dispatcher.slot,
        wake_poller=common.signals.due,
        wake_dispatcher=common.signals.owed,
        draining=draining,
        leaving=common.current.leaving,
    )


def schedule_of(callbacks: Callbacks) -> Schedule:
    retries = callbacks.retries
    return SCHEDULES[retries] if isinstance(retries, str) else Schedule(tuple(retries))
