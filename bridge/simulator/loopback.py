"""An HTTP server on 127.0.0.1 that gives every request to one function."""

from collections.abc import Awaitable, Callable

from aiohttp import web

Serve = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Loopback:
    """Listens from `start` to `stop`. A request whose caller leaves is cancelled."""

    def __init__(self, serve: Serve, *, port: int = 0) -> None:
        self._serve, self._port = serve, port
        self._runner: web.ServerRunner | None = None

    async def start(self) -> str:
        """The URL it is reached at. Port 0 takes any free one."""
        server = web.Server(self._serve, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, backlog=4096)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
