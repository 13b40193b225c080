"""What is left when the killing is over, and whether the promises were kept."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bridge.messages.ids import message_id
from bridge.simulator.receiver import ReceiverSimulator
from tests.promises.crowd import Crowd, Wanted
from tests.promises.executioner import pause
from tests.promises.node import OPERATOR, Node

IN_FLIGHT = (503, "not_ready"), (409, "idempotency_in_flight")


@dataclass(frozen=True)
class Aftermath:
    """What the API says once all is done. The attempts are by delivery."""

    subscriptions: list[Any]
    attempts: Mapping[str, list[Any]]


async def healed(node: Node) -> None:
    """Return once nothing is left to be done."""
    for path in (
        "/subscriptions?state=active",
        "/deliveries?state=waiting",
        "/deliveries?state=retrying",
    ):
        while (await node.call("GET", f"{path}&limit=1", key=OPERATOR)).json["items"]:
            await pause(0.1)


async def subscriptions(node: Node) -> list[Any]:
    """All there are, as the operator is shown them."""
    found, cursor = [], ""
    while True:
        page = await node.call("GET", f"/subscriptions?limit=200{cursor}", key=OPERATOR)
        found += page.json["items"]
        if page.json["next_cursor"] is None:
            return found
        cursor = f"&cursor={page.json['next_cursor']}"


async def attempts_of(node: Node, ids: list[str]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    left = iter(ids)

    async def read() -> None:
        for each in left:
            answer = await node.call("GET", f"/deliveries/{each}", key=OPERATOR)
            found[each] = answer.json["attempts"]

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(read())
    return found


def figures_of(
    crowd: Crowd, after: Aftermath, receivers: Mapping[str, ReceiverSimulator]
) -> dict[str, int]:
    attempts = [one for log in after.attempts.values() for one in log]
    posts = [posts for one in receivers.values() for posts in one.received.values()]
    accepted = [sum(post.accepted for post in same) for same in posts]
    return {
        "subscriptions": len(after.subscriptions),
        "requests repeated because their answer was lost": crowd.repeats,
        "202s that were lost": crowd.lost,
        "attempts": len(attempts),
        "attempts of unknown outcome": sum(x["outcome"] == "unknown" for x in attempts),
        "webhooks received": sum(map(len, posts)),
        "… of these accepted before, by their id": sum(accepted) - len(posts),
    }


def check_crowd(
    crowd: Crowd,
    wanted: list[Wanted],
    refused: Iterable[tuple[int, str]] = IN_FLIGHT,
) -> None:
    """Everybody was answered, and a repeat with the same id."""
    assert crowd.other_ids == []
    assert len(crowd.ids) == len(wanted)
    assert set(crowd.refused) <= {*refused}
    assert crowd.lost > 0


def check_ends(after: Aftermath, crowd: Crowd, wanted: list[Wanted]) -> None:
    """Each subscription is there once, under the id that was told, with the right end."""
    ids = [one["id"] for one in after.subscriptions]
    assert Counter(ids) == Counter(crowd.ids.values())
    ends = dict(zip(ids, after.subscriptions, strict=True))
    for each in wanted:
        end = ends[crowd.ids[each.number]]
        assert end["metadata"] == {"number": each.number}
        assert (end["client"], end["task_id"]) == (each.client, each.task_id)
        assert (end["state"], end["outcome"]) == ("ended", each.outcome), end
        assert end["delivery"]["state"] == "accepted", end
        assert end["delivery"]["id"] == message_id(end["id"], 0)


def check_webhooks(after: Aftermath, receivers: Mapping[str, ReceiverSimulator]) -> None:
    """Each end was accepted, under one id and with one body; no POST is unaccounted for."""
    for client, receiver in receivers.items():
        ours = [one for one in after.subscriptions if one["client"] == client]
        ends = {one["delivery"]["id"]: one for one in ours}
        assert receiver.received.keys() == ends.keys()
        for webhook_id, posts in receiver.received.items():
            assert [post.fault for post in posts if post.fault] == []
            assert any(post.accepted for post in posts)
            assert len({post.body for post in posts}) == 1
            assert {post.query for post in posts} == {
                f"number={ends[webhook_id]['metadata']['number']}"
            }
            log = after.attempts[webhook_id]
            assert [one["number"] for one in log] == list(range(1, len(log) + 1))
            assert len(posts) <= len(log)
            accepted = [one for one in log if one["outcome"] == "accepted"]
            assert len(accepted) == 1
            assert accepted == log[-1:]


def strange(line: str) -> bool:
    return not line.startswith("{") or '"level": "error"' in line
