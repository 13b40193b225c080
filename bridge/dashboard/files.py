"""The files that pages load: style, script, icon."""

import hashlib
from functools import cache
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response

from bridge.dashboard.pages import SAFE
from bridge.errors import RequestError

STATIC = {
    "style.css": "text/css; charset=utf-8",
    "live.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


async def static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in STATIC:
        raise RequestError("not_found", "there is no such file")
    body, tag = file(name)
    headers = {**SAFE, "ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(None, 304, headers)
    return Response(body, 200, headers, STATIC[name])


@cache
def file(name: str) -> tuple[bytes, str]:
    body = resources.files("bridge.dashboard").joinpath("static", name).read_bytes()
    return body, f'"{hashlib.sha256(body).hexdigest()[:16]}"'
