"""Each test has a directory of its own, and none of the machine's configuration."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.commands import Bridge, environment
from tests.store.postgres import Server, running_shared


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in set(os.environ) - set(environment()):
        monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    """A bridge in development mode, in a directory of its own, for a whole module."""
    with Bridge(tmp_path_factory.mktemp("served"), "--dev", PORT="0") as bridge:
        yield bridge


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with running_shared() as server:
        yield server


@pytest.fixture
async def postgres(server: Server) -> str:
    """The URL of an empty database."""
    return server.url(await server.fresh())
