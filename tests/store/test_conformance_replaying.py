"""Replaying many deliveries: one extra attempt each, in nobody's way."""

from collections.abc import Sequence
from typing import Any

import pytest

from bridge.errors import RequestError
from bridge.lanes import Lane, Window
from bridge.model import (
    AttemptOutcome,
    ClaimedDelivery,
    DeliveryState,
    IdempotencyKey,
    Reply,
)
from bridge.receivers.breaker import OPEN_AFTER
from bridge.receivers.retry import Schedule
from bridge.store import After, Pick, replaying
from bridge.store.reading import NEWEST
from bridge.store.replaying import ReplayFilter
from bridge.store.resuming import Kept
from tests.store.scene import (
    ACCEPTED,
    BROKEN,
    DAY,
    GONE,
    HOUR,
    LEASE_S,
    MINUTE,
    TOO_MANY,
    Scene,
    destination,
    each,
    pending,
    succeeded,
)

STATES = ("exhausted", "gone", "presumed", "accepted", "waiting", "retrying")


async def found(scene: Scene, *, size: int = 100, **filters: Any) -> list[list[int]]:
    """What may be replayed, in chunks of `size`."""
    given: dict[str, Any] = {"client": "shop", "state": "exhausted", "until": scene.now + 1}
    wanted = ReplayFilter(**given | filters)
    after, chunks, more = After(), list[list[int]](), True
    while more:
        page = await scene.store.find_replays(
            wanted, began_at=scene.now, after=after, limit=size
        )
        if page.found:
            chunks.append([each.id for each in page.found])
        after, more = page.after or after, page.after is not None
    return chunks


