"""A node for each test, without HTTP; or what is around one that is a real process."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bridge.clock import SystemClock
from bridge.simulator.provider import ProviderSimulator
from bridge.simulator.receiver import ReceiverSimulator
from bridge.simulator.words import Dialect
from tests.conftest import FakeClock
from tests.promises.node import KEYS, SECRETS
from tests.store.postgres import emptied
from tests.world import World


@pytest.fixture(params=["sqlite", "postgres"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty one; `databases` says why a test has one of them only."""
    if request.param == "postgres":
        return await emptied(request.getfixturevalue("server"))
    return f"sqlite:///{tmp_path / 'bridge.db'}"


@pytest.fixture
async def world(tmp_path: Path, clock: FakeClock, database: str) -> AsyncIterator[World]:
    """It must not have had anything to repair in the end."""
    one = await World(tmp_path, clock, database=database).up()
    try:
        yield one
        assert await one.store.sweep(now=clock.now()) + one.repaired == 0
    finally:
        await one.down()


@pytest.fixture
async def provider() -> AsyncIterator[ProviderSimulator]:
    async with ProviderSimulator(SystemClock()) as simulator:
        yield simulator


@pytest.fixture
async def receiver() -> AsyncIterator[ReceiverSimulator]:
    """Verifies what it gets with the secret of the client `shop`."""
    async with ReceiverSimulator(SystemClock(), secrets=[SECRETS["shop"]]) as simulator:
        yield simulator


@pytest.fixture
async def providers() -> AsyncIterator[ProviderSimulator]:
    """As the crowd's `configuration` has them."""
    async with ProviderSimulator(SystemClock()) as simulator:
        simulator.mount("/ark", Dialect.ARK, key="sk-ark")
        yield simulator


@pytest.fixture
async def receivers() -> AsyncIterator[Mapping[str, ReceiverSimulator]]:
    """One for each client, so that each webhook is verified with its own secret."""
    pytest.importorskip("standardwebhooks")
    async with AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(
                ReceiverSimulator(SystemClock(), secrets=[SECRETS[name]])
            )
            for name in KEYS
        }
