"""The operator is told by itself, from what polls, attempts and backlogs come to."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from bridge import formats
from bridge.config import Notify
from bridge.lanes import Window
from bridge.messages.notices import LATE_S, TYPES, Seen
from bridge.model import DeliveryState, Robot
from bridge.noticing import destination_of
from bridge.simulator.loopback import Loopback
from bridge.simulator.receiver import ReceiverSimulator
from bridge.store import DeliveryFilter, NoticesTo, Pick
from tests.conftest import FakeClock
from tests.promises.wired import Wired, wired

MINUTE, HOUR = 60.0, 3_600.0
TO_ROBOT = {
    "url": "https://hooks.slack.com/services/T/B/x",
    "signing_secret": ["whsec_" + "c2VjcmV0" * 6],
}
EVERYTHING = {"events": TYPES, "signing_secret": "whsec_" + "c2VjcmV0" * 6}


class Provider:
    """Answers every question alike."""

    def __init__(self) -> None:
        self.status = 200
        self.word = "in_progress"

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        task_id = request.path.rpartition("/")[2]
        answer: dict[str, Any] = {"task_id": task_id, "status": self.word}
        if self.status != 200:
            answer = {"error": {"message": "no", "type": "new_api_error"}}
        return web.json_response(answer, status=self.status)


@pytest.fixture
async def provider() -> Provider:
    return Provider()


@pytest.fixture
async def node(
    tmp_path: Path, clock: FakeClock, provider: Provider
) -> AsyncIterator[Wired]:
    server = Loopback(provider.serve)
    url = await server.start()
    async with wired(
        tmp_path,
        clock,
        provider_url=url,
        notify=EVERYTHING,
        callbacks={"allow_hosts": ["127.0.0.1"], "retries": ["1s"]},
        limits={"active": 100, "requests": "1000/s"},
    ) as one:
        one.receiver.script("/notices", [200])
        await one.turn()
        yield one
    await server.stop()


def noticed(receiver: ReceiverSimulator) -> list[Mapping[str, Any]]:
    return [orjson.loads(one.body) for one in receiver.requests if one.path == "/notices"]


def types(node: Wired) -> list[str]:
    return [event["type"] for event in noticed(node.receiver)]


async def pass_minutes(node: Wired, count: int = 1, step_s: float = 10.0) -> None:
    for _ in range(int(count * MINUTE / step_s)):
        await node.turn(step_s)


async def tasks(node: Wired, count: int, **changes: Any) -> None:
    for n in range(count):
        await node.subscribe(f"task{n}", f"{node.receiver.url}/ok", **changes)


async def test_a_key_that_is_refused_and_mended_is_told(
    node: Wired, provider: Provider
) -> None:
    """Each once, and proven as any webhook is."""
    await tasks(node, 2)
    await pass_minutes(node)
    provider.status = 401
    await pass_minutes(node, 3)
    assert types(node) == ["provider.key_refused"]
    provider.status = 200
    await pass_minutes(node, 15, step_s=30.0)
    assert types(node) == ["provider.key_refused", "provider.key_accepted"]
    refused = noticed(node.receiver)[0]
    assert refused["data"]["provider"] == "amux"
    [post, _] = node.receiver.requests
    assert post.webhook_id == refused["id"]
    assert post.headers["webhook-signature"].startswith("v1,")


async def test_a_provider_that_is_down_and_back_is_told(
    node: Wired, provider: Provider
) -> None:
    await tasks(node, 12)
    await pass_minutes(node)
    provider.status = 503
    await pass_minutes(node, 3)
    assert types(node) == ["provider.down"]
    provider.status = 200
    await pass_minutes(node, 10)
    assert types(node) == ["provider.down", "provider.recovered"]


async def test_a_word_that_no_page_knows_is_told_once(
    node: Wired, provider: Provider
) -> None:
    await tasks(node, 3)
    provider.word = "marinating"
    await pass_minutes(node, 5)
    [event] = noticed(node.receiver)
    assert event["type"] == "provider.unknown_status"
    assert event["data"]["word"] == "marinating"


async def test_a_webhook_that_is_given_up_and_a_receiver_that_is_gone_are_told(
    node: Wired, provider: Provider
) -> None:
    for task, status in (("dead", 500), ("gone", 410)):
        node.receiver.script(f"/{task}", [status])
        made = await node.subscribe(task, f"{node.receiver.url}/{task}")
        provider.word = "completed"
        await pass_minutes(node, 2)
    assert sorted(types(node)) == ["callback.gone", "delivery.exhausted"]
    told = {event["type"]: event["data"] for event in noticed(node.receiver)}
    assert told["callback.gone"]["client"] == "shop"
    assert told["delivery.exhausted"]["host"] == "127.0.0.1"
    assert (await node.delivery(made)).state is DeliveryState.GONE


async def test_a_backlog_that_is_late_is_told(node: Wired) -> None:
    """Nobody has claimed for minutes; whoever looks says so, and not again at once."""
    await tasks(node, 1)
    node.clock.advance(LATE_S + MINUTE)
    await node.bridge.upkeep.turn()
    await node.bridge.dispatcher.worker.drain()
    node.clock.advance(MINUTE)
    await node.bridge.upkeep.turn()
    await node.bridge.dispatcher.worker.drain()
    [event] = noticed(node.receiver)
    assert event["type"] == "backlog.late"
    assert event["data"]["backlog"] == "polls"
    assert event["data"]["age_seconds"] >= LATE_S


async def test_a_notice_that_is_refused_is_sent_again(node: Wired) -> None:
    """It is on disk like all that is owed, under one id."""
    node.receiver.script("/notices", [500, 200])
    await tasks(node, 1)
    node.clock.advance(HOUR)
    await node.bridge.upkeep.turn()
    await node.bridge.dispatcher.worker.drain()
    node.clock.advance(5.0)
    await node.bridge.dispatcher.worker.drain()
    first, second = noticed(node.receiver)
    assert first == second


async def test_a_word_is_kept_until_it_is_written_down(
    node: Wired, provider: Provider
) -> None:
    """The minute may not be over, or the database away."""
    await tasks(node, 1)
    provider.word = "marinating"
    await node.turn(5.0)
    standing = node.bridge.poller.standing
    assert standing.untold == [("amux", "marinating")]
    await pass_minutes(node, 2)
    assert (standing.untold, types(node)) == ([], ["provider.unknown_status"])


async def test_without_a_url_nothing_is_looked_for(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with wired(tmp_path, clock) as node:
        await node.turn(HOUR)
        found = await node.bridge.store.deliveries(DeliveryFilter(client=None), limit=9)
        assert found.items == []
        assert node.receiver.requests == []


def test_a_chat_robot_is_told_with_its_secret() -> None:
    """It is another destination for every secret: a new one begins anew."""
    robot = {"format": "feishu", "robot_secret": "s3cret", "robot_keyword": "ops"}
    to = destination_of(Notify.model_validate(TO_ROBOT | robot))
    assert to.robot == Robot(kind="feishu", secret="s3cret", keyword="ops")
    assert destination_of(Notify.model_validate(TO_ROBOT)).robot is None


async def test_a_notice_is_made_for_a_chat_robot(tmp_path: Path, clock: FakeClock) -> None:
    """Through its own lane, and by its limit."""
    notify = TO_ROBOT | {"format": "slack"}
    async with wired(tmp_path, clock, notify=notify) as node:
        to = NoticesTo(
            destination=destination_of(Notify.model_validate(notify)),
            format="slack",
            types=TYPES,
        )
        await node.bridge.store.notice(
            to, Seen(late={"polls": 2 * LATE_S}), now=clock.now()
        )
        ready = await node.bridge.store.delivery_lanes(now=clock.now(), window=Window())
        picks = [Pick(lane, 9) for lane in ready.lanes]
        claims = await node.bridge.store.claim_deliveries(
            picks, now=clock.now(), lease_s=35
        )
        [found] = claims.items
    made = formats.made(found.format, found.method, found.destination, [found.body], at=0.0)
    assert made.body is not None
    assert "polls are 10 minutes late" in orjson.loads(made.body)["text"]