async def test_a_client_with_little_beside_one_with_much_finds_all_of_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One look reads so many rows and no more, whosesoever they are."""
    await given_up(scene, 2)
    await given_up(scene, 7, client="blog")
    await scene.ended("new")
    for claimed in await scene.claim_deliveries():
        await scene.hear(claimed, BROKEN)
    monkeypatch.setattr(replaying, "LOOKED", 3)
    ids = [each for chunk in await found(scene) for each in chunk]
    assert len(ids) == 3
    assert ids == sorted(ids)
    wanted = ReplayFilter(client="shop", state="exhausted", until=scene.now + 1)
    first = await scene.store.find_replays(wanted, began_at=scene.now, limit=9)
    assert [each.id for each in first.found] == ids[:2]
    assert first.after is not None
    assert first.after.id > ids[1]
    second = await scene.store.find_replays(
        wanted, began_at=scene.now, after=first.after, limit=9
    )
    assert (second.found, second.after is None) == ([], False)


async def replay(scene: Scene, *, size: int = 100, **filters: Any) -> int:
    """How many were taken."""
    state = filters.get("state", "exhausted")
    return sum(
        [
            await scene.store.replay(ids, state, began_at=scene.now, now=scene.now)
            for ids in await found(scene, size=size, **filters)
        ]
    )


async def given_up(scene: Scene, count: int, **changes: Any) -> list[str]:
    """Keys of subscriptions whose ends nobody took."""
    scene.schedule = Schedule(())
    keys = [await scene.add(f"lost-{n}", **changes) for n in range(count)]
    await scene.poll(succeeded())
    for claimed in await scene.claim_deliveries():
        await scene.hear(claimed, BROKEN)
    return keys


async def states(scene: Scene, keys: Sequence[str]) -> set[DeliveryState]:
    return {(await scene.delivery(key)).state for key in keys}


async def test_each_gets_one_attempt_that_is_logged_as_by_hand(scene: Scene) -> None:
    keys = await given_up(scene, 5)
    assert await replay(scene, size=2) == 5
    claims = await scene.claim_deliveries()
    assert {(claim.manual, claim.attempt, claim.retry) for claim in claims} == {
        (True, 2, True)
    }
    for claim in claims:
        await scene.hear(claim, ACCEPTED)
    assert await states(scene, keys) == {DeliveryState.ACCEPTED}
    for key in keys:
        assert [each.manual for each in (await scene.delivery(key)).log] == [False, True]
    await nothing_left(scene)


async def test_one_that_fails_stays_as_it_was(scene: Scene) -> None:
    """Neither is a schedule begun anew, nor is it another time that it was given up."""
    [key] = await given_up(scene, 1)
    before = await scene.delivery(key)
    scene.later(DAY)
    await replay(scene)
    await scene.deliver(BROKEN)
    after = await scene.delivery(key)
    assert (after.state, after.next_attempt_at) == (DeliveryState.EXHAUSTED, None)
    assert after.given_up_at == before.given_up_at == before.updated_at < after.updated_at
    scene.later(DAY)
    assert not await scene.claim_deliveries()


async def test_the_schedule_goes_on_beside_it(scene: Scene) -> None:
    key = await scene.ended()
    await scene.deliver(BROKEN)
    due_at = (await scene.delivery(key)).next_attempt_at
    assert due_at is not None
    assert await replay(scene, state="retrying") == 1
    assert (await scene.deliver(BROKEN)).manual
    after = await scene.delivery(key)
    assert (after.state, after.next_attempt_at) == (DeliveryState.RETRYING, due_at)
    scheduled = await scene.deliver(ACCEPTED, after_s=due_at - scene.now)
    assert (scheduled.manual, scheduled.failures, scheduled.attempt) == (False, 1, 3)


async def test_a_repeat_asks_for_none_that_is_waiting(scene: Scene) -> None:
    """Whoever got no answer asks again; and so does who asks for one of them by hand."""
    keys = await given_up(scene, 4)
    chunks = await found(scene, size=2)
    assert await replay(scene) == 4
    assert await replay(scene) == 0
    assert not await found(scene)
    for ids in chunks:  # found by another request before that
        again = await scene.store.replay(ids, "exhausted", began_at=0, now=scene.now)
        assert again == 0
    await scene.retry(keys[0])
    assert len(await scene.claim_deliveries()) == 4


async def test_a_repeat_after_a_crash_in_the_middle_completes_it(scene: Scene) -> None:
    """What was asked of the first chunks is done, and of no delivery twice."""
    keys = await given_up(scene, 5)
    first, *_ = await found(scene, size=2)
    await scene.store.replay(first, "exhausted", began_at=scene.now, now=scene.now)
    await scene.store.begin(now=scene.now)
    assert await replay(scene, size=2) == 3
    claims = await scene.claim_deliveries()
    assert sorted(claim.subscription_id for claim in claims) == sorted(
        f"sub_{key}" for key in keys
    )


async def test_an_attempt_of_a_replay_survives_a_crash(scene: Scene) -> None:
    """It was claimed and never recorded."""
    await given_up(scene, 1)
    await replay(scene)
    await scene.claim_delivery()
    await scene.store.begin(now=scene.now)
    if scene.store.database.shared:
        scene.later(LEASE_S)
    again = await scene.claim_delivery()
    assert (again.manual, again.attempt, again.seen_lost) == (True, 3, True)


async def test_the_oldest_go_first(scene: Scene) -> None:
    """In the order in which they were made."""
    made = []
    for n in range(3):
        made += await given_up(
            scene, 1, destination=destination(f"h{n}"), params={"n": f"{n}"}
        )
        scene.later(MINUTE)
    await replay(scene, size=1)
    order = []
    for _ in made:
        [claimed] = await scene.claim_deliveries(choose=lambda lanes: each(lanes, limit=1))
        order.append(claimed.subscription_id.removeprefix("sub_"))
        await scene.hear(claimed, ACCEPTED)
    assert order == made


@pytest.mark.parametrize("size", [1, 100])
async def test_filters_choose(scene: Scene, size: int) -> None:
    """A replay that is wider than was asked for cannot be taken back."""
    began = scene.now
    [old] = await given_up(scene, 1)
    made_at = (await scene.delivery(old)).created_at
    scene.later(MINUTE)
    host = destination(host="other.test")
    [new] = await given_up(scene, 1, destination=host, params={"n": "2"})
    await given_up(scene, 1, client="blog", params={"n": "3"})

    async def count(**filters: Any) -> int:
        return sum(map(len, await found(scene, size=size, **filters)))

    assert await count() == 2
    assert await count(client=None) == 3
    assert await count(client="blog") == 1
    assert await count(client="nobody") == 0
    assert await count(host="other.test") == 1
    assert await count(until=made_at) == 0
    assert await count(since=made_at, until=made_at + 1) == 1
    assert await count(since=made_at + 1) == 1
    assert await count(since=began, until=scene.now + 1) == 2
    assert await count(subscription_key=new) == 1
    assert await count(subscription_key=new, client="blog") == 0
    assert await count(subscription_key=new, host="app.test") == 0
    assert await count(subscription_key="nobody") == 0
    assert {state: await count(state=state) for state in STATES} == {
        "exhausted": 2,
        "gone": 0,
        "presumed": 0,
        "accepted": 0,
        "waiting": 0,
        "retrying": 0,
    }


async def test_what_was_accepted_is_sent_again(scene: Scene) -> None:
    """The receiver has lost its database; a failure takes nothing back."""
    key = await scene.ended()
    await scene.deliver(ACCEPTED)
    assert await replay(scene, state="accepted") == 1
    await scene.deliver(BROKEN)
    delivery = await scene.delivery(key)
    assert (delivery.state, delivery.given_up_at) == (DeliveryState.ACCEPTED, None)
    assert delivery.last_outcome is AttemptOutcome.REFUSED


# In nobody's way


async def test_a_first_attempt_never_waits_for_it(scene: Scene) -> None:
    """Of a thousand that wait for the same host of the same client."""
    await given_up(scene, 30)
    await replay(scene)
    scene.later(MINUTE)
    new = await scene.ended("new")
    lanes = await scene.store.delivery_lanes(now=scene.now, window=Window())
    firsts = [lane for lane in lanes.lanes if not lane.retry]
    claims = await scene.store.claim_deliveries(
        each(firsts, limit=1), now=scene.now, lease_s=LEASE_S
    )
    [claimed] = claims.items
    assert (claimed.message_id, claimed.manual) == (f"msg_{new}_0", False)


async def test_a_retry_that_falls_due_does_not_stand_behind_it(scene: Scene) -> None:
    """It has a lane of its own, and lanes share evenly."""
    await given_up(scene, 30)
    scene.schedule = Schedule()
    new = await scene.ended("new")
    await scene.deliver(BROKEN)
    await replay(scene)
    scene.later(MINUTE)
    claims = await scene.claim_deliveries(choose=lambda lanes: each(lanes, limit=1))
    assert {claim.message_id: claim.manual for claim in claims if not claim.manual} == {
        f"msg_{new}_0": False
    }
    assert len(claims) == 2


async def test_one_by_hand_goes_before_all_that_are_replayed(scene: Scene) -> None:
    """A person looks at the screen, waiting for the answer to this one."""
    keys = await given_up(scene, 30)
    await replay(scene)
    scene.later(1.0)
    await scene.retry(keys[-1])
    firsts = await scene.claim_deliveries(
        choose=lambda lanes: each([lane for lane in lanes if not lane.retry])
    )
    assert [claim.message_id for claim in firsts] == [f"msg_{keys[-1]}_0"]
    await scene.hear(firsts[0], BROKEN)
    assert len(await scene.claim_deliveries()) == 29


async def test_the_backlog_that_must_not_be_old_is_without_it(scene: Scene) -> None:
    """It may take an hour, and nobody is to be woken for it."""
    await given_up(scene, 3)
    await replay(scene)
    scene.later(DAY)
    figures = await scene.store.backlog(scene.now)
    assert (figures["deliveries"], figures["oldest_delivery_at"]) == (3, None)


# Pauses


def one(lanes: Sequence[Lane]) -> list[Pick]:
    return each(lanes, limit=1)


async def test_it_rests_where_its_url_has_to_rest(scene: Scene) -> None:
    """429 to one of a thousand: the others wait as long as it says."""
    await given_up(scene, 3)
    await replay(scene)
    [first] = await scene.claim_deliveries(choose=one)
    await scene.hear(first, slow_down(600.0))
    assert not await attempts_within(scene, 599.0)
    scene.later(1.0)
    [probe] = await scene.claim_deliveries(choose=one)
    assert probe.manual


async def test_others_of_the_host_go_on_meanwhile(scene: Scene) -> None:
    """At a host that many share, one URL that is throttled says nothing of the others."""
    await given_up(scene, 2, destination=destination("a"))
    await given_up(scene, 2, destination=destination("b"), params={"n": "2"})
    await replay(scene)
    [first] = await scene.claim_deliveries(choose=one)
    await scene.hear(first, slow_down(600.0))
    claims = await attempts_within(scene, 20.0)
    assert len(claims) == 2
    assert {claim.destination_id for claim in claims}.isdisjoint({first.destination_id})


async def test_it_rests_where_the_whole_host_has_to(scene: Scene) -> None:
    """Two URLs were throttled, whoever has called them."""
    for path in "abc":
        await given_up(scene, 1, destination=destination(path), params={"n": path})
    for path in "de":
        await scene.add(path, destination=destination(path))
    await scene.poll(succeeded())
    await replay(scene, until=scene.now - 1)
    firsts = await scene.claim_deliveries(
        choose=lambda lanes: each([lane for lane in lanes if not lane.retry])
    )
    for claimed in firsts:
        await scene.hear(claimed, slow_down(30.0))
    assert len(firsts) == 2
    assert not await attempts_within(scene, 29.0)
    scene.later(1.0)
    lanes = (await scene.store.delivery_lanes(now=scene.now, window=Window())).lanes
    probed = {lane.id for lane in lanes if lane.probing}
    assert probed, "one at a time"
    others = await scene.store.delivery_lanes(
        now=scene.now, window=Window(probed={"shop": probed})
    )
    assert others.lanes == [lane for lane in lanes if not lane.probing]
    assert await attempts_within(scene, 1.0)


async def test_a_lane_that_rests_is_left_alone_until_then(scene: Scene) -> None:
    """One that is ready and gives nothing would be looked at without a pause."""
    await given_up(scene, 2)
    await given_up(scene, 1, destination=destination("b"), params={"n": "2"})
    await scene.add("c", destination=destination("c"))
    await scene.add("d", destination=destination("d"))
    await scene.poll(succeeded())
    for claimed in await scene.claim_deliveries():
        await scene.hear(claimed, slow_down(30.0))
    await replay(scene)
    await scene.claim_deliveries()
    assert min(lane.ready_at for lane in await scene.lanes()) == scene.now + 30.0


# What crosses it


async def test_gone_is_reopened_as_by_a_retry_by_hand(scene: Scene) -> None:
    """What comes next is sent there again, too."""
    old = await scene.ended()
    running = await scene.add("running")
    await scene.deliver(GONE)
    assert (await scene.show(running)).delivery.state is DeliveryState.GONE
    assert await replay(scene, state="gone") == 1
    claimed = await scene.deliver(ACCEPTED)
    assert (claimed.message_id, claimed.manual) == (f"msg_{old}_0", True)
    assert (await scene.delivery(old)).state is DeliveryState.ACCEPTED
    await scene.poll(succeeded())
    assert (await scene.claim_delivery()).message_id == f"msg_{running}_0"


async def test_a_410_while_it_goes_on_stands(scene: Scene) -> None:
    """The first chunk has reopened the URL and heard it again; the next must not reopen."""
    keys = await gone(scene, 4)
    first, second = await found(scene, size=2, state="gone")
    began = scene.now
    await scene.store.replay(first, "gone", began_at=began, now=scene.now)
    scene.later(1.0)
    [claimed] = await scene.claim_deliveries(choose=one)
    await scene.hear(claimed, GONE)
    await scene.store.replay(second, "gone", began_at=began, now=scene.now)
    wanted = ReplayFilter(client="shop", state="gone", until=scene.now)
    page = await scene.store.find_replays(wanted, began_at=began, limit=9)
    assert not page.found
    await nothing_left(scene)
    assert await states(scene, keys) == {DeliveryState.GONE}


async def test_gone_tells_since_when(scene: Scene) -> None:
    """The newest 410 counts where the one before was of another kind of end."""
    [key] = await given_up(scene, 1)
    exhausted_at = scene.now
    scene.later(MINUTE)
    await replay(scene)
    await scene.deliver(GONE)
    shown = await scene.delivery(key)
    assert (shown.state, shown.given_up_at) == (DeliveryState.GONE, scene.now)
    assert exhausted_at < scene.now
    assert shown.last_http_status == 410


async def test_delete_drops_what_is_waiting(scene: Scene) -> None:
    """Nothing more is sent of it, whoever has asked for it."""
    keys = await given_up(scene, 2)
    await replay(scene)
    await scene.stop(keys[0])
    assert [claim.message_id for claim in await scene.claim_deliveries()] == [
        f"msg_{keys[1]}_0"
    ]


async def test_what_was_deleted_meanwhile_is_not_sent(scene: Scene) -> None:
    """Between the look and the chunk's transaction."""
    scene.schedule = Schedule((60,))
    key = await scene.ended("a", events=("task.ended",))
    await scene.deliver(BROKEN)
    [ids] = await found(scene, state="retrying")
    await scene.stop(key)
    assert await scene.store.replay(ids, "retrying", began_at=0, now=scene.now) == 0
    assert not await attempts_within(scene, DAY)


