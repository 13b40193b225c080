"""Answers out."""

import math
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response

from bridge.api import problem
from bridge.errors import RequestError

CHALLENGE = 'Bearer realm="poll-bridge"'  # RFC 6750, 3


class Json(Response):
    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


class Problem(Json):
    media_type = problem.MEDIA_TYPE


def refused(error: RequestError, headers: Mapping[str, str] | None = None) -> Problem:
    """The answer to a request that cannot be served."""
    told = problem.problem(error.code, error.detail, errors=error.errors)
    sent = dict(headers or {})
    if told["status"] == 401:
        sent["WWW-Authenticate"] = CHALLENGE
    if error.retry_after_s is not None:
        sent["Retry-After"] = str(math.ceil(error.retry_after_s))
    return Problem(told, told["status"], sent)
