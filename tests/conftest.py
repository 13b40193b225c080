"""What every test may ask for: time that stands still, and a real store in a file."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

from bridge.store import Store, open_store
from bridge.vault import Vault
from tests.store.postgres import Server, running_shared

# How fast a machine is fails no test.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

START = 1_800_000_000.0
ENCRYPTION_KEY = "test-encryption-key-of-40-characters-000"


class FakeClock:
    """Time stands still until the test moves it; whoever waits for it wakes then."""

    def __init__(self, now: float = START) -> None:
        self._now = now
        self.offset = 0.0  # of the wall clock, as if somebody had set it
        self._moved = asyncio.Event()

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        return self._now + self.offset

    async def wait(self, event: asyncio.Event, timeout_s: float) -> None:
        until = self._now + timeout_s
        while not event.is_set() and self._now < until:
            moved = self._moved
            async with asyncio.TaskGroup() as group:
                waits = [group.create_task(one.wait()) for one in (event, moved)]
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                for task in waits:
                    task.cancel()

    def advance(self, seconds: float) -> None:
        self._now += seconds
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    vault = Vault([ENCRYPTION_KEY])
    async with open_store(f"sqlite:///{tmp_path / 'bridge.db'}", vault) as (opened, _):
        yield opened


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """PostgreSQL, from the first test that asks for it to the end."""
    with running_shared() as server:
        yield server


@pytest.fixture(autouse=True, scope="session")
def _quiet_logs() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that tests have recorded, those of other processes too."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, figures in report.user_properties:
                if name == "figures":
                    terminalreporter.section(report.nodeid)
                    terminalreporter.write_line(figures)
