"""The nouns every room speaks of. Frozen values without behaviour of their own.

Times are unix seconds (float), fields ending in `_s` are seconds. Fields that hold
secrets or private links are left out of `repr`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """What the provider said of a task, in our words."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def terminal(self) -> bool:
        return self not in (Status.QUEUED, Status.RUNNING)


class Outcome(StrEnum):
    """How a subscription ended. The last two are our own word, not the provider's."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    TIMED_OUT = "timed_out"
    UNREACHABLE = "unreachable"


class PollOutcome(StrEnum):
    """What one poll came to."""

    PENDING = "pending"
    ENDED = "ended"
    NOT_FOUND = "not_found"
    AUTH = "auth"
    FORBIDDEN = "forbidden"
    THROTTLED = "throttled"
    TRANSIENT = "transient"
    MISCONFIGURED = "misconfigured"
    ANSWER_TOO_LARGE = "answer_too_large"
    UNREACHABLE = "unreachable"

    @property
    def answered(self) -> bool:
        """The provider spoke of this task, whatever it said."""
        return self in (PollOutcome.PENDING, PollOutcome.ENDED)


class SubscriptionState(StrEnum):
    ACTIVE = "active"
    ENDED = "ended"
    STOPPED = "stopped"


class DeliveryState(StrEnum):
    NONE = "none"  # nothing to deliver (yet), or nowhere to
    WAITING = "waiting"  # owed, first attempt not yet finished
    RETRYING = "retrying"
    ACCEPTED = "accepted"
    PRESUMED = "presumed"  # the receiver took it, but its answer was lost
    EXHAUSTED = "exhausted"
    GONE = "gone"
    SUPERSEDED = "superseded"
    STOPPED = "stopped"
    FILTERED = "filtered"  # the end's type is not in the subscription's `events`

    @property
    def pending(self) -> bool:
        return self in (DeliveryState.WAITING, DeliveryState.RETRYING)


class AttemptOutcome(StrEnum):
    """What one POST came to. `unknown` is what a crash leaves behind."""

    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    PRESUMED = "presumed"
    REDIRECTED = "redirected"
    GONE = "gone"
    CONFLICT = "conflict"
    THROTTLED = "throttled"
    REFUSED = "refused"  # any other answer that is not 2xx
    TIMEOUT = "timeout"
    RESET = "reset"  # the connection broke after we had begun to send
    CONNECT_ERROR = "connect_error"
    DNS_ERROR = "dns_error"
    TLS_ERROR = "tls_error"
    ADDRESS_FORBIDDEN = "address_forbidden"
    INVALID_ANSWER = "invalid_answer"  # not HTTP
    PROXY_ERROR = "proxy_error"  # the operator's own proxy: says nothing of the receiver

    @property
    def lost(self) -> bool:
        """The receiver may have acted on it without our hearing so."""
        return self in (
            AttemptOutcome.UNKNOWN,
            AttemptOutcome.TIMEOUT,
            AttemptOutcome.RESET,
            AttemptOutcome.INVALID_ANSWER,
        )


class ErrorCode(StrEnum):
    """`error.code` of an event: ours, closed; the provider's own is `provider_code`."""

    TASK_FAILED = "task_failed"
    CONTENT_REJECTED = "content_rejected"
    TASK_CANCELLED = "task_cancelled"
    TASK_EXPIRED = "task_expired"
    TIMED_OUT = "timed_out"
    TASK_NOT_FOUND = "task_not_found"
    KEY_REFUSED = "key_refused"
    FORBIDDEN = "forbidden"
    MISCONFIGURED = "misconfigured"


class UrlMissing(StrEnum):
    """Why `result.url` is null although the task succeeded."""

    NEEDS_PROVIDER_KEY = "needs_provider_key"  # provider_url opens only with the key
    INLINE_DATA = "inline_data"  # the provider put the bytes into the answer
    NOT_IN_ANSWER = "not_in_answer"  # to be fetched from the provider by another call


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file of a result. `provider_url` is exactly what the provider said.

    `content_url` is where the provider serves the bytes to holders of the key, when the
    answer has no link that opens without one.
    """

    kind: str  # video, last_frame, …
    provider_url: str | None = field(default=None, repr=False)
    content_url: str | None = field(default=None, repr=False)
    content_type: str | None = None
    expires_at: float | None = None
    missing: UrlMissing | None = None  # None: provider_url opens without a key


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    files: tuple[File, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskError:
    code: ErrorCode
    message: str
    provider_code: str | None = None
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one poll saw."""

    outcome: PollOutcome
    status: Status | None = None  # None: the provider did not speak of the task
    http_status: int | None = None  # None: there was no HTTP answer
    word: str | None = None  # the provider's own status word
    word_known: bool = True  # False: no page knows the word, so it counts as pending
    progress: int | None = None  # percent, 0 to 100
    result: Result | None = None  # only of a task that succeeded
    error: TaskError | None = None  # never None when it ended otherwise
    model: str | None = None
    submitted_at: float | None = None
    finished_at: float | None = None
    detail: str | None = None  # one line for people, without secrets
    retry_after_s: float | None = None  # the provider asked for this much patience
    ours: bool = False  # a fault on our side of the provider: nothing is said of it
    raw: Any = field(default=None, repr=False)  # the body without account fields


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
class Robot:
    """A chat robot: which one, and what its owner has set to let nobody else speak."""

    kind: str  # a name of formats.ROBOTS
    secret: str | None = field(default=None, repr=False)  # messages are signed with it
    keyword: str | None = field(default=None, repr=False)  # has to be in each message


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where and how a subscription is called back."""

    url: str = field(repr=False)
    host: str  # lower-case host name or address, without port
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    robot: Robot | None = None  # None: a program
    masked: bool = False  # the value of the query's last parameter is not shown

    @property
    def shown(self) -> str:
        """The URL as its owner may see it again."""
        return self.url.rpartition("=")[0] + "=***" if self.masked else self.url


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One validated subscribe request: what is to be watched and who is to be told."""

    client: str
    provider: str
    task_id: str
    params: Mapping[str, str] = field(default_factory=dict)
    provider_key: str | None = field(default=None, repr=False)  # None: the configured one
    destination: Destination | None = None  # None: watch only
    events: tuple[str, ...] = ("task.ended",)
    metadata: Mapping[str, Any] = field(default_factory=dict, repr=False)
    method: str = "POST"
    format: str = "standard"
    signing_secrets: tuple[str, ...] = field(default=(), repr=False)  # empty: the client's
    include_raw: bool = False
    model: str | None = None
    trace: str | None = None  # what the caller goes on from (`traces.accepted`)
    deadline_s: float  # from the subscription's creation
    first_poll_s: float  # from the subscription's creation
    canonical: bytes = field(repr=False)  # the whole request, for the identity


