"""Chat robots: one budget for each URL, whoever speaks to it, and digests without loss."""

from collections.abc import Sequence

import pytest

from bridge.lanes import Lane
from bridge.model import (
    AttemptOutcome,
    ClaimedDelivery,
    DeliveryState,
    Destination,
    Reply,
    Robot,
)
from bridge.receivers import retry
from bridge.receivers.breaker import OPEN_AFTER
from bridge.receivers.robots import ALONE_AFTER, MARGIN, TOLD_AT_ONCE, budget_of
from bridge.store import Pick
from bridge.store.steps import Rows, Step, ask
from tests.store.scene import (
    ACCEPTED,
    BROKEN,
    DAY,
    GONE,
    HOUR,
    Scene,
    each,
    succeeded,
)

UNREACHABLE = Reply(outcome=AttemptOutcome.CONNECT_ERROR)
MUTED = Reply(
    outcome=AttemptOutcome.THROTTLED, http_status=200, retry_after_s=600.0, hint="slow"
)


def robot(kind: str = "dingtalk", path: str = "hook", **more: str) -> Destination:
    url = f"https://chat.test/{path}"
    return Destination(url=url, host="chat.test", robot=Robot(kind=kind, **more))


async def owed(
    scene: Scene, count: int, to: Destination, client: str = "shop"
) -> list[str]:
    """Keys of so many subscriptions whose task has just ended."""
    keys = [
        await scene.add(
            f"{client}-{number}-{scene.now:.0f}",
            destination=to,
            client=client,
            format=to.robot.kind if to.robot else "standard",
        )
        for number in range(count)
    ]
    await scene.poll(succeeded())
    return keys


def told(claims: Sequence[ClaimedDelivery]) -> list[list[str]]:
    """Of each message the subscriptions that it tells of."""
    return [
        [one.subscription_id.removeprefix("sub_") for one in (each, *each.riders)]
        for each in claims
    ]


def all_told(claims: Sequence[ClaimedDelivery]) -> list[str]:
    return sorted(key for keys in told(claims) for key in keys)


async def hear_all(scene: Scene, claims: Sequence[ClaimedDelivery], reply: Reply) -> None:
    """As the dispatcher records it."""
    for claimed in claims:
        verdicts = [
            (
                one,
                retry.decide(one, reply, schedule=scene.schedule, now=scene.now, dice=0.0),
            )
            for one in (claimed, *claimed.riders)
        ]
        await scene.store.record_attempts(verdicts, reply, now=scene.now)


async def test_a_robot_comes_back_as_it_was_described(scene: Scene) -> None:
    """Days later its secret has to sign, and its keyword to be said."""
    to = robot("dingtalk", secret="s3cret", keyword="词")
    await owed(scene, 1, to)
    assert (await scene.claim_delivery()).destination == to


async def test_what_fits_goes_one_by_one(scene: Scene) -> None:
    keys = await owed(scene, 2, robot())
    claims = await scene.claim_deliveries()
    assert sorted(told(claims)) == sorted([key] for key in keys)


async def test_the_rest_goes_in_one_message(scene: Scene) -> None:
    """Twenty a minute would take half an hour for what one message can say."""
    keys = await owed(scene, 12, robot())
    first, last = await scene.claim_deliveries()
    assert [len(each) for each in told([first, last])] == [1, 11]
    assert all_told([first, last]) == sorted(keys)
    assert not await scene.claim_deliveries()


async def test_each_of_a_digest_is_recorded_by_itself(scene: Scene) -> None:
    """Whoever looks for one delivery finds it, with its attempt."""
    keys = await owed(scene, 5, robot())
    claims = await scene.claim_deliveries()
    for key in keys:
        [attempt] = (await scene.delivery(key)).log
        assert (attempt.number, attempt.outcome) == (1, AttemptOutcome.UNKNOWN)
    await hear_all(scene, claims, ACCEPTED)
    for key in keys:
        delivery = await scene.delivery(key)
        [attempt] = delivery.log
        assert delivery.state is DeliveryState.ACCEPTED
        assert attempt.outcome is AttemptOutcome.ACCEPTED
    await drained(scene)


