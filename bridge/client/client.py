"""Every call of the client, to be awaited."""

import json
import math
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from bridge.client.connection import Change, Connection, unheeded
from bridge.client.errors import NotABridge, NotEnded
from bridge.client.nouns import Event, Subscription
from bridge.errors import ClientError

URL = "http://127.0.0.1:8080"
WAIT_S = 50  # of one question: proxies cut what is silent for a minute
RETRY_FOR_S = 60.0


class AsyncClient:
    """One bridge, asked with one API key.

    Absent, `url` is BRIDGE_URL, else this machine's port 8080, and `api_key`
    BRIDGE_API_KEY. While a bridge does not answer, as when it is restarted, it is asked
    again for `retry_for_s`; nothing is done twice by that. Every call raises ClientError.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        retry_for_s: float = RETRY_FOR_S,
        connect: Callable[..., Connection] = Connection,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        key = api_key or os.environ.get("BRIDGE_API_KEY", "").partition(",")[0].strip()
        if not key:
            raise ValueError("no API key: give api_key, or set BRIDGE_API_KEY")
        self._url = url or os.environ.get("BRIDGE_URL") or URL
        self._bridge = connect(self._url, key, retry_for_s=retry_for_s)
        self._now = now

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._bridge.close()

    async def subscribe(
        self,
        provider: str,
        task_id: str,
        *,
        callback_url: str | None = None,
        events: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        provider_api_key: str | None = None,
        params: Mapping[str, str] | None = None,
        model: str | None = None,
        deadline: str | float | None = None,
        idempotency_key: str | None = None,
        within_s: float = math.inf,
        **further: Any,
    ) -> Subscription:
        """Have a task watched. The same request again gives the same subscription,
        so that it is repeated, at most for `within_s`, when no answer has come.

        `further` are other fields of `POST /subscribe`, by their names there.
        """
        fields = further | {
            "provider": provider,
            "task_id": task_id,
            "callback_url": callback_url,
            "events": list(events) if events else None,
            "metadata": dict(metadata) if metadata else None,
            "provider_api_key": provider_api_key,
            "params": dict(params) if params else None,
            "model": model,
            "deadline": deadline,
        }
        body = {name: value for name, value in fields.items() if value is not None}
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else None
        answer = await self._bridge.post(
            "/subscribe", body, headers=headers, again=True, within_s=within_s
        )
        return self._subscription(answer.body)

    async def wait_for(
        self,
        provider: str,
        task_id: str,
        *,
        timeout_s: float = math.inf,
        **fields: Any,
    ) -> Subscription:
        """The subscription once it has ended, however it did: see `ok`, `outcome`.

        `fields` are those of `subscribe`. Each subscription ends by its deadline. Raises
        NotEnded, with what is known so far, after `timeout_s`.
        """
        until = self._now() + timeout_s
        made = await self.subscribe(provider, task_id, within_s=timeout_s, **fields)
        return await self._end_of(made, until, timeout_s)

    async def wait(self, id_: str, *, timeout_s: float = math.inf) -> Subscription:
        """As `wait_for`, of a subscription that is there."""
        until = self._now() + timeout_s
        seen = await self.subscription(id_, within_s=timeout_s)
        return await self._end_of(seen, until, timeout_s)

    async def _end_of(
        self, seen: Subscription, until: float, timeout_s: float
    ) -> Subscription:
        while seen.active:
            left_s = until - self._now()
            if left_s <= 0:
                raise NotEnded(seen, timeout_s)
            wait_s = min(left_s, WAIT_S)
            try:
                seen = await self.subscription(seen.id, wait_s=wait_s, within_s=left_s)
            except ClientError as error:
                if not error.passing or self._now() < until:
                    raise
        return seen

    async def subscription(
        self, id_: str, *, wait_s: float = 0, within_s: float = math.inf
    ) -> Subscription:
        """As it is, or as it is at its end, if that comes within `wait_s` (60 at most)."""
        query = {"wait": f"{wait_s:.3f}"} if wait_s else None
        path = f"/subscriptions/{quote(id_, safe='')}"
        answer = await self._bridge.get(path, query, wait_s=wait_s, within_s=within_s)
        return self._subscription(answer.body)

    async def subscriptions(self, **filters: str) -> AsyncIterator[Subscription]:
        """All there are, newest first. `filters`: `state`, `outcome`, `provider`, …"""
        query = {"limit": "200"} | filters
        while True:
            page = (await self._bridge.get("/subscriptions", query)).body
            for each in page["items"]:
                yield self._subscription(each)
            if not page.get("next_cursor"):
                return
            query = query | {"cursor": page["next_cursor"]}

    async def stop(self, id_: str) -> None:
        """Owe nothing more of it. Again: the same."""
        await self._bridge.ask("DELETE", f"/subscriptions/{quote(id_, safe='')}")

    async def events(self, on_change: Change = unheeded) -> AsyncIterator[Event]:
        """What happens from now on, for ever. Connects again when the connection is lost
        or the bridge restarts: what happened in between is not told. `on_change` is called
        with None when it is connected, with the error when it is not any more.
        """
        async for message in self._bridge.messages("/events", on_change):
            yield self._event(message.data)

    def _event(self, data: str) -> Event:
        try:
            told = json.loads(data)
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise NotABridge(self._url, 200)
        return Event(told)

    def _subscription(self, body: Any) -> Subscription:
        if not isinstance(body, dict) or not isinstance(body.get("id"), str):
            raise NotABridge(self._url, 200)
        return Subscription(body)
