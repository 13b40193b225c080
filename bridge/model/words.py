"""Closed sets of words: states, outcomes, codes."""

from enum import StrEnum


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
