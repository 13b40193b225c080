"""Looking for lanes with work due, and what a claim asks for and returns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar
from zlib import crc32

from bridge.lanes import Lane, Ready, Side, Window
from bridge.rate import Rate
from bridge.store.steps import Query, Row, Step, ask, keys_of

T = TypeVar("T")


def share_of(client: str) -> int:
    """The client as a number, under which its part of a rate limit is kept."""
    return crc32(client.encode())


ELSEWHERE_S = 0.02  # until a lane is looked at again that another node was claiming from


@dataclass(frozen=True, slots=True)
class Pick:
    """A lane to claim from, and how many rows of it at most."""

    lane: Lane
    count: int
    held: int = 0  # rows of it in flight, which may be due again
    rate: Rate | None = None  # of a credential
    wary: bool = False  # the provider may be down: prefer what has not failed
    dice: float = 0.0  # whose turn is first, where several clients have to wait


@dataclass(frozen=True, slots=True)
class Claims(Generic[T]):
    """`moved`: when each lane that was claimed from will be ready again, if ever."""

    items: Sequence[T] = ()
    moved: Mapping[tuple[int, bool], float | None] = field(default_factory=dict)


class Kind(NamedTuple):
    """How lanes of one kind are found: the queries, and what a row of the second means."""

    owners: str
    lanes: str
    lane: Callable[[Row], Lane]
    retry: bool = False
    behind: bool = False
    of_hosts: str = ""  # a query for those of some hosts, if its lanes lead to any


def look(kinds: Sequence[Kind], now: float, window: Window) -> Step[Ready]:
    """The ready lanes of these kinds, some of each owner. Costs nothing for the others."""
    lanes: list[Lane] = []
    clipped: set[Side] = set()
    next_at: list[float] = []
    for kind in kinds:
        for owner in (yield ask(kind.owners, now=now)):
            side = owner["name"], kind.retry + kind.behind
            limit = window.of(side)
            if owner["next_at"] is not None:
                next_at.append(owner["next_at"])
            if owner["ready_at"] is None or not limit:
                continue
            rows = yield lanes_of(kind, window, side, now=now, limit=limit)
            lanes += map(kind.lane, rows)
            if len(rows) == limit:
                clipped.add(side)
    return Ready(lanes, frozenset(clipped), min(next_at, default=None))


def lanes_of(kind: Kind, window: Window, side: Side, *, now: float, limit: int) -> Query:
    """The ready lanes of one owner that are worth a look."""
    owner = side[0]
    if not kind.of_hosts:
        return ask(kind.lanes, owner=owner, now=now, limit=limit)
    if (hosts := window.only.get(side)) is not None:
        keys = keys_of(hosts)
        return ask(kind.of_hosts, owner=owner, now=now, limit=limit, hosts=keys)
    full = keys_of(window.full_of(side))
    probed = keys_of(window.probed.get(owner, ()))
    return ask(kind.lanes, owner=owner, now=now, limit=limit, full=full, probed=probed)
