"""The providers over real HTTP: paths, keys, dialects, faults, files."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from yarl import URL

from bridge.clock import SystemClock
from bridge.model import Status
from bridge.simulator.provider import ProviderSimulator
from bridge.simulator.script import Fault, Step, Task
from bridge.simulator.words import Dialect
from tests.simulator.swift_clock import SwiftClock

DONE = Task(
    phases=((0.0, Step(status=Status.SUCCEEDED, video="v.mp4", last_frame="v.png")),)
)
RUNNING = Task(phases=((0.0, Step(status=Status.RUNNING)),))


@pytest.fixture
def clock() -> SwiftClock:
    return SwiftClock()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield session


@pytest.fixture
async def provider(clock: SwiftClock) -> AsyncIterator[ProviderSimulator]:
    async with ProviderSimulator(clock) as simulator:
        yield simulator


@pytest.fixture
async def live_provider() -> AsyncIterator[ProviderSimulator]:
    """On the machine's clock, for what takes real time."""
    async with ProviderSimulator(SystemClock()) as simulator:
        yield simulator


def failing(fault: Fault, **more: Any) -> Step:
    return Step(fault=fault, **more)


async def get(
    http: aiohttp.ClientSession, url: str, key: str | None = None
) -> tuple[int, bytes]:
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    async with http.get(url, headers=headers) as response:
        return response.status, await response.read()


async def test_one_task_in_every_dialect_by_path(
    provider: ProviderSimulator, http: aiohttp.ClientSession
) -> None:
    """
    The same host answers differently on each of its paths.
    """
    provider.add("t1", DONE)
    paths = {
        "/sandbox/tasks/t1": ("status", "succeeded"),
        "/v1/video/generations/t1": ("status", "completed"),
        "/v1/videos/t1": ("object", "video"),
        "/llm/v1/contents/generations/tasks/t1": ("service_tier", "default"),
        "/api/v3/contents/generations/tasks/t1": ("service_tier", "default"),
    }
    for path, (field, value) in paths.items():
        status, body = await get(http, provider.url + path)
        assert (status, json.loads(body)[field]) == (200, value)


async def test_each_mount_is_a_provider_of_its_own(
    provider: ProviderSimulator, http: aiohttp.ClientSession
) -> None:
    """
    Own dialect, own key, own account of requests.
    """
    amux = provider.mount("/amux", Dialect.ENVELOPE, key="k-amux")
    rong = provider.mount("/rong", Dialect.ARK, key="k-rong")
    provider.add("t1", DONE, prefix="/amux")
    path = "/v1/video/generations/t1"
    status, body = await get(http, amux + path, "k-amux")
    assert (status, json.loads(body)["data"]["status"]) == (200, "SUCCESS")
    assert (await get(http, amux + path, "k-rong"))[0] == 401
    assert (await get(http, rong + path, "k-rong"))[0] == 404
    assert (await get(http, f"{amux}/sandbox/tasks/t1"))[0] == 200
    assert [provider.mounts[name].requests for name in ("", "/amux", "/rong")] == [0, 3, 1]
    assert provider.requests == 4


@pytest.mark.parametrize("prefix", ["amux", "/amux/", ""])
async def test_a_prefix_that_could_never_match_is_refused(
    provider: ProviderSimulator, prefix: str
) -> None:
    """
    It would answer 404 to everything, and the fault would be sought in the bridge.
    """
    with pytest.raises(ValueError, match="is not like"):
        provider.mount(prefix, Dialect.ARK)


async def test_links_of_a_result_open(
    provider: ProviderSimulator, http: aiohttp.ClientSession
) -> None:
    """
    What a receiver is told must be a file.
    """
    provider.add("t1", DONE)
    _, body = await get(http, f"{provider.url}/llm/v1/contents/generations/tasks/t1")
    content = json.loads(body)["content"]
    assert b"ftyp" in (await get(http, content["video_url"]))[1]
    assert (await get(http, content["last_frame_url"]))[1].startswith(b"\x89PNG")


async def test_content_gives_bytes_to_the_holder_of_the_key_once_done(
    provider: ProviderSimulator, http: aiohttp.ClientSession
) -> None:
    """
    The gateways' proxy has errors of its own, all without a code.
    """
    base = provider.mount("/gw", Dialect.ENVELOPE, key="k")
    provider.add("done", DONE)
    provider.add("busy", RUNNING)
    provider.add("down", Task(phases=((0.0, failing(Fault.BROKEN)),)))
    assert (await get(http, f"{base}/v1/videos/done/content", "k"))[0] == 200
    assert (await get(http, f"{base}/v1/videos/done/content"))[0] == 401
    assert (await get(http, f"{base}/v1/videos/down/content", "k"))[0] == 502
    status, body = await get(http, f"{base}/v1/videos/busy/content", "k")
    assert (status, "IN_PROGRESS" in json.loads(body)["error"]["message"]) == (400, True)
    status, body = await get(http, f"{base}/v1/videos/none/content", "k")
    assert (status, json.loads(body)["error"]["message"]) == (404, "Task not found")


