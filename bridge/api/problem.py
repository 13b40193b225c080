"""Errors as RFC 9457 has them, each with a `code` from one closed list.

The list only grows. `docs/errors.md` says of each code what to do about it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import structlog

from bridge.errors import FieldFault, RequestError, StoreUnavailable

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:poll-bridge:problem:"

STORE_AGAIN_S = 5.0  # when to come back while the database does not answer


class Code(NamedTuple):
    status: int
    title: str


CODES: Mapping[str, Code] = {
    "malformed_request": Code(400, "This is not HTTP"),
    "malformed_body": Code(400, "The body cannot be read"),
    "unauthorized": Code(401, "A valid API key is needed"),
    "operator_only": Code(403, "Only operators may do this"),
    "provider_not_granted": Code(403, "The provider's configured key is not yours to use"),
    "not_found": Code(404, "There is nothing at this address"),
    "subscription_not_found": Code(404, "There is no such subscription"),
    "delivery_not_found": Code(404, "There is no such delivery"),
    "hook_not_found": Code(404, "There is no such hook"),
    "method_not_allowed": Code(405, "This address does not take this method"),
    "body_timeout": Code(408, "The body did not arrive in time"),
    "delivery_not_retryable": Code(409, "The delivery is not to be sent any more"),
    "hook_removed": Code(409, "The hook made under this Idempotency-Key was removed"),
    "idempotency_in_flight": Code(409, "The same request is being worked on"),
    "body_too_large": Code(413, "The body is too large"),
    "unsupported_media_type": Code(415, "The body is in a format that is not read here"),
    "invalid_request": Code(422, "The request cannot be used as it is"),
    "unknown_provider": Code(422, "There is no such provider"),
    "provider_key_required": Code(422, "The provider needs a key"),
    "callback_address_forbidden": Code(422, "The callback leads to an internal address"),
    "idempotency_key_reused": Code(422, "The Idempotency-Key was used for something else"),
    "rate_limited": Code(429, "Too many requests"),
    "limit_active": Code(429, "Too many active subscriptions"),
    "limit_hooks": Code(429, "Too many hooks"),
    "limit_listeners": Code(429, "Too many who listen"),
    "head_too_large": Code(431, "The head of the request is too large"),
    "internal_error": Code(500, "Something is wrong on our side"),
    "not_ready": Code(503, "The bridge is not ready"),
    "stalled": Code(503, "The bridge does not move any more"),
    "store_unavailable": Code(503, "The database does not answer"),
}


def problem(
    code: str, detail: str, *, errors: Sequence[FieldFault] = (), **members: Any
) -> dict[str, Any]:
    """The JSON of one problem. Raises KeyError for a code that is not in the list."""
    status, title = CODES[code]
    told = {
        "type": TYPE + code,
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        **members,
    }
    if errors:
        told["errors"] = [{"field": e.field, "message": e.message} for e in errors]
    return told


def as_request_error(error: RequestError | StoreUnavailable) -> RequestError:
    """The database's own words go to the log: they can hold paths and addresses."""
    if isinstance(error, RequestError):
        return error
    log.warning("store.unavailable", loop="api", error=str(error))
    return RequestError(
        "store_unavailable",
        "nothing was written; try again, with the same Idempotency-Key if you sent one",
        retry_after_s=STORE_AGAIN_S,
    )


def refusal(faults: Sequence[FieldFault], code: str = "invalid_request") -> RequestError:
    """One error for all faults of a request."""
    if len(faults) == 1:
        detail = f"{faults[0].field}: {faults[0].message}"
    else:
        detail = f"{len(faults)} fields need to be changed: see `errors`"
    return RequestError(code, detail, errors=faults)
