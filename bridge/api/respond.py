"""Answers out."""

import math
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bridge.api import problem
from bridge.errors import RequestError

REQUEST_ID = "bridge.request_id"  # where `Envelope` leaves it
CHALLENGE = 'Bearer realm="poll-bridge"'  # RFC 6750, 3


class Json(Response):
    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


class Problem(Json):
    """Says which request it answers, where that is known by the time it is sent."""

    media_type = problem.MEDIA_TYPE

    def __init__(self, told: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        super().__init__(told, told["status"], headers)
        self._told = told

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (request_id := scope.get(REQUEST_ID)) is not None:
            self.body = self.render({**self._told, "request_id": request_id})
            self.headers["content-length"] = str(len(self.body))
        await super().__call__(scope, receive, send)


def refused(error: RequestError, headers: Mapping[str, str] | None = None) -> Problem:
    """The answer to a request that cannot be served."""
    told = problem.problem(error.code, error.detail, errors=error.errors)
    sent = dict(headers or {})
    if told["status"] == 401:
        sent["WWW-Authenticate"] = CHALLENGE
    if error.retry_after_s is not None:
        sent["Retry-After"] = str(math.ceil(error.retry_after_s))
    return Problem(told, sent)
