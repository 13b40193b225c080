"""Subscribes the planned tasks at a running bridge and watches until all are told."""

import asyncio
from collections.abc import Callable, Sequence

import aiohttp

from bridge.clock import Clock
from bridge.simulator.demo.evidence import Evidence
from bridge.simulator.demo.plan import PlannedTask
from bridge.simulator.provider import ProviderSimulator
from bridge.simulator.receiver import ReceiverSimulator

LOOK_S = 0.25  # between two looks at the dead receiver's deliveries
ANSWER_S = 10.0


class Rehearsal:
    """The caller's side: knows the bridge by its HTTP API only."""

    def __init__(
        self,
        plan: Sequence[PlannedTask],
        *,
        bridge_url: str,
        api_key: str,
        provider: ProviderSimulator,
        receiver: ReceiverSimulator,
        clock: Clock,
    ) -> None:
        self._plan, self._url, self._key = plan, bridge_url, api_key
        self._provider, self._receiver, self._clock = provider, receiver, clock
        self._subscriptions: dict[PlannedTask, str] = {}
        self._refusals: dict[PlannedTask, str] = {}
        self._deliveries: dict[str, str] = {}

    async def play(self, show: Callable[[Evidence], None], *, limit_s: float) -> None:
        """Until every end is told, or `limit_s` has passed; `show` is called on the way."""
        give_up_at = self._clock.now() + limit_s
        headers = {"authorization": f"Bearer {self._key}"}
        timeout = aiohttp.ClientTimeout(ANSWER_S)
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as http:
            async with asyncio.TaskGroup() as subscribing:
                for task in self._plan:
                    subscribing.create_task(self._subscribe(http, task))
            show(self.evidence())
            while self._waiting() and self._clock.now() < give_up_at:
                await self._receiver.news(LOOK_S)
                await self._ask_about_the_dead(http)
                show(self.evidence())

    def evidence(self, exit_code: int | None = None) -> Evidence:
        return Evidence(
            subscriptions=dict(self._subscriptions),
            refusals=dict(self._refusals),
            received=dict(self._receiver.received),
            deliveries=dict(self._deliveries),
            ended_at={task: at for task in self._plan if (at := self._ended_at(task))},
            polls={task: self._polls(task) for task in self._plan},
            exit_code=exit_code,
        )

    def _waiting(self) -> bool:
        seen = self.evidence()
        return not all(seen.told(task) for task in self._plan if task not in seen.refusals)

    async def _subscribe(self, http: aiohttp.ClientSession, task: PlannedTask) -> None:
        wish = {
            "provider": task.provider,
            "task_id": task.task_id,
            "callback_url": task.callback_url(self._receiver.url),
            "format": task.format,
            "metadata": {"demo": task.name},
        }
        try:
            async with http.post(f"{self._url}/subscribe", json=wish) as response:
                if response.status == 202:
                    self._subscriptions[task] = (await response.json())["id"]
                else:
                    told = (await response.text())[:500]
                    self._refusals[task] = f"{response.status} {told}"
        except (aiohttp.ClientError, TimeoutError) as error:
            self._refusals[task] = f"no answer: {type(error).__name__}"

    async def _ask_about_the_dead(self, http: aiohttp.ClientSession) -> None:
        for task, subscription_id in self._subscriptions.items():
            if task.dead:
                query = {"subscription_id": subscription_id}
                try:
                    async with http.get(
                        f"{self._url}/deliveries", params=query
                    ) as response:
                        items = (await response.json())["items"] if response.ok else []
                except (aiohttp.ClientError, TimeoutError):
                    items = []
                for item in items:
                    self._deliveries[subscription_id] = item["state"]

    def _polls(self, task: PlannedTask) -> int:
        return self._provider.mounts[f"/{task.provider}"].polls(task.task_id)

    def _ended_at(self, task: PlannedTask) -> float | None:
        seen = self._provider.mounts[f"/{task.provider}"].visits.get(task.task_id)
        return None if seen is None else seen.first_at + task.settled_s
