"""A claimed watch, or several → one question → what its answer means."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Protocol

import orjson
import structlog

from bridge.clock import Clock
from bridge.metrics import Metrics
from bridge.model import Answer, ClaimedPoll, Observation, PollOutcome, PollRequest
from bridge.providers.answer import observe
from bridge.providers.batch import batch_request, items_of
from bridge.providers.provider import Provider
from bridge.providers.redaction import without_key
from bridge.providers.request import poll_request

KEY_LOST = (
    "the key that came with the task cannot be read any more; subscribe again with it"
)
FAULT = "a fault in poll-bridge while asking about this task; its log says more"

log = structlog.get_logger(__name__)


class Ask(Protocol):
    async def ask(self, request: PollRequest) -> Answer: ...


class Asking:
    """Raises nothing: what cannot be asked, or understood, is an observation as well."""

    def __init__(
        self,
        upstream: Ask,
        *,
        providers: Callable[[], Mapping[str, Provider]],
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._upstream, self._providers, self._clock = upstream, providers, clock
        self._seconds = cache(metrics.poll_seconds.labels)

    async def one(self, claimed: ClaimedPoll) -> Observation:
        """A bug that some stranger's answer has set off must be seen, and asked about with
        growing pauses: it counts as a failed poll.
        """
        try:
            return await self._one(claimed)
        except Exception:
            log.exception("work.failed", loop="poller", watch=claimed.watch_id)
            return Observation(outcome=PollOutcome.TRANSIENT, detail=FAULT)

    async def several(
        self, claimed: Sequence[ClaimedPoll]
    ) -> tuple[Observation | None, dict[int, Observation]]:
        """About watches of one credential, by watch, as far as the list speaks of them.

        First what the answer comes to as a whole, if it is no list.
        """
        first = claimed[0]
        try:
            return await self._several(claimed)
        except Exception:
            log.exception("work.failed", loop="poller", watch=first.watch_id)
            return Observation(outcome=PollOutcome.MISCONFIGURED, detail=FAULT), {}

    async def _one(self, claimed: ClaimedPoll) -> Observation:
        provider = self._providers().get(claimed.provider)
        if provider is None:
            return unaskable(f"the provider {claimed.provider} is no longer configured")
        key = claimed.own_key if claimed.own else provider.key
        if claimed.own and key is None:
            return unaskable(KEY_LOST)
        try:
            request = poll_request(
                provider.page,
                provider.base_url,
                claimed.task_id,
                claimed.params,
                key,
                attempt=claimed.failures,
            )
        except ValueError as error:  # the page has changed since it was subscribed to
            return unaskable(f"the provider's page does not fit the task: {error}")
        request = replace(request, way=provider.way)
        answer = without_key(await self._asked(provider, request), key)
        return self._meaning(provider, claimed, answer)

    async def _several(
        self, claimed: Sequence[ClaimedPoll]
    ) -> tuple[Observation | None, dict[int, Observation]]:
        provider = self._providers()[claimed[0].provider]
        key = claimed[0].own_key if claimed[0].own else provider.key
        request = batch_request(
            provider.page, provider.base_url, [one.task_id for one in claimed], key
        )
        request = replace(request, way=provider.way)
        answer = without_key(await self._asked(provider, request), key)
        items = items_of(provider.page, answer)
        if items is None:
            return self._meaning(provider, claimed[0], answer), {}
        return None, {
            one.watch_id: self._meaning(
                provider, one, replace(answer, body=orjson.dumps(items[one.task_id]))
            )
            for one in claimed
            if one.task_id in items
        }

    async def _asked(self, provider: Provider, request: PollRequest) -> Answer:
        began_at = self._clock.now()
        answer = await self._upstream.ask(request)
        self._seconds(provider.name).observe(self._clock.now() - began_at)
        return answer

    def _meaning(
        self, provider: Provider, claimed: ClaimedPoll, answer: Answer
    ) -> Observation:
        return observe(
            provider.page,
            answer,
            base_url=provider.base_url,
            task_id=claimed.task_id,
            want_raw=claimed.wants_raw,
            now=self._clock.wall(),
        )


def unaskable(detail: str) -> Observation:
    return Observation(outcome=PollOutcome.MISCONFIGURED, detail=detail)
