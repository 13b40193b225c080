"""Steps of the sweep, which finds what must not exist, and repairs it."""

from bridge.messages import events
from bridge.messages.ids import END
from bridge.model import DeliveryState
from bridge.store.box import Box, opened
from bridge.store.claims import share_of
from bridge.store.owing import PATIENCE_S, add_delivery, schedule
from bridge.store.rows import listener, listener_of
from bridge.store.steps import Row, Step, ask
from bridge.store.telling import CHUNK, rest_if_idle, tell_end, wipe_unused_key

AMISS = (
    "unwatched_subscriptions",
    "unchecked_subscriptions",
    "untold_ends",
    "unscheduled_deliveries",
    "laneless_attempts",
    "unused_keys",
    "idle_schedules",
    "late_credentials",
    "late_lanes",
)


def anything_amiss() -> Step[bool]:
    """Whether a sweep would find something: a look that holds up nobody who writes."""
    for query in AMISS:
        if (yield ask(query, limit=1)):
            return True
    return False


def sweep(box: Box, *, now: float, shared: bool) -> Step[int]:
    """Find and repair what must not exist; how much of it: 0 unless there is a bug.

    That a lane is late is none where several nodes share the database: one of them may
    have died between a commit and what is told of it afterwards.
    """
    repaired = yield from sweep_subscriptions(box, now)
    for row in (yield ask("untold_ends", limit=CHUNK)):
        repaired += 1
        yield from owe_end(row, now)
    for row in (yield ask("unscheduled_deliveries", limit=CHUNK)):
        repaired += 1
        retry = row["state"] == DeliveryState.RETRYING
        yield from schedule(row["id"], row["lane_id"], at=now + PATIENCE_S, retry=retry)
    for row in (yield ask("laneless_attempts", limit=CHUNK)):
        repaired += 1
        yield from bring_home(row)
    for row in (yield ask("unused_keys", limit=CHUNK)):
        repaired += 1
        yield from wipe_unused_key(row["id"])
    for row in (yield ask("idle_schedules", limit=CHUNK)):
        repaired += 1
        [watch] = yield ask("lock_watch", watch_id=row["watch_id"])
        yield from rest_if_idle(row["watch_id"], watch["credential_id"])
    late = yield from sweep_lanes()
    return repaired if shared else repaired + late


def bring_home(row: Row) -> Step[None]:
    """What is owed in a lane that is not there: to that of its destination."""
    yield ask("move_delivery", schedule_id=row["id"], lane_id=row["lane_id"])
    advance = "advance_retry" if row["retry"] else "advance_first"
    yield ask(advance, lane_id=row["lane_id"], at=row["next_at"])


def sweep_lanes() -> Step[int]:
    """Lanes that would be looked at later than their work is due."""
    credentials = yield ask("late_credentials", limit=CHUNK)
    for row in credentials:
        yield ask("advance_credential", credential_id=row["id"], at=row["at"])
    lanes = yield ask("late_lanes", limit=CHUNK)
    for row in lanes:
        advance = "advance_retry" if row["retry"] else "advance_first"
        yield ask(advance, lane_id=row["id"], at=row["at"])
    return len(credentials) + len(lanes)


def sweep_subscriptions(box: Box, now: float) -> Step[int]:
    repaired = 0
    for row in (yield ask("unwatched_subscriptions", limit=CHUNK)):
        repaired += 1
        yield from rewatch(box, row, now)
    for row in (yield ask("unchecked_subscriptions", limit=CHUNK)):
        repaired += 1
        check_at = row["deadline_at"]
        yield ask(
            "check_later", subscription_id=row["id"], check_at=check_at, closing_at=None
        )
    return repaired


def rewatch(box: Box, row: Row, now: float) -> Step[None]:
    """Tell an end that was missed, or poll the watch again."""
    [watch] = yield ask("lock_watch", watch_id=row["watch_id"])
    seen = opened(box.open_observation, watch["answer"])
    if seen is not None:
        for one in (yield from listener(row["watch_id"], row["id"])):
            yield from tell_end(box, listener_of(box, one), seen, now=now)
        return
    if watch["ended_at"] is not None:
        yield ask("reopen_watch", watch_id=row["watch_id"], now=now)
    yield ask(
        "schedule_watch",
        watch_id=row["watch_id"],
        credential_id=watch["credential_id"],
        share=share_of(row["client"]),
        next_at=now,
        claim_no=row["polls"],
        born_at=row["created_at"],
        updates=int(events.TASK_UPDATED in row["events"].split(" ")),
        raw=row["include_raw"],
    )
    yield ask("advance_credential", credential_id=watch["credential_id"], at=now)


def owe_end(row: Row, now: float) -> Step[None]:
    wanted = row["type"] in events.expand(row["events"].split(" "))
    state = DeliveryState.WAITING if wanted else DeliveryState.FILTERED
    state = DeliveryState.GONE if wanted and row["gone_at"] is not None else state
    event, to = (row["id"], END), (0, row["destination_id"])
    delivery_id = yield from add_delivery(event, to, state, now)
    if state.pending:
        at = now + PATIENCE_S
        yield from schedule(delivery_id, row["lane_id"], at=at, retry=False)