async def test_a_digest_that_is_refused_loses_nobody(scene: Scene) -> None:
    """Each goes on by its own schedule, together again if they fall due together."""
    keys = await owed(scene, 4, robot())
    await hear_all(scene, await scene.claim_deliveries(), BROKEN)
    scene.later(5.0)
    claims = await scene.claim_deliveries()
    assert all_told(claims) == sorted(keys)
    assert {one.attempt for each in claims for one in (each, *each.riders)} == {2}
    await hear_all(scene, claims, ACCEPTED)


@pytest.mark.parametrize("kind", ["slack", "dingtalk"])
async def test_one_that_is_always_refused_leaves_the_others_alone(
    scene: Scene, kind: str
) -> None:
    """The service does not like its link. At first it takes the others with it."""
    [bad] = await owed(scene, 1, robot(kind))
    good = await owed(scene, 5, robot(kind))
    for _ in range(300):
        claims = await scene.claim_deliveries()
        for claimed in claims:
            refused = bad in told([claimed])[0]
            await hear_all(scene, [claimed], BROKEN if refused else ACCEPTED)
        scene.later(10.0)
    for key in good:
        delivery = await scene.delivery(key)
        assert delivery.state is DeliveryState.ACCEPTED
        assert delivery.attempts <= ALONE_AFTER + 1
    assert (await scene.delivery(bad)).state is DeliveryState.RETRYING
    scene.later(DAY)
    await drained(scene)


async def test_a_digest_whose_end_nobody_saw_is_told_again(scene: Scene) -> None:
    """The process died with it: all of them fall due by their lease."""
    keys = await owed(scene, 4, robot())
    await scene.claim_deliveries()
    scene.later(60.0)
    claims = await scene.claim_deliveries()
    assert all_told(claims) == sorted(keys)
    assert all(one.seen_lost for each in claims for one in (each, *each.riders))
    await hear_all(scene, claims, ACCEPTED)


async def test_a_digest_has_a_most(scene: Scene) -> None:
    """A claim reads what it tells of; what is left waits for the next message."""
    for count in (TOLD_AT_ONCE, 30):
        await owed(scene, count, robot("slack"))
    [first] = await scene.claim_deliveries()
    assert 1 + len(first.riders) == TOLD_AT_ONCE
    await hear_all(scene, [first], ACCEPTED)
    scene.later(2.0)
    [second] = await scene.claim_deliveries()
    assert 1 + len(second.riders) == 30
    await hear_all(scene, [second], ACCEPTED)


async def test_what_rides_is_not_claimed_again(scene: Scene) -> None:
    """While it is in flight here, whoever has asked for it by hand meanwhile waits."""
    keys = await owed(scene, 4, robot("slack"))
    [claimed] = await scene.claim_deliveries()
    for key in keys:
        await scene.retry(key)
    scene.later(5.0)
    flying = [one.delivery_id for one in (claimed, *claimed.riders)]
    assert not await scene.claim_deliveries(in_flight=flying)
    await hear_all(scene, [claimed], ACCEPTED)
    await scene.deliver_all()


async def test_one_url_has_one_budget_whoever_speaks_to_it(scene: Scene) -> None:
    """The service counts by URL, and mutes all who speak through it."""
    await owed(scene, 3, robot(), client="shop")
    await owed(scene, 3, robot(keyword="other"), client="shop")
    await owed(scene, 3, robot(), client="blog")
    messages = len(await scene.claim_deliveries())
    assert messages == budget_of("dingtalk", 0.0).burst
    assert not await scene.claim_deliveries()


async def test_two_urls_have_two_budgets(scene: Scene) -> None:
    await owed(scene, 3, robot(path="a"))
    await owed(scene, 3, robot(path="b"))
    assert len(await scene.claim_deliveries()) == 2 * budget_of("dingtalk", 0.0).burst


async def test_clients_who_share_a_robot_take_turns(scene: Scene) -> None:
    """Whoever always has something to say must not silence the other."""
    spoke: list[str] = []
    for _ in range(8):
        for client in ("blog", "shop"):
            await owed(scene, 1, robot("slack"), client=client)
        scene.later(1.0)
        for _ in range(3):
            claims = await scene.claim_deliveries(choose=by_waiting)
            spoke += [each.client for each in claims]
            await hear_all(scene, claims, ACCEPTED)
            scene.later(0.4)
    assert spoke.count("blog") >= 3
    assert spoke.count("shop") >= 3
    scene.later(DAY)
    await drained(scene)