async def test_updates_of_a_subscription_that_was_stopped_are_over(scene: Scene) -> None:
    """It was given up before the DELETE, which has nothing left to drop."""
    scene.schedule = Schedule(())
    key = await scene.add("a", events=("task.ended", "task.updated"))
    await scene.poll(pending(progress=1))
    await scene.deliver(BROKEN)
    [ids] = await found(scene)
    await scene.stop(key)
    assert not await found(scene)
    assert await scene.store.replay(ids, "exhausted", began_at=0, now=scene.now) == 0


async def test_what_was_pruned_meanwhile_is_passed_over(scene: Scene) -> None:
    await given_up(scene, 3)
    [ids] = await found(scene)
    scene.later(DAY)
    assert await scene.store.prune(before=scene.now) == 3
    assert await scene.store.replay(ids, "exhausted", began_at=0, now=scene.now) == 0
    assert not await scene.lanes()


async def test_what_waits_is_not_pruned(scene: Scene) -> None:
    """Nor is its lane, before its attempt was made."""
    await given_up(scene, 2)
    await replay(scene)
    scene.later(DAY)
    assert await scene.store.prune(before=scene.now) == 0
    for claim in await scene.claim_deliveries():
        await scene.hear(claim, ACCEPTED)
    assert await scene.store.prune(before=scene.now) == 2


