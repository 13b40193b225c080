"""Notices to the operator: through the same outbox, once, and nobody else's affair."""

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from bridge.messages.notices import (
    AGAIN_S,
    DOWN,
    EXHAUSTED,
    GONE,
    KEY_ACCEPTED,
    KEY_REFUSED,
    LATE,
    RECOVERED,
    TYPES,
    Notice,
    Seen,
)
from bridge.model import ClaimedDelivery, DeliveryState, PollOutcome
from bridge.receivers.retry import Schedule
from bridge.store import NoticesTo
from bridge.store.telling import CHUNK
from tests.store import scene as s
from tests.store.hooking import hooked, said
from tests.store.scene import (
    ACCEPTED,
    BROKEN,
    DAY,
    HOUR,
    MINUTE,
    NOT_FOUND,
    Scene,
    destination,
    everything,
    pending,
    succeeded,
)

OPERATORS = destination("notices", host="ops.test")


def to(**changes: Any) -> NoticesTo:
    given: dict[str, Any] = {
        "destination": OPERATORS,
        "format": "standard",
        "types": TYPES,
        "keyed": ["amux"],
    }
    return NoticesTo(**given | changes)


async def look(
    scene: Scene, seen: Seen | None = None, *, after_s: float = MINUTE, **changes: Any
) -> Sequence[str]:
    """A minute later: the types of what is told now."""
    scene.later(after_s)
    owed = await scene.store.notice(to(**changes), seen or Seen(), now=scene.now)
    return [notice.type for notice in owed]


async def notices_due(scene: Scene) -> list[ClaimedDelivery]:
    return [one for one in await scene.claim_deliveries() if not one.client]


async def test_a_notice_is_a_delivery_like_any_other(scene: Scene) -> None:
    """Its own id in header and body, retried, accepted, with a log."""
    assert await look(scene, Seen(late={"polls": 900.0})) == [LATE]
    first = await scene.deliver(BROKEN)
    assert (first.type, first.client, first.signing_secrets) == (LATE, "", ())
    assert first.destination == OPERATORS
    event = said(first)
    assert (event["id"], event["type"]) == (first.message_id, LATE)
    assert event["data"]["message"] == "polls are 15 minutes late"
    again = await scene.deliver(ACCEPTED, after_s=10.0)
    assert (again.message_id, again.attempt) == (first.message_id, 2)
    [listed] = await scene.list_deliveries()
    assert (listed.id, listed.state) == (first.message_id, DeliveryState.ACCEPTED)
    assert (listed.client, listed.type) == ("", LATE)


async def test_one_of_a_type_and_subject_is_told_in_an_hour(scene: Scene) -> None:
    """However often it is seen: a storm of notices is read by nobody."""
    late = Seen(late={"polls": 900.0})
    assert await look(scene, late) == [LATE]
    for _ in range(5):
        assert await look(scene, late) == []
    assert await look(scene, Seen(late={"deliveries": 900.0})) == [LATE]
    assert await look(scene, late, after_s=AGAIN_S) == [LATE]
    ids = [one.message_id for one in await scene.claim_deliveries()]
    assert len(set(ids)) == len(ids) == 3


async def test_of_nodes_that_look_at_once_one_tells(scene: Scene) -> None:
    seen = Seen(down={"amux": scene.now}, late={"polls": 900.0})
    told = await asyncio.gather(*(look(scene, seen, after_s=0.0) for _ in range(6)))
    assert sorted(type_ for each in told for type_ in each) == [LATE, DOWN]
    assert len(await scene.claim_deliveries()) == 2


async def test_only_what_was_asked_for_is_told(scene: Scene) -> None:
    seen = Seen(down={"amux": scene.now}, late={"polls": 900.0})
    assert await look(scene, seen, types=(DOWN,)) == [DOWN]
    assert await look(scene, seen, types=()) == []


async def test_a_refused_key_is_told_by_what_the_database_knows(scene: Scene) -> None:
    """Once it is confirmed, and once again when it works."""
    for task in ("a", "b"):
        await scene.add(task, destination=None)
    await scene.poll(pending())
    scene.later(10.0)
    one, other = await scene.claim_polls()
    await scene.answer(one, s.REFUSED)
    assert await look(scene) == [], "one 401 may mean anything"
    await scene.answer(other, s.REFUSED)
    assert await look(scene) == [KEY_REFUSED]
    assert await look(scene) == []
    await scene.poll(pending(), after_s=HOUR)
    assert await look(scene) == [KEY_ACCEPTED]
    assert await look(scene) == []
    first, second = (said(one) for one in await scene.claim_deliveries())
    assert first["data"]["provider"] == second["data"]["provider"] == "amux"
    assert first["data"]["since"] is not None


