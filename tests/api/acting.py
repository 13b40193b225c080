"""What poller and dispatcher would do, one step at a time."""

from bridge.lanes import Window
from bridge.model import AttemptOutcome, Observation, PollOutcome, Reply, Result, Status
from bridge.receivers import retry
from bridge.store import Pick, Store
from bridge.transition import Move
from tests.conftest import FakeClock
from tests.store.scene import Every


async def poll(store: Store, clock: FakeClock, seen: Observation) -> list[str]:
    """Poll everything that is due, with the same answer for all; who has ended by it."""
    ready = await store.poll_lanes(now=clock.now(), window=Window())
    claims = await store.claim_polls(
        [Pick(lane, 100) for lane in ready.lanes],
        now=clock.now(),
        pace=Every(5.0),
    )
    ended: list[str] = []
    for claimed in claims.items:
        if seen.outcome is PollOutcome.ENDED:
            ended += await store.record_end(
                claimed.watch_id, seen, now=clock.now(), memory_until=clock.now() + 3_600
            )
        else:
            move = Move(
                changed=True,
                updated=seen.outcome is PollOutcome.PENDING,
                key_refused=seen.outcome is PollOutcome.AUTH,
            )
            await store.record_poll(claimed, seen, move, now=clock.now())
    return ended


PENDING = Observation(
    outcome=PollOutcome.PENDING, status=Status.RUNNING, http_status=200, progress=30
)
SUCCEEDED = Observation(
    outcome=PollOutcome.ENDED, status=Status.SUCCEEDED, http_status=200, result=Result()
)


async def attempt(store: Store, clock: FakeClock, reply: Reply) -> None:
    """Make every attempt that is due, with the same answer to all."""
    ready = await store.delivery_lanes(now=clock.now(), window=Window())
    claims = await store.claim_deliveries(
        [Pick(lane, 100) for lane in ready.lanes], now=clock.now(), lease_s=35
    )
    for claimed in claims.items:
        verdict = retry.decide(
            claimed, reply, schedule=retry.Schedule(), now=clock.now(), dice=0.5
        )
        await store.record_attempt(claimed, reply, verdict, now=clock.now())


REFUSED = Reply(
    outcome=AttemptOutcome.REFUSED, http_status=500, body=b"no \xff", detail="500"
)
ACCEPTED = Reply(outcome=AttemptOutcome.ACCEPTED, http_status=200)
