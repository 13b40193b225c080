"""Steps of claiming deliveries: which lanes have attempts due, and taking these."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple

import orjson

from bridge import formats, portable
from bridge.errors import SealBroken
from bridge.lanes import Lane, Ready, Window
from bridge.messages import events
from bridge.messages.ids import message_id
from bridge.model import ClaimedDelivery, Destination
from bridge.receivers.robots import together
from bridge.store import hooks
from bridge.store.box import Box, log, opened
from bridge.store.claims import ELSEWHERE_S, Claims, Kind, Pick, look
from bridge.store.delivering import mark_lost
from bridge.store.replaying import Place, beside, put_replay_lane
from bridge.store.robots import Robot, free_robot, leave_robot
from bridge.store.rows import NO_EXTRAS, extras_of, hook_id
from bridge.store.steps import Query, Row, Step, ask
from bridge.traces import trace_of

# What a claim writes for each attempt, and with which parameters.
LOGGED = {
    "claim_delivery": ("schedule_id", "until", "now"),
    "count_attempt": ("delivery_id", "number"),
    "add_attempt": ("delivery_id", "number", "manual", "now"),
}
BUSY_RECHECK_S = 1.0  # an attempt waits so long for another of the same delivery


def first_lane(row: Row) -> Lane:
    return Lane(
        row["id"],
        row["client"],
        row["host"],
        ready_at=row["ready_at"],
        probing=row["probing"],
    )


def retry_lane(row: Row) -> Lane:
    return replace(first_lane(row), retry=True)


def replay_lane(row: Row) -> Lane:
    return replace(retry_lane(row), behind=True)


LANES = (
    Kind("first_owners", "ready_first_lanes", first_lane, of_hosts="ready_first_lanes_of"),
    Kind(
        "retry_owners",
        "ready_retry_lanes",
        retry_lane,
        retry=True,
        of_hosts="ready_retry_lanes_of",
    ),
    Kind(
        "replay_owners",
        "ready_replay_lanes",
        replay_lane,
        retry=True,
        behind=True,
        of_hosts="ready_replay_lanes_of",
    ),
)


def delivery_lanes(*, now: float, window: Window) -> Step[Ready]:
    return (yield from look(LANES, now, window))


def claim_deliveries(
    box: Box,
    picks: Sequence[Pick],
    *,
    now: float,
    lease_s: float,
    in_flight: Collection[int],
) -> Step[Claims[ClaimedDelivery]]:
    """Take attempts that are due and write each into the log before it is made.

    A row falls due again after `lease_s`, should this process die before it records.
    """
    items: list[ClaimedDelivery] = []
    taken = set(in_flight)
    moved: dict[tuple[int, bool], float | None] = {}
    for pick in picks:
        taken_lane = yield from free_lane(pick.lane.id, now)
        if taken_lane is None:
            moved[pick.lane.place] = now + ELSEWHERE_S
            continue
        rows = yield from due(pick, taken_lane.robot, now)
        up = yield from awake(rows, pick.lane, taken_lane.place, taken, now)
        found = [claimed(box, row, pick.lane, now) for row in up]
        yield from log_attempts(found, until=now + lease_s)
        if robot := taken_lane.robot:
            found = together(found, robot.room(pick.count, now))
            spent = sum(one.readable for one in found)
            yield from leave_robot(robot, pick.lane, spent, now)
        items += found
        for left in (yield ask("leave_lane", lane_id=pick.lane.id)):
            moved[pick.lane.id, False] = left["first_ready_at"]
            moved[pick.lane.id, True] = left["retry_ready_at"]
        yield ask("advance_lane_to_next", lane_id=pick.lane.id)
    return Claims(items, moved)


class Free(NamedTuple):
    """A lane that nobody else claims from: whose it is, and the robot it leads to."""

    place: int
    robot: Robot | None


def free_lane(lane_id: int, now: float) -> Step[Free | None]:
    for row in (yield ask("due_lane", lane_id=lane_id)):
        place = row["destination_id"]
        if place < 0:
            place_beside = {"beside": beside(place), "now": now}
            if (yield ask("rest_beside", lane_id=lane_id, **place_beside)):
                return None  # how many may go is looked at anew
        if row["robot_id"] is None:
            return Free(place, None)
        robot = yield from free_robot(row["robot_id"])
        return Free(place, robot) if robot else None
    return None


def due(pick: Pick, robot: Robot | None, now: float) -> Step[Sequence[Row]]:
    """What is due in a lane, as much as may begin now. A robot takes few messages, so it is
    told of first attempts and retries alike, by how long they are due.
    """
    lane = {"lane_id": pick.lane.id, "now": now}
    if robot is None:
        retry, limit = int(pick.lane.retry), pick.count
        return (yield ask("due_deliveries", retry=retry, limit=limit, **lane))
    room = robot.room(pick.count, now)
    limit = robot.rows(room)
    firsts = yield ask("due_deliveries", retry=0, limit=limit, **lane)
    retries = yield ask("due_deliveries", retry=1, limit=limit, **lane)
    rows = sorted([*firsts, *retries], key=itemgetter("next_at"))
    return robot.chosen(rows[:limit], room)


def awake(
    rows: Sequence[Row], lane: Lane, place: int, taken: set[int], now: float
) -> Step[list[Row]]:
    """Those of `rows` that may be attempted; each other is moved out of their way. `place`:
    which destination's lane it is.
    """
    found: list[Row] = []
    busy: list[dict[str, float]] = []
    for row in rows:
        if row["gone_at"] is not None:
            yield ask("drop_schedule", delivery_id=row["delivery_id"])
            yield ask("drop_gone_delivery", delivery_id=row["delivery_id"], now=now)
        elif row["removed_at"] is not None:
            yield ask("drop_schedule", delivery_id=row["delivery_id"])
            yield ask("drop_hook_delivery", delivery_id=row["delivery_id"], now=now)
        elif row["home_id"] != lane.id and not row["manual"]:
            yield from send_home(row, row["home_id"], now)
        elif row["manual"] and row["retry"] and beside(row["home_of"]) != place:
            home = Place(row["client"], lane.key, row["home_of"], row["home_robot"])
            yield from send_home(row, (yield from put_replay_lane(home)), now)
        elif row["delivery_id"] in taken or (row["busy_until"] or now) > now:
            busy.append({"schedule_id": row["id"], "next_at": now + BUSY_RECHECK_S})
        else:
            if row["claimed_at"] is not None:
                yield from mark_lost(row["delivery_id"], now)
            taken.add(row["delivery_id"])
            found.append(row)
    if busy:
        yield Query("rearm_delivery", busy)
    return found


def send_home(row: Row, lane_id: int, now: float) -> Step[None]:
    """To the lane that its destination has now."""
    yield ask("move_delivery", schedule_id=row["id"], lane_id=lane_id)
    advance = "advance_retry" if row["retry"] else "advance_first"
    yield ask(advance, lane_id=lane_id, at=now)


def log_attempts(claims: Sequence[ClaimedDelivery], *, until: float) -> Step[None]:
    """Each is in the log before it is made, as of unknown outcome."""
    if not claims:
        return
    rows = [
        {
            "schedule_id": one.schedule_id,
            "delivery_id": one.delivery_id,
            "number": one.attempt,
            "manual": int(one.manual),
            "until": until,
            "now": one.claimed_at,
        }
        for one in claims
    ]
    for query, names in LOGGED.items():
        yield Query(query, [{name: row[name] for name in names} for row in rows])


def claimed(box: Box, row: Row, lane: Lane, now: float) -> ClaimedDelivery:
    extras = wish_of(box, row)
    destination, secrets, body = unsealed(box, row, extras, lane.key)
    subscription_id = f"sub_{row['key']}"
    delivery_id = message_id(subscription_id, row["sequence"], hook_id(row))
    if row["hook"] is not None and body:
        body = for_hook(body, delivery_id, row["method"])
    return ClaimedDelivery(
        schedule_id=row["id"],
        delivery_id=row["delivery_id"],
        claim_no=row["claim_no"] + 1,
        claimed_at=now,
        attempt=row["attempts"] + 1,
        manual=bool(row["manual"]),
        failures=row["failures"],
        conflicts=row["conflicts"],
        seen_lost=bool(row["lost"]) or row["claimed_at"] is not None,
        created_at=row["created_at"],
        message_id=delivery_id,
        subscription_id=subscription_id,
        client=row["client"],
        lane_id=lane.id,
        retry=lane.retry,
        type=row["type"],
        destination_id=row["destination_id"],
        destination=destination,
        method=row["method"],
        format=row["format"],
        signing_secrets=secrets,
        body=body,
        traceparent=trace_of(subscription_id, (extras or NO_EXTRAS).get("trace")).header,
        readable=bool(body),
    )


def wish_of(box: Box, row: Row) -> Mapping[str, Any] | None:
    """What the subscription keeps sealed; None: it does not open."""
    sealed = row["wish"]
    return NO_EXTRAS if sealed is None else opened(partial(extras_of, box), sealed)


def unsealed(
    box: Box, row: Row, extras: Mapping[str, Any] | None, host: str
) -> tuple[Destination, tuple[str, ...], bytes]:
    """Where, signed with what, and what; an empty body if any of it does not open.
    `extras`: the subscription's, None if they do not.
    """
    try:
        return (
            box.open_destination(row["destination"]),
            secrets_of(box, row, extras),
            box.open_body(row["body"]),
        )
    except SealBroken as error:
        log.error("row.unreadable", error=str(error))
        return Destination(url="", host=host), (), b""


def secrets_of(box: Box, row: Row, extras: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Empty: the client's. Raises SealBroken."""
    if row["hook"] is not None:
        return hooks.secrets_of(box, row["hook_sealed"])
    if extras is None:
        raise SealBroken("what a subscription keeps sealed does not open")
    return tuple(extras["signing_secrets"])


def for_hook(body: bytes, message_id: str, method: str) -> bytes:
    """The event under the id of this delivery. Metadata that no URL has room for, which a
    subscription with method GET could not have had, is left out.
    """
    event = events.addressed(orjson.loads(body), message_id)
    data = event["data"]
    if method == "GET" and not formats.metadata_fits(data["metadata"]):
        event["data"] = {**data, "metadata": {}}
    return portable.encode(event)
