"""What a body may hold. Judged here is what can be judged without the configuration."""

from pydantic import BaseModel, ConfigDict, Field

from bridge.api.fields import (
    Auth,
    Deadline,
    Events,
    EventType,
    Headers,
    Label,
    Metadata,
    Method,
    Params,
    RobotFields,
    Secrets,
    Shape,
)
from bridge.messages import events

DEFAULT_TYPE = "task.succeeded"  # of a test


class SubscribeBody(BaseModel):
    """What `POST /subscribe` takes."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    provider: str = Field(description="Who runs the task: a name of GET /providers.")
    task_id: str = Field(description="The id the provider gave the task.")
    callback_url: str | None = Field(
        None,
        repr=False,
        description="Where the webhook goes. Absent: the client's default, else your hooks "
        "alone; the end can be read with `wait` or GET.",
    )
    events: Events = Field(
        (events.TASK_ENDED,), description="Which events are sent; `task.ended`: all ends."
    )
    metadata: Metadata = {}
    provider_api_key: str | None = Field(
        None,
        repr=False,
        description="Your own key at the provider, instead of the configured one.",
    )
    params: Params = {}
    model: Label | None = Field(
        None, description="Label to learn durations by, if the provider does not say."
    )
    deadline: Deadline | None = Field(
        None,
        description="When to give up, counted from now. Absent: as the provider's page.",
    )
    format: Shape = "standard"
    method: Method = "POST"
    robot: RobotFields = {}
    headers: Headers = {}
    auth: Auth = {}
    signing_secret: Secrets = Field(
        (), repr=False, description="`whsec_…`, one or several, instead of the client's."
    )
    include_raw: bool = Field(
        False, description="Whether events carry the provider's own body as `raw`."
    )


class HookBody(BaseModel):
    """What `POST /hooks` takes."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    url: str = Field(repr=False, description="Where the webhooks go.")
    events: Events = Field(
        (events.TASK_ENDED,),
        description="Which events are sent; `task.ended`: all ends. `task.updated` only of "
        "subscriptions that ask for it themselves.",
    )
    provider: str | None = Field(None, description="Only of this provider. Absent: of all.")
    format: Shape = "standard"
    method: Method = "POST"
    robot: RobotFields = {}
    headers: Headers = {}
    auth: Auth = {}
    signing_secret: Secrets = Field(
        (),
        repr=False,
        description="`whsec_…`, one or several. Absent: one is minted, and in the answer.",
    )


class TrialBody(BaseModel):
    """What `POST /callbacks/test` takes: how a subscription is called, and a `type`."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    callback_url: str | None = Field(
        None, repr=False, description="Where it goes. Absent: the client's default."
    )
    headers: Headers = {}
    auth: Auth = {}
    format: Shape = "standard"
    method: Method = "POST"
    robot: RobotFields = {}
    signing_secret: Secrets = Field(
        (), repr=False, description="`whsec_…`, one or several, instead of the client's."
    )
    type: EventType = Field(DEFAULT_TYPE, description="Which event is sent.")


class HookTrialBody(BaseModel):
    """What `POST /hooks/{id}/test` takes."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    type: EventType | None = Field(
        None,
        description="Which event is sent. Absent: `task.succeeded`, or else one that the "
        "hook is told of.",
    )


CallBody = SubscribeBody | HookBody | TrialBody  # what says how somebody is called
