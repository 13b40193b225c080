"""The ways out: to providers, and to callbacks."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from bridge import __version__
from bridge.assembly.current import Current
from bridge.assembly.sandbox import SANDBOX
from bridge.clock import Clock
from bridge.config import Callbacks, Config
from bridge.model import Way
from bridge.net.guard import Egress
from bridge.net.resolver import Resolver

KEEP_ALIVE_S = 60.0  # a provider is asked again and again, and a closed GET is repeated
USER_AGENT = f"poll-bridge/{__version__} (self-hosted)"


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