def by_waiting(lanes: Sequence[Lane]) -> list[Pick]:
    """As the dispatcher chooses."""
    return each(sorted(lanes, key=lambda lane: lane.ready_at))


async def drained(scene: Scene) -> None:
    for _ in range(3):
        scene.later(70.0)
        await hear_all(scene, await scene.claim_deliveries(), ACCEPTED)
    assert not await scene.lanes()


async def test_a_claim_tells_when_the_robot_can_be_spoken_to_again(scene: Scene) -> None:
    """So that nobody looks in vain until then, nor later than that."""
    await owed(scene, 1, robot("slack"))
    await hear_all(scene, await scene.claim_deliveries(), ACCEPTED)
    await scene.add("more", destination=robot("slack"), format="slack")
    at = scene.now
    await scene.end(2, succeeded())
    [lane] = await scene.lanes()
    assert at + 1.0 < lane.ready_at <= at + MARGIN + 2.1
    scene.later(lane.ready_at - scene.now)
    assert await scene.claim_deliveries()


async def test_a_mute_robot_rests_for_all_who_speak_to_it(scene: Scene) -> None:
    """DingTalk mutes for ten minutes; what is said meanwhile is lost on it."""
    await owed(scene, 1, robot())
    await hear_all(scene, await scene.claim_deliveries(), MUTED)
    await owed(scene, 1, robot(keyword="other"), client="blog")
    for _ in range(59):
        scene.later(10.0)
        assert not await scene.claim_deliveries()
    scene.later(20.0)
    claims = await scene.claim_deliveries()
    assert {each.client for each in claims} <= {"shop", "blog"}
    await hear_all(scene, claims, ACCEPTED)
    await drained(scene)


async def test_a_throttled_digest_rests_the_robot_once(scene: Scene) -> None:
    """Its deliveries are told so together; ten of them are no ten refusals."""
    await owed(scene, 12, robot("wecom"))
    minute = Reply(
        outcome=AttemptOutcome.THROTTLED, http_status=200, retry_after_s=60.0, hint="slow"
    )
    await hear_all(scene, await scene.claim_deliveries(), minute)
    scene.later(59.9)
    assert not await scene.claim_deliveries()
    scene.later(0.2)
    assert await scene.claim_deliveries()


async def test_an_attempt_by_hand_keeps_the_limit_as_well(scene: Scene) -> None:
    """A person who is impatient must not get the robot muted."""
    [key] = await owed(scene, 1, robot("slack"))
    await hear_all(scene, await scene.claim_deliveries(), ACCEPTED)
    await scene.retry(key)
    assert not await scene.claim_deliveries()
    scene.later(2.0)
    assert (await scene.claim_delivery()).manual


async def test_the_next_message_tells_of_what_was_asked_for_by_hand(scene: Scene) -> None:
    """However much has waited longer."""
    [key] = await owed(scene, 1, robot("slack"))
    await hear_all(scene, await scene.claim_deliveries(), ACCEPTED)
    await owed(scene, TOLD_AT_ONCE, robot("slack"))
    scene.later(60.0)
    await scene.retry(key)
    [claimed] = await scene.claim_deliveries()
    assert told([claimed])[0][0] == key


async def test_feishu_is_left_alone_at_the_full_hour(scene: Scene) -> None:
    """Everybody's timers go off then, and it turns messages away."""
    await owed(scene, 1, robot("feishu"))
    scene.later(3_600.0 - scene.now % 3_600.0)
    assert not await scene.claim_deliveries()
    scene.later(14.9)
    assert not await scene.claim_deliveries()
    scene.later(0.2)
    assert await scene.claim_deliveries()


async def test_a_robot_that_is_gone_is_owed_nothing(scene: Scene) -> None:
    """Slack says so of a channel that was archived."""
    keys = await owed(scene, 4, robot("slack"))
    [claimed] = await scene.claim_deliveries()
    await hear_all(scene, [claimed], GONE)
    assert {(await scene.delivery(key)).state for key in keys} == {DeliveryState.GONE}
    scene.later(60.0)
    assert not await scene.claim_deliveries()
    assert not await scene.lanes()


