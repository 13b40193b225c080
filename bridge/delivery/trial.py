"""One attempt that is in nobody's log: what was sent, and what came of it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from bridge.delivery.sending import Send
from bridge.model import ClaimedDelivery, Destination, Reply
from bridge.receivers.hints import hint

Attempt = Callable[[ClaimedDelivery, Send], Awaitable[Reply]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What is sent is empty if nothing could be; `added`: what was put behind the URL."""

    started_at: float
    finished_at: float
    method: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    added: str = field(default="", repr=False)
    body: bytes | None = field(default=None, repr=False)
    reply: Reply
    hint: str | None


class Noting:
    """Sends as the other does, and remembers what."""

    def __init__(self, sender: Send) -> None:
        self._sender = sender
        self.method, self.added = "", ""
        self.headers: Mapping[str, str] = {}
        self.body: bytes | None = None

    async def send(
        self,
        destination: Destination,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> Reply:
        self.method, self.headers, self.body = method, dict(headers), body
        # A format may have changed the URL itself: then nothing of it is told.
        same = url.startswith(destination.url)
        self.added = url[len(destination.url) :].lstrip("?&") if same else ""
        return await self._sender.send(destination, method, url, headers, body)


class Trials:
    """Made as the dispatcher makes its attempts, by the same sender."""

    def __init__(self, attempt: Attempt, sender: Send, now: Callable[[], float]) -> None:
        self._attempt, self._sender, self._now = attempt, sender, now

    async def make(self, claimed: ClaimedDelivery) -> Trial:
        noting, started_at = Noting(self._sender), self._now()
        reply = await self._attempt(claimed, noting)
        method = noting.method or claimed.method
        return Trial(
            started_at=started_at,
            finished_at=self._now(),
            method=method,
            headers=noting.headers,
            added=noting.added,
            body=noting.body,
            reply=reply,
            hint=hint(reply, method, claimed.destination.host),
        )
