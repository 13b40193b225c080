"""Rows as nouns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.model import Status
from bridge.store.box import Box
from bridge.store.steps import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """An active subscription of a watch, with what its events are made of."""

    id: int
    key: str
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
    extras = extras_of(box, row["sealed"])
    return Listener(
        id=row["id"],
        key=row["key"],
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


def extras_of(box: Box, sealed: bytes | None) -> dict[str, Any]:
    """What a subscription keeps sealed: `metadata`, its own `signing_secrets`, and the
    `model` its caller named, which is no other client's business."""
    if sealed is None:
        return {"metadata": {}, "signing_secrets": [], "model": None}
    extras: dict[str, Any] = box.open(sealed, "subscription")
    return extras
