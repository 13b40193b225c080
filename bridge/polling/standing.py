"""How each provider fares, by what this node's polls of it came to."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from math import inf

import structlog

from bridge.health import Pulse
from bridge.metrics import Metrics
from bridge.model import ClaimedPoll, Observation, PollOutcome
from bridge.polling.circuit import Circuit

DOWN = (PollOutcome.TRANSIENT, PollOutcome.UNREACHABLE)
SAID_S = 60.0  # between two polls of a provider that are logged though nothing is amiss
LAG_MOST_S = 86_400.0  # what is said to be longer ago is another clock
WORDS = 1_000  # of those that no page knows, logged once each
WORD_CHARS = 64

log = structlog.get_logger(__name__)


class Standing:
    """Counts polls, and keeps a circuit and a pulse for each provider."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._polls = cache(metrics.polls.labels)  # finding one takes longer than counting
        self._words: set[tuple[str, str]] = set()
        self.untold: list[tuple[str, str]] = []  # of these, until somebody takes them out
        self._said: dict[str, tuple[float, int]] = {}  # by provider: when; polls since
        self._pulses: dict[str, Pulse] = {}
        self._circuits: defaultdict[str, Circuit] = defaultdict(Circuit)

    @property
    def troubled(self) -> Iterable[str]:
        """Providers that have a circuit: those that were once without an answer."""
        return self._circuits.keys()

    @property
    def down(self) -> Mapping[str, float]:
        """Providers that are only probed, and since when they have not answered."""
        since = {
            name: self.pulse(name).down_since
            for name, circuit in self._circuits.items()
            if not circuit.closed
        }
        return {name: at for name, at in since.items() if at is not None}

    @property
    def up(self) -> Mapping[str, float]:
        """Providers whose last poll was answered, and when that was."""
        answered = {
            name: pulse.last_ok_at
            for name, pulse in self._pulses.items()
            if pulse.down_since is None
        }
        return {name: at for name, at in answered.items() if at is not None}

    def pulse(self, provider: str) -> Pulse:
        return self._pulses.get(provider, Pulse())

    def room(self, provider: str, now: float) -> int | None:
        """How many polls of it may be in flight; None: it is up."""
        return self._circuits[provider].room(now) if provider in self._circuits else None

    def wait_s(self, now: float) -> float:
        """Seconds until a provider that is down is to be tried."""
        waits = [one.probe_at - now for one in self._circuits.values() if not one.closed]
        return min((wait for wait in waits if wait > 0), default=inf)

    def count(
        self, claimed: ClaimedPoll, seen: Observation, now: float, dice: float
    ) -> None:
        name, outcome = claimed.provider, seen.outcome
        self._polls(name, outcome.value).inc()
        if seen.ours:
            self._metrics.poll_proxy_faults.labels(provider=name).inc()
        elif outcome in DOWN:
            self._circuits[name].failed(now, dice)
            down_since = self.pulse(name).down_since or now
            self._pulses[name] = self.pulse(name)._replace(down_since=down_since)
        elif name in self._circuits and seen.http_status is not None:
            self._circuits[name].answered()
        if outcome.answered or outcome is PollOutcome.NOT_FOUND:
            self._pulses[name] = Pulse(last_ok_at=now)
        if not seen.word_known:
            self._note_word(name, seen.word or "")
        self._log(claimed, seen, now)

    def _log(self, claimed: ClaimedPoll, seen: Observation, now: float) -> None:
        """One a minute of each provider where not every poll is wanted."""
        since, unsaid = self._said.get(claimed.provider, (-inf, 0))
        sampled = now - since >= SAID_S
        self._said[claimed.provider] = (now, 0) if sampled else (since, unsaid + 1)
        (log.info if sampled else log.debug)(
            "watch.polled",
            provider=claimed.provider,
            watch=claimed.watch_id,
            poll=claimed.claim_no,
            outcome=seen.outcome.value,
            status=seen.status and seen.status.value,
            http_status=seen.http_status,
            **({"unsaid": unsaid} if sampled else {}),
        )

    def count_end(
        self, claimed: ClaimedPoll, seen: Observation, *, told: int, wall: float
    ) -> None:
        """`told`: subscriptions that one watch was polled for, some only of late: how many
        polls each has shared is written nowhere.
        """
        self._metrics.polls_per_task.labels(claimed.provider).observe(claimed.polls)
        if told > 1:
            saved = (told - 1) * claimed.polls
            self._metrics.saved.labels(how="sharing").inc(saved)
        if seen.finished_at is not None and 0 <= wall - seen.finished_at <= LAG_MOST_S:
            lag = self._metrics.detection_lag.labels(claimed.provider)
            lag.observe(wall - seen.finished_at)

    def _note_word(self, provider: str, word: str) -> None:
        self._metrics.unknown_words.labels(provider=provider).inc()
        if (provider, word) not in self._words and len(self._words) < WORDS:
            self._words.add((provider, word))
            self.untold.append((provider, word[:WORD_CHARS]))
            log.warning(
                "provider.unknown_status", provider=provider, word=word[:WORD_CHARS]
            )
