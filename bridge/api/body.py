"""Request bodies: bytes with a content type → plain values.

`""` and null mean that a field is absent, because no-code tools cannot leave one out.
"""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

import orjson
from starlette.requests import Request

from bridge.api.form import fields_of_form
from bridge.errors import RequestError

MAX_BYTES = 1_048_576
MAX_FIELDS = 100  # several times those there are; each unknown one costs time to explain
TIMEOUT_S = 30.0  # from the first to the last byte
CHARSETS = ("utf-8", "utf8", "us-ascii")
JSON, FORM = "application/json", "application/x-www-form-urlencoded"

# Objects and lists among the fields of a subscription, in which a blank counts as absent
# as well. What is in `metadata` is the caller's own affair.
OPEN_FIELDS = ("params", "headers", "auth", "robot")
LISTS = ("events", "signing_secret", "state")


async def read_body(
    request: Request, limit: int = MAX_BYTES, timeout_s: float = TIMEOUT_S
) -> bytes:
    """Raises RequestError `body_too_large` before more than `limit` bytes are held."""
    if int(request.headers.get("content-length", 0)) > limit:
        raise too_large(limit)
    taken = bytearray()
    try:
        async with asyncio.timeout(timeout_s), aclosing(request.stream()) as chunks:
            async for chunk in chunks:
                taken += chunk
                if len(taken) > limit:
                    raise too_large(limit)
    except TimeoutError:
        raise RequestError(
            "body_timeout", f"the body was not complete after {timeout_s:g} s"
        ) from None
    return bytes(taken)


def too_large(limit: int) -> RequestError:
    return RequestError("body_too_large", f"a body may have {limit:,} bytes here")


async def read_fields(request: Request, *, may_lack: bool = False) -> dict[str, Any]:
    """The fields of one object, as JSON or as a form; none of a body that may be left out,
    and is. Raises RequestError.
    """
    if may_lack and not announced(request):
        return {}
    media_type = media_type_of(request, (JSON, FORM))
    raw = await read_body(request)
    given = fields_of_form(raw) if media_type == FORM else parsed(raw)
    if not isinstance(given, dict):
        raise RequestError(
            "malformed_body", f"the body must be an object, not {kind(given)}"
        )
    return present(given)


def announced(request: Request) -> bool:
    """Whether there is a body, whatever type is said of none."""
    headers = request.headers
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


async def read_json(request: Request, limit: int) -> Any:
    media_type_of(request, (JSON,))
    return parsed(await read_body(request, limit))


def media_type_of(request: Request, known: tuple[str, ...]) -> str:
    """Which of `known` the body is in; a body without a type counts as JSON."""
    headers = request.headers
    if headers.get("content-type", JSON) == JSON and "content-encoding" not in headers:
        return JSON
    media_type, _, parameters = headers.get("content-type", JSON).lower().partition(";")
    media_type = media_type.strip()
    if media_type.startswith("application/") and media_type.endswith("+json"):
        media_type = JSON
    if media_type not in known:
        raise RequestError("unsupported_media_type", f"send {' or '.join(known)}")
    if charset_of(parameters) not in CHARSETS:
        raise RequestError("unsupported_media_type", "send the body in UTF-8")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise RequestError("unsupported_media_type", "send the body uncompressed")
    return media_type


def charset_of(parameters: str) -> str:
    """
    >>> charset_of(' charset="UTF-8"'.lower()), charset_of("boundary=x")
    ('utf-8', 'utf-8')
    """
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "charset":
            return value.strip().strip('"')
    return "utf-8"


def parsed(raw: bytes) -> Any:
    """JSON. Raises RequestError `malformed_body` with the place, never quoting it."""
    if not raw.strip():
        raise RequestError("malformed_body", "the body is empty; send a JSON object")
    try:
        return orjson.loads(raw.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise RequestError(
            "malformed_body",
            f"not JSON: line {error.lineno}, column {error.colno}: {error.msg}",
        ) from None


def present(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are not blank. Raises RequestError if there are far too many."""
    if len(given) > MAX_FIELDS:
        raise RequestError("malformed_body", f"has more than {MAX_FIELDS} fields")
    found = without_blanks(given)
    for name in OPEN_FIELDS:
        if isinstance(found.get(name), dict):
            found[name] = without_blanks(found[name])
    for name in LISTS:
        if isinstance(listed := found.get(name), list) and listed:
            found[name] = [each for each in listed if each is not None and each != ""]
            if not found[name]:
                del found[name]
    return found


def without_blanks(given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value for name, value in given.items() if value is not None and value != ""
    }


def kind(value: Any) -> str:
    """What JSON calls it.

    >>> kind([]), kind(True), kind(1.5), kind(None)
    ('a list', 'true or false', 'a number', 'null')
    """
    names: dict[type, str] = {list: "a list", str: "text", bool: "true or false"}
    return "null" if value is None else names.get(type(value), "a number")
