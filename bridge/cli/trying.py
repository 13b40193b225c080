"""Asks a provider one question, as a poll would, and keeps what is worth telling of it."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from bridge.assembly import Current, names, provider_egress, served_sandbox
from bridge.cli.decided import advice, because, reason
from bridge.clock import SystemClock
from bridge.config import Config
from bridge.errors import FieldFault
from bridge.model import Answer, Observation, PollRequest
from bridge.net.body import ByteBudget
from bridge.polling.upstream import Upstream
from bridge.providers.answer import observe
from bridge.providers.configured import configured
from bridge.providers.provider import Provider
from bridge.providers.redaction import without_key
from bridge.providers.request import check_task, poll_request
from bridge.store.answers import to_plain

ANSWERS_BYTES = 64 * 1024 * 1024
SHOWN_BYTES = 65_536  # of a provider's answer
GONE = "***"
# Headers that hold no secret.
OPEN = ("accept", "accept-encoding", "accept-language", "content-type", "user-agent")


@dataclass(frozen=True, slots=True)
class Trial:
    """One question, what came back, and what a poll would have made of it."""

    provider: Provider = field(repr=False)
    request: PollRequest
    answer: Answer
    seen: Observation
    task_id: str = ""

    @property
    def because(self) -> str:
        return because(self.provider.page, self.answer, self.seen, self.task_id)

    def plain(self) -> dict[str, Any]:
        """For JSON; without what may be secret."""
        provider = self.provider
        return {
            "provider": provider.name,
            "with_key": provider.key is not None,
            "request": {
                "method": self.request.method,
                "url": shown(self.request.url, provider.key),
                "headers": {
                    name: value if name.lower() in OPEN else hidden(value, provider.key)
                    for name, value in self.request.headers.items()
                },
            },
            "answer": {
                "http_status": self.answer.http_status,
                "failure": self.answer.failure,
                "content_type": self.answer.headers.get("content-type"),
                "bytes": len(self.answer.body),
                "body": self.answer.body[:SHOWN_BYTES].decode("utf-8", "replace"),
            },
            "observation": {k: v for k, v in to_plain(self.seen).items() if k != "raw"},
            "decided": reason(provider.page, self.answer, self.seen, self.task_id),
            "advice": advice(self.seen, keyed=provider.key is not None),
        }


def shown(text: str, key: str | None) -> str:
    """
    >>> shown("https://h/t?key=a%2Fb", "a/b")
    'https://h/t?key=***'
    """
    for form in {key, quote(key, safe="")} if key else ():
        text = text.replace(str(form), GONE)
    return text


def hidden(value: str, key: str | None) -> str:
    """A header's value; of one that holds the key the scheme is kept.

    >>> hidden("Bearer sk-1", "sk-1"), hidden("a-token", "sk-1")
    ('Bearer ***', '***')
    """
    return shown(value, key) if key and key in value else GONE


class Asker:
    """Made by `asking`. One question at a time or many at once."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        upstream: Upstream,
        wall: Callable[[], float],
    ) -> None:
        self.providers, self._upstream, self._wall = providers, upstream, wall

    def faults(
        self, name: str, task_id: str, params: Mapping[str, str]
    ) -> list[FieldFault]:
        return check_task(self.providers[name].page, task_id, params)

    async def ask(
        self,
        name: str,
        task_id: str,
        params: Mapping[str, str],
        *,
        most_s: float | None = None,
    ) -> Trial:
        """`most_s` is how long to wait at most, if that is less than the page allows.

        Raises ValueError for a task that `faults` finds fault with.
        """
        provider = self.providers[name]
        request = poll_request(
            provider.page, provider.base_url, task_id, params, provider.key
        )
        request = replace(request, way=provider.way)
        if most_s is not None:
            request = replace(request, timeout_s=min(request.timeout_s, most_s))
        answer = without_key(await self._upstream.ask(request), provider.key)
        seen = observe(
            provider.page,
            answer,
            base_url=provider.base_url,
            task_id=task_id,
            want_raw=False,
            now=self._wall(),
        )
        return Trial(provider, request, answer, seen, task_id)


@asynccontextmanager
async def asking(config: Config) -> AsyncIterator[Asker]:
    """The way to the providers that the bridge itself would take. Raises ConfigError."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(served_sandbox(config))
        current = Current(config, configured(config, sandbox))
        resolver = await stack.enter_async_context(names(clock))
        egress = await stack.enter_async_context(provider_egress(current, resolver))
        upstream = Upstream(egress, budget=ByteBudget(ANSWERS_BYTES))
        yield Asker(current.providers, upstream, clock.wall)
