"""An event, or what a chat robot is told of several, as the request to make."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson

from bridge.formats.level import flat
from bridge.formats.robots import ROBOTS, address, message
from bridge.formats.url import append_query, form, query, query_of
from bridge.model import Destination, Robot
from bridge.portable import encode

# `query` is method GET by another name.
FORMATS = ("standard", "flat", "form", "query", *ROBOTS)

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """`query`: the whole query string, which is signed where there is no body."""

    method: str
    url: str = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    query: bytes | None = field(default=None, repr=False)
    content_type: str | None = None


def made(
    format_name: str,
    method: str,
    destination: Destination,
    bodies: Sequence[bytes],
    *,
    at: float,
) -> Made:
    """The request that tells of `bodies`, standard events: one, but to a robot.

    `at` is wall time, which robots' signatures are of. Raises ValueError: unknown format.
    """
    if method == "GET" or format_name == "query":
        url = append_query(destination.url, query(bodies[0]))
        return Made(method="GET", url=url, query=query_of(url))
    if format_name in ROBOTS:
        robot = destination.robot or Robot(kind=format_name)
        url = address(robot, destination.url, at=at)
        body = message(robot, bodies, at=at)
        return Made(method="POST", url=url, body=body, content_type=JSON)
    kind = FORM if format_name == "form" else JSON
    body = payload(format_name, bodies[0])
    return Made(method=method, url=destination.url, body=body, content_type=kind)


def payload(format_name: str, body: bytes) -> bytes:
    """The bytes to send for `body`, a standard event, to one who does not want more proof
    than the headers. Raises ValueError: unknown format.
    """
    if format_name == "standard":
        return body
    if format_name == "flat":
        return encode(flat(orjson.loads(body)))
    if format_name == "form":
        return form(body)
    if format_name == "query":
        return query(body).encode()
    if format_name in ROBOTS:
        return message(Robot(kind=format_name), [body], at=0.0)
    raise ValueError(f"unknown format {format_name!r}; known: {', '.join(FORMATS)}")
