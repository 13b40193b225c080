"""Pictures of the pages after an hour, for the documentation: `scripts/screenshots`."""

import asyncio
import sys
import tempfile
from pathlib import Path

import structlog
from playwright.async_api import Browser, Page, ViewportSize, expect

from tests.dashboard.browser import Seen, chromium, visiting
from tests.dashboard.hour import OPERATOR_KEY, Hour, an_hour

PAGES = {"overview": 1_000, "list": 620, "timeline": 620}  # and how high a part is shown
WIDE, PHONE, PHONE_HIGH = 1_120, 390, 800
LOOKS = ("light", "dark", "phone")
MOST_BYTES = 150_000


async def drawn(folder: Path) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    with tempfile.TemporaryDirectory() as made:
        async with an_hour(Path(made)) as hour, chromium() as browser:
            for look in LOOKS:
                await of_all_pages(browser, hour, look, folder)


async def of_all_pages(browser: Browser, hour: Hour, look: str, folder: Path) -> None:
    seen, scheme = Seen(), "dark" if look == "dark" else "light"
    async with visiting(browser, seen, color_scheme=scheme) as page:
        await page.goto(f"{hour.url}/dashboard")
        await page.get_by_label("API key").fill(OPERATOR_KEY)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        for name, high in PAGES.items():
            size = (PHONE, PHONE_HIGH) if look == "phone" else (WIDE, high)
            await page.set_viewport_size(ViewportSize(width=size[0], height=size[1]))
            await page.goto(f"{hour.url}/dashboard{hour.paths[name]}")
            await draw(page, folder / f"{name}-{look}.png")
    assert seen.complaints == []


async def draw(page: Page, path: Path) -> None:
    picture = await page.screenshot(path=path, animations="disabled")
    assert len(picture) < MOST_BYTES, f"{path.name}: {len(picture)} bytes are too many"
    print(f"{path}: {len(picture):,} bytes")


if __name__ == "__main__":
    asyncio.run(drawn(Path(sys.argv[1])))