async def test_a_key_of_a_callers_own_is_the_callers_affair(scene: Scene) -> None:
    for task in ("a", "b"):
        await scene.add(task, destination=None, provider_key="sk-own")
    await scene.poll(s.REFUSED)
    assert (await scene.credential())["probes"]
    assert await look(scene) == []


async def test_what_is_down_is_remembered_by_all(scene: Scene) -> None:
    """Also by a process that was started since."""
    began = scene.now
    assert await look(scene, Seen(down={"amux": began})) == [DOWN]
    assert await look(scene, Seen(up={"amux": began - 5.0})) == []
    assert await look(scene, Seen()) == []
    assert await look(scene, Seen(up={"amux": began + 99.0})) == [RECOVERED]
    assert await look(scene, Seen(up={"amux": began + 99.0})) == []


async def exhaust(scene: Scene, task: str, **changes: Any) -> str:
    """A delivery that is given up at its first attempt."""
    key = await scene.ended(task, **changes)
    await scene.deliver(BROKEN)
    return key


async def test_a_webhook_that_was_given_up_is_told_with_its_id(scene: Scene) -> None:
    """Of each client one notice: it says how many, and which was the last."""
    scene.schedule = Schedule(())
    await look(scene)
    await exhaust(scene, "a")
    await exhaust(scene, "b", client="blog")
    hook = await hooked(scene)
    key = await exhaust(scene, "c", destination=None)
    assert await look(scene) == [EXHAUSTED, EXHAUSTED]
    told = {
        one["data"]["client"]: one["data"] for one in map(said, await notices_due(scene))
    }
    assert (told["blog"]["count"], told["shop"]["count"]) == (1, 2)
    assert told["shop"]["delivery_id"] == f"msg_{key}_0_{hook}"
    assert told["shop"]["host"] == "tool.test"
    assert await look(scene) == []


async def test_a_receiver_that_is_gone_is_told(scene: Scene) -> None:
    await look(scene)
    await scene.ended("a")
    await scene.deliver(s.GONE)
    assert await look(scene) == [GONE]
    [notice] = await notices_due(scene)
    assert said(notice)["data"]["host"] == "app.test"
    assert await look(scene, after_s=2 * HOUR) == []


async def test_what_was_so_before_anybody_looked_is_no_news(scene: Scene) -> None:
    """A bridge that is told of `notify` after a year has much in its past."""
    scene.schedule = Schedule(())
    await exhaust(scene, "a")
    scene.later(DAY)
    assert await look(scene) == []


async def test_a_notice_that_is_given_up_makes_no_other(scene: Scene) -> None:
    scene.schedule = Schedule(())
    assert await look(scene, Seen(late={"polls": 900.0})) == [LATE]
    await scene.deliver(BROKEN)
    assert await look(scene, after_s=2 * HOUR) == []
    assert await look(scene, Seen(late={"polls": 900.0}), after_s=HOUR) == [LATE]
    await scene.deliver(s.GONE)
    assert await look(scene, after_s=HOUR) == []
    assert await look(scene, Seen(late={"polls": 900.0}), after_s=HOUR) == [LATE]
    assert len(await scene.claim_deliveries()) == 1, "it may have been mended"


async def test_another_url_is_where_the_next_goes(scene: Scene) -> None:
    """And what was owed to the one before is dropped with it."""
    assert await look(scene, Seen(late={"polls": 900.0})) == [LATE]
    elsewhere = destination("new", host="ops.test")
    seen = Seen(late={"deliveries": 900.0})
    assert await look(scene, seen, destination=elsewhere, format="flat") == [LATE]
    claimed = await scene.claim_delivery()
    assert (claimed.destination, claimed.format) == (elsewhere, "flat")
    assert len(await scene.list_deliveries(state="stopped")) == 1


async def test_no_client_sees_a_notice_and_no_operator_a_subscription(
    scene: Scene,
) -> None:
    """They are in the operator's list of deliveries, and nowhere else."""
    key = await scene.ended(destination=None)
    assert await look(scene, Seen(late={"polls": 900.0})) == [LATE]
    [listed] = await scene.list_deliveries()
    owner = listed.subscription_id.removeprefix("sub_")
    assert await scene.list_deliveries(client="shop") == []
    assert await scene.list_deliveries(subscription_key=owner) == []
    assert [one.id for one in await scene.list_subscriptions()] == [f"sub_{key}"]
    assert await scene.list_subscriptions(client="shop", state="stopped") == []
    assert await scene.store.subscription(owner, None) is None
    assert not await scene.stop(owner, None)
    assert (await scene.store.hooks(None, limit=9)).items == []
    assert listed.hook_id is not None
    hook = listed.hook_id.removeprefix("hook_")
    assert await scene.store.hook(hook, None) is None
    assert not await scene.store.remove_hook(hook, None, now=scene.now)
    assert await scene.store.in_use() == (set(), set()), "a start refuses for none of it"
    assert await scene.store.active_counts() == {}
    sequence = int(listed.id.split("_")[2])
    found = await scene.store.delivery(owner, sequence, None, hook)
    assert found == listed
    for client in ("shop", "other"):
        assert await scene.store.delivery(owner, sequence, client, hook) is None
    assert await scene.store.ask_for_attempt(
        owner, sequence, None, now=scene.now, hook=hook
    )
    assert len(await scene.claim_deliveries()) == 1


