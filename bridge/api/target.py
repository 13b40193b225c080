"""Where a subscription calls back, and whether it may."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bridge import callback
from bridge.api.auth import Caller
from bridge.errors import FieldFault, RequestError
from bridge.model import Destination
from bridge.net.guard import AddressForbidden
from bridge.net.resolver import DnsFailure

FIELD = "callback_url"
NOWHERE = "https://callback.invalid/"  # stands in, so that headers are looked at as well
VET_S = 2.0  # how long a subscribe waits for DNS

UNRESOLVED = {
    "code": "callback_unresolved",
    "message": "the host of callback_url has no address at the moment; deliveries are "
    "retried on schedule, but check the name",
}


def destination_of(
    url: str | None, headers: Mapping[str, str], caller: Caller, *, https_only: bool
) -> Destination | None:
    """None: nobody is called. Raises RequestError `invalid_request`."""
    default = caller.settings.callback_url
    if url is None and default is not None:
        url = default.get_secret_value()
    found = callback.destination(
        url or NOWHERE, headers, https_only=https_only, field=FIELD
    )
    return found if url else None


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
