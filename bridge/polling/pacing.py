"""The plans of this node's polls, learned from what it and the others have seen.

Histories are kept in the store, by provider and by model. Every few seconds a node adds
what it has seen since, reads what the others have, and makes new plans where that is worth
it. A plan is a value: claims read them from the store's thread while new ones are made.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from operator import itemgetter
from random import Random

import structlog

from bridge.cadence import History, Pace, Plan, PollPolicy, fixed, following, learned
from bridge.clock import Clock
from bridge.errors import StoreUnavailable
from bridge.model import ClaimedPoll, Observation, PollOutcome, Status
from bridge.polling.kinds import ALL, Kind, Kinds
from bridge.polling.labels import KEPT_S, LABEL
from bridge.providers.provider import Provider
from bridge.store import Store
from bridge.transition import birth

EXCHANGE_S = 5.0
PLANS_EACH = 8  # made in one turn at most: each takes some hundredths of a second
NEWS = 0.03  # of a history's tasks; with less of it no new plan is made
PACES = 100_000  # tasks whose progress is remembered
FIRST_MOST_S = 30.0  # a wrong key or task id is to be noticed
PRUNE_S = 3_600.0
UNKNOWN = PollPolicy(interval_s=60.0)  # of a provider that is configured no longer

log = structlog.get_logger(__name__)


class Pacing:
    """`plan` and `gap_s` are asked for each poll, `saw` is told of each."""

    def __init__(
        self,
        store: Store,
        *,
        providers: Callable[[], Mapping[str, Provider]],
        clock: Clock,
        dice: Random,
    ) -> None:
        self._store, self._providers = store, providers
        self._clock, self._dice = clock, dice
        self._known = Kinds()
        self._plans: dict[Kind, Plan] = {}
        self._fixed: dict[str, Plan] = {}
        self._read_until = self._pruned_at = 0.0
        self._paces: dict[int, Pace] = {}  # by watch, those that tell their progress

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self.exchange()
            except StoreUnavailable as error:
                log.warning("store.unavailable", loop="pacing", error=str(error))
            await self._clock.wait(stop, EXCHANGE_S)
        with suppress(StoreUnavailable):
            await self._tell()

    async def exchange(self) -> None:
        """Add our news to what all have seen, read it, and plan anew."""
        await self._tell()
        now = self._clock.now()
        read = await self._store.durations(since=self._read_until)
        self._read_until = now - EXCHANGE_S  # some may be written just now
        self._known.take(read, now)
        await self._prune(now)
        await self._replan()

    def plan(self, provider: str, model: str | None) -> Plan:
        """The plan for such tasks; at the interval while nothing is known of them."""
        configured = self._providers().get(provider)
        policy = configured.policy if configured else UNKNOWN
        for kind in ((provider, model or ALL), (provider, ALL)):
            plan = self._plans.get(kind)
            if plan is not None and plan.policy is policy:
                return plan
        plan = self._fixed.get(provider)
        if plan is None or plan.policy is not policy:
            self._fixed[provider] = plan = fixed(policy)
        return plan

    def learned(self, provider: str) -> list[tuple[str, History, Plan]]:
        """What is known of a provider's tasks and made of it, by model."""
        return [
            (model, self._known.histories[name, model], plan)
            for (name, model), plan in sorted(self._plans.items(), key=itemgetter(0))
            if name == provider and (name, model) in self._known.histories
        ]

    def gap_s(
        self, provider: str, model: str | None, age_s: float, stretch: float = 1.0
    ) -> float:
        """Seconds to the next poll of a task of that age."""
        return self.plan(provider, model).gap_s(age_s, self._dice.random(), stretch)

    def first_s(self, provider: str, model: str | None) -> float:
        """Seconds from subscribing to a task to its first poll."""
        plan = self.plan(provider, model and LABEL + model)
        first_s = plan.policy.first_s
        if not plan.tasks or not plan.guided:
            return first_s
        gap_s = plan.gap_s(0.0, self._dice.random())
        return min(gap_s, max(first_s, FIRST_MOST_S))

    def waited(
        self, provider: str, model: str | None, since_s: float, until_s: float
    ) -> float:
        """How many polls would have been due between two ages of a task."""
        return self.plan(provider, model).waited(since_s, until_s)

    def saw(self, claimed: ClaimedPoll, seen: Observation) -> None:
        """Learn from a poll: since the one before, the task ran on or has ended."""
        born_at = birth(claimed, seen)
        since_s = (claimed.polled_at or claimed.created_at) - born_at
        until_s = claimed.claimed_at - born_at
        if until_s - since_s > self._believable_s(claimed):
            return  # nobody was up to ask, or might
        sure = not claimed.failures and (claimed.polled_at is not None or since_s <= 1.0)
        for kind in self._kinds(claimed, seen):
            news = self._known.seen(kind, self._clock.now())
            if seen.outcome is PollOutcome.PENDING:
                news.ran(since_s, until_s)
            elif seen.status in (Status.SUCCEEDED, Status.FAILED):
                learn_end(news, seen, since_s, until_s, sure=sure)

    def _believable_s(self, claimed: ClaimedPoll) -> float:
        """The longest that two polls are apart while all is well."""
        policy = self.plan(claimed.provider, claimed.model).policy
        return 2 * policy.max_s * claimed.stretch + policy.first_s

    def pace(self, claimed: ClaimedPoll, seen: Observation, now: float) -> Pace | None:
        """What of its progress was seen before this answer, which is noted in its place.

        In memory alone: after a restart, or on another node, two figures make a line again.
        """
        before = self._paces.pop(claimed.watch_id, None)
        if seen.outcome is not PollOutcome.ENDED:
            kept = following(before, seen.progress, now)
            if kept is not None:
                while len(self._paces) >= PACES:
                    del self._paces[next(iter(self._paces))]
                self._paces[claimed.watch_id] = kept
        return before

    def _kinds(self, claimed: ClaimedPoll, seen: Observation) -> list[Kind]:
        provider, model = claimed.provider, seen.model or claimed.model
        kinds = [(provider, ALL)]
        if model and self._known.admits((provider, model), self._clock.now()):
            kinds.append((provider, model))
        return kinds

    async def _prune(self, now: float) -> None:
        """Of what has given its place up there is no plan, nor is it kept."""
        prunes = now - self._pruned_at >= PRUNE_S
        if prunes:
            self._known.prune(now)
        forgotten, self._known.forgotten = self._known.forgotten, set()
        for kind in forgotten:
            self._plans.pop(kind, None)
        if prunes or forgotten:
            before = now - KEPT_S if prunes else 0.0
            await self._store.forget_durations(forgotten, before=before)
            self._pruned_at = now if prunes else self._pruned_at

    async def _tell(self) -> None:
        news, self._known.news = self._known.news, {}
        if not news:
            return
        try:
            await self._store.learn(news, now=self._clock.now())
        except StoreUnavailable:
            for kind, history in self._known.news.items():
                news.setdefault(kind, History()).add(history)
            self._known.news = news
            raise

    async def _replan(self) -> None:
        for (provider, model), history in self._stale()[:PLANS_EACH]:
            configured = self._providers().get(provider)
            if configured is None:  # by a reload meanwhile
                continue
            policy = configured.policy
            like = self._known.histories.get((provider, ALL)) if model else None
            plan = await asyncio.to_thread(learned, policy, history, like)
            self._plans[provider, model] = plan

    def _stale(self) -> list[tuple[Kind, History]]:
        """What was seen enough of since its plan was made, or had another policy then."""
        stale = [
            (kind, history)
            for kind, history in self._known.histories.items()
            if kind[0] in self._providers() and self._is_stale(kind, history)
        ]
        return sorted(stale, key=lambda each: self._news_of(*each), reverse=True)

    def _is_stale(self, kind: Kind, history: History) -> bool:
        plan = self._plans.get(kind)
        if plan is None or plan.policy is not self._providers()[kind[0]].policy:
            return history.tasks > 0
        return history.count - plan.count > max(NEWS * history.tasks, 0.5)

    def _news_of(self, kind: Kind, history: History) -> float:
        """How much of a history is not in its plan, as a part of it."""
        plan = self._plans.get(kind)
        return (history.count - (plan.count if plan else 0.0)) / (history.tasks + 1.0)


def learn_end(
    news: History, seen: Observation, since_s: float, until_s: float, *, sure: bool
) -> None:
    """By the provider's own times where they fit what we saw, else between two polls.

    `sure`: the poll before had an answer; else it may have ended long before.
    """
    if seen.finished_at is not None and seen.submitted_at is not None:
        took_s = seen.finished_at - seen.submitted_at
        if since_s - 1 <= took_s <= until_s + 1:
            news.ran(since_s, took_s)
            news.ended(took_s, took_s)
            return
    if sure:
        news.ended(max(since_s, 0.0), until_s)
