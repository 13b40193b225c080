"""A subscription's whole story → the one span of its life. Pure.

It is made at the end, from what the store knows: by the node that saw the end, whatever
crashed before. Ends that no node takes note of, and those that wait to be told when it
stops, have none (docs/traces.md). Names of facts follow OpenTelemetry's where it has one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bridge.model import Delivery, DeliveryState, Outcome, SubscriptionState
from bridge.store.timeline import Timeline
from bridge.traces import Trace, trace_of

Fact = str | int | float | bool

# The ends that somebody should look at.
BAD = (Outcome.FAILED, Outcome.EXPIRED, Outcome.TIMED_OUT, Outcome.UNREACHABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What happened at a time in a life."""

    at: float
    name: str
    facts: Mapping[str, Fact] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Times are unix seconds, by the clock that all is scheduled by."""

    trace: Trace
    name: str
    begins_at: float
    ends_at: float
    facts: Mapping[str, Fact]
    moments: tuple[Moment, ...]
    fault: str | None  # why somebody should look at it


def span_of(told: Timeline) -> Span | None:
    """None while it is not over: it waits for its end, or is owed to somebody."""
    subscription, ended_at = told.subscription, told.finished_at
    if ended_at is None or any(each.state.pending for each in told.deliveries):
        return None
    moments = sorted(moments_of(told, ended_at), key=lambda one: one.at)
    return Span(
        trace=trace_of(subscription.id, subscription.trace),
        name=f"task at {subscription.provider}",
        begins_at=subscription.created_at,
        ends_at=max([ended_at, *(each.at for each in moments)]),
        facts=facts_of(told),
        moments=tuple(moments),
        fault=fault_of(told),
    )


def facts_of(told: Timeline) -> dict[str, Fact]:
    subscription = told.subscription
    facts = {
        "bridge.client": subscription.client,
        "bridge.subscription": subscription.id,
        "bridge.provider": subscription.provider,
        "bridge.task": subscription.task_id,
        "bridge.state": subscription.state.value,
        "bridge.outcome": subscription.outcome and subscription.outcome.value,
        "bridge.polls": told.polls,
        "bridge.deliveries": len(told.deliveries),
    }
    return {name: value for name, value in facts.items() if value is not None}


def fault_of(told: Timeline) -> str | None:
    if any(each.state is DeliveryState.EXHAUSTED for each in told.deliveries):
        return "a delivery is exhausted"
    outcome = told.subscription.outcome
    return outcome.value if outcome in BAD else None


def moments_of(told: Timeline, ended_at: float) -> Iterator[Moment]:
    for number, seen in enumerate(told.seen):
        facts: dict[str, Fact] = {"bridge.poll.outcome": seen.outcome.value}
        if seen.status is not None:
            facts["bridge.status"] = seen.status.value
        name = "task.changed" if number else "task.first_polled"
        yield Moment(at=seen.at, name=name, facts=facts)
    outcome = told.subscription.outcome
    stopped = told.subscription.state is SubscriptionState.STOPPED
    name = "subscription.stopped" if stopped or outcome is None else f"task.{outcome.value}"
    yield Moment(at=ended_at, name=name)
    for delivery in told.deliveries:
        yield from attempts_of(delivery)


def attempts_of(delivery: Delivery) -> Iterator[Moment]:
    """One that nobody has seen the end of was at its beginning, as far as we know."""
    for attempt in delivery.log:
        facts: dict[str, Fact] = {
            "messaging.message.id": delivery.id,
            "bridge.event": delivery.type,
            "bridge.attempt": attempt.number,
            "bridge.attempt.outcome": attempt.outcome.value,
            "bridge.attempt.manual": attempt.manual,
            "server.address": delivery.host,
        }
        if attempt.http_status is not None:
            facts["http.response.status_code"] = attempt.http_status
        if attempt.finished_at is not None:
            facts["bridge.attempt.seconds"] = attempt.finished_at - attempt.started_at
        at = attempt.finished_at or attempt.started_at
        yield Moment(at=at, name="delivery.attempted", facts=facts)
    if delivery.state in (DeliveryState.EXHAUSTED, DeliveryState.GONE):
        at = delivery.given_up_at or delivery.updated_at
        facts = {"messaging.message.id": delivery.id}
        yield Moment(at=at, name=f"delivery.{delivery.state.value}", facts=facts)
