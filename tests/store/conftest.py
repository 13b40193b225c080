"""The conformance suite takes any store; each of its tests must leave nothing to repair."""

from collections.abc import AsyncIterator

import pytest

from bridge.store import Store
from tests.conftest import FakeClock
from tests.store.scene import Scene


@pytest.fixture
async def scene(store: Store, clock: FakeClock) -> AsyncIterator[Scene]:
    yield Scene(store, clock)
    assert await store.sweep(now=clock.now()) == 0