@dataclass(frozen=True, slots=True, kw_only=True)
class HookWish:
    """One validated request for a standing hook."""

    client: str
    destination: Destination
    events: tuple[str, ...] = ("task.ended",)
    provider: str | None = None  # None: of all
    method: str = "POST"
    format: str = "standard"
    signing_secrets: tuple[str, ...] = field(repr=False)
    minted: bool = False  # the only secret is ours, and is told whoever asks for the hook
    canonical: bytes = field(repr=False)  # the whole request, for the identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """Where the events of all subscriptions of a client go as well."""

    id: str  # hook_…
    client: str
    url: str | None = field(repr=False)  # None: it cannot be read any more
    events: tuple[str, ...]
    provider: str | None
    method: str
    format: str
    created_at: float
    minted_secret: str | None = field(repr=False)  # None: the caller gave its own


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyKey:
    route: str
    key: str = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LastPoll:
    at: float
    outcome: PollOutcome
    http_status: int | None
    detail: str | None
    since: float  # when polls began to come to this outcome
    count: int  # how many polls in a row did


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySummary:
    """The newest delivery of a subscription, as shown beside it."""

    id: str | None
    state: DeliveryState
    attempts: int = 0
    last_outcome: AttemptOutcome | None = None
    hint: str | None = None
    next_attempt_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One caller's wish to be told, as it stands now."""

    id: str  # sub_…
    client: str
    provider: str
    task_id: str
    callback_url: str | None = field(repr=False)
    events: tuple[str, ...]
    metadata: Mapping[str, Any] = field(repr=False)
    state: SubscriptionState
    status: Status | None
    outcome: Outcome | None
    progress: int | None
    event: Mapping[str, Any] | None = field(repr=False)  # the end, as it is delivered
    created_at: float
    deadline_at: float
    ended_at: float | None
    last_poll: LastPoll | None
    next_poll_at: float | None
    delivery: DeliverySummary
    trace: str | None = field(default=None, repr=False)  # the caller's (`traces.accepted`)


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
class ClaimedPoll:
    """One watch this node is to ask about now."""

    watch_id: int
    claim_no: int  # fences everything but an end
    claimed_at: float
    next_at: float  # the poll after this one, already written
    stretch: float = 1.0  # how much longer all wait than their plans say
    credential_id: int
    provider: str
    model: str | None  # what the provider calls it, else what the caller does
    task_id: str
    params: Mapping[str, str]
    own: bool  # a caller's own account, not the configured one
    own_key: str | None = field(repr=False)  # its key; None: it cannot be read any more
    key_worked: bool  # the provider has accepted this credential before
    key_refused_at: float | None
    key_refused_by: int | None  # the watch that saw it first
    born_at: float  # upstream's creation time, else ours
    created_at: float  # when the watch last began to be polled
    polled_at: float | None  # by the claim before this one
    status: Status | None
    progress: int | None
    outcome: PollOutcome | None
    outcome_since: float | None
    failures: int  # polls in a row without an answer
    strikes: int  # not-found answers in a row, after the grace period
    closing_at: float | None  # the earliest deadline that has passed
    wants_updates: bool
    wants_raw: bool
    alone: bool = False  # lists of several tasks do not speak of it


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How the operator wants somebody's servers to be reached."""

    proxy: str | None = field(default=None, repr=False)  # its URL may hold a password
    authorities: str | None = field(default=None, repr=False)  # PEM, beside the system's
    # True: the proxy is told the name, as the hosts come from the operator. False: the
    # address we have vetted, so that nobody's DNS can say something else to the proxy.
    by_name: bool = False


DIRECT = Way()


@dataclass(frozen=True, slots=True, kw_only=True)
class PollRequest:
    """One question to a provider, ready to send."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    timeout_s: float = 30.0
    way: Way = DIRECT


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back over HTTP, before anybody reads a meaning into it."""

    http_status: int | None  # None: no HTTP answer, see `failure`
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # lower-case names
    body: bytes = field(default=b"", repr=False)
    failure: str | None = None  # timeout, dns_error, connect_error, tls_error, reset, …
    detail: str | None = None  # of a proxy's failure: one line for people, without secrets
    too_large: bool = False
