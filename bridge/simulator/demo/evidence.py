"""What was seen of a rehearsal, and the verdict on it. Pure."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bridge.simulator.demo.plan import PlannedTask
from bridge.simulator.receiver import Received

EXHAUSTED = "exhausted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What providers, receivers and the bridge itself know at one instant."""

    subscriptions: Mapping[PlannedTask, str] = field(default_factory=dict)  # to their ids
    refusals: Mapping[PlannedTask, str] = field(default_factory=dict)  # instead of a 202
    received: Mapping[str, Sequence[Received]] = field(
        default_factory=dict
    )  # by webhook-id
    deliveries: Mapping[str, str] = field(default_factory=dict)  # subscription id to state
    ended_at: Mapping[PlannedTask, float] = field(default_factory=dict)  # as scripted
    polls: Mapping[PlannedTask, int] = field(default_factory=dict)
    exit_code: int | None = None  # None: the bridge still runs

    def of(self, task: PlannedTask) -> list[Sequence[Received]]:
        """The requests about the task, one sequence for each webhook-id."""
        wanted = self.subscriptions.get(task)
        return [
            requests
            for requests in self.received.values()
            if wanted is not None and _told_of(requests[0]) == wanted
        ]

    def told(self, task: PlannedTask) -> bool:
        """Its receiver has accepted the end; a dead one's delivery is exhausted."""
        if task.dead:
            return self.deliveries.get(self.subscriptions.get(task, "")) == EXHAUSTED
        return any(each.accepted for requests in self.of(task) for each in requests)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`faults` empty: every end was told, proven, and under one webhook-id each."""

    faults: tuple[str, ...]
    tasks: int
    told: int  # ends that were accepted, or exhausted at the dead receiver
    attempts: int
    polls: int
    duplicates: int  # accepted requests beyond the first of their webhook-id
    seen_to_received_s: float | None  # 95th percentile, at receivers that accept at once
    ended_to_received_s: float | None  # likewise, of tasks whose provider is well

    @property
    def passed(self) -> bool:
        return not self.faults


def judge(plan: Sequence[PlannedTask], seen: Evidence) -> Verdict:
    """Whether the bridge has kept its promises, by what others saw of it."""
    faults = [fault for task in plan for fault in task_faults(task, seen)]
    faults += stray_faults(seen)
    if seen.exit_code != 0:
        faults.append(f"the bridge ended with {seen.exit_code}, not 0, after SIGTERM")
    requests = seen.received.values()
    return Verdict(
        faults=tuple(faults),
        tasks=len(plan),
        told=sum(seen.told(task) for task in plan),
        attempts=sum(map(len, requests)),
        polls=sum(seen.polls.values()),
        duplicates=sum(max(sum(r.accepted for r in each) - 1, 0) for each in requests),
        seen_to_received_s=percentile(
            [d for t in plan for d in _seen_delays(t, seen)], 0.95
        ),
        ended_to_received_s=percentile(
            [d for t in plan for d in _end_delays(t, seen)], 0.95
        ),
    )


def task_faults(task: PlannedTask, seen: Evidence) -> Iterator[str]:
    if task in seen.refusals:
        yield f"{task.name}: not subscribed: {seen.refusals[task]}"
        return
    by_id = seen.of(task)
    if len(by_id) > 1:
        yield f"{task.name}: one end under {len(by_id)} webhook-ids"
    if not seen.told(task):
        yield _untold(task, seen)
    for requests in by_id:
        yield from _webhook_faults(task, requests)


def stray_faults(seen: Evidence) -> Iterator[str]:
    """Webhooks about nothing that was asked for."""
    known = set(seen.subscriptions.values())
    for webhook_id, requests in seen.received.items():
        if _told_of(requests[0]) not in known:
            yield f"{webhook_id or 'a request without webhook-id'}: nobody asked for it"


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that `share` of them do not exceed; None if there are none.

    >>> percentile([3, 1, 2], 0.5), percentile([3, 1, 2], 0.95), percentile([], 0.5)
    (2, 3, None)
    """
    ascending = sorted(values)
    return ascending[math.ceil(share * len(ascending)) - 1] if ascending else None


def _untold(task: PlannedTask, seen: Evidence) -> str:
    if not task.dead:
        return f"{task.name}: its end was never accepted"
    state = seen.deliveries.get(seen.subscriptions.get(task, ""), "unknown")
    return f"{task.name}: the dead receiver's delivery is {state}, not {EXHAUSTED}"


def _webhook_faults(task: PlannedTask, requests: Sequence[Received]) -> Iterator[str]:
    first = requests[0]
    said, expected = _event(first).get("type"), f"task.{task.outcome}"
    if said != expected:
        yield f"{task.name}: told {said}, not {expected}"
    if {each.path for each in requests} != {task.receiver}:
        yield f"{task.name}: sent to another receiver than {task.receiver}"
    if any(each.body != first.body for each in requests):
        yield f"{task.name}: its attempts differ in their bodies"
    unproven = next((each.fault for each in requests if each.fault is not None), None)
    if unproven is not None:
        yield f"{task.name}: not proven: {unproven}"


def _told_of(received: Received) -> str:
    return str(_part(_event(received)).get("subscription_id", ""))


def _part(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """What it tells of the task; an event in `format: flat` has it on its only level."""
    part = event.get("data", event)
    return part if isinstance(part, dict) else {}


def _event(received: Received) -> Mapping[str, Any]:
    try:
        event = json.loads(received.body)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _firsts(task: PlannedTask, seen: Evidence) -> list[Received]:
    return [requests[0] for requests in seen.of(task)] if task.prompt else []


def _seen_delays(task: PlannedTask, seen: Evidence) -> Iterator[float]:
    for first in _firsts(task, seen):
        observed = _part(_event(first)).get("observed_at")
        if isinstance(observed, str):
            yield first.at - datetime.fromisoformat(observed).timestamp()


def _end_delays(task: PlannedTask, seen: Evidence) -> Iterator[float]:
    for first in _firsts(task, seen):
        if task.steady and task in seen.ended_at:
            yield first.at - seen.ended_at[task]
