"""Steps that owe an event to whom it is for: deliveries, and when they are due."""

from collections.abc import Mapping
from typing import TypedDict

from bridge.messages import events
from bridge.model import DeliveryState
from bridge.store.rows import Listener
from bridge.store.steps import Row, Step, ask

PATIENCE_S = 2.0  # a first attempt is never earlier than this after the 202

Places = Mapping[int, Row]  # in the schedule, by hook; 0: the subscription's own


def owe(
    listener: Listener, sequence: int, type_: str, now: float, places: Places | None = None
) -> Step[None]:
    """A delivery to the subscription's own destination, and one to each hook its client
    has at this moment: due now, or at the place of the one it supersedes.
    """
    places = places or {}
    if listener.destination_id is not None:
        state = owed_state(listener, type_)
        event, to = (listener.id, sequence), (0, listener.destination_id)
        delivery_id = yield from add_delivery(event, to, state, now)
        if state.pending:
            assert listener.lane_id is not None  # noqa: S101 - every destination has one
            place = placed(listener, now, places.get(0))
            yield from schedule(delivery_id, listener.lane_id, **place)
    if listener.hooks:
        yield from owe_hooks(listener, sequence, type_, now, places)


def owe_hooks(
    listener: Listener, sequence: int, type_: str, now: float, places: Places
) -> Step[None]:
    """What the subscription itself asked to be told of does not count here."""
    found = yield ask("hooks_of", client=listener.client, provider=listener.provider)
    for hook in found:
        if type_ not in events.expand(hook["events"].split(" ")):
            continue
        event, to = (listener.id, sequence), (hook["id"], hook["destination_id"])
        delivery_id = yield from add_delivery(event, to, DeliveryState.WAITING, now)
        place = placed(listener, now, places.get(hook["id"]))
        yield from schedule(delivery_id, hook["lane_id"], **place)


def add_delivery(
    event: tuple[int, int], to: tuple[int, int], state: DeliveryState, now: float
) -> Step[int]:
    """Its id. `event`: of which subscription, and its number; `to`: which hook (0: none)
    and which destination.
    """
    (subscription_id, sequence), (hook_id, destination_id) = event, to
    [delivery] = yield ask(
        "add_delivery",
        subscription_id=subscription_id,
        sequence=sequence,
        hook_id=hook_id,
        destination_id=destination_id,
        state=state.value,
        now=now,
    )
    delivery_id: int = delivery["id"]
    return delivery_id


class Place(TypedDict):
    at: float
    retry: bool
    failures: int


def placed(listener: Listener, now: float, former: Row | None) -> Place:
    at = former["next_at"] if former else now
    return Place(
        at=max(at, listener.created_at + PATIENCE_S),
        retry=bool(former and former["retry"]),
        failures=former["failures"] if former else 0,
    )


def schedule(
    delivery_id: int, lane_id: int, *, at: float, retry: bool, failures: int = 0
) -> Step[None]:
    yield ask(
        "schedule_delivery",
        delivery_id=delivery_id,
        manual=0,
        lane_id=lane_id,
        retry=int(retry),
        next_at=at,
        failures=failures,
    )
    yield ask("advance_retry" if retry else "advance_first", lane_id=lane_id, at=at)


def owed_state(listener: Listener, type_: str) -> DeliveryState:
    if type_ not in events.expand(listener.events):
        return DeliveryState.FILTERED
    return DeliveryState.GONE if listener.gone else DeliveryState.WAITING
