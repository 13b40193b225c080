"""GET /samples: what tools learn our fields from."""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from bridge import formats
from bridge.api import query
from bridge.api.auth import Caller
from bridge.api.deps import Deps
from bridge.api.respond import Json
from bridge.messages import events
from bridge.messages.samples import samples
from bridge.portable import encode


def types(text: str) -> frozenset[str]:
    """One type, or `task.ended` for all six ends."""
    return events.expand([text])


def format_name(text: str) -> str:
    if text not in formats.FORMATS:
        raise ValueError(f"must be one of {', '.join(formats.FORMATS)}")
    return text


FILTERS: dict[str, query.Reader] = {"type": types, "format": format_name}


class Samples:
    def __init__(self, deps: Deps) -> None:
        self._now = deps.clock.now

    async def list(self, request: Request, _caller: Caller) -> Response:
        """An array at the top, newest first: what Zapier's `performList` must get."""
        asked = query.read_query(request, FILTERS)
        wanted = asked.get("type", events.TYPES)
        name = asked.get("format", "standard")
        found = [each for each in samples(self._now()) if each["type"] in wanted]
        return Json([as_sent(name, each) for each in found])


def as_sent(name: str, event: dict[str, Any]) -> dict[str, Any]:
    """The body of a webhook, if it is an event; else what is sent stands beside its id, as
    the JSON or the text that it is.
    """
    sent = formats.payload(name, encode(event))
    try:
        body = orjson.loads(sent)
    except orjson.JSONDecodeError:
        body = sent.decode()
    if isinstance(body, dict) and "id" in body:
        return body
    return {"id": event["id"], "test": True, "body": body}
