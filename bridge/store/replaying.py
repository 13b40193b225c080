"""Steps of replaying many deliveries: one extra attempt each, beside what is on schedule.

A replay waits among the retries, which leave room for first attempts, and in a lane beside
that of its destination: thousands of them never stand before a retry that falls due. It
rests while that lane does, and moves along when its destination gets another.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from bridge.store.delivering import put_lane
from bridge.store.listing import DeliveryFilter
from bridge.store.reading import NEWEST
from bridge.store.steps import Query, Row, Rows, Step, ask, keys_of


class Place(NamedTuple):
    """A lane by what names it, and the robot that it leads to."""

    client: str
    host: str
    destination_id: int
    robot_id: int | None


class After(NamedTuple):
    """A delivery after which to go on: when it was made, and its id."""

    made_at: float = 0.0
    id: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayFilter(DeliveryFilter):
    """Deliveries of one state that were in it by `as_of`; None: when the replay began."""

    as_of: float | None = None


BEGINNING = After()
LOOKED = 10_000  # rows of one look, whosesoever they are


class Replays(NamedTuple):
    """Deliveries that may be replayed, and where to go on; None: these are all."""

    found: Sequence[After]
    after: After | None


def beside(destination_id: int) -> int:
    """Where the replays of a lane wait, by what names its place; and the other way round.

    >>> beside(0), beside(7), beside(beside(7))
    (-1, -8, 7)
    """
    return -1 - destination_id


def find_replays(
    wanted: ReplayFilter, *, began_at: float, after: After, limit: int
) -> Step[Replays]:
    """The oldest of them: `limit` at most, or fewer. `wanted` has a state and an end of its
    time.
    """
    after = max(after, After(wanted.since or 0.0))
    filters = {
        "state": wanted.state,
        "host": wanted.host,
        "since": after.made_at,
        "after": after.id,
        "until": wanted.until,
        "as_of": began_at if wanted.as_of is None else min(wanted.as_of, began_at),
        "began_at": began_at,
        "limit": limit,
    }
    edge: After | None = None
    if wanted.subscription_key is None:
        edge = yield from edge_of(wanted, after)
        last = edge or After(math.inf, NEWEST)
        within = {"client": wanted.client, "edge_at": last.made_at, "edge": last.id}
        rows = yield ask("replays", **within, **filters)
    else:
        rows = yield from of_subscription(wanted, filters)
    found = [After(row["created_at"], row["id"]) for row in rows]
    return Replays(found, found[-1] if len(found) == limit else edge)


def edge_of(wanted: DeliveryFilter, after: After) -> Step[After | None]:
    """The last row that is looked at; None: there is no end to it but that of all."""
    rows = yield ask(
        "edge_of_replays",
        state=wanted.state,
        since=after.made_at,
        after=after.id,
        until=wanted.until,
        looked=LOOKED - 1,
    )
    return After(rows[0]["created_at"], rows[0]["id"]) if rows else None


def of_subscription(wanted: DeliveryFilter, filters: Mapping[str, Any]) -> Step[Rows]:
    known = yield ask(
        "find_subscription", key=wanted.subscription_key, client=wanted.client
    )
    for row in known:
        return (yield ask("replays_of_subscription", subscription_id=row["id"], **filters))
    return []


def replay(
    ids: Sequence[int], state: str, *, began_at: float, now: float, wait: bool = False
) -> Step[set[int]]:
    """Owe each an extra attempt, if it is still in that state, is owed none and has had
    none by hand since the replay began; which.

    Those that somebody else is at are left out, unless `wait` says to wait for them.
    """
    for delivery_id in ids if wait else ():
        yield ask("lock_delivery", delivery_id=delivery_id)
    rows = yield ask("take_replays", ids=keys_of(ids), state=state, began_at=began_at)
    # In the order of their ids, as of two replays neither may wait for the other.
    reopened = sorted({row["destination_id"] for row in rows})
    if reopened:
        opening = [{"destination_id": each, "began_at": began_at} for each in reopened]
        yield Query("reopen_replayed", opening)
    owed: set[int] = set()
    for place, found in sorted(by_place(rows).items()):
        lane_id = yield from put_replay_lane(place)
        added = yield ask("owe_replays", ids=keys_of(found), lane_id=lane_id, now=now)
        owed.update(row["delivery_id"] for row in added)
        yield ask("advance_retry", lane_id=lane_id, at=now)
    return owed


def by_place(rows: Sequence[Row]) -> dict[Place, list[int]]:
    """Deliveries by the lane beside which their replays wait."""
    found: defaultdict[Place, list[int]] = defaultdict(list)
    for row in rows:
        place = Place(row["client"], row["host"], row["home_of"], row["robot_id"])
        found[place].append(row["id"])
    return found


def put_replay_lane(place: Place) -> Step[int]:
    """The id of the lane beside it. A robot's limits hold for replays as well."""
    lane_id = yield from put_lane(place.client, place.host, beside(place.destination_id))
    if place.robot_id is not None:
        yield ask("lead_lane", lane_id=lane_id, robot_id=place.robot_id)
    return lane_id
