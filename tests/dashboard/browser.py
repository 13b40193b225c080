"""The system's Chromium, driven by Playwright, and what every page must keep to in it."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    ViewportSize,
    async_playwright,
)

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((found for name in NAMES if (found := shutil.which(name))), None)
MISSING = "Chromium is not installed: apt-get install chromium"
# Root has no sandbox to give, a container little shared memory, and tests need no second
# process for each site.
ARGS = (
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--renderer-process-limit=1",
)
PHONE = ViewportSize(width=390, height=844)
TABLET = ViewportSize(width=1000, height=700)
DESK = ViewportSize(width=1280, height=900)
PATIENCE_MS = 20_000  # of an expectation, on a slow machine
LOOKING = (Path(__file__).parent / "looking.js").read_text("utf-8")

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None and os.environ.get("CI") != "true",  # there nothing is left out
    reason=MISSING,
)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    assert CHROMIUM is not None, MISSING
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Seen:
    """What a context has asked for and complained of."""

    hosts: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)

    def request(self, request: Request) -> None:
        self.hosts.add(urlsplit(request.url).netloc)

    def console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def watch(self, context: BrowserContext) -> None:
        context.on("request", self.request)
        context.on("console", self.console)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))


@asynccontextmanager
async def visiting(browser: Browser, seen: Seen, **options: Any) -> AsyncIterator[Page]:
    """A window of its own."""
    context = await browser.new_context(**{"viewport": DESK, **options})
    context.set_default_timeout(PATIENCE_MS)
    seen.watch(context)
    try:
        yield await context.new_page()
    finally:
        await context.close()


async def looked(page: Page, what: str) -> Any:
    """What a function of `looking.js` says of the page."""
    return await page.evaluate(f"({LOOKING}).{what}()")