async def test_content_may_come_as_base64_in_json(
    provider: ProviderSimulator, http: aiohttp.ClientSession
) -> None:
    """
    mixroute hands out Sora's bytes this way, at a path of its own.
    """
    base = provider.mount("/mix", Dialect.FLAT_SUCCEEDED)
    provider.add("video_1", DONE)
    download = f"{base}/v1/video/generations/download"
    status, body = await get(http, f"{download}?id=video_1")
    told = json.loads(body)
    assert (status, told["task_id"], told["format"]) == (200, "video_1", "mp4")
    assert b"ftyp" in base64.b64decode(told["base64"])
    assert told["data_url"].endswith(told["base64"])
    assert (await get(http, f"{download}?id=video_2"))[0] == 404
    assert (await get(http, download))[0] == 404


async def test_a_path_of_no_api_is_answered_as_a_gateway_does(
    provider: ProviderSimulator, http: aiohttp.ClientSession
) -> None:
    """
    A base URL without /v1 gets 200 and a web page: the mistake that looks like success.
    """
    base = provider.mount("/gw", Dialect.ENVELOPE)
    ark = provider.mount("/ark", Dialect.ARK)
    status, body = await get(http, f"{base}/video/generations/t1")
    assert (status, body[:9]) == (200, b"<!doctype")
    assert (await get(http, f"{base}/v1/nothing"))[0] == 404
    assert (await get(http, f"{ark}/tasks/t1"))[0] == 404
    assert (await get(http, f"{base}/v1/videos/t1/else"))[0] == 404
    assert (await get(http, f"{base}/v1/video/generations/t1/content"))[0] == 404
    assert (await get(http, f"{base}/v1/videos/"))[0] == 404
    for path in ("/v1/videos/t1", "/v1/nothing"):
        async with http.post(base + path) as response:
            assert response.status == 404
    assert provider.requests == 0


async def test_a_task_id_is_one_encoded_segment(
    provider: ProviderSimulator, http: aiohttp.ClientSession
) -> None:
    """
    An id with a slash must not become a path.
    """
    provider.add("a/b#c", DONE)
    url = URL(f"{provider.url}/v1/videos/a%2Fb%23c", encoded=True)
    async with http.get(url) as response:
        assert (await response.json())["id"] == "a/b#c"


async def test_a_slow_answer_waits_by_the_clock(
    provider: ProviderSimulator, clock: SwiftClock, http: aiohttp.ClientSession
) -> None:
    """
    Latency longer than the gap between polls is a case, and needs no real seconds.
    """
    provider.add("t1", Task(phases=((0.0, Step(delay_s=45.0)),)))
    assert (await get(http, f"{provider.url}/v1/videos/t1"))[0] == 200
    assert clock.waits == [45.0]


async def test_a_hanging_provider_says_nothing_and_lets_go_with_its_caller(
    live_provider: ProviderSimulator, http: aiohttp.ClientSession
) -> None:
    """
    A caller that gives up frees the connection, and the count shows it.
    """
    live_provider.set_fault("", failing(Fault.HANG))
    mount = live_provider.mounts[""]
    with pytest.raises(TimeoutError):
        await http.get(
            f"{live_provider.url}/v1/videos/t1", timeout=aiohttp.ClientTimeout(0.05)
        )
    async with asyncio.timeout(15):
        while mount.in_flight:  # noqa: ASYNC110 - the simulator announces no leaving
            await asyncio.sleep(0)
    assert mount.max_in_flight == 1


async def test_closing_ends_whoever_still_hangs(http: aiohttp.ClientSession) -> None:
    """
    A test that forgot a request must end all the same.
    """
    clock = SwiftClock()
    async with ProviderSimulator(clock) as provider:
        provider.set_fault("", failing(Fault.HANG))
        assert (await get(http, f"{provider.url}/v1/videos/t1"))[0] == 504
    assert clock.waits == [3600.0]


async def test_an_outage_of_a_whole_mount_passes(
    provider: ProviderSimulator, clock: SwiftClock, http: aiohttp.ClientSession
) -> None:
    """
    Throttled, refused and broken providers all come back some day.
    """
    provider.add("t1", DONE)
    url = f"{provider.url}/v1/videos/t1"
    provider.set_fault("", failing(Fault.THROTTLED, retry_after_s=3), for_s=10)
    async with http.get(url) as response:
        assert (response.status, response.headers["retry-after"]) == (429, "3")
    clock.at += 10
    assert (await get(http, url))[0] == 200
    provider.set_fault("", failing(Fault.UNAUTHORIZED))
    assert (await get(http, url))[0] == 401
    provider.set_fault("", None)
    assert (await get(http, url))[0] == 200


async def test_a_huge_answer_is_poured_until_the_caller_has_enough(
    provider: ProviderSimulator, http: aiohttp.ClientSession
) -> None:
    """
    The caller decides how much it reads; the simulator must survive being cut off.
    """
    provider.set_fault("", failing(Fault.HUGE))
    async with http.get(f"{provider.url}/v1/videos/t1") as response:
        assert len(await response.content.readexactly(1 << 20)) == 1 << 20
        response.close()
    provider.set_fault("", None)
    assert (await get(http, f"{provider.url}/v1/videos/none"))[0] == 400


async def test_a_huge_answer_has_an_end(
    provider: ProviderSimulator, http: aiohttp.ClientSession
) -> None:
    """
    A caller that does read everything gets a proper, useless body.
    """
    provider.set_fault("", failing(Fault.HUGE))
    size = 0
    async with http.get(f"{provider.url}/v1/videos/t1") as response:
        async for chunk in response.content.iter_any():
            size += len(chunk)
    assert size == 64 * 1024 * 1024
