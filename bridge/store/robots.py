"""Steps about chat robots: which lanes lead to one, and what it may be told now."""

from collections.abc import Sequence
from dataclasses import dataclass

from bridge import model
from bridge.budget import Budget
from bridge.lanes import Lane
from bridge.model import Destination
from bridge.receivers.robots import ALONE_AFTER, TOLD_AT_ONCE, budget_of, hushed_until
from bridge.store.box import Box
from bridge.store.delivering import put_lane
from bridge.store.steps import Row, Step, ask

# Of lanes that lead to one robot, that which has just spoken is looked at after the others.
TURN_S = 0.01
BUSY_S = 1.0  # after which a robot is asked for again that another claim is at


@dataclass(frozen=True, slots=True)
class Robot:
    """As a claim finds it, which nobody else makes meanwhile."""

    id: int
    kind: str
    budget: Budget
    muted_until: float

    def room(self, count: int, now: float) -> int:
        """Messages that it takes at once, of `count`."""
        return 0 if self.quiet_until(now) > now else min(count, self.budget.available(now))

    def rows(self, room: int) -> int:
        """Deliveries that so many messages can tell of."""
        return room - 1 + TOLD_AT_ONCE if room else 0

    def chosen(self, rows: Sequence[Row], room: int) -> Sequence[Row]:
        """Those of `rows`, the longest due first, that so many messages can tell of."""
        alone = [row for row in rows if row["failures"] >= ALONE_AFTER]
        crowd = [row for row in rows if row["failures"] < ALONE_AFTER]
        if not alone or not crowd:
            return alone[:room] or crowd
        if room == 1:
            return alone[:1] if rows[0] is alone[0] else crowd
        return [*alone[: room - 1], *crowd]

    def quiet_until(self, now: float) -> float:
        return max(self.muted_until, hushed_until(self.kind, now))


def free_robot(robot_id: int) -> Step[Robot | None]:
    """It, kept from others; None: somebody else is claiming for it."""
    for row in (yield ask("due_robot", robot_id=robot_id)):
        budget = budget_of(row["kind"], row["full_at"])
        return Robot(robot_id, row["kind"], budget, row["muted_until"])
    return None


def leave_robot(robot: Robot, lane: Lane, spent: int, now: float) -> Step[None]:
    """The lane rests until the robot takes another message; but not while what was sent is
    to tell how long it has to rest (bridge/receivers/breaker.py).
    """
    budget = robot.budget
    if spent:
        budget = budget.spend(spent, now)
        yield ask("spend_robot", robot_id=robot.id, full_at=budget.full_at)
    until = max(budget.free_at(now), robot.quiet_until(now))
    if until > now and not (spent and lane.probing):
        until = until + TURN_S if spent else until
        yield ask("rest_lane", lane_id=lane.id, until=until)


def lead_to_robot(
    box: Box, client: str, destination: Destination, destination_id: int
) -> Step[None]:
    """Give a new destination that is a robot a lane of its own."""
    if destination.robot is None:
        return
    kind = destination.robot.kind
    fingerprint = fingerprint_robot(box, kind, destination.url)
    found = yield ask("find_robot", fingerprint=fingerprint)
    if not found:
        yield ask("add_robot", fingerprint=fingerprint, kind=kind)
        found = yield ask("find_robot", fingerprint=fingerprint)
    lane_id = yield from put_lane(client, destination.host, destination_id)
    yield ask("lead_lane", lane_id=lane_id, robot_id=found[0]["id"])
    yield ask("move_destination", destination_id=destination_id, lane_id=lane_id)


def fingerprint_robot(box: Box, kind: str, url: str) -> bytes:
    return box.fingerprints.of("robot", kind, url)


def speak(box: Box, robot: model.Robot, url: str, *, now: float) -> Step[float]:
    """Count a message that is in no lane against the limit of a robot that is known here;
    when it may be sent: `now`, or later, and then nothing is counted.
    """
    fingerprint = fingerprint_robot(box, robot.kind, url)
    for row in (yield ask("find_robot", fingerprint=fingerprint)):
        known = yield from free_robot(row["id"])
        if known is None:
            return now + BUSY_S
        if not known.room(1, now):
            return max(known.budget.free_at(now), known.quiet_until(now))
        full_at = known.budget.spend(1, now).full_at
        yield ask("spend_robot", robot_id=known.id, full_at=full_at)
    return now


def mute(box: Box, robot: model.Robot, url: str, *, until: float) -> Step[None]:
    """It has said that it was told too much."""
    fingerprint = fingerprint_robot(box, robot.kind, url)
    for row in (yield ask("find_robot", fingerprint=fingerprint)):
        yield ask("mute_robot", robot_id=row["id"], until=until)
