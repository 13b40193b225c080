"""Refused keys: when a whole account rests, how it is probed, and what ends."""

import pytest

from bridge.model import Outcome, PollOutcome
from bridge.store import Doubt
from tests.store.scene import (
    DAY,
    GAP_S,
    HOUR,
    MINUTE,
    REFUSED,
    TRANSIENT,
    Scene,
    pending,
    saw,
    succeeded,
)


async def test_one_watch_alone_does_not_prove_a_key_wrong(scene: Scene) -> None:
    """Some gateways answer 401 about one task; the others go on being polled."""
    await scene.add("strange")
    await scene.add("fine")
    scene.later(1.0)
    strange, _fine = sorted(
        await scene.claim_polls(), key=lambda c: c.task_id, reverse=True
    )
    for _ in range(3):
        await scene.answer(strange, REFUSED)
        credential = await scene.credential()
        assert (credential["probes"], credential["paused_until"] > scene.now) == (0, False)
        scene.later(400.0)
        [strange] = [c for c in await scene.claim_polls() if c.task_id == "strange"]
    assert strange.key_refused_at == scene.now - 1200
    assert strange.key_refused_by == strange.watch_id


async def test_a_second_watch_confirms_it(scene: Scene) -> None:
    """Two tasks refused: it is the key. All of its polls rest."""
    await scene.add("a")
    await scene.add("b")
    scene.later(1.0)
    first, second = await scene.claim_polls()
    scene.later(0.2)
    await scene.answer(first, REFUSED)
    scene.later(0.1)
    await scene.answer(second, REFUSED)
    credential = await scene.credential()
    assert (credential["probes"], credential["paused_until"]) == (1, scene.now + 10)
    assert scene.now - credential["refused_at"] == pytest.approx(0.1, abs=0.01)
    [lane] = await scene.poll_lanes()
    assert lane.probing


async def test_a_burst_of_refusals_counts_once(scene: Scene) -> None:
    """Sixty polls in flight are one piece of news, not sixty: the first probe is soon."""
    for n in range(10):
        await scene.add(f"task-{n}")
    scene.later(1.0)
    for claimed in await scene.claim_polls():
        scene.later(0.1)
        await scene.answer(claimed, REFUSED)
    credential = await scene.credential()
    assert credential["probes"] == 1
    assert credential["paused_until"] - scene.now == pytest.approx(10 - 0.8, abs=0.01)


async def test_a_refusal_does_not_cut_the_providers_own_pause(scene: Scene) -> None:
    """It asked for ten minutes; that its key is wrong as well makes it no sooner."""
    for n in range(3):
        await scene.add(f"task-{n}")
    scene.later(1.0)
    throttled, *refused = await scene.claim_polls()
    await scene.answer(throttled, saw(PollOutcome.THROTTLED, retry_after_s=600.0))
    for claimed in refused:
        await scene.answer(claimed, REFUSED)
    credential = await scene.credential()
    assert (credential["probes"], credential["paused_until"]) == (1, scene.now + 600)


async def test_a_key_that_works_after_all_opens_the_lane_but_for_a_429(
    scene: Scene,
) -> None:
    """A success in flight contradicts a refusal; it does not contradict Retry-After."""
    for n in range(4):
        await scene.add(f"task-{n}")
    scene.later(1.0)
    first, second, third, fourth = await scene.claim_polls()
    for claimed in (first, second):
        await scene.answer(claimed, REFUSED)
    assert (await scene.credential())["paused_until"] == scene.now + 10
    await scene.answer(third, succeeded())
    assert (await scene.credential())["paused_until"] <= scene.now
    for claimed in (first, second):
        await scene.answer(claimed, REFUSED)
    await scene.answer(third, saw(PollOutcome.THROTTLED, retry_after_s=60.0))
    await scene.answer(fourth, succeeded())
    credential = await scene.credential()
    assert (credential["probes"], credential["paused_until"]) == (0, scene.now + 60)


async def test_each_refused_probe_doubles_the_pause(scene: Scene) -> None:
    """A key that stays wrong is asked about every five minutes in the end."""
    await scene.add("a")
    await scene.add("b")
    await scene.poll(REFUSED)
    pauses = []
    for _ in range(6):
        paused_until = (await scene.credential())["paused_until"]
        scene.later(max(paused_until - scene.now, 400.0))
        [claimed, *_] = await scene.claim_polls()
        await scene.answer(claimed, REFUSED)
        pauses.append((await scene.credential())["paused_until"] - scene.now)
    assert pauses == [20.0, 40.0, 80.0, 160.0, 300.0, 300.0]


