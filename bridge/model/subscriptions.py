"""Who wants to be told of what, and where."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.model.words import (
    AttemptOutcome,
    DeliveryState,
    Outcome,
    PollOutcome,
    Status,
    SubscriptionState,
)


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
