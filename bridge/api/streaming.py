"""`GET /events`: server-sent events, as they happen."""

import asyncio
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from bridge import sse
from bridge.api import query
from bridge.api.auth import Caller, Doorkeeper
from bridge.api.deps import Deps
from bridge.api.protocol import ABORT
from bridge.api.waiting import departure
from bridge.clock import Clock
from bridge.errors import RequestError
from bridge.live import Listener, Live, Why, ended

JOIN_S = 5.0
ALIVE_S = 15.0  # between two signs of life: proxies cut what is silent for a minute
SEND_S = 20.0  # for the other side to take what was sent
LAST_S = 0.5  # the same, once we are stopping
HELLO = b": live\nretry: 2000\n\n"
ALIVE = b": alive\n\n"
HEADERS = {
    "Content-Type": f"{sse.MEDIA_TYPE}; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would hold events back
}


class Streaming:
    def __init__(self, deps: Deps, live: Live, keeper: Doorkeeper) -> None:
        self._deps, self._live, self._keeper = deps, live, keeper

    async def events(self, request: Request, caller: Caller) -> Response:
        query.read_query(request, {})
        if request.method == "HEAD":
            return Response(headers=HEADERS)
        listener = await self._live.join(caller.name, caller.scope, within_s=JOIN_S)

        def allowed() -> bool:
            try:
                return self._keeper.again(caller).scope == listener.scope
            except RequestError:
                return False

        return Stream(listener, self._live, allowed, self._deps.clock)


class Stream(Response):
    """What a listener is told, to its end."""

    def __init__(
        self, listener: Listener, live: Live, allowed: Callable[[], bool], clock: Clock
    ) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._listener, self._live = listener, live
        self._allowed, self._clock = allowed, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(None) as limit:
                taking = Taking(send, limit)
                self._listener.on_end = taking.hurry
                request = Request(scope, receive)
                async with departure(request, self._listener.wake) as gone:
                    await self._tell(taking, gone)
        except TimeoutError:
            # What was sent waits in buffers for somebody who does not read: to close in
            # order would be to wait for that.
            scope[ABORT]()
        finally:
            self._live.leave(self._listener)

    async def _tell(self, taking: "Taking", gone: asyncio.Event) -> None:
        start = {"status": self.status_code, "headers": self.raw_headers}
        await taking({"type": "http.response.start"} | start)
        await taking(part(HELLO))
        listener = self._listener
        while listener.why is None:
            await self._clock.wait(listener.wake, ALIVE_S)
            listener.wake.clear()
            if gone.is_set():
                return
            if not self._allowed():
                listener.end(Why.UNAUTHORIZED)
                listener.take()
            if told := listener.take() or (b"" if listener.why else ALIVE):
                await taking(part(told))
        await taking(part(listener.take() + ended(listener.why), last=True))


class Taking:
    """Sends, while the other side takes what is sent."""

    def __init__(self, send: Send, limit: asyncio.Timeout) -> None:
        self._send, self._limit, self._within_s = send, limit, SEND_S

    async def __call__(self, message: Message) -> None:
        self._set()
        await self._send(message)
        self._limit.reschedule(None)

    def hurry(self) -> None:
        """The last has to be taken soon."""
        self._within_s = LAST_S
        if self._limit.when() is not None and not self._limit.expired():
            self._set()

    def _set(self) -> None:
        now = asyncio.get_running_loop().time()
        self._limit.reschedule(now + self._within_s)


def part(body: bytes, *, last: bool = False) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": not last}
