"""A node for each test, without HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import FakeClock
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
