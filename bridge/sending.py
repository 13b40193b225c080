"""An event, made as its receiver wants it, signed and sent: one attempt."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from bridge import formats, signature
from bridge.model import Destination, Reply


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
) -> Reply:
    """What came of telling `bodies`, standard events: one, but to a chat robot.

    `at` is wall time. Our headers win over the destination's own.
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
    sent = {**to.headers, **headers}
    reply = await sender.send(to, made.method, made.url, sent, made.body)
    return formats.judged(format_name, reply)
