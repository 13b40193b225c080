"""Steps of asking for an attempt by hand."""

from typing import NamedTuple

from bridge.errors import RequestError
from bridge.model import DeliveryState, Destination, IdempotencyKey
from bridge.store.box import Box
from bridge.store.delivering import put_lane
from bridge.store.remembering import recall, remember
from bridge.store.steps import Row, Step, ask

FIRST_IN_LANE_S = 1e10  # before its time: a person waits, whatever else is overdue


class AskedFor(NamedTuple):
    """A delivery by what its id is made of, and whose it may be; None: anybody's."""

    key: str
    sequence: int
    hook: str
    client: str | None


class Once(NamedTuple):
    found: bool  # False: there is no such delivery
    replayed: bool = False  # it was asked for before


def ask_once(
    box: Box, asked: AskedFor, client: str, used: IdempotencyKey, *, now: float
) -> Step[Once]:
    """One extra attempt, owed by the first request under this key."""
    if (yield from recall(box, client, used, now=now)) is not None:
        return Once(found=True, replayed=True)
    key, sequence, hook, of_client = asked
    if not (yield from ask_for_attempt(key, sequence, of_client, now=now, hook=hook)):
        return Once(found=False)
    yield from remember(box, client, used, key, now=now)
    return Once(found=True)


def ask_for_attempt(
    key: str, sequence: int, client: str | None, *, now: float, hook: str = ""
) -> Step[bool]:
    """Owe one extra attempt, now; False if there is no such delivery.

    Raises RequestError where an attempt would contradict what the client asked for.
    """
    found = yield ask("find_delivery", key=key, sequence=sequence, hook=hook, client=client)
    for row in found:
        if row["removed_at"] is not None:
            raise RequestError("delivery_not_retryable", "its hook was removed")
        for locked in (yield ask("lock_delivery", delivery_id=row["id"])):
            yield from check_retryable(row["id"], DeliveryState(locked["state"]))
            yield from owe_by_hand(row, now)
            return True
    return False


def reopen(box: Box, client: str, destination: Destination, *, now: float) -> Step[None]:
    """What was gone has answered again."""
    fingerprint = box.fingerprint_destination(client, destination)
    for row in (yield ask("find_destination", fingerprint=fingerprint)):
        yield ask("reopen_gone_destination", destination_id=row["id"], now=now)


def check_retryable(delivery_id: int, state: DeliveryState) -> Step[None]:
    if state in (DeliveryState.STOPPED, DeliveryState.SUPERSEDED, DeliveryState.FILTERED):
        raise RequestError("delivery_not_retryable", f"the delivery is {state.value}")
    for asked in (yield ask("asked_attempt", delivery_id=delivery_id)):
        if asked["claimed_at"] is not None:
            raise RequestError(
                "delivery_not_retryable",
                "an attempt that was asked for is being made; ask again when it has ended",
            )


def owe_by_hand(delivery: Row, now: float) -> Step[None]:
    """Not in a lane of its own, where it may have to rest: a person wants to see the
    answer. But a robot's limits hold for everybody. Nor does it wait for what has waited
    longer, only for what its lane waits for.
    """
    yield ask("reopen_destination", destination_id=delivery["destination_id"], now=now)
    lane_id: int = delivery["home_id"]
    if delivery["robot_id"] is None:
        lane_id = yield from put_lane(delivery["client"], delivery["host"])
    at = now - FIRST_IN_LANE_S
    yield ask("ask_attempt", delivery_id=delivery["id"], lane_id=lane_id, at=at)
    yield ask("advance_first", lane_id=lane_id, at=at)
