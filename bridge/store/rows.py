"""Rows as nouns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bridge.model import Status
from bridge.store.box import Box, opened
from bridge.store.steps import Row, Rows, Step, ask

NO_EXTRAS: Mapping[str, Any] = {"metadata": {}, "signing_secrets": (), "model": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """An active subscription of a watch, with what its events are made of."""

    id: int
    key: str
    client: str
    hooks: int  # how many the client has
    provider: str
    task_id: str
    model: str | None
    status: Status | None
    progress: int | None
    submitted_at: float | None
    destination_id: int | None
    lane_id: int | None
    gone: bool
    events: tuple[str, ...]
    include_raw: bool
    metadata: Mapping[str, Any] = field(repr=False)
    created_at: float
    deadline_at: float
    closing_at: float | None


def listener_of(box: Box, row: Row) -> Listener:
    # What does not open is not sent either (see `claim` in delivering), but it has its end.
    extras = opened(partial(extras_of, box), row["sealed"]) or NO_EXTRAS
    return Listener(
        id=row["id"],
        key=row["key"],
        client=row["client"],
        hooks=row["hooks"],
        provider=row["provider"],
        task_id=row["task_id"],
        model=row["model"] or extras["model"],
        status=row["status"] and Status(row["status"]),
        progress=row["progress"],
        submitted_at=row["submitted_at"],
        destination_id=row["destination_id"],
        lane_id=row["lane_id"],
        gone=row["gone_at"] is not None,
        events=tuple(row["events"].split(" ")),
        include_raw=bool(row["include_raw"]),
        metadata=extras["metadata"],
        created_at=row["created_at"],
        deadline_at=row["deadline_at"],
        closing_at=row["closing_at"],
    )


def listener(watch_id: int, subscription_id: int) -> Step[Rows]:
    """The row of one listener, if it still listens."""
    after = subscription_id - 1
    rows = yield ask("listeners", watch_id=watch_id, after=after, limit=1)
    return [row for row in rows if row["id"] == subscription_id]


def extras_of(box: Box, sealed: bytes | None) -> Mapping[str, Any]:
    """What a subscription keeps sealed: `metadata`, its own `signing_secrets`, the `model`
    its caller named, which is no other client's business, and the `trace` it goes on with,
    if there is one."""
    if sealed is None:
        return NO_EXTRAS
    extras: dict[str, Any] = box.open(sealed, "subscription")
    return extras


def hook_id(row: Row) -> str | None:
    """Of a delivery; None: it goes to the subscription's own destination."""
    return None if row["hook"] is None else f"hook_{row['hook']}"
