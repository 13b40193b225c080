"""The pages, served over real HTTP, and somebody who has signed in."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from bridge.api.app import create_app
from bridge.api.deps import Deps
from bridge.config import Config
from bridge.dashboard import pages
from tests.api.conftest import CONFIG, SHOP, NotedClock, clock, deps, names, served

__all__ = ["clock", "deps", "names"]


def config_at(public_url: str | None = None, **more: Any) -> Config:
    return Config.model_validate({**CONFIG, "public_url": public_url, **more})


@dataclass
class Page:
    status: int
    headers: Any
    text: str
    cookies: Any


@dataclass
class Visitor:
    """A browser without scripts: it keeps a cookie and fills in forms."""

    url: str
    http: aiohttp.ClientSession
    clock: NotedClock
    deps: Deps
    cookie: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    async def __call__(self, method: str, path: str, **options: Any) -> Page:
        headers = self.headers | options.pop("headers", {})
        if self.cookie:
            headers["Cookie"] = self.cookie
        async with self.http.request(
            method, self.url + path, headers=headers, allow_redirects=False, **options
        ) as response:
            page = Page(
                response.status, response.headers, await response.text(), response.cookies
            )
        for name, morsel in page.cookies.items():
            self.cookie = f"{name}={morsel.value}" if morsel.value else ""
        return page

    async def get(self, path: str, **options: Any) -> Page:
        return await self("GET", f"/dashboard{path}", **options)

    async def token(self, path: str = "") -> str:
        found = re.search('name="token" value="([^"]+)"', (await self.get(path)).text)
        assert found is not None
        return found[1]

    async def post(self, path: str, *, on: str = "", **fields: str) -> Page:
        """Fill in a form of the page `on`."""
        fields = {"token": await self.token(on)} | fields
        return await self("POST", f"/dashboard{path}", data=fields)

    async def sign_in(self, key: str = SHOP, **fields: str) -> Page:
        return await self.post("/sign-in", on="/sign-in", key=key, **fields)


@pytest.fixture
async def visitor(deps: Deps, clock: NotedClock) -> AsyncIterator[Visitor]:
    """Nobody has signed in yet."""
    deps = replace(deps, registry=CollectorRegistry())
    jar = aiohttp.DummyCookieJar()
    async with (
        served(create_app(deps, pages)) as url,
        aiohttp.ClientSession(cookie_jar=jar) as http,
    ):
        yield Visitor(url, http, clock, deps)


@pytest.fixture
async def shop(visitor: Visitor) -> Visitor:
    assert (await visitor.sign_in()).status == 303
    return visitor
