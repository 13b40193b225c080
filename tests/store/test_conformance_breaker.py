"""A host where nobody answers is left alone, and what waits for it loses nothing."""

from collections.abc import Sequence

import pytest

from bridge.lanes import Lane
from bridge.model import AttemptOutcome, ClaimedDelivery, DeliveryState, Reply
from bridge.receivers import breaker, retry
from bridge.receivers.breaker import (
    HOPELESS_AFTER,
    OPEN_AFTER,
    REST_MOST_S,
    REST_S,
    WHOLE,
    Breaker,
)
from bridge.receivers.hints import OUTLIVED, WAITS
from bridge.receivers.retry import Schedule
from bridge.store import Followed, Pick
from tests.store.scene import (
    ACCEPTED,
    BROKEN,
    DAY,
    TIMEOUT,
    TOO_MANY,
    Scene,
    destination,
    each,
    succeeded,
)

UNREACHABLE = Reply(outcome=AttemptOutcome.CONNECT_ERROR)
BAD_GATEWAY = Reply(outcome=AttemptOutcome.REFUSED, http_status=502)
FORBIDDEN = Reply(outcome=AttemptOutcome.ADDRESS_FORBIDDEN)
PROXY = Reply(outcome=AttemptOutcome.PROXY_ERROR, http_status=502)


def one_alone(lanes: Sequence[Lane]) -> list[Pick]:
    return each(lanes[:1], limit=1)


async def owed(
    scene: Scene, count: int, *, paths: int = 1, client: str = "shop"
) -> list[str]:
    """Due deliveries to one host."""
    keys = [
        await scene.add(
            f"task-{n}", destination=destination(f"p{n % paths}"), client=client
        )
        for n in range(count)
    ]
    for _ in range(0, count, 100):
        await scene.poll(succeeded())
    return keys


async def hear(scene: Scene, claimed: ClaimedDelivery, reply: Reply) -> Breaker | None:
    """Record it; what became of the breaker."""
    return (await follow(scene, claimed, reply)).breaker


async def follow(scene: Scene, claimed: ClaimedDelivery, reply: Reply) -> Followed:
    verdict = retry.decide(claimed, reply, schedule=scene.schedule, now=scene.now, dice=0.0)
    return await scene.store.record_attempt(claimed, reply, verdict, now=scene.now)


async def broken(
    scene: Scene, count: int, *, paths: int = 1, reply: Reply = UNREACHABLE
) -> list[str]:
    """`count` deliveries; so many of these were tried in vain that the lane is open."""
    keys = await owed(scene, count, paths=paths)
    claims = await scene.claim_deliveries(choose=lambda lanes: each(lanes, OPEN_AFTER))
    told = [await hear(scene, claimed, reply) for claimed in claims]
    assert told == [None] * (OPEN_AFTER - 1) + [Breaker.OPENED]
    return keys


async def probe(scene: Scene, reply: Reply) -> Breaker | None:
    """Wait until one may try, and hear this of it."""
    return await hear(scene, await probing(scene), reply)


async def probing(scene: Scene) -> ClaimedDelivery:
    while not (claims := await scene.claim_deliveries(choose=one_alone)):
        ready_at = min(lane.ready_at for lane in await scene.lanes())
        scene.later(max(ready_at - scene.now, 0.001))
    [claimed] = claims
    return claimed


async def test_a_silent_host_is_left_alone(scene: Scene) -> None:
    """What waits is not attempted, and uses up nothing."""
    keys = await broken(scene, OPEN_AFTER + 5)
    assert not await scene.claim_deliveries()
    scene.later(REST_S - 0.1)
    assert not await scene.claim_deliveries()
    waiting = [await scene.delivery(key) for key in keys]
    assert sorted(one.attempts for one in waiting) == [0] * 5 + [1] * OPEN_AFTER
    assert {one.state for one in waiting} == {
        DeliveryState.WAITING,
        DeliveryState.RETRYING,
    }


@pytest.mark.parametrize("reply", [TIMEOUT, UNREACHABLE, BAD_GATEWAY])
async def test_nobody_there_has_many_forms(scene: Scene, reply: Reply) -> None:
    await broken(scene, OPEN_AFTER + 1, reply=reply)
    assert not await scene.claim_deliveries()


@pytest.mark.parametrize("reply", [BROKEN, FORBIDDEN, PROXY])
async def test_a_workflow_that_fails_says_nothing_of_its_host(
    scene: Scene, reply: Reply
) -> None:
    """Neither does what we ourselves refuse to call, nor our own proxy."""
    await owed(scene, 2 * OPEN_AFTER)
    for claimed in await scene.claim_deliveries(choose=lambda lanes: each(lanes, 15)):
        assert await hear(scene, claimed, reply) is None
    assert len(await scene.claim_deliveries()) == 5