async def test_the_same_url_without_a_robot_is_another_destination(scene: Scene) -> None:
    """Somebody's first try as `standard` must not be spoken to as a robot, nor count."""
    plain = Destination(url="https://chat.test/hook", host="chat.test")
    await owed(scene, 5, plain)
    await owed(scene, 5, robot("slack"))
    claims = await scene.claim_deliveries()
    kinds = sorted(each.format for each in claims)
    assert kinds == ["slack", *["standard"] * 5]


async def test_a_robot_goes_with_the_last_who_spoke_to_it(scene: Scene) -> None:
    """What is finished and old leaves nothing behind."""
    await owed(scene, 1, robot("slack"))
    await hear_all(scene, await scene.claim_deliveries(), ACCEPTED)
    assert await scene.store.database.read(robots_of, scene)
    scene.later(DAY)
    while await scene.store.prune(before=scene.now):
        pass
    assert not await scene.store.database.read(robots_of, scene)


def robots_of(scene: Scene) -> Step[Rows]:
    to = robot("slack")
    fingerprint = scene.store._box.fingerprints.of("robot", "slack", to.url)
    return (yield ask("find_robot", fingerprint=fingerprint))


@pytest.mark.parametrize("count", [1, 3])
async def test_no_more_messages_than_there_are_slots(scene: Scene, count: int) -> None:
    """The chooser says how many may begin; the rest ride with the last of these."""

    def choose(lanes: Sequence[Lane]) -> list[Pick]:
        return each(lanes, limit=count)

    scene.later(60.0)  # Feishu is not spoken to at the full hour
    await owed(scene, 9, robot("feishu"))
    claims = await scene.claim_deliveries(choose=choose)
    assert len(claims) == count
    assert sum(len(each) for each in told(claims)) == 9


async def test_a_robot_whose_service_is_silent_is_left_alone(scene: Scene) -> None:
    """Its lane rests after each message; that is no reason not to count its silences."""
    await owed(scene, 1, robot("slack"))
    for _ in range(OPEN_AFTER - 1):
        scene.later(HOUR)
        await hear_all(scene, await scene.claim_deliveries(), UNREACHABLE)
    [lane] = await scene.lanes()
    assert not lane.probing
    scene.later(DAY)
    await hear_all(scene, await scene.claim_deliveries(), UNREACHABLE)
    [lane] = await scene.lanes()
    assert lane.probing
    tried_at = scene.now
    await owed(scene, 1, robot("slack"))
    while not (claims := await scene.claim_deliveries()):
        scene.later(0.5)
    first_s, tried_at = scene.now - tried_at, scene.now
    await hear_all(scene, claims, UNREACHABLE)
    while not await scene.claim_deliveries():
        scene.later(0.5)
    assert scene.now - tried_at > 1.5 * first_s, "longer each time"


async def test_a_retry_to_a_robot_waits_for_no_stream_of_first_attempts(
    scene: Scene,
) -> None:
    """There is one more of these whenever the robot listens again."""
    [late] = await owed(scene, 1, robot("slack"))
    await hear_all(scene, await scene.claim_deliveries(), BROKEN)
    seen: list[str] = []
    for _ in range(8):
        await owed(scene, 1, robot("slack"))
        scene.later(1.0)
        claims = await scene.claim_deliveries()
        seen += all_told(claims)
        await hear_all(scene, claims, ACCEPTED)
    assert late in seen


async def test_what_is_said_beside_the_lanes_counts(scene: Scene) -> None:
    """A test of a callback, by whichever client."""
    to = robot()
    assert await scene.store.speak(to, now=scene.now) == scene.now, "nobody knows it yet"
    await owed(scene, 1, to)
    await drained(scene)
    scene.later(HOUR)
    assert [await scene.store.speak(to, now=scene.now) for _ in range(2)] == [scene.now] * 2
    free_at = await scene.store.speak(to, now=scene.now)
    assert 0 < free_at - scene.now < 60
    await owed(scene, 1, to)
    assert not await scene.claim_deliveries()
    scene.later(HOUR)
    await scene.store.mute(to, until=scene.now + 600)
    assert await scene.store.speak(to, now=scene.now) == scene.now + 600
    assert not await scene.claim_deliveries()
