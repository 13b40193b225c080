"""A question to a provider, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.model.words import ErrorCode, PollOutcome, Status, UrlMissing


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
    polls_before: int = 0  # claims until it was last scheduled

    @property
    def polls(self) -> int:
        """Of the watch since it was last scheduled, with this one."""
        return self.claim_no - self.polls_before


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