async def test_it_waits_for_the_attempt_in_flight(scene: Scene) -> None:
    """The receiver must not get two posts at a time."""
    await scene.ended()
    in_flight = await scene.claim_delivery()
    assert await replay(scene, state="waiting") == 1
    assert not await attempts_within(scene, 2.0)
    await scene.hear(in_flight, BROKEN)
    assert (await scene.deliver(BROKEN, after_s=1.0)).manual


async def test_it_is_spared_when_the_one_in_flight_is_accepted(scene: Scene) -> None:
    await scene.ended()
    in_flight = await scene.claim_delivery()
    await replay(scene, state="waiting")
    await scene.hear(in_flight, ACCEPTED)
    assert not await attempts_within(scene, DAY)


async def test_one_whose_replay_is_in_flight_gets_no_second(scene: Scene) -> None:
    await given_up(scene, 1)
    await replay(scene)
    claimed = await scene.claim_delivery()
    assert await replay(scene) == 0
    await scene.hear(claimed, BROKEN)
    scene.later(1.0)
    assert await replay(scene) == 1


async def test_what_has_arrived_meanwhile_is_not_sent_again(scene: Scene) -> None:
    """Its late 2xx came between the look and the chunk."""
    scene.schedule = Schedule(())
    await scene.ended()
    late = await scene.claim_delivery()
    scene.later(LEASE_S)
    await scene.deliver(BROKEN)
    [ids] = await found(scene)
    await scene.hear(late, ACCEPTED)
    assert await scene.store.replay(ids, "exhausted", began_at=0, now=scene.now) == 0


