"""One notice to the operator, sent at once and without the database: a test."""

import secrets
import time

from bridge import callback, formats, notices, signature
from bridge.assembly import callback_egress, names
from bridge.clock import SystemClock
from bridge.config import Config
from bridge.model import Reply
from bridge.noticing import FIELD
from bridge.portable import encode
from bridge.webhook import Sender


async def tried(config: Config) -> Reply:
    """What `notify.url` answers. Raises RequestError if it cannot be called at all."""
    assert config.notify.url is not None  # noqa: S101 - the caller has looked
    destination = callback.destination(
        config.notify.url.get_secret_value(), {}, https_only=False, field=FIELD
    )
    clock, timeout_s = SystemClock(), config.callbacks.timeout_s
    type_ = config.notify.events[0] if config.notify.events else notices.LATE
    owner = f"sub_{secrets.token_hex(11)}"
    event = notices.event_of(notices.sample(type_), owner, 1, time.time(), test=True)
    body = formats.payload(config.notify.format, encode(event))
    headers = signature.headers(
        message_id=event["id"],
        sent_at=clock.wall(),
        body=body,
        secrets=[one.get_secret_value() for one in config.notice_secrets],
    )
    headers["Content-Type"] = "application/json"
    async with names(clock) as resolver, callback_egress(config, resolver) as egress:
        sender = Sender(egress, timeout_s=timeout_s, wall=clock.wall)
        return await sender.send(destination, "POST", destination.url, headers, body)
