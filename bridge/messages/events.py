"""What a webhook says: the types of event and their JSON.

The JSON is version 1 for ever: fields are added, never changed or removed.
"""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bridge.messages.ids import END, event_id, message_id
from bridge.messages.reasons import reason
from bridge.model import File, Observation, Outcome, Result, Status, TaskError, UrlMissing
from bridge.portable import is_inline, portable
from bridge.rfc3339 import rfc3339

VERSION = 1
TASK_ENDED = "task.ended"  # in a subscription's `events`: all six ends
TASK_UPDATED = "task.updated"
ENDS = tuple(f"task.{outcome}" for outcome in Outcome)
TYPES = (*ENDS, TASK_UPDATED)

_HTTP = re.compile(r"https?://", re.IGNORECASE)

Link = Callable[[int, File], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionFacts:
    """What an event repeats of its subscription."""

    id: str  # sub_…
    provider: str
    task_id: str
    metadata: Mapping[str, Any] = field(default_factory=dict, repr=False)
    model: str | None = None
    submitted_at: float | None = None  # if a former poll said so
    include_raw: bool = False


def expand(events: Sequence[str]) -> frozenset[str]:
    """The types a list of `events` stands for. Raises ValueError for an unknown one.

    >>> sorted(expand(["task.failed", "task.updated"]))
    ['task.failed', 'task.updated']
    """
    for event in events:
        if event != TASK_ENDED and event not in TYPES:
            raise ValueError(_unknown(event))
    ends = ENDS if TASK_ENDED in events else ()
    return frozenset((*ends, *events)) - {TASK_ENDED}


def missing_ends(events: Sequence[str]) -> tuple[str, ...]:
    """The ends that a list of `events` leaves out, so that they would never be told.

    >>> missing_ends(["task.ended"])
    ()
    """
    wanted = expand(events)
    return tuple(end for end in ENDS if end not in wanted)


def _unknown(event: str) -> str:
    known = (TASK_ENDED, *TYPES)
    near = difflib.get_close_matches(event[:64], known, n=1)
    advice = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
    return f"unknown event {event[:64]!r}; {advice}"


def end_event(
    facts: SubscriptionFacts,
    outcome: Outcome,
    observation: Observation | None,
    *,
    observed_at: float,
    ended_at: float,
    status: Status | None,
    progress: int | None,
    link: Link | None = None,
) -> dict[str, Any]:
    """The end of a subscription; `observation` is the last one, if there was any.

    `link` may give an address of ours for the n-th file of the result, for files that do
    not open without the provider's key.
    """
    ok = outcome is Outcome.SUCCEEDED
    result = (observation and observation.result) or Result()
    why = None if ok else reason(facts.provider, outcome, observation, status)
    return _event(
        facts,
        END,
        f"task.{outcome}",
        observed_at,
        observation,
        ok=ok,
        outcome=outcome,
        status=status,
        progress=100 if ok else progress,
        result=_result(result, link) if ok else None,
        error=why and _error(why),
        ended_at=_time(ended_at),
    )


def update_event(
    facts: SubscriptionFacts,
    observation: Observation,
    *,
    sequence: int,
    observed_at: float,
    status: Status | None,
    progress: int | None,
) -> dict[str, Any]:
    """A step of a task that has not ended: `ok` and `outcome` are null, being unknown."""
    if sequence <= END:
        raise ValueError("updates count from 1")
    return _event(
        facts,
        sequence,
        TASK_UPDATED,
        observed_at,
        observation,
        status=status,
        progress=progress,
    )


def addressed(event: Mapping[str, Any], message_id: str) -> dict[str, Any]:
    """The same event for another destination."""
    return {**event, "id": message_id}


def _event(
    facts: SubscriptionFacts,
    sequence: int,
    type_: str,
    observed_at: float,
    observation: Observation | None,
    **told: Any,
) -> dict[str, Any]:
    """The envelope, and what every event says beside what is `told`.

    `timestamp` is by our clock: the events of one subscription sort by it, whatever the
    provider's clock says.
    """
    model = observation.model if observation else None
    submitted_at = observation.submitted_at if observation else None
    data = {
        "subscription_id": facts.id,
        "provider": facts.provider,
        "task_id": facts.task_id,
        "ok": None,
        "outcome": None,
        "status": None,
        "progress": None,
        "result": None,
        "error": None,
        "model": model or facts.model,
        "metadata": dict(facts.metadata),
        "submitted_at": _time(facts.submitted_at if submitted_at is None else submitted_at),
        "ended_at": None,
        "observed_at": _time(observed_at),
    } | told
    if facts.include_raw:
        data["raw"] = portable(observation.raw, inline=False) if observation else None
    return {
        "id": message_id(facts.id, sequence),
        "event_id": event_id(facts.id, sequence),
        "type": type_,
        "timestamp": rfc3339(observed_at),
        "version": VERSION,
        "test": False,
        "data": data,
    }


def _result(result: Result, link: Link | None) -> dict[str, Any]:
    ours = [
        link(number, file) if link else None for number, file in enumerate(result.files)
    ]
    files = [_file(file, url) for file, url in zip(result.files, ours, strict=True)]
    first = files[0] if files else {"url": None, "provider_url": None}
    return {
        "url": first["url"],
        "provider_url": first["provider_url"],
        "url_missing_reason": None if first["url"] else _missing(result.files[:1]),
        "files": files,
        "details": portable(result.details, inline=False),
    }


def _file(file: File, ours: str | None) -> dict[str, Any]:
    said = None if is_inline(file.provider_url) else file.provider_url
    opens = said is not None and file.missing is None and _HTTP.match(said)
    return {
        "kind": file.kind,
        "url": ours or (said if opens else None),
        "provider_url": said,
        "content_type": file.content_type,
        "expires_at": _time(file.expires_at),
    }


def _missing(files: Sequence[File]) -> UrlMissing:
    if files and is_inline(files[0].provider_url):
        return UrlMissing.INLINE_DATA
    return (files and files[0].missing) or UrlMissing.NOT_IN_ANSWER


def _error(why: TaskError) -> dict[str, Any]:
    return {
        "code": why.code,
        "message": why.message,
        "provider_code": why.provider_code,
        "hint": why.hint,
    }


def _time(at: float | None) -> str | None:
    """Null also for a time of the provider's that no calendar has."""
    try:
        return None if at is None else rfc3339(at)
    except ValueError:
        return None