async def test_old_notices_are_pruned(scene: Scene) -> None:
    """What is owed is kept, and ids go on from where they were."""
    assert await look(scene, Seen(late={"polls": 900.0})) == [LATE]
    first = await scene.deliver(ACCEPTED)
    assert await look(scene, Seen(late={"deliveries": 900.0})) == [LATE]
    scene.later(DAY)
    await scene.store.prune(before=scene.now)
    [owed] = await scene.list_deliveries()
    assert owed.id != first.message_id
    await scene.deliver(ACCEPTED)
    await scene.store.prune(before=scene.now)
    assert await scene.list_deliveries() == []
    assert await look(scene, Seen(late={"polls": 900.0})) == [LATE]
    assert (await scene.deliver(ACCEPTED)).message_id.split("_")[2] == "3"


async def test_upkeep_leaves_notices_alone(scene: Scene) -> None:
    """Nothing about them is amiss, falls due, or ends."""
    assert await look(scene, Seen(late={"polls": 900.0})) == [LATE]
    scene.later(40 * DAY)
    assert await scene.check_deadlines() == []
    assert await scene.store.finish_ends(now=scene.now) == []
    assert await scene.store.sweep(now=scene.now) == 0
    assert await scene.claim_polls() == []
    await scene.deliver(ACCEPTED)


async def test_nothing_of_a_notice_can_be_read_in_the_database(scene: Scene) -> None:
    """Its URL is a secret of some chat's."""
    notice = Notice(type=LATE, subject="polls", message="m")
    assert await look(scene, Seen(late={"polls": 900.0})) == [notice.type]
    rows = await scene.store.database.read(_everything)
    assert b"ops.test/notices" not in rows
    assert b"minutes late" not in rows


def _everything() -> Any:
    from bridge.store.steps import ask

    found = b""
    for name in ("sealed_destinations", "sealed_hooks", "sealed_events"):
        rows = yield ask(name, after=0, sequence=-1, limit=99)
        assert rows
        found += b"".join(bytes(row["sealed"]) for row in rows)
    for row in (yield ask("meta", name="told")):
        found += bytes(row["value"])
        assert orjson.loads(row["value"])["down"] == {}
    return found


@pytest.mark.parametrize("seen", [NOT_FOUND, s.TRANSIENT])
async def test_what_is_no_news_is_not_told(scene: Scene, seen: Any) -> None:
    assert seen.outcome in (PollOutcome.NOT_FOUND, PollOutcome.TRANSIENT)
    await scene.add(destination=None)
    await scene.poll(seen)
    assert await look(scene) == []


async def test_what_one_client_has_lost_hides_no_others(scene: Scene) -> None:
    """Any number of it: one notice tells how many, and each client has its own."""
    assert await look(scene) == []
    scene.schedule = Schedule(())
    for n in range(CHUNK + 10):
        await scene.add(f"a-{n}", destination=destination("x", host="a.test"))
    for _ in range(0, CHUNK + 10, 100):
        await scene.poll(succeeded())
    for claimed in await scene.claim_deliveries(choose=everything):
        await scene.hear(claimed, BROKEN)
    await scene.ended("b", client="blog")
    await scene.deliver(BROKEN)
    assert await look(scene) == [EXHAUSTED, EXHAUSTED]
    told = {said(one)["data"]["client"]: said(one) for one in await notices_due(scene)}
    assert told["shop"]["data"]["count"] == CHUNK + 10
    assert told["blog"]["data"]["count"] == 1


async def test_what_was_held_back_is_told_when_it_may_be(scene: Scene) -> None:
    """Refused, accepted, and refused again within the hour: the last word must be true."""
    down, up = Seen(down={"amux": scene.now}), Seen(up={"amux": scene.now + 3 * HOUR})
    assert await look(scene, down) == [DOWN]
    assert await look(scene, up) == [RECOVERED]
    again = Seen(down={"amux": scene.now + MINUTE})
    assert await look(scene, again) == []
    assert await look(scene, again, after_s=AGAIN_S) == [DOWN]
