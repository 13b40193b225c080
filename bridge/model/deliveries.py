"""What is owed to a receiver, and each attempt at it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.model.subscriptions import Destination
from bridge.model.words import AttemptOutcome, DeliveryState


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back for one attempt."""

    outcome: AttemptOutcome
    http_status: int | None = None
    detail: str | None = None  # the error in words, without the URL
    retry_after_s: float | None = None
    content_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # a few of them
    body: bytes = field(default=b"", repr=False)  # the first 4 KiB
    hint: str | None = None  # what to do, if whoever read the answer knows better
    final: bool = False  # no other attempt can come to anything else


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    number: int  # from 1
    manual: bool
    started_at: float
    finished_at: float | None
    outcome: AttemptOutcome
    http_status: int | None
    detail: str | None
    hint: str | None
    answer: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    id: str  # msg_…
    subscription_id: str
    hook_id: str | None = None  # hook_…; None: to the subscription's own destination
    client: str
    type: str
    callback_url: str | None = field(repr=False)  # None: it cannot be read any more
    host: str
    state: DeliveryState
    attempts: int
    last_outcome: AttemptOutcome | None
    hint: str | None
    created_at: float
    updated_at: float
    next_attempt_at: float | None
    last_http_status: int | None = None  # None: the last attempt had no answer
    given_up_at: float | None = None  # only of what is exhausted or gone
    log: tuple[Attempt, ...] = ()  # the newest; there were `attempts`


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedDelivery:
    """One attempt this node is to make now; it is already in the attempt log."""

    schedule_id: int
    delivery_id: int
    claim_no: int
    claimed_at: float
    attempt: int  # from 1
    manual: bool
    failures: int  # finished attempts that advanced the schedule
    conflicts: int  # quick repeats after 409 so far
    seen_lost: bool  # an earlier attempt may have reached the receiver
    created_at: float
    message_id: str
    subscription_id: str
    client: str
    lane_id: int
    retry: bool  # by which of the lane's slots it was begun
    type: str
    destination_id: int
    destination: Destination
    method: str
    format: str
    signing_secrets: tuple[str, ...] = field(repr=False)  # empty: the client's
    body: bytes = field(repr=False)  # the standard event
    traceparent: str | None = None  # None: a trial, which is part of no trace
    readable: bool = True  # False: what it is made of is sealed with a key that is gone
    riders: tuple["ClaimedDelivery", ...] = ()  # told by the same message
