"""Several tasks in one request, where a provider has a list call.

A poll that is due takes others of its credential along, due or not. A list decides nothing
about those it does not speak of, and is no reason to ask nobody when it fails: what it
leaves open is asked about one by one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

import structlog

from bridge.clock import Clock
from bridge.errors import StoreUnavailable
from bridge.metrics import Metrics
from bridge.model import ClaimedPoll, Observation, PollOutcome
from bridge.polling.asking import Asking
from bridge.polling.awaited import Awaited
from bridge.polling.pacing import Pacing
from bridge.providers.provider import Provider
from bridge.store import Store
from bridge.store.riders import Ride

REFUSED_S = 600.0  # for which a key is not asked for lists, after it got none
FAILED_S = 60.0  # … after a list that failed
NEW_S = 120.0  # a list may lag: that it does not speak of a newer task means little
FAILURES = (PollOutcome.TRANSIENT, PollOutcome.UNREACHABLE, PollOutcome.AUTH)

Saw = Callable[[ClaimedPoll, Observation], Awaitable[None]]

log = structlog.get_logger(__name__)


class Lists:
    """`riding` are the watches that are being asked about as part of a list."""

    def __init__(
        self,
        store: Store,
        asking: Asking,
        awaited: Awaited,
        *,
        providers: Callable[[], Mapping[str, Provider]],
        pacing: Pacing,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._store, self._asking, self._awaited = store, asking, awaited
        self._providers, self._pacing = providers, pacing
        self._clock, self._metrics = clock, metrics
        self._resting: dict[int, float] = {}  # until when no lists, by credential
        self.riding: set[int] = set()

    def wanted(self, provider: str, credential_id: int) -> bool:
        """Whether one request is to take along the others that are due."""
        known = self._providers().get(provider)
        rests = self._clock.now() < self._resting.get(credential_id, 0.0)
        return known is not None and known.page.batch is not None and not rests

    async def riders(
        self, claimed: ClaimedPoll, in_flight: Collection[int]
    ) -> Sequence[ClaimedPoll]:
        """Whom the same request can ask about; nobody, if the database does not answer."""
        ride = self._ride(claimed)
        if ride is None:
            return ()
        try:
            riders = await self._store.claim_riders(
                ride,
                now=self._clock.now(),
                pace=self._pacing,
                in_flight=frozenset({*in_flight, *self.riding}),
            )
        except StoreUnavailable:
            return ()
        for one in riders:
            self.riding.add(one.watch_id)
            self._awaited.add(one)
        return riders

    def _ride(self, claimed: ClaimedPoll) -> Ride | None:
        if not self.wanted(claimed.provider, claimed.credential_id):
            return None
        keyless = claimed.own and claimed.own_key is None
        if keyless or claimed.alone or claimed.failures:
            return None
        provider = self._providers()[claimed.provider]
        batch = provider.page.batch
        assert batch is not None  # noqa: S101 - lists are wanted
        return Ride(claimed, batch.most - 1, batch.rate_limit, provider.policy.min_s)

    async def ask(
        self, claimed: ClaimedPoll, riders: Sequence[ClaimedPoll], saw: Saw
    ) -> None:
        """Hand each to `saw` as the list tells of it, and have the others asked alone."""
        every = [claimed, *riders]
        try:
            whole, seen = await self._asking.several(every)
            async with asyncio.TaskGroup() as group:
                for one in every:
                    if one.watch_id in seen:
                        group.create_task(self._hand(one, seen[one.watch_id], saw))
            self._metrics.saved.labels(how="list").inc(max(len(seen) - 1, 0))
            if whole is not None and whole.outcome is PollOutcome.THROTTLED:
                await saw(claimed, whole)  # the account rests, and all of it with it
        finally:
            for one in riders:
                self.riding.discard(one.watch_id)
                self._awaited.remove(one)
        left = [one for one in every if one.watch_id not in seen]
        if whole is None or whole.outcome is not PollOutcome.THROTTLED:
            await self._leave(left, whole)

    async def _leave(self, left: Sequence[ClaimedPoll], whole: Observation | None) -> None:
        """`whole`: what the answer came to, if it was no list at all."""
        now = self._clock.now()
        if whole is not None:
            rest_s = FAILED_S if whole.outcome in FAILURES else REFUSED_S
            self._resting[left[0].credential_id] = now + rest_s
        known = [] if whole else [one for one in left if now - one.created_at > NEW_S]
        for polls, for_good in (
            (known, True),
            ([o for o in left if o not in known], False),
        ):
            if polls:
                await self._store.ask_alone(polls, now=now, for_good=for_good)

    async def _hand(self, one: ClaimedPoll, seen: Observation, saw: Saw) -> None:
        """One that cannot be recorded takes nobody with it."""
        try:
            await saw(one, seen)
        except StoreUnavailable as error:
            log.warning("result.dropped", loop="poller", error=str(error))
        except Exception:
            log.exception("work.failed", loop="poller", watch=one.watch_id)
