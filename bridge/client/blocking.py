"""The client for programs without an event loop of their own."""

import asyncio
import math
from collections.abc import AsyncIterator, Coroutine, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

from bridge.client.client import RETRY_FOR_S, AsyncClient
from bridge.client.connection import Change, unheeded
from bridge.client.nouns import Event, Subscription

T = TypeVar("T")


class Client:
    """See `AsyncClient`: the same calls, each of which returns when it is done.

    One thread at a time. Inside a coroutine use `AsyncClient`.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        retry_for_s: float = RETRY_FOR_S,
    ) -> None:
        self._client = AsyncClient(url, api_key, retry_for_s=retry_for_s)
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._run(self._client.close())
        self._runner.close()

    def subscribe(self, provider: str, task_id: str, **fields: Any) -> Subscription:
        return self._run(self._client.subscribe(provider, task_id, **fields))

    def wait_for(
        self, provider: str, task_id: str, *, timeout_s: float = math.inf, **fields: Any
    ) -> Subscription:
        return self._run(
            self._client.wait_for(provider, task_id, timeout_s=timeout_s, **fields)
        )

    def wait(self, id_: str, *, timeout_s: float = math.inf) -> Subscription:
        return self._run(self._client.wait(id_, timeout_s=timeout_s))

    def subscription(self, id_: str, *, wait_s: float = 0) -> Subscription:
        return self._run(self._client.subscription(id_, wait_s=wait_s))

    def subscriptions(self, **filters: str) -> Iterator[Subscription]:
        return self._each(self._client.subscriptions(**filters))

    def stop(self, id_: str) -> None:
        self._run(self._client.stop(id_))

    def events(self, on_change: Change = unheeded) -> Iterator[Event]:
        return self._each(self._client.events(on_change))

    def _each(self, several: AsyncIterator[T]) -> Iterator[T]:
        async def following() -> list[T]:
            """One, or none at the end."""
            try:
                return [await anext(several)]
            except StopAsyncIteration:
                return []

        while found := self._run(following()):
            yield from found

    def _run(self, call: Coroutine[Any, Any, T]) -> T:
        try:
            return self._runner.run(call)
        finally:
            call.close()
