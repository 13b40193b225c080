"""How the process itself is."""

import asyncio

import pytest
from prometheus_client import generate_latest

from bridge.health import STORE, Health
from bridge.metrics import Metrics
from bridge.store import Store
from bridge.store.steps import Step
from bridge.vitals import EVERY_S, Vitals
from tests.conftest import FakeClock


def figure(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"bridge_{name}", labels)


async def test_a_timer_that_is_late_is_noted(clock: FakeClock) -> None:
    """Whatever else is late then has this as its reason."""
    metrics, stop = Metrics(), asyncio.Event()
    times = iter((10.0, 10.0 + EVERY_S + 0.2, 20.0, 20.0))
    vitals = Vitals(
        metrics, Health(), clock=clock, draining=lambda: False, monotonic=times.__next__
    )

    class Ticks:
        """Each wait is over at once, the second because of a stop."""

        waits = 0

        async def wait(self, event: asyncio.Event, timeout_s: float) -> None:
            self.waits += 1
            if self.waits == 2:
                event.set()

    vitals._clock = Ticks()  # type: ignore[assignment]
    await vitals.run(stop)
    assert figure(metrics, "event_loop_lag_seconds_count") == 1
    assert figure(metrics, "event_loop_lag_seconds_sum") == pytest.approx(0.2)


def test_readiness_and_the_age_of_loops_are_read_when_asked_for(clock: FakeClock) -> None:
    """What stands still writes nothing down."""
    metrics, health, draining = Metrics(), Health(), False
    Vitals(metrics, health, clock=clock, draining=lambda: draining)
    assert figure(metrics, "ready") == 0  # it is starting
    health.set_ready("start")
    assert figure(metrics, "ready") == 1
    health.set_unready(STORE, "the disk is full")
    assert figure(metrics, "ready") == 0
    health.set_ready(STORE)
    draining = True
    assert figure(metrics, "ready") == 0

    health.beat("poller", clock.now())
    clock.advance(61)
    assert figure(metrics, "loop_age_seconds", loop="poller") == 61
    assert b"bridge_loop_age_seconds" in generate_latest(metrics.registry)


async def test_the_time_of_each_step_is_noted(store: Store) -> None:
    """One that fails has kept somebody waiting as well."""
    noted: list[str] = []
    timed = store.timed(lambda kind, seconds: noted.append(kind) if seconds > 0 else None)

    def failing() -> Step[None]:
        raise ValueError
        yield

    await timed.database.read(nothing)
    await timed.database.scan(nothing)
    with pytest.raises(ValueError, match=r"^$"):
        await timed.database.write(failing)
    assert noted == ["read", "scan", "write"]
    assert await timed.database.synced() is True


def nothing() -> Step[None]:
    return
    yield
