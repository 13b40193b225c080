"""What the API answers: the shapes that `views` and its neighbours make, as models.

They describe and nothing else; every answer of the API's tests is held against them. A
field that has a default may be missing, all others are always there.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from bridge.api.fields import Format
from bridge.api.problem import CODES, TYPE
from bridge.model import (
    AttemptOutcome,
    DeliveryState,
    Outcome,
    PollOutcome,
    Status,
    SubscriptionState,
)
from bridge.schemas import event
from bridge.schemas.event import Time

SubscriptionId = Annotated[str, Field(pattern="^sub_[0-9A-Za-z]{1,64}$")]
DeliveryId = Annotated[
    str, Field(pattern="^msg_[0-9A-Za-z]{1,64}_(0|[1-9][0-9]{0,8})(_[0-9A-Za-z]{1,64})?$")
]
HookId = Annotated[str, Field(pattern="^hook_[0-9A-Za-z]{1,64}$")]
HttpStatus = Annotated[int, Field(ge=100, le=999)]
Whose = Annotated[
    str,
    Field(description="Whose it is. Only in answers to operators, who see everybody's."),
]
Cursor = Annotated[
    str | None,
    Field(description="Give it as `cursor` for what follows. Null: that is all."),
]


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FieldProblem(Shape):
    """What is wrong with one field."""

    field: str
    message: str = Field(description="What to do.")


class Problem(Shape):
    """An error, as RFC 9457 has it. Branch on `code`; `detail` is for people."""

    type: str = Field(pattern=f"^{TYPE}")
    title: str
    status: int = Field(ge=400, le=599)
    detail: str
    code: Literal[tuple(CODES)]  # type: ignore[valid-type]
    errors: list[FieldProblem] = Field([], description="All that are wrong, if any is.")
    request_id: str | None = Field(
        None, description="The `X-Request-Id` of the answer; not where it was no HTTP."
    )
    reasons: dict[str, str] = Field({}, description="Only of `/readyz`: why, by part.")
    stalled: dict[str, int] = Field(
        {}, description="Only of `/livez`: for how many seconds each loop has stood still."
    )


class File(event.File, Shape):
    """One file of a result."""


class Result(event.Result, Shape):
    """What a task has made. `url` and `provider_url` are those of the first file."""

    files: Sequence[File] = Field(description="All there are, the main one first.")


class TaskError(event.TaskError, Shape):
    """Why a task did not succeed."""


class Caution(Shape):
    """Something about a request that was taken all the same."""

    code: Literal["end_events_filtered", "callback_unresolved", "chat_robot"]
    message: str


class LastPoll(Shape):
    """What the provider was asked last, and what came of it."""

    at: Time
    outcome: PollOutcome
    http_status: HttpStatus | None = Field(description="Null: there was no answer.")
    detail: str | None = Field(description="One line for people.")
    since: Time = Field(description="When polls began to come to this outcome.")
    count: int = Field(ge=1, description="How many in a row did.")


class DeliverySummary(Shape):
    """The newest delivery of a subscription."""

    id: DeliveryId | None = Field(description="Its `webhook-id`.")
    state: DeliveryState
    attempts: int = Field(ge=0)
    last_outcome: AttemptOutcome | None
    hint: str | None = Field(description="What to do about the last attempt.")
    next_attempt_at: Time | None


class Subscription(Shape):
    """One caller's wish to be told of one task, as it stands now."""

    id: SubscriptionId
    provider: str
    task_id: str
    callback_url: str | None = Field(description="In canonical spelling.")
    events: list[str]
    metadata: dict[str, Any]
    state: SubscriptionState
    status: Status | None = Field(description="What the provider said last.")
    outcome: Outcome | None = Field(description="How it ended for you. Null before.")
    progress: int | None = Field(description="Percent.")
    result: Result | None = Field(description="As in the event, once it has ended.")
    error: TaskError | None = Field(description="Likewise.")
    created_at: Time
    deadline_at: Time = Field(description="When it is given up.")
    ended_at: Time | None
    last_poll: LastPoll | None
    next_poll_at: Time | None
    delivery: DeliverySummary
    warnings: list[Caution]
    hint_url: str | None = Field(
        description="A POST to it, by anybody, has the task polled now. Null once it is "
        "polled no more."
    )
    client: Whose = ""


class SubscriptionPage(Shape):
    """Subscriptions, newest first."""

    items: list[Subscription]
    next_cursor: Cursor


class BatchTaken(Shape):
    """An item of a batch that was taken, or was there before."""

    status: Literal[200, 202]
    subscription: Subscription


class BatchRefused(Shape):
    """An item of a batch that was refused."""

    status: Annotated[int, Field(ge=400, le=599)]
    problem: Problem


class Delivery(Shape):
    """What is owed to one destination of one event."""

    id: DeliveryId = Field(description="Its `webhook-id`.")
    subscription_id: SubscriptionId | None = Field(description="Null: a notice.")
    hook_id: HookId | None = Field(
        description="The hook it goes to. Null: the subscription's own `callback_url`."
    )
    type: str = Field(description="Of the event.")
    callback_url: str | None = Field(description="Null: it cannot be read any more.")
    host: str
    state: DeliveryState
    attempt_count: int = Field(ge=0)
    last_outcome: AttemptOutcome | None
    last_http_status: HttpStatus | None = Field(description="Null: there was no answer.")
    hint: str | None = Field(description="What to do about the last attempt.")
    created_at: Time
    updated_at: Time
    next_attempt_at: Time | None
    given_up_at: Time | None = Field(description="Since when it is exhausted or gone.")
    client: Whose | None = None


