"""A node for each test, without HTTP; or what is around one that is a real process."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.clock import SystemClock
from bridge.simulator.provider import ProviderSimulator
from bridge.simulator.receiver import ReceiverSimulator
from tests.conftest import FakeClock
from tests.promises.node import SECRETS
from tests.world import World


@pytest.fixture
async def world(tmp_path: Path, clock: FakeClock) -> AsyncIterator[World]:
    """It must not have had anything to repair in the end."""
    one = await World(tmp_path, clock).up()
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
