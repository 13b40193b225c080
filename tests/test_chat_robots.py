"""The whole way to simulated chat robots, over real HTTP: all is told, and none is mute."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.delivery.webhook import Sender
from bridge.model import DeliveryState, Destination, Robot, Subscription
from bridge.net.guard import Egress
from bridge.net.resolver import Resolver
from bridge.simulator.chats import ChatSimulator
from bridge.simulator.robots import RATES, ChatRobot
from tests import world as w
from tests.conftest import FakeClock
from tests.net.hostile import LOOPBACK, name_server
from tests.world import World


@pytest.fixture
async def chats(clock: FakeClock) -> AsyncIterator[ChatSimulator]:
    async with ChatSimulator(clock) as simulator:
        yield simulator


@asynccontextmanager
async def open_way() -> AsyncIterator[Egress]:
    """For a fixture, whose end is another task than its beginning."""
    async with name_server({}) as server:
        now = asyncio.get_running_loop().time
        resolver = Resolver(now=now, nameservers=[server.address], timeout_s=1)
        async with Egress(
            resolver=resolver,
            allow_hosts=(),
            allow_networks=(LOOPBACK,),
            limit=100,
            user_agent="poll-bridge/test (self-hosted)",
        ) as egress:
            yield egress
        await resolver.close()


@pytest.fixture
async def world(
    tmp_path: Path, clock: FakeClock, chats: ChatSimulator
) -> AsyncIterator[World]:
    clock.advance(100.0)  # away from the full hour
    async with open_way() as egress:
        world = World(tmp_path, clock)
        world.sender = Sender(egress, timeout_s=20.0, wall=clock.wall)
        world.providers.says = w.succeeded
        yield await world.up()
        assert world.repaired == 0
        await world.down()


async def subscribe(
    world: World, robot: ChatRobot, url: str, task_id: str, **more: Any
) -> Subscription:
    to = Destination(
        url=url,
        host="127.0.0.1",
        robot=Robot(kind=robot.kind, secret=robot.secret, keyword=robot.keyword),
    )
    return await world.subscribe(task_id, destination=to, format=robot.kind, **more)


def described(kind: str) -> ChatRobot:
    if kind in ("feishu", "dingtalk"):
        return ChatRobot(kind, secret="SEC-of-a-robot", keyword="视频")
    return ChatRobot(kind)


async def check_told(world: World, several: list[Subscription]) -> None:
    for one in several:
        delivery = await world.delivery(one)
        assert (delivery.state, delivery.attempts) == (DeliveryState.ACCEPTED, 1)


def named_or_counted(robot: ChatRobot) -> int:
    """Deliveries that its messages tell of."""
    total = 0
    for said in robot.messages:
        heads = [line for line in said.text.splitlines() if " finished: " in line]
        total += int(heads[0].split()[0].replace(",", "")) if heads else 1
    return total


@pytest.mark.parametrize("kind", RATES)
async def test_at_its_rate_every_end_is_told_once_by_itself(
    world: World, chats: ChatSimulator, kind: str
) -> None:
    """One ends whenever the robot takes one: it takes all, and nothing waits for long."""
    robot = described(kind)
    url = chats.add(robot)
    gap_s = max(span_s / count for count, span_s in RATES[kind]) * 1.1
    several = []
    for number in range(45):
        several.append(await subscribe(world, robot, url, f"t{number}"))
        await world.pass_time(gap_s, gap_s)
    await world.pass_time(10.0, 0.5)
    assert robot.refused == []
    assert len(robot.messages) == 45
    assert all("succeeded" in said.text for said in robot.messages)
    assert robot.alarms == 0
    await check_told(world, several)


@pytest.mark.parametrize("kind", RATES)
async def test_a_crowd_is_told_without_loss_and_without_haste(
    world: World, chats: ChatSimulator, kind: str
) -> None:
    """More than it may be told in many minutes: digests, each end in exactly one."""
    robot = described(kind)
    url = chats.add(robot)
    several = [await subscribe(world, robot, url, f"t{n}") for n in range(250)]
    await world.pass_time(40.0, 0.5)
    assert robot.refused == []
    assert named_or_counted(robot) == 250
    assert len(robot.messages) < 20
    assert any(said.text.rstrip().endswith("more") for said in robot.messages)
    await check_told(world, several)


async def test_two_clients_with_one_robot_do_not_get_it_muted(
    world: World, chats: ChatSimulator
) -> None:
    """Each of them alone would keep the limit; DingTalk counts them together."""
    robot = ChatRobot("dingtalk")
    url = chats.add(robot)
    several = []
    for number in range(60):
        for client in ("shop", "blog"):
            task_id = f"{client}{number}"
            several.append(await subscribe(world, robot, url, task_id, client=client))
        await world.pass_time(2.0, 0.5)
    await world.pass_time(60.0, 0.5)
    assert robot.refused == []
    assert named_or_counted(robot) == 120
    await check_told(world, several)


async def test_what_others_say_through_it_mutes_it_and_loses_nothing(
    world: World, chats: ChatSimulator
) -> None:
    """A script of theirs uses the same robot: we wait until it hears again."""
    robot = ChatRobot("dingtalk")
    url = chats.add(robot)
    for _ in range(21):
        robot.hear("", b'{"msgtype": "text", "text": {"content": "x"}}', world.clock.wall())
    robot.messages.clear()
    robot.refused.clear()
    several = [await subscribe(world, robot, url, f"t{n}") for n in range(5)]
    await world.pass_time(30.0, 1.0)
    assert (robot.messages, 1 <= len(robot.refused) <= 2) == ([], True)
    await world.pass_time(900.0, 5.0)
    assert len(robot.refused) <= 2, "who calls a mute robot again and again is not heard"
    assert named_or_counted(robot) == 5
    for one in several:
        assert (await world.delivery(one)).state is DeliveryState.ACCEPTED


async def test_feishu_is_told_around_the_full_hour_and_not_in_it(
    world: World, chats: ChatSimulator
) -> None:
    """Tasks end when they do, also at :00."""
    robot = described("feishu")
    url = chats.add(robot)
    await world.pass_time(3_590.0 - world.clock.now() % 3_600.0, 600.0)
    several = []
    for number in range(30):
        several.append(await subscribe(world, robot, url, f"t{number}"))
        await world.pass_time(1.0, 0.5)
    await world.pass_time(30.0, 0.5)
    assert robot.refused == []
    assert named_or_counted(robot) == 30
    await check_told(world, several)


async def test_a_wrong_secret_is_told_in_words_and_mended_by_a_new_subscribe(
    world: World, chats: ChatSimulator
) -> None:
    """Nobody reads 310000."""
    robot = ChatRobot("dingtalk", secret="right")
    url = chats.add(robot)
    wrong = ChatRobot("dingtalk", secret="wrong")
    bad = await subscribe(world, wrong, url, "t1")
    await world.pass_time(10.0, 1.0)
    delivery = await world.delivery(bad)
    assert delivery.state is DeliveryState.RETRYING
    assert "`robot.secret`" in (delivery.hint or "")
    assert delivery.log[0].http_status == 200
    good = await subscribe(world, robot, url, "t1")
    await world.pass_time(10.0, 1.0)
    await check_told(world, [good])


@pytest.mark.parametrize("kind", RATES)
async def test_a_robot_that_was_removed_ends_its_deliveries(
    world: World, chats: ChatSimulator, kind: str
) -> None:
    """Each says so in its own way; two days of attempts would not bring it back."""
    robot = ChatRobot(kind)
    gone = f"{chats.url}/{kind}/removed?key=a%2Fb"
    one = await subscribe(world, robot, gone, "t1")
    await world.pass_time(10.0, 1.0)
    delivery = await world.delivery(one)
    assert (delivery.state, delivery.attempts) == (DeliveryState.EXHAUSTED, 1)
    assert "add the robot again" in (delivery.hint or "")


async def test_a_digest_says_in_the_log_that_it_was_one(
    world: World, chats: ChatSimulator
) -> None:
    """Who looks at one delivery sees why its message names others."""
    robot = ChatRobot("slack")
    url = chats.add(robot)
    several = [await subscribe(world, robot, url, f"t{n}") for n in range(12)]
    await world.pass_time(10.0, 1.0)
    [said] = robot.messages
    assert said.text.splitlines()[0] == "12 videos finished: 12 succeeded"
    for one in several:
        [attempt] = (await world.delivery(one)).log
        assert attempt.detail == "one message told of 12 deliveries"


async def test_the_final_word_on_a_digest_is_not_that_on_each(
    world: World, chats: ChatSimulator
) -> None:
    """What the service does not like is one of them: each goes by itself before the end."""
    robot = ChatRobot("slack")
    gone = f"{chats.url}/slack/removed"
    several = [await subscribe(world, robot, gone, f"t{n}") for n in range(3)]
    await world.pass_time(4.0, 1.0)
    for one in several:
        delivery = await world.delivery(one)
        assert (delivery.state, delivery.attempts) == (DeliveryState.RETRYING, 1)
    await world.pass_time(30.0, 1.0)
    for one in several:
        delivery = await world.delivery(one)
        assert (delivery.state, delivery.attempts) == (DeliveryState.EXHAUSTED, 2)
