"""What the API needs of the rest of the program."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry

from bridge.api.leaving import Leaving
from bridge.bell import Bell
from bridge.cadence import History, Plan
from bridge.clock import Clock
from bridge.config import Config
from bridge.delivery.trial import Trial
from bridge.errors import RequestError
from bridge.health import Health, Pulse
from bridge.live import Live
from bridge.model import ClaimedDelivery
from bridge.providers.provider import Provider
from bridge.store import Store

T = TypeVar("T")


def unknown_pulse(_provider: str) -> Pulse:
    return Pulse()


def nothing_learned(_provider: str) -> Sequence[tuple[str, History, Plan]]:
    return ()


async def nothing_sent(_claimed: ClaimedDelivery) -> Trial:
    raise RequestError("not_ready", "this node sends nothing")


def nothing_busy(_client: str, _host: str) -> AbstractAsyncContextManager[bool]:
    return nullcontext(True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """`config` and `providers` are asked for each request, as a reload swaps them."""

    store: Store
    clock: Clock
    config: Callable[[], Config]
    providers: Callable[[], Mapping[str, Provider]]
    vet: Callable[[str], Awaitable[None]]  # raises AddressForbidden, DnsFailure
    bell: Bell
    health: Health
    live: Live
    wake_poller: Callable[[], None]
    wake_dispatcher: Callable[[], None]
    draining: Callable[[], bool]
    leaving: Leaving = field(default_factory=Leaving)
    pulse: Callable[[str], Pulse] = unknown_pulse
    learned: Callable[[str], Sequence[tuple[str, History, Plan]]] = nothing_learned
    first_s: Callable[[str, str | None], float]  # to the first poll of such a task
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    try_out: Callable[[ClaimedDelivery], Awaitable[Trial]] = nothing_sent
    slot: Callable[[str, str], AbstractAsyncContextManager[bool]] = nothing_busy
    nodes: Callable[[], int] = lambda: 1  # that take requests, and share limits
    dev: bool = False


class Derived(Generic[T]):
    """Something made of the configuration, and made anew when that is another."""

    def __init__(self, config: Callable[[], Config], derive: Callable[[Config], T]) -> None:
        self._config, self._derive = config, derive
        self._from: Config | None = None
        self._value: T

    def __call__(self) -> T:
        config = self._config()
        if config is not self._from:
            self._value, self._from = self._derive(config), config
        return self._value
