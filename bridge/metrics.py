"""What is counted. Labels are bounded: providers and outcomes, never ids, hosts or URLs."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from bridge import __version__

POLL_BUCKETS = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 987)
LAG_BUCKETS = (0.005, 0.02, 0.1, 0.5, 1, 5, 15, 60, 300, 3_600, 86_400)


class Metrics:
    """The process's figures, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.polls = self._counter("polls", "Polls made", "provider", "outcome")
        self.poll_proxy_faults = self._counter(
            "poll_proxy_faults", "Polls that the provider's proxy failed", "provider"
        )
        self.saved = self._counter(
            "polls_saved", "Polls that need not be made, by what saves them", "how"
        )
        self.unknown_words = self._counter(
            "unknown_status_words", "Status words that no page knows", "provider"
        )
        self.ends = self._counter("ends", "Subscriptions ended", "outcome")
        self.attempts = self._counter("delivery_attempts", "Attempts made", "outcome")
        self.repairs = self._counter("sweep_repairs", "Things that must not exist, mended")
        self.detection_lag = Histogram(
            "bridge_detection_lag_seconds",
            "From a task's end, by the provider's clock, to the poll that saw it",
            ["provider"],
            buckets=LAG_BUCKETS,
            registry=self.registry,
        )
        self.polls_per_task = Histogram(
            "bridge_polls_per_task",
            "Polls until a task's end was seen",
            ["provider"],
            buckets=POLL_BUCKETS,
            registry=self.registry,
        )
        self.delivery_lag = Histogram(
            "bridge_delivery_lag_seconds",
            "From the event to its acceptance",
            buckets=LAG_BUCKETS,
            registry=self.registry,
        )
        self.watches = self._gauge("watches", "Watches that are polled")
        self.owed = self._gauge("deliveries_owed", "Attempts that are scheduled")
        self.exhausted = self._gauge("deliveries_exhausted", "Deliveries given up")
        self.silent_hosts = self._gauge(
            "callback_hosts_silent",
            "Hosts, by client, that wait for an answer to one attempt",
        )
        self.poll_backlog = self._gauge(
            "poll_backlog_age_seconds", "Age of the oldest due poll"
        )
        self.delivery_backlog = self._gauge(
            "delivery_backlog_age_seconds", "Age of the oldest due attempt"
        )
        build = self._gauge("build_info", "The version that runs", "version")
        build.labels(version=__version__).set(1)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"bridge_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"bridge_{name}", text, labels, registry=self.registry)