async def test_a_probe_that_works_opens_the_lane(scene: Scene) -> None:
    """The operator has mended the key: everything goes on at once."""
    await scene.add("a")
    await scene.add("b")
    await scene.poll(REFUSED)
    scene.later(10.0)
    [probe, *_] = await scene.claim_polls()
    await scene.answer(probe, pending())
    credential = await scene.credential()
    assert (credential["probes"], credential["refused_at"]) == (0, None)
    assert credential["worked_at"] == scene.now
    assert credential["paused_until"] <= scene.now
    [lane] = await scene.poll_lanes()
    assert not lane.probing


async def test_an_end_proves_the_key_as_well(scene: Scene) -> None:
    """Also when it is the first answer that the key ever got."""
    await scene.add("a")
    await scene.add("b")
    scene.later(1.0)
    first, second = await scene.claim_polls()
    await scene.answer(first, REFUSED)
    await scene.answer(second, succeeded())
    credential = await scene.credential()
    assert (credential["refused_at"], credential["worked_at"]) == (None, scene.now)


async def test_one_key_does_not_speak_for_another(scene: Scene) -> None:
    """Callers' own keys are accounts of their own."""
    for task_id in ("a", "b"):
        await scene.add(task_id, provider_key="sk-wrong")
        await scene.add(task_id, provider_key="sk-right")
    scene.later(1.0)
    for claimed in await scene.claim_polls():
        wrong = claimed.own_key == "sk-wrong"
        await scene.answer(claimed, REFUSED if wrong else pending())
    lanes = await scene.poll_lanes()
    assert sorted(lane.probing for lane in lanes) == [False, True]


async def test_a_key_that_never_worked_ends_its_tasks_after_ten_minutes(
    scene: Scene,
) -> None:
    """A typing mistake must not look like a task that takes a day."""
    key = await scene.add(provider_key="sk-typo")
    scene.later(1.0)
    await scene.answer(await scene.claim_poll(), REFUSED)
    scene.later(10 * MINUTE - 0.5)
    assert await scene.store.end_keyless(Doubt.none(scene.now)) == []
    scene.later(1.0)
    assert await scene.store.end_keyless(Doubt.none(scene.now)) == [key]
    shown = await scene.show(key)
    assert shown.outcome is Outcome.UNREACHABLE
    assert shown.event is not None
    assert shown.event["data"]["error"]["code"] == "key_refused"
    assert shown.next_poll_at is None
    assert (await scene.claim_delivery()).type == "task.unreachable"


async def test_a_late_subscriber_has_its_own_ten_minutes(scene: Scene) -> None:
    """The operator may be mending the key while it subscribes."""
    early = await scene.add("early")
    scene.later(1.0)
    await scene.answer(await scene.claim_poll(), REFUSED)
    scene.later(9 * MINUTE)
    late = await scene.add("late")
    shared = await scene.add("early", metadata={"n": 2})
    scene.later(2 * MINUTE)
    assert await scene.store.end_keyless(Doubt.none(scene.now)) == [early]
    scene.later(9 * MINUTE)
    ended = await scene.store.end_keyless(Doubt.none(scene.now))
    assert sorted(ended) == sorted([late, shared])
    assert await scene.store.end_keyless(Doubt.none(scene.now)) == []


async def test_a_key_that_worked_before_ends_nothing(scene: Scene) -> None:
    """It may be mended, and the tasks go on meanwhile."""
    key = await scene.add()
    await scene.poll(pending())
    await scene.poll(REFUSED, after_s=GAP_S)
    scene.later(HOUR)
    assert await scene.store.end_keyless(Doubt.none(scene.now)) == []
    assert (await scene.show(key)).outcome is None


async def test_trouble_of_another_kind_proves_nothing_of_a_key(scene: Scene) -> None:
    """A 503 neither clears a refusal nor confirms it."""
    await scene.add("a")
    await scene.add("b")
    scene.later(1.0)
    first, second = await scene.claim_polls()
    await scene.answer(first, REFUSED)
    before = await scene.credential()
    await scene.answer(second, TRANSIENT)
    assert await scene.credential() == before


async def test_a_refusal_counts_although_its_claim_is_stale(scene: Scene) -> None:
    """It concerns the account, whoever polls the task now."""
    await scene.add("a")
    await scene.add("b")
    scene.later(1.0)
    stale = await scene.claim_polls()
    scene.later(GAP_S)
    await scene.claim_polls()
    for claimed in stale:
        await scene.answer(claimed, REFUSED)
    assert (await scene.credential())["probes"] == 1


@pytest.mark.parametrize("wait_s", [10 * MINUTE, DAY])
async def test_a_credential_out_of_use_ends_nobody(scene: Scene, wait_s: float) -> None:
    """A refusal of last week is no word on a subscription of today."""
    key = await scene.add("a")
    scene.later(1.0)
    await scene.answer(await scene.claim_poll(), REFUSED)
    await scene.stop(key)
    scene.later(wait_s)
    await scene.add("b")
    assert await scene.store.end_keyless(Doubt.none(scene.now)) == []
