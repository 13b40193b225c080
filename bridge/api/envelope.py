"""Around every request: its id, its figures, and what a crash looks like from outside."""

import itertools
import os
import re
from collections.abc import Callable
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bridge.api.respond import REQUEST_ID, refused
from bridge.errors import RequestError
from bridge.masking import whereabouts

METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)
LEFT = 499  # in the figures: the caller closed the connection before it had an answer

# Where `Resource` leaves what only it knows: the path's pattern, and who calls.
ROUTE, CLIENT = "bridge.route", "bridge.client"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")


class Traffic:
    """Counts requests. Labels are bounded: patterns of paths, known methods, statuses."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "bridge_http_requests",
            "requests to the API",
            ("method", "route", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "bridge_http_request_seconds",
            "from the request's head to the end of the answer, held ones included",
            ("route",),
            buckets=BUCKETS,
            registry=registry,
        )

    def note(self, method: str, route: str, status: int, seconds: float) -> None:
        known = method if method in METHODS else "other"
        self._requests.labels(known, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)


class Envelope:
    """Pure ASGI middleware, the outermost of ours."""

    def __init__(self, app: ASGIApp, *, traffic: Traffic, now: Callable[[], float]) -> None:
        self._app, self._traffic, self._now = app, traffic, now
        self._log = structlog.get_logger(__name__).bind()
        # Drawn once: a system call for each request would let go of the interpreter, which
        # the database's thread may not give back for milliseconds.
        self._drawn, self._count = os.urandom(8).hex(), itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, began_at, status = self._request_id(scope), self._now(), 0
        scope[REQUEST_ID] = request_id

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] += [
                    (b"x-request-id", request_id.encode()),
                    (b"cache-control", b"no-store"),
                ]
            await send(message)

        try:
            with structlog.contextvars.bound_contextvars(request_id=request_id):
                await self._app(scope, receive, send_marked)
        except ClientDisconnect:
            status = LEFT
        except Exception as error:
            self._log.error("http.crashed", request_id=request_id, **crash(error, scope))
            if status:  # the answer has begun: all that is left is to break it off
                raise
            await refused(unexpected(request_id))(scope, receive, send_marked)
        finally:
            route = scope.get(ROUTE, "other")
            self._traffic.note(
                scope["method"], route, status or LEFT, self._now() - began_at
            )
            self._log.debug(
                "http.answered",
                method=scope["method"],
                route=route,
                status=status,
                client=scope.get(CLIENT),
                request_id=request_id,
            )

    def _request_id(self, scope: Scope) -> str:
        """The caller's, if it is fit to be logged and sent back, else one of ours."""
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                given: str = value.decode("latin-1")
                if _REQUEST_ID.fullmatch(given):
                    return given
        return f"{self._drawn}-{next(self._count)}"


def unexpected(request_id: str) -> RequestError:
    return RequestError(
        "internal_error", f"it was logged; the operator finds it as request {request_id}"
    )


def crash(error: Exception, scope: Scope) -> dict[str, Any]:
    """Where it happened, but neither its text nor values: both can hold secrets."""
    return {
        **whereabouts(error),
        "method": scope["method"],
        "route": scope.get(ROUTE),
        "client": scope.get(CLIENT),
    }
