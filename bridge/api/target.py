"""Where a subscription calls back, and whether it may."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote, urlsplit

from bridge.api.auth import Caller
from bridge.errors import FieldFault, RequestError
from bridge.messages import events
from bridge.model import Destination
from bridge.net.guard import AddressForbidden
from bridge.net.resolver import DnsFailure
from bridge.receivers import callback
from bridge.receivers.callback_auth import auth_faults, authorized

FIELD = "callback_url"
NOWHERE = "https://callback.invalid/"  # stands in, so that headers are looked at as well
NO_AUTH: Mapping[str, str] = MappingProxyType({})
VET_S = 2.0  # how long a subscribe waits for DNS

UNRESOLVED = {
    "code": "callback_unresolved",
    "message": "the host of callback_url has no address at the moment; deliveries are "
    "retried on schedule, but check the name",
}


def destination_of(
    url: str | None,
    headers: Mapping[str, str],
    caller: Caller,
    *,
    https_only: bool,
    auth: Mapping[str, str] = NO_AUTH,
    field: str = FIELD,
) -> Destination | None:
    """None: nobody is called. Raises RequestError `invalid_request` with every fault;
    `field` is what the caller calls `url`.
    """
    default = caller.settings.callback_url
    if url is None and default is not None:
        url = default.get_secret_value()
    faults = auth_faults(auth, headers)
    try:
        found = callback.destination(
            url or NOWHERE, headers, https_only=https_only, field=field
        )
    except RequestError as error:
        faults = [*error.errors, *faults]
    if faults:
        raise RequestError("invalid_request", "the callback cannot be used", errors=faults)
    found = authorized(found, auth)
    return found if url else None


def resumed_early(
    destination: Destination | None, wanted: Sequence[str]
) -> list[FieldFault]:
    """A Wait node of n8n goes on with the first call it gets: an update would be the last
    that its flow hears of the task.
    """
    if destination is None or events.TASK_UPDATED not in events.expand(wanted):
        return []
    path = unquote(urlsplit(destination.url).path)
    if "/webhook-waiting/" not in path:
        return []
    message = (
        f"leave out {events.TASK_UPDATED}: the URL is that of an n8n Wait node, which "
        "would go on with the first update instead of waiting for the end"
    )
    return [FieldFault("events", message)]


async def vetted(
    destination: Destination,
    vet: Callable[[str], Awaitable[None]],
    timeout_s: float = VET_S,
    field: str = FIELD,
) -> list[dict[str, Any]]:
    """Warnings about the host. Raises RequestError if it leads to an internal address."""
    try:
        async with asyncio.timeout(timeout_s):
            await vet(destination.host)
    except AddressForbidden as error:
        raise forbidden(destination.host, error.address, field) from None
    except (DnsFailure, TimeoutError):
        return [{**UNRESOLVED, "message": UNRESOLVED["message"].replace(FIELD, field)}]
    return []


def forbidden(host: str, address: str, field: str = FIELD) -> RequestError:
    leads = "is an internal address" if host == address else f"resolves to {address}"
    message = f"{leads}; add `{host}` to callbacks.allow_hosts"
    return RequestError(
        "callback_address_forbidden", message, errors=[FieldFault(field, message)]
    )
