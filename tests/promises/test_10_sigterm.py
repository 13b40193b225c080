"""Promise 10: SIGTERM loses nothing, and ends with 0 within the grace period."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import aiohttp

from bridge.model import Status
from bridge.simulator.provider import ProviderSimulator
from bridge.simulator.reactions import Reaction
from bridge.simulator.receiver import ReceiverSimulator
from bridge.simulator.script import Step, Task
from tests.promises.node import KEYS, Node, settings
from tests.promises.nursery import Nursery
from tests.promises.points import STARTING

SLOW_S = 1.5


def slowly(end: Step) -> Task:
    """Each answer takes a while."""
    return Task(phases=((0.0, Step(status=end.status, video=end.video, delay_s=SLOW_S)),))


async def closed_to_new(node: Node) -> bool:
    """Whether a load balancer would send nobody there any more."""
    try:
        async with (
            aiohttp.ClientSession() as fresh,
            fresh.get(node.url + "/readyz") as answer,
        ):
            return answer.status == 503
    except aiohttp.ClientConnectionError:
        return True


async def test_an_idle_process_ends_at_once(
    tmp_path: Path, provider: ProviderSimulator
) -> None:
    """Nothing to wait for: a deployment must not take the whole grace period."""
    async with Node(tmp_path, settings(provider.url)) as node:
        await node.start()
        node.send(signal.SIGTERM)
        assert await node.ended(within_s=5) == 0
        assert node.events("service.stopped")


async def test_a_poll_in_flight_is_finished_and_its_end_kept(
    tmp_path: Path, provider: ProviderSimulator, receiver: ReceiverSimulator
) -> None:
    """The provider may never be asked again: what it is saying now must not be dropped.

    Meanwhile nobody is sent here, and nothing new is begun.
    """
    provider.add("t1", slowly(Step(status=Status.SUCCEEDED, video="t1.mp4")))
    async with Node(tmp_path, settings(provider.url)) as node:
        await node.start()
        other = await node.promised("slow-60s", receiver.url + "/ok")
        ours = await node.promised("t1", receiver.url + "/ok")
        async with asyncio.timeout(30):
            while not (
                provider.mounts[""].polls("t1") and provider.mounts[""].polls("slow-60s")
            ):
                await node.call("GET", f"/subscriptions/{other}?wait=1")
        node.send(signal.SIGTERM)
        await node.told("service.stopping")
        polls = provider.requests
        assert await closed_to_new(node)
        assert await node.ended() == 0
        assert provider.requests == polls
        assert receiver.requests == []

        await node.start()
        assert (await node.subscription(ours))["outcome"] == "succeeded"
        await receiver.wait_for(1, 10)
        assert provider.mounts[""].polls("t1") == 1
        assert await node.stop() == 0
    assert [one.fault for one in receiver.requests] == [None]


async def test_a_delivery_in_flight_is_finished_and_recorded(
    tmp_path: Path, provider: ProviderSimulator, receiver: ReceiverSimulator
) -> None:
    """Cutting it off would send it twice, and a restart is no reason to."""
    async with Node(tmp_path, settings(provider.url)) as node:
        await node.start()
        ours = await node.promised("succeed-0.1s", receiver.url + "/slow/1.5")
        await receiver.wait_for(1, 10)
        node.send(signal.SIGTERM)
        assert await node.ended() == 0

        await node.start()
        assert (await node.subscription(ours))["delivery"]["state"] == "accepted"
        assert [one["outcome"] for one in await node.attempts(ours)] == ["accepted"]
        assert await node.stop() == 0
    assert len(receiver.requests) == 1


async def test_a_delivery_longer_than_the_grace_is_repeated_under_its_id(
    tmp_path: Path, provider: ProviderSimulator, receiver: ReceiverSimulator
) -> None:
    """The supervisor would kill us anyway; the receiver recognises the repeat by its id."""
    async with Node(tmp_path, settings(provider.url, shutdown_grace="1s")) as node:
        await node.start()
        receiver.script("/hook", [Reaction(delay_s=15), Reaction()])
        ours = await node.promised("succeed-0.1s", receiver.url + "/hook")
        await receiver.wait_for(1, 10)
        node.send(signal.SIGTERM)
        assert await node.ended(within_s=6) == 0
        assert node.events("service.cut_short")

        await node.start()
        await receiver.wait_for(2, 10)
        seen = await _settled(node, ours)
        assert seen["delivery"]["state"] == "accepted"
        outcomes = [one["outcome"] for one in await node.attempts(ours)]
        assert outcomes == ["unknown", "accepted"]
        assert await node.stop() == 0
    assert len(receiver.received) == 1


async def test_a_second_sigterm_ends_the_grace(
    tmp_path: Path, provider: ProviderSimulator, receiver: ReceiverSimulator
) -> None:
    """Whoever asks twice does not want to wait; what is cut off is claimed, not lost."""
    async with Node(tmp_path, settings(provider.url)) as node:
        await node.start()
        await node.promised("succeed-0.1s", receiver.url + "/slow/15")
        await receiver.wait_for(1, 10)
        node.send(signal.SIGTERM)
        await node.told("service.stopping")
        node.send(signal.SIGTERM)
        assert await node.ended(within_s=5) == 0


async def test_a_waiting_caller_is_answered(
    tmp_path: Path, provider: ProviderSimulator
) -> None:
    """With what is known; it can come back and wait at the next process."""
    async with Node(tmp_path, settings(provider.url)) as node:
        await node.start()
        ours = await node.promised("slow-60s", "http://127.0.0.1:9/hook")
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(node.subscription(ours, wait_s=60))
            first = group.create_task(node.subscription(ours, wait_s=1))
            await first  # by now the other one waits as well
            node.send(signal.SIGTERM)
            assert await node.ended(within_s=6) == 0
        assert waiting.result()["state"] == "active"


async def test_a_caller_that_never_finishes_its_request_holds_nobody_up(
    tmp_path: Path, provider: ProviderSimulator
) -> None:
    """Beyond the grace period, after which a supervisor kills."""
    async with Node(tmp_path, settings(provider.url, shutdown_grace="1s")) as node:
        await node.start()
        port = int(node.url.rpartition(":")[2])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        head = "POST /subscribe HTTP/1.1", "Host: x", "Content-Length: 99"
        key = f"Authorization: Bearer {KEYS['shop']}"
        writer.write("\r\n".join((*head, key, "", "{")).encode())
        await writer.drain()
        assert (await node.call("GET", "/readyz")).status == 200
        node.send(signal.SIGTERM)
        assert await node.ended(within_s=6) == 0
        writer.close()


async def test_every_202_of_a_burst_is_kept(
    tmp_path: Path, provider: ProviderSimulator, receiver: ReceiverSimulator
) -> None:
    """SIGTERM comes in the middle of one, always."""
    async with Node(tmp_path, settings(provider.url)) as node:
        await node.start()
        answered: list[str] = []
        refused: list[Any] = []

        async def caller(number: int) -> None:
            for turn in range(1_000):
                if not await one(f"succeed-0.1s-{number}-{turn}"):
                    return

        async def one(task_id: str) -> bool:
            try:
                answer = await node.subscribe(task_id, receiver.url + "/ok")
            except aiohttp.ClientError:
                return False
            if answer.status == 202:
                answered.append(answer.json["id"])
            else:
                refused.append((answer.status, answer.json["code"]))
            if len(answered) == 200:
                node.send(signal.SIGTERM)
            return answer.status == 202

        async with asyncio.TaskGroup() as group:
            for number in range(32):
                group.create_task(caller(number))
        assert await node.ended() == 0
        assert set(refused) <= {(503, "not_ready")}
        assert len(answered) >= 200

        await node.start()
        await receiver.wait_until(lambda: len(receiver.received) >= len(answered), 30)
        for subscription_id in answered:
            assert (await node.subscription(subscription_id))["state"] == "ended"
        assert await node.stop() == 0
    assert {f"msg_{one.removeprefix('sub_')}_0" for one in answered} <= set(
        receiver.received
    )


async def test_while_it_starts_it_ends_as_cleanly(
    tmp_path: Path, provider: ProviderSimulator
) -> None:
    """A deployment that is taken back at once; the next one finds the database in order."""
    async with Nursery(tmp_path, settings(provider.url)) as node:
        for point in STARTING:
            await node.launch(point, how=signal.SIGTERM)
            assert (point, await node.ended(within_s=10)) == (point, 0)
        assert len(node.events("service.stopped")) == len(STARTING)
        await node.start()
        assert (await node.call("GET", "/readyz")).status == 200
        assert await node.stop() == 0


async def test_before_it_has_begun_it_just_ends(
    tmp_path: Path, provider: ProviderSimulator
) -> None:
    """Python is still importing: nothing has been done that could be lost."""
    async with Node(tmp_path, settings(provider.url)) as node:
        await node.launch()
        node.send(signal.SIGTERM)
        assert await node.ended(within_s=10) in (0, -signal.SIGTERM)
        assert not node.database.exists()


async def _settled(node: Node, subscription_id: str) -> Any:
    async with asyncio.timeout(30):
        while True:
            seen = await node.subscription(subscription_id)
            if seen["delivery"]["state"] == "accepted":
                return seen
