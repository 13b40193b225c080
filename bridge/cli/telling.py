"""One notice to the operator, sent at once and without the database: a test."""

import secrets
import time

from bridge.assembly import callback_egress, names
from bridge.clock import SystemClock
from bridge.config import Config
from bridge.delivery.sending import send_signed
from bridge.delivery.webhook import Sender
from bridge.messages import notices
from bridge.model import Reply
from bridge.noticing import destination_of
from bridge.portable import encode


async def tried(config: Config) -> Reply:
    """What `notify.url` answers. Raises RequestError if it cannot be called at all."""
    destination = destination_of(config.notify)
    clock, timeout_s = SystemClock(), config.callbacks.timeout_s
    type_ = config.notify.events[0] if config.notify.events else notices.LATE
    owner = f"sub_{secrets.token_hex(11)}"
    event = notices.event_of(notices.sample(type_), owner, 1, time.time(), test=True)
    async with names(clock) as resolver, callback_egress(config, resolver) as egress:
        return await send_signed(
            Sender(egress, timeout_s=timeout_s, wall=clock.wall),
            destination,
            [encode(event)],
            format_name=config.notify.format,
            method="POST",
            message_id=event["id"],
            secrets=[one.get_secret_value() for one in config.notice_secrets],
            at=clock.wall(),
        )