@pytest.mark.parametrize("one_subscription", [False, True])
@pytest.mark.parametrize("answer", [ACCEPTED, BROKEN])
async def test_what_had_its_attempt_since_it_began_gets_no_second(
    scene: Scene, answer: Reply, one_subscription: bool
) -> None:
    """It is in another state by then, which is asked for as well, or in the same."""
    [key] = await given_up(scene, 1)
    scene.later(MINUTE)
    began = scene.now
    only = key if one_subscription else None
    assert await replay(scene, subscription_key=only) == 1
    scene.later(1.0)
    await scene.deliver(answer)
    scene.later(1.0)
    after = (await scene.delivery(key)).state.value
    wanted = ReplayFilter(client="shop", state=after, until=began, subscription_key=only)
    page = await scene.store.find_replays(wanted, began_at=began, limit=9)
    assert not page.found
    [ids] = await found(scene, state=after, subscription_key=only)
    assert await scene.store.replay(ids, after, began_at=began, now=scene.now) == 0
    assert await replay(scene, state=after) == 1, "another replay may"


@pytest.mark.parametrize(
    ("state", "answer", "again"),
    [
        ("exhausted", BROKEN, BROKEN),
        ("gone", GONE, BROKEN),
        ("accepted", ACCEPTED, BROKEN),
        ("retrying", BROKEN, BROKEN),
    ],
)
@pytest.mark.parametrize("one_subscription", [False, True])
async def test_it_is_meant_since_it_is_in_its_state(
    scene: Scene, state: str, answer: Reply, again: Reply, one_subscription: bool
) -> None:
    """Not since it was made, nor since its last attempt."""
    scene.schedule = Schedule(()) if state == "exhausted" else Schedule()
    key = await scene.ended()
    only: dict[str, Any] = {"subscription_key": key if one_subscription else None}
    scene.later(1.0)
    since = scene.now
    await scene.deliver(answer)
    scene.later(MINUTE)
    await replay(scene, state=state, **only)
    while claims := await scene.claim_deliveries():
        for claimed in claims:  # one at a time: its retry may be due as well
            await scene.hear(claimed, again)
        scene.later(1.0)
    scene.later(MINUTE)
    assert await found(scene, state=state, as_of=since, **only)
    assert not await found(scene, state=state, as_of=since - 0.5, **only)


