"""What a store keeps of a trace, and where it is told again."""

from bridge.model import PollOutcome, Status
from bridge.traces import trace_of
from tests.store.hooking import hooked
from tests.store.scene import BROKEN, DAY, Scene, pending, saw, succeeded
from tests.test_traces import GIVEN


async def test_every_attempt_names_the_same_span(scene: Scene) -> None:
    """Whichever node makes it: it is derived, and costs no place in the database."""
    key = await scene.ended()
    first = await scene.claim_delivery()
    assert first.traceparent == trace_of(f"sub_{key}").header
    await scene.hear(first, BROKEN)
    again = await scene.deliver(BROKEN, after_s=10.0)
    assert (again.attempt, again.traceparent) == (2, first.traceparent)


async def test_the_callers_trace_is_kept_for_all_who_are_told(scene: Scene) -> None:
    hook = await hooked(scene)
    key = await scene.ended(trace=GIVEN, metadata={"order": 1})
    claims = await scene.claim_deliveries()
    assert {one.message_id for one in claims} == {f"msg_{key}_0", f"msg_{key}_0_{hook}"}
    assert {one.traceparent for one in claims} == {trace_of(f"sub_{key}", GIVEN).header}
    seen = await scene.store.subscription(key, "shop")
    assert seen is not None
    assert (seen.trace, seen.metadata) == (GIVEN, {"order": 1})


async def test_a_repeat_from_another_trace_is_a_repeat(scene: Scene) -> None:
    """Each request of a traced caller has a span of its own."""
    one = await scene.subscribe(trace=GIVEN, canonical=b"the same")
    again = await scene.subscribe(trace=GIVEN.replace("b7", "c8"), canonical=b"the same")
    assert not again.created
    assert again.subscription.id == one.subscription.id
    assert again.subscription.trace == GIVEN


async def test_what_polls_have_seen_is_kept_with_its_times(scene: Scene) -> None:
    """The first poll and what was new after it; who comes later is told of later ones."""
    began_at = scene.now
    key = await scene.add()
    await scene.poll(saw(PollOutcome.TRANSIENT, http_status=503))
    await scene.poll(pending(Status.QUEUED), after_s=100.0)
    for progress in (1, 2):
        await scene.poll(pending(Status.RUNNING, progress), after_s=100.0)
    late = await scene.add(metadata={"late": 1})
    await scene.poll(pending(None), after_s=100.0)
    await scene.poll(saw(PollOutcome.NOT_FOUND, http_status=404), after_s=100.0)
    await scene.poll(succeeded(), after_s=100.0)

    told = [await scene.store.timeline(one, "shop") for one in (key, late)]
    first, second = [
        [(one.outcome, one.status) for one in each.seen] for each in told if each
    ]
    assert first == [
        (PollOutcome.TRANSIENT, None),
        (PollOutcome.PENDING, Status.QUEUED),
        (PollOutcome.PENDING, Status.RUNNING),
        (PollOutcome.NOT_FOUND, None),
    ]
    assert second == first[-1:]
    assert told[0] is not None
    assert began_at < told[0].seen[0].at < told[0].seen[1].at
    assert told[0].finished_at == scene.now


async def test_a_task_that_keeps_changing_is_not_written_down_for_ever(
    scene: Scene,
) -> None:
    key = await scene.add()
    for _ in range(30):
        for status in (Status.QUEUED, Status.RUNNING):
            await scene.poll(pending(status), after_s=100.0)
    told = await scene.store.timeline(key, "shop")
    assert told is not None
    assert 20 < len(told.seen) < 50
    assert told.seen[0].status is Status.QUEUED


async def test_a_task_that_is_asked_about_anew_begins_anew(scene: Scene) -> None:
    """What was seen before its end was another's, and long ago."""
    await scene.add()
    await scene.poll(pending(Status.QUEUED))
    await scene.poll(succeeded(), after_s=100.0)
    scene.later(2 * DAY)
    key = await scene.add()
    await scene.poll(pending(Status.RUNNING), after_s=100.0)
    told = await scene.store.timeline(key, "shop")
    assert told is not None
    assert [one.status for one in told.seen] == [Status.RUNNING]
