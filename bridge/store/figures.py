"""Steps that read what a glance shows: how much there is, how fast it goes, what is wrong.

Every figure is of a bounded number of rows, as people look again every few seconds; what is
cut off says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.model import DeliveryState, Observation
from bridge.store.box import Box, opened
from bridge.store.steps import Query, Row, Rows, Step, ask, keys_of
from bridge.store.trouble import RefusedKeys, TroubledHost, refused_keys, troubled_hosts

HOUR_S, DAY_S = 3_600.0, 86_400.0
COUNTED = 10_000  # of what is active; more is "at least"
ENDS = 5_000  # of the last hour
SAMPLED = 250  # of these, whose lags are looked up
EXHAUSTED = 2_000  # that are looked at, whosesoever they are
LANES = 1_000  # of silent hosts, the last that were found silent
HOSTS = 20  # of these


@dataclass(frozen=True, slots=True, kw_only=True)
class SilentHost:
    """A receiver's host that does not answer, of one client, by whatever lanes."""

    client: str
    host: str
    silences: int  # attempts in a row that nobody answered, of all its lanes
    since: float  # of the first of these
    next_at: float  # when one attempt tries again


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """Of one end: seconds, None where nobody knows."""

    at: float
    detection_s: float | None  # from the provider's own time to our poll
    delivery_s: float | None  # from the event to its acceptance


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """`since` is from when on all ends are here: an hour ago, or later where there are
    too many.
    """

    active: Mapping[str, int]  # by provider; of COUNTED rows at most
    ends: Sequence[tuple[float, str]]  # time and outcome, newest first
    since: float
    lags: Sequence[Lag]
    silent: Sequence[SilentHost]
    more_silent: bool  # so many at least
    refusing: Sequence[TroubledHost]  # where attempts are repeated, though it answers
    lost: Sequence[TroubledHost]  # where deliveries were given up
    refused_keys: Sequence[RefusedKeys]
    exhausted: int
    more_exhausted: bool  # so many at least
    oldest_poll_at: float | None  # when the oldest poll was due that is not yet made
    oldest_delivery_at: float | None


def overview(box: Box, client: str | None, *, now: float) -> Step[Overview]:
    """`client` None: of all."""
    active = yield active_of(client)
    rows = yield from ends_of(client, now)
    ends = [row for row in rows if row["finished_at"] >= now - HOUR_S]
    cut = len(rows) == ENDS and len(ends) == ENDS
    silent, more_silent = yield from silent_hosts(client)
    mute = {(each.client, each.host) for each in silent}
    retried = yield from troubled_hosts(client, DeliveryState.RETRYING)
    [given_up] = yield ask("count_exhausted", client=client, limit=EXHAUSTED)
    lags = yield from lags_of(box, [row["id"] for row in ends[:SAMPLED]])
    polls, deliveries = yield from oldest(client, now)
    return Overview(
        active={row["provider"]: row["active"] for row in active},
        ends=[(row["finished_at"], row["outcome"]) for row in ends],
        since=min(row["finished_at"] for row in ends) if cut else now - HOUR_S,
        lags=lags,
        silent=silent,
        more_silent=more_silent,
        refusing=[each for each in retried if (each.client, each.host) not in mute],
        lost=(yield from troubled_hosts(client, DeliveryState.EXHAUSTED)),
        refused_keys=(yield from refused_keys(client)),
        exhausted=given_up["exhausted"] or 0,
        more_exhausted=given_up["seen"] >= EXHAUSTED,
        oldest_poll_at=polls,
        oldest_delivery_at=deliveries,
    )


def active_of(client: str | None) -> Query:
    if client is None:
        return ask("active_of_all", limit=COUNTED)
    return ask("active_of_client", client=client, limit=COUNTED)


def ends_of(client: str | None, now: float) -> Step[Rows]:
    if client is None:
        return (yield ask("recent_ends", since=now - HOUR_S, until=now, limit=ENDS))
    rows = yield ask("recent_ends_of", client=client, limit=ENDS)
    return sorted(rows, key=lambda row: row["finished_at"], reverse=True)


def lags_of(box: Box, ids: Sequence[int]) -> Step[list[Lag]]:
    rows = yield ask("lags", ids=keys_of(ids))
    return [lag_of(box, row) for row in rows]


def lag_of(box: Box, row: Row) -> Lag:
    accepted_at = row["accepted_at"]
    return Lag(
        at=row["at"],
        detection_s=detection_s(opened(box.open_observation, row["answer"]), row),
        delivery_s=None if accepted_at is None else max(accepted_at - row["at"], 0.0),
    )


def detection_s(seen: Observation | None, row: Row) -> float | None:
    """None where the provider does not say when it was, or its clock is far off."""
    if seen is None or seen.finished_at is None or row["ended_at"] is None:
        return None
    lag_s: float = row["ended_at"] - seen.finished_at
    return lag_s if 0 <= lag_s <= DAY_S else None


def oldest(client: str | None, now: float) -> Step[tuple[float | None, float | None]]:
    """By what each lane says of its next work. Of the polls, which clients share, only who
    sees all clients hears.
    """
    polls = (yield ask("poll_owners", now=now)) if client is None else ()
    first = yield ask("first_owners", now=now)
    again = yield ask("retry_owners", now=now)
    own = [row for row in (*first, *again) if client is None or row["name"] == client]
    return earliest(polls), earliest(own)


def earliest(rows: Rows) -> float | None:
    """An attempt by hand is before all times, and so tells of no age."""
    times = (row["ready_at"] or 0 for row in rows)
    return min((at for at in times if at > 0), default=None)


def silent_hosts(client: str | None) -> Step[tuple[list[SilentHost], bool]]:
    """Those that are shown, and whether there may be more."""
    rows = yield ask("silent_hosts", client=client, limit=LANES)
    cut = len(rows) > HOSTS or sum(row["lanes"] for row in rows) >= LANES
    return [silent_host(row) for row in rows[:HOSTS]], cut


def silent_host(row: Row) -> SilentHost:
    return SilentHost(
        client=row["client"],
        host=row["host"],
        silences=row["silences"],
        since=row["opened_at"],
        next_at=row["paused_until"],
    )
