"""How a receiver is to know us, in a word: bearer, basic, header or query.

Each is only another spelling of what a destination has anyway, a header or a query string,
so that all that holds for those holds for it: sealed, compared, sent the same way. Pure.
"""

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from urllib.parse import parse_qsl, quote

from bridge.errors import FieldFault, RequestError
from bridge.model import Destination
from bridge.receivers.callback import RESERVED, TOKEN, URL_CHARS, VISIBLE, header_faults

FIELD = "auth"
AUTHORIZATION = "Authorization"
NAME_CHARS = 256

# What each type takes, and what of it may be left out.
KINDS: Mapping[str, tuple[str, ...]] = {
    "bearer": ("token",),
    "basic": ("username", "password"),
    "header": ("name", "value"),
    "query": ("name", "value"),
}
_MAY_LACK = {"username", "password"}  # one of them: services take a key as either

_SECRET = re.compile("[!-~]+")  # RFC 6750 allows fewer, but not all tokens keep to it
_SCHEME = re.compile(r"\s*(bearer|basic)\s", re.IGNORECASE)
_CONTROL = re.compile("[\x00-\x1f\x7f]")  # RFC 7617, 2


def auth_faults(auth: Mapping[str, str], headers: Mapping[str, str]) -> list[FieldFault]:
    """What is wrong with `auth` beside `headers`; nothing is wrong with an empty one."""
    if not auth:
        return []
    kind = auth.get("type", "")
    if kind not in KINDS:
        word = f"there is no type {kind[:64]!r}" if kind else "is required"
        return [FieldFault(f"{FIELD}.type", f"{word}; known: {', '.join(KINDS)}")]
    faults = list(_fields(kind, auth)) or list(_CHECKS[kind](auth))
    return faults or list(_beside(_header(auth), headers))


def authorized(destination: Destination, auth: Mapping[str, str]) -> Destination:
    """`destination` with what `auth` adds, where nothing is wrong with `auth` itself.

    Raises RequestError `invalid_request` if the URL has no place for it.

    >>> to = Destination(url="https://a.test/?x=%2F", host="a.test")
    >>> authorized(to, {"type": "bearer", "token": "t0p"}).headers
    {'Authorization': 'Bearer t0p'}
    >>> authorized(to, {"type": "query", "name": "key", "value": "a&b"}).url
    'https://a.test/?x=%2F&key=a%26b'
    """
    if not auth:
        return destination
    if auth["type"] == "query":
        return _with_query(destination, auth["name"], auth["value"])
    return replace(destination, headers={**destination.headers, **_header(auth)})


def _fields(kind: str, auth: Mapping[str, str]) -> Iterator[FieldFault]:
    wanted = KINDS[kind]
    for name in auth:
        if name not in (*wanted, "type"):
            message = f"is not for type {kind}, which takes {' and '.join(wanted)}"
            yield FieldFault(f"{FIELD}.{name[:64]}", message)
    missing = [name for name in wanted if name not in auth]
    if set(missing) < _MAY_LACK:
        return
    for name in missing:
        yield FieldFault(f"{FIELD}.{name}", f"is required for type {kind}")


def _bearer(auth: Mapping[str, str]) -> Iterator[FieldFault]:
    token = auth["token"]
    if _SCHEME.match(token):
        yield FieldFault(f"{FIELD}.token", "begins with a scheme: give the token alone")
    elif not _SECRET.fullmatch(token):
        yield FieldFault(
            f"{FIELD}.token",
            "has a space or a character outside printable ASCII; look for a line break at "
            "its end",
        )


def _basic(auth: Mapping[str, str]) -> Iterator[FieldFault]:
    if ":" in auth.get("username", ""):
        yield FieldFault(
            f"{FIELD}.username", "has a colon, which ends a user name: remove it"
        )
    for name in KINDS["basic"]:
        if _CONTROL.search(auth.get(name, "")):
            yield FieldFault(
                f"{FIELD}.{name}", "has a line break or another control character in it"
            )


def _named(auth: Mapping[str, str]) -> Iterator[FieldFault]:
    if RESERVED.fullmatch(auth["name"]):
        yield FieldFault(
            f"{FIELD}.name", "is set by the bridge or by HTTP itself: use another name"
        )
    elif not TOKEN.fullmatch(auth["name"]):
        yield FieldFault(f"{FIELD}.name", "has a character that header names cannot have")
    if not VISIBLE.fullmatch(auth["value"]):
        yield FieldFault(
            f"{FIELD}.value",
            "has a character outside printable ASCII; look for a line break at its end",
        )


def _query(auth: Mapping[str, str]) -> Iterator[FieldFault]:
    for name in KINDS["query"]:
        if not auth[name].isprintable():
            yield FieldFault(f"{FIELD}.{name}", "has an invisible character in it")
    if len(auth["name"]) > NAME_CHARS:
        yield FieldFault(f"{FIELD}.name", f"is longer than {NAME_CHARS} characters")


_CHECKS = {"bearer": _bearer, "basic": _basic, "header": _named, "query": _query}


def _beside(added: Mapping[str, str], headers: Mapping[str, str]) -> Iterator[FieldFault]:
    """A second header of the same name would be a guess which of them is meant."""
    twice = {name.lower() for name in headers} & {name.lower() for name in added}
    for name in added:
        if name.lower() in twice:
            yield FieldFault(FIELD, f"sets {name}, which is in `headers` too: keep one")
    if added and not twice and not list(header_faults(headers)):
        for fault in header_faults({**headers, **added}):  # only their number and size
            yield FieldFault(FIELD, f"together with `headers`, {fault.message}")


def _header(auth: Mapping[str, str]) -> dict[str, str]:
    """What it adds to the headers: one, or none."""
    match auth["type"]:
        case "bearer":
            return {AUTHORIZATION: f"Bearer {auth['token']}"}
        case "basic":
            pair = f"{auth.get('username', '')}:{auth.get('password', '')}"
            return {AUTHORIZATION: f"Basic {base64.b64encode(pair.encode()).decode()}"}
        case "header":
            return {auth["name"]: auth["value"].strip(" \t")}
        case _:
            return {}


def _with_query(destination: Destination, name: str, value: str) -> Destination:
    """Behind the query that the URL has, which is kept byte for byte."""
    address, _, query = destination.url.partition("?")
    if name in (given for given, _ in parse_qsl(query, keep_blank_values=True)):
        raise _refusal("name", "is a parameter of the URL already: keep one of them")
    pair = f"{quote(name, safe='')}={quote(value, safe='')}"
    joint = "&" if query and not query.endswith("&") else ""
    url = f"{address}?{query}{joint}{pair}"
    if len(url) > URL_CHARS:
        raise _refusal("value", f"makes the URL longer than {URL_CHARS} characters")
    return replace(destination, url=url, masked=True)


def _refusal(field: str, message: str) -> RequestError:
    fault = FieldFault(f"{FIELD}.{field}", message)
    return RequestError("invalid_request", "the callback cannot be used", errors=[fault])
