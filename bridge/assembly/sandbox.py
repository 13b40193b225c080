"""The provider that the node serves itself, on loopback."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from bridge.clock import SystemClock
from bridge.config import Config
from bridge.simulator.provider import ProviderSimulator

SANDBOX = "sandbox"


@asynccontextmanager
async def served_sandbox(config: Config) -> AsyncIterator[Callable[[str], str | None]]:
    """Where each preset is that we serve ourselves: the sandbox, if it is switched on."""
    wanted = any(p.enabled and p.preset == SANDBOX for p in config.providers.values())
    if not wanted:
        yield lambda _preset: None
        return
    async with ProviderSimulator(SystemClock()) as simulator:
        yield {SANDBOX: simulator.url}.get