def slow_down(retry_after_s: float) -> Reply:
    return Reply(outcome=TOO_MANY.outcome, http_status=429, retry_after_s=retry_after_s)


async def gone(scene: Scene, count: int) -> list[str]:
    keys = [await scene.add(f"gone-{n}") for n in range(count)]
    await scene.poll(succeeded())
    for claimed in await scene.claim_deliveries():
        await scene.hear(claimed, GONE)
    scene.later(1.0)
    return keys


async def attempts_within(scene: Scene, seconds: float) -> list[ClaimedDelivery]:
    """Claimed one by one, as long as anything can be, now and after that time."""
    claims: list[ClaimedDelivery] = []
    for wait_s in (0.0, seconds):
        scene.later(wait_s)
        for _ in range(6):  # what was moved is claimed from where it is then
            claims += await scene.claim_deliveries(choose=one)
    return claims


async def nothing_left(scene: Scene) -> None:
    """To attempt, nor to look at."""
    assert not await attempts_within(scene, DAY)
    assert not await scene.lanes()


# Dead letters


async def test_dead_letters_are_paged_by_time(scene: Scene) -> None:
    """Newest first, each once, whatever has been pruned between two pages."""
    made: list[str] = []
    for n in range(3):
        made += await given_up(scene, 2, params={"n": f"{n}"})
        await scene.ended("arrived", params={"n": f"{n}"})
        await scene.deliver(ACCEPTED)
        scene.later(MINUTE)
    wanted = ReplayFilter(client="shop", state="exhausted")
    pages: list[list[str]] = []
    before: int | None = NEWEST
    while before is not None:
        page = await scene.store.deliveries(wanted, limit=2, before=before)
        pages.append([one.subscription_id.removeprefix("sub_") for one in page.items])
        before = page.next_before
    assert [key for page in pages for key in page] == made[::-1]


