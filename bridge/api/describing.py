"""GET /openapi.json and GET /docs: the API, described by itself."""

import asyncio

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from bridge.api.deps import Deps
from bridge.api.openapi import STYLE_HASH, document, page

POLICY = (
    f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
SAFE = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class Describing:
    """Open to everybody. Made when it is first asked for, on a thread, as it takes long."""

    def __init__(self, deps: Deps) -> None:
        self._config = deps.config
        self._made: tuple[str, bytes, str] | None = None

    async def document(self, _request: Request) -> Response:
        return Response((await self._current())[1], media_type="application/json")

    async def page(self, _request: Request) -> Response:
        return HTMLResponse((await self._current())[2], headers=SAFE)

    async def _current(self) -> tuple[str, bytes, str]:
        server = str(self._config().public_url or "/")
        made = self._made
        if made is None or made[0] != server:
            made = self._made = await asyncio.to_thread(rendered, server)
        return made


def rendered(server: str) -> tuple[str, bytes, str]:
    told = document(server.rstrip("/") or "/")
    return server, orjson.dumps(told), page(told)