async def test_a_fault_of_the_proxy_is_no_answer_either(scene: Scene) -> None:
    """Its status is not the receiver's: what was counted so far stays."""
    await owed(scene, 2 * OPEN_AFTER)
    claims = await scene.claim_deliveries(choose=lambda lanes: each(lanes, OPEN_AFTER + 1))
    told = [UNREACHABLE] * (OPEN_AFTER - 1) + [PROXY, UNREACHABLE]
    heard = [await hear(scene, *one) for one in zip(claims, told, strict=True)]
    assert heard[-2:] == [None, Breaker.OPENED]


async def test_what_one_message_told_of_is_one_attempt_for_its_host(scene: Scene) -> None:
    """A digest of twelve that nobody answered is not twelve silences."""
    await owed(scene, 2 * OPEN_AFTER)
    claims = await scene.claim_deliveries(choose=lambda lanes: each(lanes, OPEN_AFTER))
    told = [
        (
            one,
            retry.decide(
                one, UNREACHABLE, schedule=scene.schedule, now=scene.now, dice=0.0
            ),
        )
        for one in claims
    ]
    followed = await scene.store.record_attempts(told, UNREACHABLE, now=scene.now)
    assert followed.breaker is None
    assert len(await scene.claim_deliveries()) == OPEN_AFTER


async def test_one_answer_begins_the_count_anew(scene: Scene) -> None:
    await owed(scene, 3 * OPEN_AFTER)
    few = 2 * (OPEN_AFTER - 1) + 1
    claims = await scene.claim_deliveries(choose=lambda lanes: each(lanes, few))
    for n, claimed in enumerate(claims):
        reply = BROKEN if n == OPEN_AFTER - 1 else UNREACHABLE
        assert await hear(scene, claimed, reply) is None
    assert await scene.claim_deliveries()


async def test_what_was_under_way_says_nothing_new(scene: Scene) -> None:
    """A hundred that hung together are one reason to wait, not a hundred."""
    await owed(scene, 40)
    claims = await scene.claim_deliveries()
    told = [await hear(scene, claimed, TIMEOUT) for claimed in claims]
    assert [one for one in told if one] == [Breaker.OPENED]
    assert min(lane.ready_at for lane in await scene.lanes()) < scene.now + 6


async def test_it_is_tried_by_one_ever_more_seldom(scene: Scene) -> None:
    """Up to two minutes apart, and each delivery in its turn."""
    scene.schedule = Schedule((1.0,) * 100)
    keys = await broken(scene, OPEN_AFTER + 10)
    gaps = []
    for _ in range(12):
        before = scene.now
        assert await probe(scene, UNREACHABLE) is None
        gaps.append(scene.now - before)
        assert {lane.probing for lane in await scene.lanes()} == {1}
    assert gaps == pytest.approx([2, 4, 8, 16, 32, 64, *[REST_MOST_S] * 6], abs=0.01)
    attempts = [(await scene.delivery(key)).attempts for key in keys]
    assert max(attempts) == 2


async def test_it_closes_a_few_at_a_time(scene: Scene) -> None:
    """A host that has just come up is not met by all who waited."""
    await broken(scene, OPEN_AFTER + 2 * WHOLE)
    told, bounds = [], []
    for _ in range(WHOLE):
        told.append(await probe(scene, ACCEPTED))
        bounds.append({lane.probing for lane in await scene.lanes()})
    assert told == [Breaker.CLOSED] + [None] * (WHOLE - 1)
    assert bounds == [*({n} for n in range(2, WHOLE + 1)), {0}]
    assert len(await scene.claim_deliveries()) >= WHOLE


async def test_429_is_an_answer(scene: Scene) -> None:
    """Somebody is there who wants fewer: its own rest, and no breaker's."""
    keys = await broken(scene, OPEN_AFTER + 1)
    await probe(scene, TOO_MANY)
    assert await probe(scene, ACCEPTED) is None
    waits = [(await scene.delivery(key)).hint or "" for key in keys]
    assert not any(WAITS in hint for hint in waits)


