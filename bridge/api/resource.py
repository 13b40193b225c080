"""One path of the API: its methods, who may call them, and errors as answers."""

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bridge.api.auth import Caller, Doorkeeper
from bridge.api.envelope import CLIENT, ROUTE
from bridge.api.limits import RequestLimit
from bridge.api.problem import as_request_error
from bridge.api.respond import refused
from bridge.errors import RequestError, StoreUnavailable

Open = Callable[[Request], Awaitable[Response]]
Closed = Callable[[Request, Caller], Awaitable[Response]]


class Door:
    """Lets callers in: known ones, and none too often."""

    def __init__(self, keeper: Doorkeeper, limit: RequestLimit) -> None:
        self._keeper, self._limit = keeper, limit

    def closed(self, endpoint: Closed) -> Open:
        """`endpoint`, for callers with an API key."""

        async def guarded(request: Request) -> Response:
            caller = self._keeper.caller(request)
            request.scope[CLIENT] = caller.name
            self._limit.take(caller)
            return await endpoint(request, caller)

        return guarded


class Resource:
    """An ASGI app. `pattern` is what the figures call it."""

    def __init__(self, pattern: str, methods: Mapping[str, Open]) -> None:
        self._pattern = pattern
        self._methods = dict(methods)
        self.methods = frozenset(methods)  # without HEAD and OPTIONS, which all take
        if "GET" in methods:  # the server leaves out the body
            self._methods["HEAD"] = methods["GET"]
        self._allow = {"Allow": ", ".join(sorted({*self._methods, "OPTIONS"}))}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[ROUTE] = self._pattern
        response = await self._response(Request(scope, receive))
        await response(scope, receive, send)

    async def _response(self, request: Request) -> Response:
        endpoint = self._methods.get(request.method)
        if endpoint is not None:
            try:
                return await endpoint(request)
            except (RequestError, StoreUnavailable) as error:
                return refused(as_request_error(error))
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=self._allow)
        detail = f"use {self._allow['Allow']}"
        return refused(RequestError("method_not_allowed", detail), self._allow)
