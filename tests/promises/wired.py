"""The parts of a node as `assembly` wires them, with real HTTP around and standing time."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.assembly import Bridge, Current, callback_egress, provider_egress
from bridge.assembly.parts import parts
from bridge.config import Config, Notify
from bridge.metrics import Metrics
from bridge.model import Delivery, Subscription
from bridge.net.resolver import Resolver
from bridge.providers.configured import configured
from bridge.receivers.callback import destination
from bridge.simulator.provider import ProviderSimulator
from bridge.simulator.receiver import ReceiverSimulator
from tests.conftest import ENCRYPTION_KEY, FakeClock
from tests.net.hostile import NameServer, name_server
from tests.world import SECRETS, key_of, open_counted, running, until, wish

API_KEYS = {name: f"test-api-key-of-{name}" for name in SECRETS}
LOOPBACK = {"allow_hosts": ["127.0.0.1"]}
LIMITS = {"active": 3, "requests": "1000/s"}
GRANTS = {name: ["amux"] for name in SECRETS}


@dataclass(frozen=True)
class Wired:
    """`bridge` asks `provider` for whatever `config` says it is, and calls `receiver`."""

    bridge: Bridge
    clock: FakeClock
    provider: ProviderSimulator
    receiver: ReceiverSimulator
    names: NameServer

    async def subscribe(
        self, task_id: str, url: str, *, client: str = "shop", **changes: Any
    ) -> Subscription:
        to = destination(url, {}, https_only=False)
        wanted = wish(task_id, client=client, destination=to, **changes)
        answer = await self.bridge.store.subscribe(wanted, now=self.clock.now())
        self.bridge.deps.wake_poller()
        return answer.subscription

    async def hang_up(self) -> None:
        """Both servers let go of every request that they still hold."""
        await self.provider.__aexit__()
        await self.receiver.__aexit__()

    async def turn(self, seconds: float = 0.0) -> None:
        """Let time pass, then do what is due."""
        self.clock.advance(seconds)
        await self.bridge.upkeep.turn()
        while (
            await self.bridge.poller.worker.drain()
            + await self.bridge.dispatcher.worker.drain()
        ):
            pass

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The three loops as a node runs them; `until` moves their time."""
        bridge = self.bridge
        async with running(bridge.poller, bridge.dispatcher, bridge.upkeep):
            yield

    async def until(self, done: Callable[[], bool], step_s: float = 0.1) -> None:
        await until(done, self.clock, self.bridge.store, step_s)

    async def show(self, subscription: Subscription) -> Subscription:
        found = await self.bridge.store.subscription(key_of(subscription), None)
        assert found is not None
        return found

    async def delivery(self, subscription: Subscription) -> Delivery:
        found = await self.bridge.store.delivery(key_of(subscription), 0, None)
        assert found is not None
        return found


def config(
    url: str,
    *,
    callbacks: Mapping[str, Any] = LOOPBACK,
    limits: Mapping[str, Any] = LIMITS,
    grants: Mapping[str, Sequence[str]] = GRANTS,
    **provider: Any,
) -> Config:
    """Two clients, and `amux` at `url`, whose key both may use."""
    amux = {
        "preset": "amux",
        "base_url": url,
        "api_key": "sk-amux",
        "rate_limit": "1000/s",
    } | provider
    clients = {
        name: {
            "api_keys": [API_KEYS[name]],
            "signing_secrets": [secret],
            "providers": grants[name],
            "limits": limits,
        }
        for name, secret in SECRETS.items()
    }
    return Config.model_validate(
        {
            "encryption_keys": [ENCRYPTION_KEY],
            "clients": clients,
            "providers": {"amux": amux},
            "callbacks": {"timeout": "2s", **callbacks},
        }
    )


@asynccontextmanager
async def wired(
    folder: Path,
    clock: FakeClock,
    names: Mapping[str, Sequence[str] | None] | None = None,
    *,
    database: str | None = None,
    provider_url: str | None = None,
    notify: Mapping[str, Any] | None = None,
    **settings: Any,
) -> AsyncIterator[Wired]:
    """`names` is all there is in the DNS; `settings` are those of `config`; `database` is a
    URL, an SQLite file in the folder by default.

    `provider_url` may put another server in the place of the simulated provider. With
    `notify` the receiver is told notices, at `/notices`.
    """
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        provider = await enter(ProviderSimulator(clock))
        secrets = tuple(SECRETS.values())
        receiver = await enter(ReceiverSimulator(clock, secrets=secrets, independent=False))
        dns = await enter(name_server(names or {}))
        chosen = config(provider_url or provider.url, **settings)
        if notify is not None:
            told = Notify.model_validate({"url": f"{receiver.url}/notices", **notify})
            chosen = chosen.model_copy(update={"notify": told})
        current = Current(chosen, configured(chosen))
        url = database or f"sqlite:///{folder / 'bridge.db'}"
        store, _ = await enter(open_counted(url))
        resolver = Resolver(now=clock.now, nameservers=[dns.address], timeout_s=1)
        stack.push_async_callback(resolver.close)
        bridge = parts(
            current,
            store,
            clock,
            upward=await enter(provider_egress(current, resolver)),
            outward=await enter(callback_egress(chosen, resolver)),
            draining=lambda: False,
            metrics=Metrics(),
        )
        yield Wired(bridge, clock, provider, receiver, dns)
