"""An event, made as its receiver wants it, signed and sent: one attempt."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from bridge import formats, signature
from bridge.model import Destination, Reply
from bridge.traces import HEADER


class Send(Protocol):
    async def send(
        self,
        destination: Destination,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> Reply: ...


async def send_signed(
    sender: Send,
    to: Destination,
    bodies: Sequence[bytes],
    *,
    format_name: str,
    method: str,
    message_id: str,
    secrets: Sequence[str],
    at: float,
    traceparent: str | None = None,
) -> Reply:
    """What came of telling `bodies`, standard events: one, but to a chat robot.

    `at` is wall time. Our headers win over the destination's own, but for `traceparent`:
    who has set that knows why. A chat robot is part of nobody's trace.
    """
    made = formats.made(format_name, method, to, bodies, at=at)
    headers = signature.headers(
        message_id=message_id,
        sent_at=at,
        body=made.body or b"",
        secrets=secrets,
        query=made.query,
    )
    if made.content_type is not None:
        headers["Content-Type"] = made.content_type
    if traceparent is not None and goes_on(format_name, to):
        headers[HEADER] = traceparent
    sent = {**to.headers, **headers}
    reply = await sender.send(to, made.method, made.url, sent, made.body)
    return formats.judged(format_name, reply)


def goes_on(format_name: str, to: Destination) -> bool:
    """Whether the receiver is part of the subscription's trace."""
    own = HEADER in (name.lower() for name in to.headers)
    return format_name not in formats.ROBOTS and not own