async def test_one_silent_url_leaves_the_others_of_its_host_alone(scene: Scene) -> None:
    """A hosted tool: one workflow takes longer than we wait, for ever."""
    for n in range(OPEN_AFTER + 3):
        await scene.add(f"task-{n}", destination=destination("slow"))
    fine = await scene.add("fine", destination=destination("fine"))
    await scene.poll(succeeded())
    claims = await scene.claim_deliveries()
    slow = [one for one in claims if one.destination.url.endswith("slow")]
    told = [await hear(scene, claimed, TIMEOUT) for claimed in slow]
    assert Breaker.OPENED in told
    assert await probe(scene, TIMEOUT) is None
    await scene.add("next", destination=destination("fine"))
    await scene.add("also slow", destination=destination("slow"))
    await scene.poll(succeeded())
    [claimed] = await scene.claim_deliveries()
    assert claimed.destination.url.endswith("fine")
    assert WAITS not in str((await scene.delivery(fine)).hint)
    opened = await scene.store.backlog(scene.now)
    assert opened["silent_hosts"] == 1


async def test_several_silent_urls_stand_for_their_host(scene: Scene) -> None:
    """Each execution of n8n has a URL of its own: none is called twice."""
    await broken(scene, OPEN_AFTER + 5, paths=OPEN_AFTER + 5)
    await probe(scene, TIMEOUT)
    await scene.add("new", destination=destination("new"))
    await scene.poll(succeeded())
    assert not await scene.claim_deliveries()


async def test_a_client_opens_nothing_for_another(scene: Scene) -> None:
    """However many dead URLs it names at a host that both call."""
    await owed(scene, 40, paths=40)
    for claimed in await scene.claim_deliveries():
        await hear(scene, claimed, TIMEOUT)
    scene.later(5.0)
    await probe(scene, TIMEOUT)
    await scene.add("task", destination=destination("p0"), client="blog")
    await scene.poll(succeeded())
    [claimed] = await scene.claim_deliveries()
    assert claimed.client == "blog"


async def test_it_is_shown_why_a_delivery_waits(scene: Scene) -> None:
    """And when it may be tried, which is not before its host is."""
    keys = await broken(scene, OPEN_AFTER + 1)
    deliveries = [await scene.delivery(key) for key in keys]
    [untried] = [one for one in deliveries if not one.attempts]
    assert (untried.hint, untried.next_attempt_at) == (WAITS, scene.now + REST_S)
    [tried, *_] = [one for one in deliveries if one.attempts]
    assert str(tried.hint).endswith(WAITS)
    assert tried.next_attempt_at == scene.now + 5
    key = untried.subscription_id.removeprefix("sub_")
    summary = (await scene.show(key)).delivery
    assert (summary.hint, summary.next_attempt_at) == (WAITS, scene.now + REST_S)
    assert (await scene.store.backlog(scene.now))["silent_hosts"] == 1
    await probe(scene, ACCEPTED)
    shown = [await scene.delivery(key) for key in keys]
    assert not any(WAITS in str(one.hint) for one in shown)
    assert (await scene.store.backlog(scene.now))["silent_hosts"] == 0


async def test_what_waits_without_hope_is_given_up_for_its_age(scene: Scene) -> None:
    """Else a backlog to a host that is gone for ever would never end: its turn comes once
    in two minutes. Not by the first attempt after days in which we were down, though.
    """
    keys = await broken(scene, OPEN_AFTER + HOPELESS_AFTER + 20)
    scene.later(20 * DAY)
    for _ in range(HOPELESS_AFTER - OPEN_AFTER - 1):
        await probe(scene, UNREACHABLE)
    states = [(await scene.delivery(key)).state for key in keys]
    assert DeliveryState.EXHAUSTED not in states
    young = await scene.add("young", destination=destination("p0"))
    await scene.poll(succeeded())
    followed = await follow(scene, await probing(scene), UNREACHABLE)
    assert sorted(followed.closed) == sorted(keys)
    deliveries = [await scene.delivery(key) for key in keys]
    assert {one.state for one in deliveries} == {DeliveryState.EXHAUSTED}
    untried = [one for one in deliveries if not one.attempts]
    assert {one.hint for one in untried} == {OUTLIVED}
    assert (await scene.delivery(young)).state.pending


async def test_an_answer_to_a_retry_by_hand_closes_it(scene: Scene) -> None:
    """It is one attempt, as ever: it waits, and is the next that tries."""
    [key, *_] = await broken(scene, OPEN_AFTER + 5)
    await scene.retry(key)
    assert not await scene.claim_deliveries()
    scene.later(REST_S)
    [by_hand] = await scene.claim_deliveries(choose=one_alone)
    assert by_hand.manual
    assert await hear(scene, by_hand, ACCEPTED) is Breaker.CLOSED


def test_rests_are_spread_by_dice() -> None:
    """Never shorter, at most a quarter longer."""
    assert breaker.rest_s(OPEN_AFTER, 1.0) == REST_S * 1.25
    assert breaker.rest_s(10_000, 0.0) == REST_MOST_S
