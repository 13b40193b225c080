"""What is counted. Labels are bounded: providers, closed lists; never ids, hosts or URLs.

What each figure tells is its help text, from which docs/metrics.md is made. Those of closed
lists are there from the start, as 0: a rate of what begins with its first event misses it.
Gauges of the database are not: from a 0 that nobody has counted they would seem to grow.
"""

from collections.abc import Iterable, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
)

from bridge import __version__
from bridge.model import AttemptOutcome, DeliveryState, Outcome, PollOutcome

POLL_BUCKETS = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 987)
LAG_BUCKETS = (0.005, 0.02, 0.1, 0.5, 1, 5, 15, 60, 300, 3_600, 86_400)
REQUEST_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60)
QUICK_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)

# How a delivery may end by an attempt.
CLOSED = (
    DeliveryState.ACCEPTED,
    DeliveryState.PRESUMED,
    DeliveryState.EXHAUSTED,
    DeliveryState.GONE,
)
SAVINGS = ("sharing", "list")
LOOPS = ("poller", "dispatcher")
STEPS = ("write", "read", "scan")
TASKS = ("polled", "paused")
SPANS = ("sent", "failed", "dropped")


class Metrics:
    """The process's figures, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._untaken: list[Gauge] = []
        ProcessCollector(registry=self.registry)
        self._of_polls()
        self._of_deliveries()
        self._of_the_node()
        self._provided: set[str] = set()

    def _of_polls(self) -> None:
        self.polls = self._counter(
            "polls", "polls; each task of a list counts as one", "provider", "outcome"
        )
        self.poll_seconds = self._histogram(
            "poll_duration_seconds",
            "how long the provider took for one request, from DNS to the last byte",
            REQUEST_BUCKETS,
            "provider",
        )
        self.poll_proxy_faults = self._counter(
            "poll_proxy_faults", "polls that the proxy of a provider failed", "provider"
        )
        self.saved = self._counter(
            "poll_requests_saved",
            "requests that need not be made: `sharing`, several subscriptions of one task, "
            "each as if it had been there from the first poll; `list`, several tasks in "
            "one request",
            "how",
        )
        self.unknown_words = self._counter(
            "unknown_status_words",
            "polls that answered a status word no page knows",
            "provider",
        )
        self.polls_per_task = self._histogram(
            "polls_per_task",
            "polls until an end was seen, since polling for the task last began",
            POLL_BUCKETS,
            "provider",
        )
        self.detection_lag = self._histogram(
            "detection_lag_seconds",
            "from a task's end to the poll that saw it, where the provider says when that "
            "was; by its clock",
            LAG_BUCKETS,
            "provider",
        )
        self.ends = self._counter("ends", "ends that a poll has brought", "outcome")
        self.tasks = self._gauge_of_database(
            "tasks",
            "tasks that are watched: `polled`, or `paused` while their key is throttled or "
            "refused",
            "state",
        )
        self.poll_backlog = self._gauge_of_database(
            "poll_backlog_age_seconds",
            "how late the oldest due poll is; also while a key is throttled or refused",
        )
        self.provider_down = self._gauge(
            "provider_down",
            "1 while ten polls in a row had no answer and it is only probed, by this node",
            "provider",
        )
        self.key_refused = self._gauge(
            "provider_key_refused",
            "1 while the configured key is refused, which a second task has confirmed",
            "provider",
        )
        started(self.saved, SAVINGS)
        started(self.ends, Outcome)
        started(self.tasks, TASKS)

    def _of_deliveries(self) -> None:
        self.deliveries = self._counter(
            "deliveries", "deliveries that an attempt has closed, by how", "outcome"
        )
        self.attempts = self._counter("delivery_attempts", "attempts", "outcome")
        self.attempt_seconds = self._histogram(
            "delivery_attempt_duration_seconds",
            "how long one attempt took, from DNS to the receiver's last byte",
            REQUEST_BUCKETS,
        )
        self.delivery_lag = self._histogram(
            "delivery_lag_seconds", "from the event to its acceptance", LAG_BUCKETS
        )
        self.owed = self._gauge_of_database(
            "deliveries_owed", "attempts that are scheduled"
        )
        self.dead_letters = self._gauge_of_database(
            "dead_letters", "deliveries given up (`exhausted`), of those that are kept"
        )
        self.silent_hosts = self._gauge_of_database(
            "callback_hosts_silent",
            "callback hosts, by client, where nobody answers and for which deliveries wait",
        )
        self.delivery_backlog = self._gauge_of_database(
            "delivery_backlog_age_seconds",
            "how late the oldest due attempt is; those of a replay do not count, as they "
            "may wait",
        )
        started(self.deliveries, CLOSED)
        started(self.attempts, AttemptOutcome)

    def _of_the_node(self) -> None:
        self.repairs = self._counter(
            "sweep_repairs", "what must not exist, found by the sweep and mended"
        )
        self.scheduler_lag = self._histogram(
            "scheduler_lag_seconds",
            "from the moment at which a key's polls, or a host's attempts, could begin to "
            "their claim",
            LAG_BUCKETS,
            "loop",
        )
        self.loop_lag = self._histogram(
            "event_loop_lag_seconds",
            "by how much a timer of the process was late: it was busy with something else",
            QUICK_BUCKETS,
        )
        self.database_seconds = self._histogram(
            "database_seconds",
            "how long a step of the loops or a request waited for the database, with its "
            "turn and, of a `write`, the disk",
            QUICK_BUCKETS,
            "kind",
        )
        self.spans = self._counter(
            "trace_spans",
            "spans of subscriptions: `sent`; `failed`, the collector did not take them in "
            "time, or of a fault, logged as `work.failed`; `dropped`, too many were "
            "waiting for it",
            "outcome",
        )
        build = self._gauge("build_info", "always 1; the version that runs", "version")
        build.labels(version=__version__).set(1)
        started(self.scheduler_lag, LOOPS)
        started(self.database_seconds, STEPS)
        started(self.spans, SPANS)

    def provide(self, providers: Iterable[str]) -> None:
        """Begin the figures of these providers, as 0. How others fare is nothing to be
        woken by any more.
        """
        for name in self._provided - set(providers):
            self._provided.discard(name)
            for state in (self.provider_down, self.key_refused):
                state.remove(name)
        for name in set(providers) - self._provided:
            self._provided.add(name)
            for outcome in PollOutcome:
                self.polls.labels(name, outcome.value)
            for figure in (self.poll_proxy_faults, self.unknown_words):
                figure.labels(name)
            for state in (self.provider_down, self.key_refused):
                state.labels(name)
            for spread in (self.poll_seconds, self.polls_per_task, self.detection_lag):
                spread.labels(name)

    def taken(self) -> None:
        """The gauges of the database have their values, and are exported from now on."""
        for gauge in self._untaken:
            self.registry.register(gauge)
        self._untaken.clear()

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"bridge_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"bridge_{name}", text, labels, registry=self.registry)

    def _gauge_of_database(self, name: str, text: str, *labels: str) -> Gauge:
        gauge = Gauge(f"bridge_{name}", text, labels, registry=None)
        self._untaken.append(gauge)
        return gauge

    def _histogram(
        self, name: str, text: str, buckets: Sequence[float], *labels: str
    ) -> Histogram:
        return Histogram(
            f"bridge_{name}", text, labels, buckets=buckets, registry=self.registry
        )


def started(figure: Counter | Gauge | Histogram, values: Iterable[str]) -> None:
    """A figure with one label, whose values are these."""
    for value in values:
        figure.labels(str(value))
