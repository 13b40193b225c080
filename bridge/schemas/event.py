"""What an event says, field by field. The descriptions are for those who receive it."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from bridge.model import ErrorCode, Outcome, Status, UrlMissing

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class Envelope(BaseModel):
    """Around every event."""

    id: str = Field(
        description="`msg_…`: what the header `webhook-id` says, the same in every "
        "attempt. An event whose id you have seen is the same one again."
    )
    event_id: str = Field(
        description="`evt_…`: the same for all destinations that are told of this event."
    )
    type: str = Field(description="What has happened.")
    timestamp: Time = Field(
        description="When the bridge saw it: RFC 3339, in UTC. The events of one "
        "subscription sort by it."
    )
    version: Literal[1] = Field(
        description="Of the keys below and beside: they only grow while it is 1."
    )
    test: bool = Field(description="True in a sample and in a test, which tell of nothing.")


class File(BaseModel):
    kind: str = Field(description="`video`, `last_frame`, or as the provider's page says.")
    url: str | None = Field(
        description="Opens without a key; null if there is no such link. Links expire."
    )
    provider_url: str | None = Field(description="What the provider gave as the link.")
    content_type: str | None = Field(
        description="The media type, such as `video/mp4`; null if it is not known."
    )
    expires_at: Time | None = Field(
        description="When the link ends: RFC 3339, in UTC; null if it is not known."
    )


class Result(BaseModel):
    url: str | None = Field(
        description="Opens without a key: the link of the first file. Null if there is no "
        "such link; `url_missing_reason` says why. Links expire."
    )
    provider_url: str | None = Field(
        description="What the provider gave as the link, whether it opens or not."
    )
    url_missing_reason: UrlMissing | None = Field(
        description="Null if there is a link. Else `needs_provider_key`: the provider's "
        "link opens only with its key; `inline_data`: the provider sent the bytes "
        "themselves, which no webhook carries; `not_in_answer`: it gave no link."
    )
    files: Sequence[File] = Field(description="All there are, the main one first.")
    details: dict[str, Any] = Field(
        description="What else the provider says of the result, such as `duration` and "
        "`usage`: its page lists the keys."
    )


class TaskError(BaseModel):
    code: ErrorCode = Field(
        description="The bridge's word, to branch on. Of the provider: `task_failed`, "
        "`content_rejected` (by its filter), `task_cancelled`, `task_expired`. Of the "
        "bridge: `timed_out`, `task_not_found`, `key_refused`, `forbidden`, "
        "`misconfigured`."
    )
    message: str = Field(description="Why, for people: up to 2,000 letters.")
    provider_code: str | None = Field(
        description="The provider's own code; null if it gave none."
    )
    hint: str | None = Field(description="What to do about it; null if nobody knows.")


class TaskData(BaseModel):
    """Of a task: the same keys in every event, null where there is nothing to say."""

    subscription_id: str = Field(description="`sub_…`: what your subscribe answered.")
    provider: str = Field(description="The name you subscribed with.")
    task_id: str = Field(description="The provider's id of the task.")
    ok: bool | None = Field(
        description="Whether it succeeded; null while it has not ended (`task.updated`)."
    )
    outcome: Outcome | None = Field(
        description="How it ended for you; null while it has not. `timed_out` and "
        "`unreachable` are the bridge's own word: the task may still succeed."
    )
    status: Status | None = Field(
        description="What the provider said last, in the bridge's words; null if it never "
        "spoke of the task."
    )
    progress: Annotated[int, Field(ge=0, le=100)] | None = Field(
        description="Percent; 100 in a success, null if the provider does not say."
    )
    result: Result | None = Field(description="Null unless `ok` is true.")
    error: TaskError | None = Field(description="Null unless `ok` is false.")
    model: str | None = Field(
        description="What the provider calls the model, else your own `model`; null "
        "without either."
    )
    metadata: dict[str, Any] = Field(description="What you gave when you subscribed.")
    submitted_at: Time | None = Field(
        description="When the task was made, as the provider says: RFC 3339, in UTC; null "
        "if it does not say."
    )
    ended_at: Time | None = Field(
        description="When the bridge saw the end: RFC 3339, in UTC; null before it. Of an "
        "end that was known before you subscribed, when you did."
    )
    observed_at: Time = Field(
        description="When the bridge saw what this event tells: RFC 3339, in UTC."
    )
    raw: Any = Field(
        default=None,
        description="Only with `include_raw`: the provider's own answer, without account "
        "fields. Null if there was none, an object that says so if it is beyond 64 KiB.",
    )


class TaskEvent(Envelope):
    data: TaskData = Field(description="The task, as it is now.")


class NoticeData(BaseModel):
    """Of the bridge itself: the same keys in every notice, null where they do not apply."""

    message: str = Field(description="One sentence for people.")
    hint: str | None = Field(description="What to do; null where nothing is to be done.")
    provider: str | None = Field(
        description="In `provider.…`: its name in the configuration."
    )
    since: Time | None = Field(
        description="In `provider.key_refused` and `provider.down`: since when, RFC 3339 "
        "in UTC."
    )
    word: str | None = Field(
        description="In `provider.unknown_status`: the status word that no page knows."
    )
    client: str | None = Field(
        description="In `delivery.exhausted` and `callback.gone`: whose webhooks they are."
    )
    host: str | None = Field(description="… and where the last of them was to go.")
    delivery_id: str | None = Field(
        description="In `delivery.exhausted`: the last one, `msg_…`."
    )
    count: int | None = Field(
        description="In `delivery.exhausted` and `callback.gone`: how many, since the "
        "minute before."
    )
    backlog: Literal["polls", "deliveries"] | None = Field(
        description="In `backlog.late`: what waits."
    )
    age_seconds: int | None = Field(
        description="In `backlog.late`: for how many seconds the oldest has been due."
    )
    observed_at: Time = Field(description="When the bridge saw it: RFC 3339, in UTC.")


class NoticeEvent(Envelope):
    data: NoticeData = Field(description="What the operator should know.")
