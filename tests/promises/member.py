"""A whole node in this process, HTTP and all; its machine's clock may be wrong."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from bridge.api.app import create_app, create_probes_app
from bridge.assembly import Bridge, Current, built
from bridge.config import Config, NodeRole
from bridge.providers.configured import configured
from bridge.running import Stop, run
from bridge.service import address_of, listener, loops_of, server_of, take_over, wind_down
from tests.promises.executioner import pause
from tests.promises.node import KEYS

LOOK_S = 0.02
PATIENCE_S = 90.0


class Machine:
    """A clock that somebody sets."""

    def __init__(self, offset_s: float = 0.0) -> None:
        self.offset_s = offset_s

    def wall(self) -> float:
        return time.time() + self.offset_s


@dataclass(frozen=True)
class Member:
    bridge: Bridge
    url: str
    http: aiohttp.ClientSession

    async def call(
        self, method: str, path: str, *, key: str = KEYS["shop"], **options: Any
    ) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {key}"}
        async with self.http.request(
            method, self.url + path, headers=headers, **options
        ) as response:
            return response.status, await response.json(content_type=None)

    async def promised(self, task_id: str, callback_url: str, **fields: Any) -> str:
        """The id of a subscription that was answered with 202."""
        given = {"provider": "amux", "task_id": task_id, "callback_url": callback_url}
        status, told = await self.call("POST", "/subscribe", json=given | fields)
        assert status == 202, told
        found: str = told["id"]
        return found

    async def subscription(self, key: str, wait_s: int = 0) -> Any:
        status, told = await self.call("GET", f"/subscriptions/{key}?wait={wait_s}")
        assert status == 200, told
        return told

    async def reasons(self) -> list[str]:
        """Why it is not ready; none: it is."""
        status, told = await self.call("GET", "/readyz")
        found = sorted(told.get("reasons", {}))
        assert (status == 200) == (not found), told
        return found

    async def until_ready(self) -> None:
        await self.until_unready()

    async def until_unready(self, *reasons: str) -> None:
        await until(lambda: self.bridge.health.unready.keys() == {*reasons})
        assert await self.reasons() == sorted(reasons)

    @property
    def polls(self) -> float:
        return total(self.bridge, "bridge_polls")

    @property
    def attempts(self) -> float:
        return total(self.bridge, "bridge_delivery_attempts")


def total(bridge: Bridge, name: str) -> float:
    """Of a counter, over all its labels."""
    families = bridge.deps.registry.collect()
    samples = [one for family in families if family.name == name for one in family.samples]
    return sum(one.value for one in samples if one.name == f"{name}_total")


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not done():
            await pause(LOOK_S)


@asynccontextmanager
async def member(
    config: Mapping[str, Any], machine: Machine | None = None, **changes: Any
) -> AsyncIterator[Member]:
    """It serves as the command does, but for signals."""
    chosen, stop = Config.model_validate({**config, **changes}), Stop()
    current = Current(chosen, configured(chosen))
    wall = (machine or Machine()).wall
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        bridge = await enter(built(current, stop.event.is_set, wall=wall))
        await take_over(bridge, current, abandon=False)
        listening = listener("127.0.0.1", 0)
        app = create_app if NodeRole.API in chosen.roles else create_probes_app
        group = await enter(asyncio.TaskGroup())
        stack.callback(stop.event.set)
        bridge.health.set_ready("start")
        group.create_task(
            run(
                [*loops_of(bridge, chosen)],
                [(server_of(app(bridge.deps), chosen), listening)],
                stop,
                grace_s=chosen.shutdown_grace_s,
                on_stop=lambda: wind_down(bridge, asyncio.Event()),
                beside=bridge.beside,
            )
        )
        http = await enter(aiohttp.ClientSession())
        yield Member(bridge, address_of(listening), http)


@asynccontextmanager
async def members(
    config: Mapping[str, Any], machines: Sequence[Machine] = (Machine(),) * 3
) -> AsyncIterator[Sequence[Member]]:
    """Several of them; ready, if their clocks are right."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(member(config, one)) for one in machines]
