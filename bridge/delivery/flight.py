"""What one node has in flight of deliveries, and what more it may begin."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count

from bridge.lanes import Lane, Side, Window, share
from bridge.model import ClaimedDelivery
from bridge.slots import Place, Slots
from bridge.store import Pick

NOBODY = -1  # the id of no lane
KEPT = 4  # a part of a host's slots is kept from retries
FOR_IDLE = 8  # … is kept for lanes that have nothing in flight
RANKS = (0, 1, 2)  # of lanes: first attempts, retries, replays
REMEMBERED = 10_000  # hosts that have answered; one that is forgotten is proven anew
DOUBTED = 5  # in a row without an answer: who answered before is unproven again
PROBED_S = 1.0  # until such a lane is looked at anew: others may have found it well
UNPROVEN_MOST = 2  # in flight of one client's to such a host


class Flight:
    """`slots` in all, half of them for one client, `host_slots` to one host; some of each
    are kept for those who have nothing in flight (`Slots`).

    To a host that has not answered this client yet, or not the last times, few may be in
    flight, and to all such hosts not all that is the client's: however many hang, or have
    no address, those that answer do not wait for them, and a new one for few.
    """

    def __init__(self, *, slots: int, host_slots: int) -> None:
        self._most, self._host_most = slots, host_slots
        self._slots = Slots(self._places)
        self._lanes: dict[int, Lane] = {}  # by delivery
        # In a row, of a client's hosts that are proven; those heard of last at the end.
        self._silences: dict[tuple[str, str], int] = {}
        # Lanes that are probed by as many as may: whose, and until when that is believed.
        self._probed: dict[int, tuple[str, float]] = {}
        self._riding: set[int] = set()  # deliveries that another's message tells of
        self._trials: dict[int, Lane] = {}  # by number of their lanes, which none else has
        self._numbers = count(NOBODY - 1, -1)

    @property
    def _busy(self) -> Sequence[Lane]:
        return [*self._lanes.values(), *self._trials.values()]

    @property
    def _free(self) -> int:
        return self._most - len(self._lanes) - len(self._trials)

    @property
    def is_full(self) -> bool:
        return self._free < 1

    @property
    def deliveries(self) -> set[int]:
        return self._riding.union(self._lanes)

    def began(self, item: ClaimedDelivery) -> None:
        self._riding.update(each.delivery_id for each in item.riders)
        self._lanes[item.delivery_id] = lane = self.known(lane_of(item))
        self._slots.take(lane)

    def ended(self, item: ClaimedDelivery) -> None:
        self._slots.give_back(self._lanes.pop(item.delivery_id))
        self._probed.pop(item.lane_id, None)
        self._riding.difference_update(each.delivery_id for each in item.riders)

    def heard(self, item: ClaimedDelivery, *, answered: bool) -> None:
        """Whether somebody was there, of an attempt that says so."""
        whose = item.client, item.destination.host
        silences = self._silences.pop(whose, DOUBTED)
        silences = 0 if answered else silences + 1
        if silences < DOUBTED:
            self._silences[whose] = silences
        if len(self._silences) > REMEMBERED:
            del self._silences[next(iter(self._silences))]

    def known(self, lane: Lane) -> Lane:
        """The lane, with what is known here of whether somebody answers."""
        proven = (lane.owner, lane.key) in self._silences
        return lane if lane.proven is proven else replace(lane, proven=proven)

    @contextmanager
    def reserved(self, picks: Sequence[Pick]) -> Iterator[None]:
        """While the claim of so much is being made, no trial begins in its place."""
        for pick in picks:
            self._slots.take(pick.lane, pick.count)
        try:
            yield
        finally:
            for pick in picks:
                self._slots.give_back(pick.lane, pick.count)

    def begin_trial(self, client: str, host: str) -> Lane | None:
        """The lane of one attempt that is of no delivery; None: there is no room now."""
        lane = Lane(next(self._numbers), client, host)
        if self._slots.room(lane) < 1:
            return None
        self._trials[lane.id] = lane
        self._slots.take(lane)
        return lane

    def end_trial(self, lane: Lane) -> None:
        self._slots.give_back(self._trials.pop(lane.id))

    def window(self, now: float) -> Window:
        """Lanes that are busy may be full, and so may all those to a busy host."""
        busy = Counter(lane.owner for lane in self._busy)
        hosts = self._busiest()
        sides = [(client, which) for client in busy for which in RANKS]
        closed = frozenset(side for side in sides if not self.open_to(side))
        full = {rank: [one for one in hosts if self._shut(one, rank)] for rank in RANKS}
        only = {
            side: self._proven(side[0]).difference(full[side[1]])
            for side in sides
            if side not in closed and not self._open_to_unproven(side)
        }
        return Window(
            busy,
            closed,
            full=full,
            full_for=self._full_for(),
            only=only,
            probed=self._probed_at(now),
        )

    def _probed_at(self, now: float) -> Mapping[str, Collection[int]]:
        probed: defaultdict[str, list[int]] = defaultdict(list)
        for lane, (owner, until) in self._probed.items():
            if now < until:
                probed[owner].append(lane)
        return probed

    def open_to(self, side: Side) -> bool:
        """Whether a client may begin an attempt at a host where nothing is in flight."""
        client, rank = side
        return self._slots.room(idle(client, "", rank)) > 0

    def _open_to_unproven(self, side: Side) -> bool:
        client, rank = side
        return self._slots.room(replace(idle(client, "", rank), proven=False)) > 0

    def _proven(self, client: str) -> set[str]:
        return {host for whose, host in self._silences if whose == client}

    def _full_for(self) -> Mapping[Side, Collection[str]]:
        """A client's unproven hosts, by who of its lanes there may begin nothing."""
        full: defaultdict[Side, list[str]] = defaultdict(list)
        busy = {(lane.owner, lane.key) for lane in self._busy}
        for client, host in busy.difference(self._silences):
            place = tried(client, host)
            for retry, ranks in ((True, RANKS[1:]), (False, RANKS[:1])):
                if self._slots.left(place, retry=retry) > 0:
                    break  # what has room for retries has room for first attempts
                for rank in ranks:
                    full[client, rank].append(host)
        return full

    def _busiest(self) -> Sequence[str]:
        """Hosts that may be full: for replays, which find least left, they are first."""
        held = Counter(lane.key for lane in self._busy)
        most = self._host_most
        few = most - most // KEPT - most // FOR_IDLE
        return [host for host, count in held.items() if count >= few]

    def _shut(self, host: str, rank: int) -> bool:
        return self._slots.room(idle("", host, rank)) < 1

    def picks(self, ready: Sequence[Lane], now: float) -> Sequence[Pick]:
        """First attempts before retries, then those who have least in flight, and of these
        replays last.
        """
        for lane in ready:
            if self._tries(lane) == 0:
                self._probed[lane.id] = lane.owner, now + PROBED_S
        ready = [self.known(lane) for lane in ready]
        chosen: list[tuple[Lane, int]] = []
        for retries in (False, True):
            probed = {lane.id for lane, _ in chosen if lane.probing}
            due = [one for one in ready if one.retry is retries and one.id not in probed]
            due.sort(key=lambda one: (self._slots.held_by(one), one.behind, one.ready_at))
            free = self._free - sum(count for _, count in chosen)
            chosen += self._slots.grant(share(due, free, self.room), beside=chosen)
        return [Pick(lane, count) for lane, count in chosen]

    def room(self, lane: Lane) -> int:
        tries = self._tries(lane)
        if tries == 0:
            return 0
        room = self._slots.room(lane)
        return room if tries is None else min(room, tries)

    def _tries(self, lane: Lane) -> int | None:
        """How many more may probe it; None: it is not probed."""
        if not lane.probing:
            return None
        return max(lane.probing - self._slots.held_by(lane), 0)

    def _places(self, lane: Lane) -> Sequence[Place]:
        """What this lane's attempts take a slot of."""
        most, host = self._most, self._host_most
        client = max(most // 2, host)
        places = (
            Place("node", most, most // 4, most // 4, most // 8),
            Place(("client", lane.owner), client, client // 4, client // 4, client // 8),
            Place(("host", lane.key), host, host // FOR_IDLE, from_retries=host // KEPT),
        )
        if lane.proven:
            return places
        few = max(client * 3 // 4, host)
        return (
            *places,
            Place(("unproven", lane.owner), few, few // 4, few // 4, few // 8),
            tried(lane.owner, lane.key),
        )


def tried(client: str, host: str) -> Place:
    """What a client may have in flight to a host that has not answered it."""
    return Place(("tried", client, host), UNPROVEN_MOST, from_retries=1)


def idle(client: str, host: str, rank: int) -> Lane:
    """A lane that has nothing in flight."""
    return Lane(NOBODY, client, host, retry=rank > 0, behind=rank > 1)


def lane_of(item: ClaimedDelivery) -> Lane:
    return Lane(item.lane_id, item.client, item.destination.host, retry=item.retry)
