"""Steps that list deliveries, a page at a time, each by the narrowest index there is."""

import math
from dataclasses import dataclass

from bridge.model import Delivery
from bridge.store.box import Box
from bridge.store.reading import NEWEST, Page, delivery_of
from bridge.store.steps import Rows, Step, ask

# Deliveries that are looked through for one page, whosesoever they are: a client with few
# among a neighbour's many gets a page that is not full, and goes on from there.
LOOKED = 5_000

# Ids are not quite in the order of their times: clocks of nodes differ, and a transaction
# takes its time. By more than so much they do not.
STRAY_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    client: str | None
    subscription_key: str | None = None
    state: str | None = None
    host: str | None = None
    since: float | None = None
    until: float | None = None


def list_deliveries(
    box: Box, wanted: DeliveryFilter, *, limit: int, before: int = NEWEST
) -> Step[Page]:
    """A page may have fewer than `limit`, or none, and be followed by others."""
    rows, edge = yield from page_of_deliveries(wanted, before, limit + 1)
    items: list[Delivery] = []
    for row in rows[:limit]:
        [found] = yield ask("view_delivery", delivery_id=row["id"])
        items.append(delivery_of(box, found))
    return Page(items, rows[limit - 1]["id"] if len(rows) > limit else edge)


def page_of_deliveries(
    wanted: DeliveryFilter, before: int, limit: int
) -> Step[tuple[Rows, int | None]]:
    """Ids, and that of the last which was looked at, if there may be others behind it."""
    if wanted.subscription_key is not None:
        return (yield from page_of_subscription(wanted, before, limit)), None
    if wanted.state is not None:
        return (yield from page_of_state(wanted, before, limit))
    found = yield ask("edge_of_deliveries", before=before, looked=LOOKED - 1)
    edge = found[0]["id"] if found else 0
    over = wanted.since is not None and any(
        row["created_at"] < wanted.since - STRAY_S for row in found
    )
    rows = yield ask(
        "page_of_deliveries",
        client=wanted.client,
        host=wanted.host,
        since=wanted.since,
        until=wanted.until,
        edge=edge,
        before=before,
        limit=limit,
    )
    return rows, None if over else edge or None


def page_of_subscription(wanted: DeliveryFilter, before: int, limit: int) -> Step[Rows]:
    for row in (
        yield ask("find_subscription", key=wanted.subscription_key, client=wanted.client)
    ):
        return (
            yield ask(
                "page_of_subscription",
                subscription_id=row["id"],
                state=wanted.state,
                host=wanted.host,
                since=wanted.since,
                until=wanted.until,
                before=before,
                limit=limit,
            )
        )
    return []


def page_of_state(
    wanted: DeliveryFilter, before: int, limit: int
) -> Step[tuple[Rows, int | None]]:
    """By time, for those of one state may be few among very many."""
    at, top = (math.inf if wanted.until is None else wanted.until, -1), before
    for row in (yield ask("made_at", delivery_id=before)):
        at, top = min(at, (row["created_at"], before)), NEWEST
    since, edge = wanted.since or 0.0, 0
    place = {"state": wanted.state, "at": at[0], "before": at[1], "top": top}
    for row in (yield ask("edge_of_state", since=since, looked=LOOKED - 1, **place)):
        since, edge = row["created_at"], row["id"]
    rows = yield ask(
        "page_of_state",
        client=wanted.client,
        host=wanted.host,
        since=since,
        edge=edge,
        limit=limit,
        **place,
    )
    return rows, edge or None
