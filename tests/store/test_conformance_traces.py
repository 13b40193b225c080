"""What a store keeps of a trace, and where it is told again."""

from bridge.traces import trace_of
from tests.store.hooking import hooked
from tests.store.scene import BROKEN, Scene
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
