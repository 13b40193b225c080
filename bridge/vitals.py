"""How the process itself is: whether it is ready, its loops turn, its timers are late."""

import asyncio
import time
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from bridge.clock import Clock
from bridge.health import Health
from bridge.metrics import Metrics

EVERY_S = 0.5  # a timer that is watched


class Vitals(Collector):
    """Some figures are read at the moment at which they are asked for, as what would write
    them down may be what stands still.
    """

    def __init__(
        self,
        metrics: Metrics,
        health: Health,
        *,
        clock: Clock,
        draining: Callable[[], bool],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lag, self._health, self._clock = metrics.loop_lag, health, clock
        self._draining, self._monotonic = draining, monotonic
        registry: CollectorRegistry = metrics.registry
        registry.register(self)

    async def run(self, stop: asyncio.Event) -> None:
        """Set a timer again and again, and note by how much it is late."""
        while not stop.is_set():
            set_at = self._monotonic()
            await self._clock.wait(stop, EVERY_S)
            if not stop.is_set():
                self._lag.observe(max(self._monotonic() - set_at - EVERY_S, 0.0))

    def collect(self) -> Iterator[GaugeMetricFamily]:
        ready = not self._health.unready and not self._draining()
        yield GaugeMetricFamily(
            "bridge_ready",
            "1 while `/readyz` answers 200: the node takes work",
            value=float(ready),
        )
        ages = GaugeMetricFamily(
            "bridge_loop_age_seconds",
            "how long ago a loop turned; from 60 on `/livez` fails",
            labels=["loop"],
        )
        for loop, age_s in self._health.ages(self._clock.now()).items():
            ages.add_metric([loop], age_s)
        yield ages
