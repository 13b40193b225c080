"""The conformance suite takes any store; each of its tests must leave nothing to repair."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bridge.store import Store, open_store
from bridge.vault import Vault
from tests.conftest import ENCRYPTION_KEY, FakeClock
from tests.store.postgres import Server, emptied
from tests.store.scene import Scene


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What every store has to do, each of them does."""
    if "store" in metafunc.fixturenames:
        name = metafunc.module.__name__.rpartition(".")[2]
        kinds = ["postgres" if name.startswith("test_postgres") else "sqlite"]
        if name.startswith("test_conformance"):
            kinds = ["sqlite", "postgres"]
        metafunc.parametrize("store", kinds, indirect=True)


@pytest.fixture
async def url(server: Server) -> str:
    return await emptied(server)


@pytest.fixture
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    url = f"sqlite:///{tmp_path / 'bridge.db'}"
    if request.param == "postgres":
        url = await emptied(request.getfixturevalue("server"))
    async with opened(url) as store:
        yield store


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Store]:
    async with open_store(url, Vault([ENCRYPTION_KEY])) as (store, _):
        yield store


@pytest.fixture
async def scene(store: Store, clock: FakeClock) -> AsyncIterator[Scene]:
    yield Scene(store, clock)
    assert await store.sweep(now=clock.now()) == 0