async def test_a_page_after_one_that_was_pruned(scene: Scene) -> None:
    """It named the last that had been shown."""
    await given_up(scene, 3)
    wanted = ReplayFilter(client="shop", state="exhausted")
    page = await scene.store.deliveries(wanted, limit=1)
    scene.later(DAY)
    [new] = await given_up(scene, 1, params={"n": "2"})
    assert await scene.store.prune(before=scene.now - MINUTE) == 3
    after = await scene.store.deliveries(wanted, limit=9, before=page.next_before or 0)
    assert not after.items
    newest = await scene.store.deliveries(wanted, limit=9)
    assert [one.subscription_id for one in newest.items] == [f"sub_{new}"]


async def test_dead_letters_of_a_time_are_listed(scene: Scene) -> None:
    """Both ends as in every list: from the first on, before the second."""
    await given_up(scene, 1)
    at = scene.now
    scene.later(MINUTE)
    await given_up(scene, 2, params={"n": "2"})
    both = {"client": "shop", "state": "exhausted"}
    assert len(await scene.list_deliveries(**both)) == 3
    assert len(await scene.list_deliveries(**both, until=at)) == 0
    assert len(await scene.list_deliveries(**both, until=at + 1)) == 1
    assert len(await scene.list_deliveries(**both, since=at + 1)) == 2
    assert len(await scene.list_deliveries(**both, since=at, until=at + 1)) == 1
    assert not await scene.list_deliveries(**both, host="other.test")
    assert not await scene.list_deliveries(client="blog", state="exhausted")


async def test_what_was_never_tried_is_gone_since_its_url_is(scene: Scene) -> None:
    """Another delivery was told."""
    keys = [await scene.add(f"gone-{n}") for n in range(2)]
    await scene.poll(succeeded())
    [first] = await scene.claim_deliveries(choose=one)
    await scene.hear(first, GONE)
    [other] = [key for key in keys if f"sub_{key}" != first.subscription_id]
    shown = await scene.delivery(other)
    assert (shown.state, shown.attempts) == (DeliveryState.GONE, 0)
    assert (shown.given_up_at, shown.last_http_status) == (scene.now, None)


async def test_at_a_host_that_was_silent_replays_come_one_by_one_too(scene: Scene) -> None:
    """The lane beside is tried by few until it has answered often enough."""
    await given_up(scene, 2 * OPEN_AFTER)
    scene.schedule = Schedule()
    for n in range(OPEN_AFTER):
        await scene.add(f"new-{n}")
    await scene.poll(succeeded())
    for claimed in await scene.claim_deliveries():
        await scene.hear(claimed, Reply(outcome=AttemptOutcome.CONNECT_ERROR))
    scene.later(HOUR)
    await replay(scene, until=scene.now - HOUR)
    assert not await scene.claim_deliveries(choose=replays), "it sees how few may go"
    for many in (1, 2):
        [lane] = [lane for lane in await scene.lanes() if lane.behind]
        assert lane.probing == many
        [claimed] = await scene.claim_deliveries(choose=one_replay)
        assert claimed.manual
        await scene.hear(claimed, BROKEN)


def one_replay(lanes: Sequence[Lane]) -> list[Pick]:
    return each([lane for lane in lanes if lane.behind], limit=1)


def replays(lanes: Sequence[Lane]) -> list[Pick]:
    return each([lane for lane in lanes if lane.behind])


async def test_two_who_go_on_under_one_key_take_nothing_twice(scene: Scene) -> None:
    """The first request was taken to be lost, and is at work all the same."""
    await given_up(scene, 2)
    [[first, second]] = await found(scene)
    used = IdempotencyKey(route="replay", key="k", body=b"body")
    kept = Kept("shop", used)
    start = await scene.store.begin_replay(kept, now=scene.now)
    assert await scene.store.begin_replay(kept, now=scene.now + 9) == start
    then = start._replace(chosen=1, after=After(0.5, first))
    step = (kept, start, then)
    done = await scene.store.replay_on(*step, [first], "exhausted", now=scene.now)
    assert (done.taken, done.after) == (1, After(0.5, first))
    assert await scene.store.begin_replay(kept, now=scene.now) == done
    for late in (
        scene.store.replay_on(*step, [second], "exhausted", now=scene.now),
        scene.store.end_replay(kept, start),
    ):
        with pytest.raises(RequestError) as caught:
            await late
        assert caught.value.code == "idempotency_in_flight"
    assert len(await scene.claim_deliveries()) == 1
