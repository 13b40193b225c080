"""Simulated chat robots behind a real HTTP server on loopback."""

from typing import Self

from aiohttp import web

from bridge.clock import Clock
from bridge.simulator.loopback import Loopback
from bridge.simulator.robots import RATES, ChatRobot, removed


class ChatSimulator:
    """Each robot has a path of its own, whose service goes by the clock's wall time."""

    def __init__(self, clock: Clock, *, port: int = 0) -> None:
        self.url = ""  # known once it listens
        self._clock = clock
        self._robots: dict[str, ChatRobot] = {}
        self._server = Loopback(self._serve, port=port)

    async def __aenter__(self) -> Self:
        self.url = await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop()

    def add(self, robot: ChatRobot) -> str:
        """The URL that its owner copies."""
        path = f"/{robot.kind}/hook{len(self._robots)}"
        self._robots[path] = robot
        return f"{self.url}{path}?key=a%2Fb"

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        body = await request.content.read()
        robot = self._robots.get(path)
        kind = path.split("/")[1]
        if request.method != "POST" or kind not in RATES:
            return web.Response(status=404)
        if robot is None or not query.startswith("key=a%2Fb"):
            answer = removed(kind)
        else:
            answer = robot.hear(query, body, self._clock.wall())
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)
