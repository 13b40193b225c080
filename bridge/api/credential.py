"""With whose key a task is polled: the caller's own, or the configured one."""

import hmac

from bridge.api.auth import Caller
from bridge.errors import FieldFault, RequestError
from bridge.providers.provider import Provider
from bridge.providers.request import check_key

FIELD = "provider_api_key"
HEADER = "X-Provider-Api-Key"


def given_key(in_body: str | None, in_header: str | None) -> str | None:
    """Raises RequestError if the two differ: one of them is a mistake."""
    if in_body is not None and in_header is not None and in_body != in_header:
        fault = FieldFault(FIELD, f"another key than in the header {HEADER}; send one")
        raise RequestError("invalid_request", "there are two keys", errors=[fault])
    return in_header if in_body is None else in_body


def own_key(provider: Provider, given: str | None, caller: Caller) -> str | None:
    """The caller's key, None for the configured one (or for none, if none is needed).

    A caller that sends the configured key, and may use it, means the configured one: so
    its watches are the same as those of callers that send none.
    """
    granted = provider.name in caller.grants
    if given is None:
        if provider.page.auth is not None:
            refuse_keyless(provider, granted)
        return None
    if granted and provider.key is not None and same(given, provider.key):
        return None
    if faults := check_key(provider.page, given):
        raise RequestError("invalid_request", "the key cannot be sent", errors=faults)
    return given


def refuse_keyless(provider: Provider, granted: bool) -> None:
    """Raises RequestError unless the configured key is there and may be used."""
    if provider.key is None:
        raise RequestError(
            "provider_key_required",
            "no key is configured",
            errors=[FieldFault(FIELD, f"send your key at {provider.name}")],
        )
    if not granted:
        raise RequestError(
            "provider_not_granted",
            "the operator has not granted it",
            errors=[
                FieldFault(
                    FIELD,
                    f"send your own key at {provider.name}, or ask the operator to add it "
                    "to `providers` of your client",
                )
            ],
        )


def same(one: str, other: str) -> bool:
    return hmac.compare_digest(
        one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass")
    )