class DeliveryPage(Shape):
    """Deliveries, newest first."""

    items: list[Delivery]
    next_cursor: Cursor


class Attempt(Shape):
    """One request to a receiver."""

    number: int = Field(ge=1)
    manual: bool = Field(description="Asked for by a retry.")
    started_at: Time
    finished_at: Time | None
    outcome: AttemptOutcome
    http_status: HttpStatus | None
    detail: str | None
    answer: str | None = Field(description="The first 4 KiB, as text.")
    hint: str | None


class DeliveryWithAttempts(Delivery):
    """A delivery and its log."""

    attempts: list[Attempt] = Field(description="The newest 100, oldest of these first.")


class Update(Shape):
    """A step of a task that was told before its end."""

    at: Time
    status: Status | None
    progress: int | None = Field(description="Percent.")


class Change(Shape):
    """What a poll came to, if that was news: the first since the subscription, and each
    that came to something else, before the end.
    """

    at: Time
    outcome: PollOutcome
    status: Status | None


class Timeline(Shape):
    """A subscription with all that became of it. Of each list the newest, oldest of these
    first.
    """

    subscription: Subscription
    polls: int = Field(ge=0, description="Of its task, for whomever.")
    updates: list[Update] = Field(description="Only if `task.updated` is in its `events`.")
    changes: list[Change] = Field(description="What polls saw, whenever it was news.")
    deliveries: list[DeliveryWithAttempts] = Field(description="Those to hooks, too.")
    cut: bool = Field(description="There are more updates, deliveries or answers.")


class Replayed(Shape):
    """How many deliveries a replay has taken."""

    count: int = Field(ge=0)


class Counted(Shape):
    """How many deliveries a replay would take."""

    count: int = Field(ge=0)
    until: Time = Field(description="They were made before. Give it with the replay.")
    as_of: Time = Field(description="They were in their state by then. Give it, too.")


class Hook(Shape):
    """Where the events of all subscriptions of a client go as well."""

    id: HookId
    url: str | None = Field(description="Null: it cannot be read any more.")
    events: list[str]
    provider: str | None = Field(description="Only of this provider. Null: of all.")
    format: Format
    method: Literal["POST", "GET"]
    created_at: Time
    expiration_date: None = Field(description="Null: a hook does not run out.")
    client: Whose = ""


class HookPage(Shape):
    """Hooks, newest first."""

    items: list[Hook]
    next_cursor: Cursor


class HookMade(Hook):
    """A hook, as it is told to whoever asked for it."""

    warnings: list[Caution]
    signing_secret: str = Field(
        "",
        description="Only if it was minted: keep it, nothing but a repeat shows it again.",
    )


class Provider(Shape):
    """A provider, and how it fares."""

    name: str
    preset: str | None
    has_key: bool = Field(description="You need not send one.")
    state: Literal["ok", "key_refused", "throttled", "down"]
    since: Time | None = Field(description="When that began. Null if `ok`.")
    last_ok_at: Time | None


class Age(Shape):
    """A span of a task's age."""

    until_s: float = Field(description="Seconds, at its end.")
    ended: float = Field(description="The share of tasks that were seen to end in it.")
    gap_s: float = Field(description="Seconds between two polls of a task in it.")


class ModelDurations(Shape):
    """How long the tasks of one model take."""

    model: str | None = Field(description="Null: none was named.")
    tasks: float = Field(description="How many were seen; older ones count less.")
    trust: float = Field(description="How far polls go by it, from 0 to 1.")
    ages: list[Age]


class Durations(Shape):
    """How long a provider's tasks take, and how often they are polled at each age."""

    items: list[ModelDurations]


class SigningSecret(Shape):
    """A secret that webhooks are signed with."""

    secret: str = Field(pattern="^whsec_")
    text: str | None = Field(
        description="The key, for tools that take plain text. Null: it is no text."
    )


class SampleBody(Shape):
    """What is sent that is no event: a form, a query, a message of a robot."""

    id: DeliveryId
    test: Literal[True]
    body: Any


class TrialAttempt(Shape):
    """The attempt that a test has made."""

    id: DeliveryId
    type: str
    callback_url: str
    method: Literal["POST", "GET"]
    started_at: Time
    finished_at: Time
    outcome: AttemptOutcome
    http_status: HttpStatus | None
    detail: str | None


class TrialResponse(Shape):
    """What a receiver has answered to a test."""

    status: HttpStatus
    headers: dict[str, str] = Field(description="A few of them.")
    body: str | None = Field(description="The first 4 KiB.")
    duration_s: float


class Trial(Shape):
    """All that came of a test."""

    attempt: TrialAttempt
    sent_headers: dict[str, str] = Field(description="Your own values are `***`.")
    sent_query: str | None = Field(description="What was put behind your URL.")
    sent_body: str | None
    response: TrialResponse | None
    hint: str | None = Field(description="What to do. Null if it was accepted.")
    warnings: list[Caution]


class Alive(Shape):
    """It lives, or is ready."""

    status: Literal["ok", "ready"]
